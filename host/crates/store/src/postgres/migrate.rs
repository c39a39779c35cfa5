//! Migrations on Postgres.

use sqlx::migrate::{Migrate, Migrator};
use sqlx::{Connection, PgConnection};

use super::schema::Schema;
use super::transaction::sql;
use crate::StoreError;
use crate::migration::{self, Applied};
use crate::view::{View, all};

/// The record lies apart from any table of an application's own migrations in the same database.
fn migrator(schema: &Schema) -> Migrator {
    let table = format!("{}.migration", schema.name());
    let files = migration::migrations!("postgres");
    let mut migrator = migration::migrator(files, table, |sql| schema.apply(sql));
    migrator.create_schema(schema.name().to_owned());
    migrator
}

/// Applies what is missing, on a connection with long timeouts. The lock is taken around the look
/// before as well, so that the names returned are of those that were applied here.
pub(super) async fn migrate(
    mut connection: PgConnection,
    schema: &Schema,
) -> Result<Vec<String>, StoreError> {
    let migrator = migrator(schema);
    connection.lock().await.map_err(migration::failed)?;
    if is_migrated(&mut connection, schema).await? {
        match check(&mut connection, schema).await {
            Ok(()) | Err(StoreError::SchemaBehind { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let before = applied(&mut connection, schema).await?;
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
pub(super) async fn check(
    connection: &mut PgConnection,
    schema: &Schema,
) -> Result<(), StoreError> {
    migration::check(&migrator(schema), &applied(connection, schema).await?)
}

async fn applied(
    connection: &mut PgConnection,
    schema: &Schema,
) -> Result<Vec<Applied>, StoreError> {
    if !is_migrated(connection, schema).await? {
        return Ok(Vec::new());
    }
    let rows = sql!(schema, "migrations").fetch_all(connection).await?;
    all(&rows, migration::applied)
}

async fn is_migrated(connection: &mut PgConnection, schema: &Schema) -> Result<bool, StoreError> {
    sql!(schema, "migrated")
        .fetch_one(connection)
        .await?
        .flag("migrated")
}
