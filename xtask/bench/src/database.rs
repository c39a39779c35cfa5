//! The databases that are measured on: each scenario has its own, so that none finds what another left behind.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use uuid::Uuid;

use crate::consumption;

/// The databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// Fresh files: WAL, synchronous = NORMAL.
    Sqlite,
    /// A throw-away server with fsync on, or HARDSTOP_TEST_DATABASE_URL.
    Postgres,
}

/// Whether Postgres waits for the disk at each commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SyncCommit {
    /// It does.
    On,
    /// It does not: a crash of the machine can take the last commits.
    Off,
}

/// What names the Postgres server.
const URL_VARIABLE: &str = "HARDSTOP_TEST_DATABASE_URL";

/// Where databases are made: in a folder, or on a Postgres server.
pub struct Server {
    pub engine: Engine,
    sync_commit: SyncCommit,
    folder: PathBuf,
    /// Of the database that others are made from; empty for SQLite.
    url: String,
    made: AtomicU32,
}

impl Server {
    /// SQLite's files go into the folder.
    pub fn new(engine: Engine, sync_commit: SyncCommit, folder: &Path) -> Result<Self> {
        if engine == Engine::Sqlite && sync_commit == SyncCommit::Off {
            bail!(
                "--sync-commit off is a setting of Postgres: add --store postgres (SQLite runs with synchronous = NORMAL, \
                 which does not wait for the disk either)"
            );
        }
        let url = match engine {
            Engine::Sqlite => String::new(),
            Engine::Postgres => std::env::var(URL_VARIABLE)
                .context("no Postgres: run this as `cargo xtask bench --store postgres`")?,
        };
        Ok(Self {
            engine,
            sync_commit,
            folder: folder.to_owned(),
            url,
            made: AtomicU32::new(0),
        })
    }

    /// Makes an empty database.
    pub async fn database(&self) -> Result<Database> {
        let name = self.name(self.made.fetch_add(1, Ordering::Relaxed));
        let url = match self.engine {
            Engine::Sqlite => format!(
                "sqlite://{}",
                self.folder.join(format!("{name}.db")).display()
            ),
            Engine::Postgres => {
                let mut server = PgConnection::connect(&self.url).await?;
                run(&mut server, format!("CREATE DATABASE {name}")).await?;
                if self.sync_commit == SyncCommit::Off {
                    let set = format!("ALTER DATABASE {name} SET synchronous_commit = off");
                    run(&mut server, set).await?;
                }
                server.close().await?;
                with_database(&self.url, &name)
            }
        };
        Ok(Database {
            engine: self.engine,
            url,
        })
    }

    /// Removes every database that was made.
    pub async fn clean(&self) -> Result<()> {
        if self.engine == Engine::Sqlite {
            // They are gone with the folder.
            return Ok(());
        }
        let mut server = PgConnection::connect(&self.url).await?;
        for number in 0..self.made.load(Ordering::Relaxed) {
            let name = self.name(number);
            run(
                &mut server,
                format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            )
            .await?;
        }
        Ok(server.close().await?)
    }

    fn name(&self, number: u32) -> String {
        format!("hardstop_bench_{}_{number}", std::process::id())
    }
}

async fn run(connection: &mut PgConnection, statement: String) -> Result<()> {
    let query = sqlx::query(AssertSqlSafe(statement));
    query.execute(connection).await?;
    Ok(())
}

/// The same server, another database.
fn with_database(url: &str, name: &str) -> String {
    let (place, query) = match url.split_once('?') {
        Some((place, query)) => (place, format!("?{query}")),
        None => (url, String::new()),
    };
    let authority = place.find("://").map_or(0, |at| at + 3);
    let end = place[authority..]
        .find('/')
        .map_or(place.len(), |at| authority + at);
    format!("{}/{name}{query}", &place[..end])
}

/// One database.
#[derive(Debug, Clone)]
pub struct Database {
    pub engine: Engine,
    pub url: String,
}

impl Database {
    /// A connection without Hardstop.
    pub async fn connect(&self) -> Result<Raw> {
        Ok(match self.engine {
            Engine::Postgres => Raw::Postgres(PgConnection::connect(&self.url).await?),
            Engine::Sqlite => {
                let connection = rusqlite::Connection::open(self.path())?;
                connection.busy_timeout(std::time::Duration::from_secs(10))?;
                connection.pragma_update(None, "journal_mode", "WAL")?;
                connection.pragma_update(None, "synchronous", "NORMAL")?;
                Raw::Sqlite(connection)
            }
        })
    }

    fn path(&self) -> &str {
        self.url.trim_start_matches("sqlite://")
    }
}

/// A connection to a database.
pub enum Raw {
    Postgres(PgConnection),
    Sqlite(rusqlite::Connection),
}

impl Raw {
    /// Makes the table that [`Raw::insert_row`] writes to.
    pub async fn make_rows(&mut self) -> Result<()> {
        match self {
            Self::Postgres(connection) => {
                let query = sqlx::query(include_str!("postgres/make_rows.sql"));
                query.execute(connection).await?;
            }
            Self::Sqlite(connection) => {
                connection.execute(include_str!("sqlite/make_rows.sql"), [])?;
            }
        }
        Ok(())
    }

