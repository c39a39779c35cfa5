//! Starting chains inside a transaction of the caller's.

use hardstop_domain::NewChain;
use sqlx::PgConnection;

use super::cursor::Cursor;
use super::schema::{self, Schema};
use super::transaction::{PgTransaction, sql};
use crate::operation::own_transaction::start;
use crate::{Started, StoreError, Wake};

/// Starts chains inside the caller's transaction: they exist when it commits, and never did when it is rolled
/// back. Answers in the order of the chains, as [`Store::enqueue`](crate::Store::enqueue) does, whose rules
/// hold here too.
///
/// Workers are told by a notification that Postgres sends at the commit. The schema `hardstop` must be in the
/// connection's database, or the one that [`start_chains_in`] is given; the user needs to read and write its
/// tables.
/// The connection must be inside a transaction, at the isolation level READ COMMITTED. Where this fails, what it
/// did is undone and the transaction goes on. Each call costs a savepoint, so many chains go in one call
/// rather than each in its own.
///
/// Nobody compares the inputs with the types' schemas here: the worker does before it runs a job, and a
/// mismatch discards the job.
pub async fn start_chains(
    connection: &mut PgConnection,
    chains: &[NewChain],
) -> Result<Vec<Started>, StoreError> {
    start_chains_in(connection, schema::DEFAULT, chains).await
}

/// As [`start_chains`], in a schema of that name.
pub async fn start_chains_in(
    connection: &mut PgConnection,
    schema: &str,
    chains: &[NewChain],
) -> Result<Vec<Started>, StoreError> {
    let schema = Schema::new(schema).map_err(StoreError::Invalid)?;
    // Outside a transaction Postgres refuses it, as it should be.
    sqlx::query("SAVEPOINT hardstop_start")
        .execute(&mut *connection)
        .await?;
    let cursor = Cursor::default();
    let mut statements = PgTransaction(connection, &schema, &cursor);
    match start(&mut statements, chains).await {
        Ok(created) => {
            if created.aftermath.ready {
                sql!(schema, "notify")
                    .bind(vec![Wake::Ready.word()])
                    .execute(&mut *connection)
                    .await?;
            }
            sqlx::query("RELEASE SAVEPOINT hardstop_start")
                .execute(&mut *connection)
                .await?;
            Ok(created.started)
        }
        Err(error) => {
            sqlx::query("ROLLBACK TO SAVEPOINT hardstop_start")
                .execute(&mut *connection)
                .await?;
            Err(error)
        }
    }
}
