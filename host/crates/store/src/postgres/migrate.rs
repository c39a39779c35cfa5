//! Migrations on Postgres.

use sqlx::migrate::{Migrate, Migrator};
use sqlx::{Connection, PgConnection};

use super::transaction::sql;
use crate::StoreError;
use crate::migration::{self, Applied};
use crate::view::{View, all};

/// Apart from any table of an application's own migrations in the same database.
const TABLE: &str = "hardstop.migration";

fn migrator() -> Migrator {
    let mut migrator = migration::migrator(migration::migrations!("postgres"), TABLE);
    migrator.create_schema("hardstop");
    migrator
}

/// Applies what is missing, on a connection with long timeouts. The lock is taken around the look
/// before as well, so that the names returned are of those that were applied here.
pub(super) async fn migrate(mut connection: PgConnection) -> Result<Vec<String>, StoreError> {
    let migrator = migrator();
    connection.lock().await.map_err(migration::failed)?;
    if is_migrated(&mut connection).await? {
        match check(&mut connection).await {
            Ok(()) | Err(StoreError::SchemaBehind { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let before = applied(&mut connection).await?;
    let before: Vec<i64> = before.iter().map(Applied::version).collect();
    migrator
        .run_direct(None, &mut connection, false)
        .await
        .map_err(migration::failed)?;
    connection.unlock().await.map_err(migration::failed)?;
    connection.close().await?;
    Ok(migration::applied_since(&migrator, &before))
}

/// Fails where the schema is not this host's.
pub(super) async fn check(connection: &mut PgConnection) -> Result<(), StoreError> {
    migration::check(&migrator(), &applied(connection).await?)
}

async fn applied(connection: &mut PgConnection) -> Result<Vec<Applied>, StoreError> {
    if !is_migrated(connection).await? {
        return Ok(Vec::new());
    }
    let rows = sql!("migrations").fetch_all(connection).await?;
    all(&rows, migration::applied)
}

async fn is_migrated(connection: &mut PgConnection) -> Result<bool, StoreError> {
    sql!("migrated")
        .fetch_one(connection)
        .await?
        .flag("migrated")
}