    /// Inserts one row and commits it, by a prepared statement.
    pub async fn insert_row(&mut self, payload: &str) -> Result<()> {
        let id = Uuid::now_v7();
        match self {
            Self::Postgres(connection) => {
                let query = sqlx::query(include_str!("postgres/insert_row.sql"));
                query.bind(id).bind(payload).execute(connection).await?;
            }
            Self::Sqlite(connection) => {
                let mut statement =
                    connection.prepare_cached(include_str!("sqlite/insert_row.sql"))?;
                statement.execute((id.as_bytes(), payload))?;
            }
        }
        Ok(())
    }

    /// How many bytes have been logged so far. On Postgres by the whole server, to its write-ahead log. On SQLite what the threads of
    /// its connections have written, to the log and from there to the file.
    pub async fn logged_bytes(&mut self) -> Result<f64> {
        Ok(match self {
            Self::Postgres(connection) => {
                let query = sqlx::query_scalar(include_str!("postgres/log_position.sql"));
                query.fetch_one(connection).await?
            }
            Self::Sqlite(_) => consumption::sqlite_bytes_written(),
        })
    }

    /// What [`Raw::logged_bytes`] for each job is called.
    pub fn logged_name(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "wal_bytes_per_job",
            Self::Sqlite(_) => "written_bytes_per_job",
        }
    }

    /// Begins a transaction that reads, and keeps its snapshot until [`Raw::let_go`]: what changes from now on cannot be cleaned up.
    pub async fn hold(&mut self) -> Result<()> {
        match self {
            Self::Postgres(connection) => {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ";
                sqlx::query(begin).execute(&mut *connection).await?;
                let query = sqlx::query(include_str!("postgres/hold_snapshot.sql"));
                query.fetch_one(connection).await?;
            }
            Self::Sqlite(connection) => {
                connection.execute_batch("BEGIN DEFERRED")?;
                let look = include_str!("sqlite/hold_snapshot.sql");
                connection.query_row(look, [], |row| row.get::<_, i64>(0))?;
            }
        }
        Ok(())
    }

    /// Ends that transaction.
    pub async fn let_go(&mut self) -> Result<()> {
        match self {
            Self::Postgres(connection) => {
                sqlx::query("COMMIT").execute(connection).await?;
            }
            Self::Sqlite(connection) => connection.execute_batch("COMMIT")?,
        }
        Ok(())
    }

    /// Has the server count the statements of connections to this database that are made from now on. False where it does not
    /// offer that, which is the extension `pg_stat_statements`.
    pub async fn count_statements(&mut self) -> Result<bool> {
        let Self::Postgres(connection) = self else {
            return Ok(false);
        };
        let offered = sqlx::query_scalar(include_str!("postgres/statements_offered.sql"));
        if !offered.fetch_one(&mut *connection).await? {
            return Ok(false);
        }
        let extension = "CREATE EXTENSION IF NOT EXISTS pg_stat_statements";
        for statement in [extension, include_str!("postgres/track_statements.sql")] {
            sqlx::query(statement).execute(&mut *connection).await?;
        }
        Ok(true)
    }

    /// Forgets what statements were counted.
    pub async fn forget_statements(&mut self) -> Result<()> {
        if let Self::Postgres(connection) = self {
            let query = sqlx::query(include_str!("postgres/forget_statements.sql"));
            query.execute(connection).await?;
        }
        Ok(())
    }

    /// The statements that were counted since, and how often each was run; the most frequent first.
    pub async fn statements(&mut self) -> Result<Vec<(String, f64)>> {
        Ok(match self {
            Self::Postgres(connection) => {
                let query = sqlx::query_as(include_str!("postgres/statements.sql"));
                query.fetch_all(connection).await?
            }
            Self::Sqlite(_) => Vec::new(),
        })
    }

    /// How many transactions there were in this database; none where nobody counts them.
    pub async fn transactions(&mut self) -> Result<Option<f64>> {
        Ok(match self {
            Self::Postgres(connection) => {
                let query = sqlx::query_scalar(include_str!("postgres/transactions.sql"));
                Some(query.fetch_one(connection).await?)
            }
            Self::Sqlite(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_server_by_another_name() {
        for (url, other) in [
            (
                "postgres://u@h/postgres?host=/tmp",
                "postgres://u@h/b?host=/tmp",
            ),
            ("postgres://u:p@h:5432/db", "postgres://u:p@h:5432/b"),
            ("postgres://h", "postgres://h/b"),
        ] {
            assert_eq!(with_database(url, "b"), other);
        }
    }

    #[tokio::test]
    async fn rows_are_inserted_one_at_a_time() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let server = Server::new(Engine::Sqlite, SyncCommit::On, folder.path())?;
        let mut raw = server.database().await?.connect().await?;
        raw.make_rows().await?;
        for _ in 0..3 {
            raw.insert_row("{}").await?;
        }
        let Raw::Sqlite(connection) = &raw else {
            bail!("another database");
        };
        let rows: u32 = connection.query_row("SELECT count(*) FROM bare", [], |row| row.get(0))?;
        assert_eq!(rows, 3);
        Ok(())
    }

    #[test]
    fn sqlite_has_no_such_setting() {
        let refused = Server::new(Engine::Sqlite, SyncCommit::Off, Path::new("/"));
        let text = refused.err().map(|error| error.to_string());
        assert!(text.is_some_and(|text| text.contains("--store postgres")));
    }
}
