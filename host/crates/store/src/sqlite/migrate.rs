//! Migrations on SQLite.

use sqlx::migrate::{Migrate, Migrator};
use sqlx::{Connection as _, SqliteConnection};

use super::statement::{Connection, sql};
use crate::StoreError;
use crate::migration::{self, Applied};
use crate::view::{View, all};

const TABLE: &str = "hardstop_migration";

fn migrator() -> Migrator {
    migration::migrator(migration::migrations!("sqlite"), TABLE, str::to_owned)
}

/// Applies what is missing, all in one immediate transaction: of two processes that begin at once, the
/// second waits and finds nothing to do.
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<Vec<String>, StoreError> {
    let migrator = migrator();
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    transaction
        .ensure_migrations_table(TABLE)
        .await
        .map_err(migration::failed)?;
    let before = applied(&mut transaction).await?;
    match migration::check(&migrator, &before) {
        Ok(()) | Err(StoreError::SchemaBehind { .. }) => {}
        Err(error) => return Err(error),
    }
    let before: Vec<i64> = before.iter().map(Applied::version).collect();
    migrator
        .run_direct(None, &mut *transaction, false)
        .await
        .map_err(migration::failed)?;
    transaction.commit().await?;
    Ok(migration::applied_since(&migrator, &before))
}

/// Fails where the schema is not this host's.
pub(super) async fn check(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let migrated = sql!("migrated")
        .fetch_one(&mut Connection::Driver(connection))
        .await?;
    let applied = match migrated.flag("migrated")? {
        true => applied(connection).await?,
        false => Vec::new(),
    };
    migration::check(&migrator(), &applied)
}

/// Whether the file holds no table at all.
pub(super) async fn is_empty(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    sql!("empty")
        .fetch_one(&mut Connection::Driver(connection))
        .await?
        .flag("empty")
}

async fn applied(connection: &mut SqliteConnection) -> Result<Vec<Applied>, StoreError> {
    let rows = sql!("migrations")
        .fetch_all(&mut Connection::Driver(connection))
        .await?;
    all(&rows, migration::applied)
}
