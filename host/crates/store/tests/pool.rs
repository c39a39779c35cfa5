//! Postgres databases that are used again, one test after the other: to make one and to migrate it takes longer
//! than most tests.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use hardstop_store::connect;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::fixture::{SCHEMA, Setting, administer, server_url, with_database};

/// A database of one test at a time.
pub struct Lent {
    name: String,
    schema: &'static str,
    /// What it consisted of when it was new.
    shape: String,
}

/// Those that no test uses, the one that was used last at the back.
static FREE: Mutex<VecDeque<Lent>> = Mutex::new(VecDeque::new());

/// How many stay free. What a test leaves behind, such as a store that was not closed, ends with its runtime, which
/// is after the test has given its database back.
const RESTING: usize = 4;

/// More than this has grown: the next test would find the dead rows of this one in its way.
const BYTES_MAX: i64 = 12 << 20;

impl Lent {
    /// One that is migrated and empty.
    pub async fn take(setting: Setting) -> Self {
        let schema = match setting {
            Setting::PostgresSchema => SCHEMA,
            _ => "hardstop",
        };
        while let Some(used) = next(schema) {
            if used.clean().await {
                return used;
            }
            used.discard().await;
        }
        let mut new = Self {
            name: create().await,
            schema,
            shape: String::new(),
        };
        let store = connect(&new.url(), &setting.options()).await.unwrap();
        store.migrate().await.unwrap();
        store.close().await;
        let mut connection = PgConnection::connect(&new.url()).await.unwrap();
        new.shape = new.look(&mut connection).await.0;
        connection.close().await.unwrap();
        new
    }

    pub fn url(&self) -> String {
        with_database(&server_url(), &self.name)
    }

    /// After a test that went well.
    pub fn give_back(self) {
        FREE.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(self);
    }

    pub async fn discard(self) {
        drop_database(&self.name).await;
    }

    /// Makes it as it was. False where that takes more than to empty its tables: a test has altered it, or filled it.
    async fn clean(&self) -> bool {
        // A test may have left it read-only.
        let Ok(mut connection) = PgConnection::connect(&self.url()).await else {
            return false;
        };
        let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                      WHERE datname = current_database() AND pid <> pg_backend_pid()";
        connection.execute(others).await.unwrap();
        let (shape, bytes) = self.look(&mut connection).await;
        let same = shape == self.shape && bytes <= BYTES_MAX;
        if same {
            // A table refers to older ones. What is deleted is counted.
            let empty = format!(
                "DO $$ DECLARE item record; BEGIN \
                 FOR item IN SELECT oid::regclass AS name FROM pg_class \
                     WHERE relnamespace = '{schema}'::regnamespace AND relkind = 'r' AND relname <> 'migration' \
                     ORDER BY oid DESC \
                 LOOP EXECUTE 'DELETE FROM ' || item.name; END LOOP; \
                 DELETE FROM {schema}.job_count; \
                 PERFORM setval(seqrelid, seqstart, false) FROM pg_sequence; \
                 END $$",
                schema = self.schema
            );
            connection.execute(AssertSqlSafe(empty)).await.unwrap();
        }
        connection.close().await.unwrap();
        same
    }

    /// All that there is in the database but rows: relations, functions, settings; and the migrations on record. And how
    /// many bytes it has.
    async fn look(&self, connection: &mut PgConnection) -> (String, i64) {
        let look = format!(
            "SELECT string_agg(thing, ' ' ORDER BY thing), pg_database_size(current_database()) FROM ( \
                 SELECT 'class ' || relnamespace::regnamespace || '.' || relname AS thing FROM pg_class \
                 WHERE relnamespace NOT IN ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace, \
                                            'information_schema'::regnamespace) \
                 UNION ALL SELECT 'function ' || oid FROM pg_proc \
                 WHERE pronamespace = '{schema}'::regnamespace \
                 UNION ALL SELECT 'setting ' || array_to_string(setconfig, ',') FROM pg_db_role_setting s \
                 JOIN pg_database d ON d.oid = s.setdatabase WHERE d.datname = current_database() \
                 UNION ALL SELECT 'migration ' || m::text FROM {schema}.migration m \
             ) all_things",
            schema = self.schema
        );
        let row = connection.fetch_one(AssertSqlSafe(look)).await.unwrap();
        (row.get(0), row.get(1))
    }
}

/// The database that has rested longest.
fn next(schema: &str) -> Option<Lent> {
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    let of_schema = |lent: &Lent| lent.schema == schema;
    if free.iter().filter(|lent| of_schema(lent)).count() <= RESTING {
        return None;
    }
    let at = free.iter().position(of_schema)?;
    free.remove(at)
}

/// Makes a database for this process. Nothing tells when its last test has ended, so what is free then stays on a
/// server that does, and the next process to come drops it: a lock says whose owner lives.
pub async fn create() -> String {
    static PREFIX: OnceCell<String> = OnceCell::const_new();
    let prefix = PREFIX.get_or_init(async || {
        let mut connection = PgConnection::connect(&server_url()).await.unwrap();
        let owner = Uuid::now_v7().simple();
        let lock = format!("SELECT pg_advisory_lock(hashtext('{owner}'))");
        connection.execute(AssertSqlSafe(lock)).await.unwrap();
        let left = "SELECT datname FROM pg_database WHERE datname ~ '^hardstop_test_[0-9a-f]{32}_' \
                    AND pg_try_advisory_lock(hashtext(split_part(datname, '_', 3)))";
        for row in connection.fetch_all(left).await.unwrap() {
            drop_database(row.get(0)).await;
        }
        // Open, and with it the lock, for as long as the process lives.
        std::mem::forget(connection);
        format!("hardstop_test_{owner}_")
    });
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("{}{number}", prefix.await);
    administer(&format!("CREATE DATABASE {name}")).await;
    name
}

pub async fn drop_database(name: &str) {
    administer(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
}
