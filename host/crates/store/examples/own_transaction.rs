//! Writes an order and starts the chain that sends its invoice, both or neither.
//!
//! ```text
//! cargo run -p hardstop-store --example own_transaction -- postgres://localhost/app send-invoice
//! cargo run -p hardstop-store --example own_transaction -- sqlite://app.db send-invoice
//! ```
//!
//! The database is migrated and the type deployed already.

use std::error::Error;

use hardstop_domain::{ChainId, JobId, NewChain, NewJob};
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use uuid::Uuid;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS orders (id uuid PRIMARY KEY, total int NOT NULL)";
const ORDER: &str = "INSERT INTO orders (id, total) VALUES ($1, $2)";

/// An order of this total must be positive to be accepted. Returns the chain that was started for it.
pub async fn order(url: &str, type_name: &str, total: i32) -> Result<ChainId, Box<dyn Error>> {
    let id = Uuid::now_v7();
    let input = format!("{{\"order\": \"{id}\"}}");
    let first = NewJob::new(JobId(Uuid::now_v7()), type_name.parse()?, input);
    let chains = [NewChain::new(first)];
    // The same twice, because a transaction of sqlx is of one database.
    let started = if url.starts_with("sqlite:") {
        let mut connection = SqliteConnection::connect(url).await?;
        connection.execute(TABLE).await?;
        let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query(ORDER)
            .bind(id)
            .bind(total)
            .execute(&mut *tx)
            .await?;
        let started = hardstop_store::sqlite::start_chains(&mut tx, &chains).await?;
        accept(total)?;
        tx.commit().await?;
        started
    } else {
        let mut connection = PgConnection::connect(url).await?;
        connection.execute(TABLE).await?;
        let mut tx = connection.begin().await?;
        sqlx::query(ORDER)
            .bind(id)
            .bind(total)
            .execute(&mut *tx)
            .await?;
        let started = hardstop_store::postgres::start_chains(&mut tx, &chains).await?;
        accept(total)?;
        tx.commit().await?;
        started
    };
    Ok(started[0].chain_id)
}

/// Whatever fails after the start takes the start with it.
fn accept(total: i32) -> Result<(), String> {
    match total > 0 {
        true => Ok(()),
        false => Err(format!("an order of {total} is not accepted")),
    }
}

#[tokio::main]
#[allow(dead_code, reason = "a test includes this file and calls `order`")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(url), Some(type_name)) = (args.next(), args.next()) else {
        return Err("give a database URL and the name of a type".into());
    };
    println!("{}", order(&url, &type_name, 99).await?);
    Ok(())
}
