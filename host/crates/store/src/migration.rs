//! What a database's migrations say about its schema.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr as _};

use crate::StoreError;
use crate::view::View;

/// How long a migration may take, and the wait for another host that migrates.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(600);

/// The migrations of one database: every name once, so that both have the same. A test compares the list
/// with the directories.
macro_rules! migrations {
    ($database:literal) => {
        crate::migration::migrations!(
            $database,
            "20261121000000_jobs",
            "20261121120000_job_model",
            "20261121130000_retention",
            "20261121140000_start_chain",
            "20261121170000_usage_detail",
            "20261121180000_limits",
            "20261121181000_file",
            "20261121190000_deployments",
            "20261121200000_tokens",
            "20261121201000_audit",
            "20261121210000_numbers",
            "20261121220000_pages",
            "20261121225000_running",
            "20261121230000_subscriptions",
            "20261122000000_pages_by_type",
            "20261122010000_listeners",
            "20261122020000_chains_by_state",
            "20261122030000_live_chain",
            "20261122040000_dead_chains",
            "20261122050000_plain_checks",
            "20261122060000_running_by_lease"
        )
    };
    ($database:literal, $($name:literal),+) => {
        [$((
            $name,
            include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../../migrations/",
                $database,
                "/",
                $name,
                ".sql"
            )),
        )),+]
    };
}
pub(crate) use migrations;

/// Migrations that keep their record in `table`, their text adapted to the database.
pub(crate) fn migrator<const N: usize>(
    files: [(&'static str, &'static str); N],
    table: impl Into<Cow<'static, str>>,
    adapt: impl Fn(&str) -> String,
) -> Migrator {
    let migrations = files
        .into_iter()
        .filter_map(|(name, sql)| {
            let (version, slug) = name.split_once('_')?;
            let version = version.parse().ok()?;
            let slug = slug.replace('_', " ").into();
            let sql = AssertSqlSafe(adapt(sql)).into_sql_str();
            Some(Migration::new(
                version,
                slug,
                MigrationType::Simple,
                sql,
                false,
            ))
        })
        .collect();
    let mut migrator = Migrator::with_migrations(migrations);
    migrator.dangerous_set_table_name(table);
    migrator
}

/// A migration that a database has.
pub(crate) struct Applied {
    version: i64,
    description: String,
    checksum: Vec<u8>,
}

impl Applied {
    pub(crate) fn version(&self) -> i64 {
        self.version
    }
}

pub(crate) fn applied(row: &impl View) -> Result<Applied, StoreError> {
    Ok(Applied {
        version: row.int("version")?,
        description: row.text("description")?,
        checksum: row.bytes("checksum")?,
    })
}

/// Fails where the migrations that a database has are not this host's.
pub(crate) fn check(migrator: &Migrator, applied: &[Applied]) -> Result<(), StoreError> {
    let known: BTreeMap<i64, &Migration> = migrator.iter().map(|m| (m.version, m)).collect();
    let last_known = migrator.iter().last().map_or_else(nothing, name_of);
    let found = applied.last();
    if found.is_some_and(|found| !known.contains_key(&found.version)) {
        return Err(StoreError::SchemaAhead {
            found: found.map_or_else(nothing, |m| name(m.version, &m.description)),
            known: last_known,
        });
    }
    if applied.len() < known.len() {
        return Err(StoreError::SchemaBehind {
            found: found.map_or_else(nothing, |m| name(m.version, &m.description)),
            needed: last_known,
        });
    }
    for migration in applied {
        match known.get(&migration.version) {
            Some(ours) if *ours.checksum == *migration.checksum => {}
            _ => {
                return Err(StoreError::Migration(format!(
                    "{} in the database is not the one that this host was built with",
                    name(migration.version, &migration.description)
                )));
            }
        }
    }
    Ok(())
}

/// The names of those that were applied between two looks.
pub(crate) fn applied_since(migrator: &Migrator, before: &[i64]) -> Vec<String> {
    migrator
        .iter()
        .filter(|migration| !before.contains(&migration.version))
        .map(name_of)
        .collect()
}

/// The error of a migration that failed; a schema that is ahead keeps its own.
pub(crate) fn failed(error: sqlx::migrate::MigrateError) -> StoreError {
    match error {
        sqlx::migrate::MigrateError::Execute(error) => StoreError::Database(error),
        other => StoreError::Migration(other.to_string()),
    }
}

fn name_of(migration: &Migration) -> String {
    name(migration.version, &migration.description)
}

/// As the file is named.
fn name(version: i64, description: &str) -> String {
    format!("{version}_{}", description.replace(' ', "_"))
}

fn nothing() -> String {
    "nothing".to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn in_directory(database: &str) -> BTreeSet<String> {
        let root = env!("CARGO_MANIFEST_DIR");
        std::fs::read_dir(format!("{root}/../../../migrations/{database}"))
            .expect("the directory is there")
            .map(|entry| entry.expect("is readable").file_name())
            .filter_map(|file| file.to_str()?.strip_suffix(".sql").map(str::to_owned))
            .collect()
    }

    #[test]
    fn every_migration_is_built_in_for_both_databases() {
        let postgres = migrator(migrations!("postgres"), "table", str::to_owned);
        let sqlite = migrator(migrations!("sqlite"), "table", str::to_owned);
        for (database, migrator) in [("postgres", postgres), ("sqlite", sqlite)] {
            let built_in: BTreeSet<String> = migrator.iter().map(name_of).collect();
            assert_eq!(built_in, in_directory(database), "{database}");
        }
    }
}
