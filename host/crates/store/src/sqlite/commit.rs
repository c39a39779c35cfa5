//! The one connection that writes, and how it commits. Whoever holds the lock around it may use it: the writer's thread, or a
//! caller who finds nobody else there and whose operation is short.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::FutureExt as _;
use rusqlite::hooks::Wal;

use super::statement::{Connection, Own, OwnOptions, sql};
use super::transaction::CountChanges;
use super::writer::Write;
use crate::StoreError;
use crate::view::View;

/// A transaction that takes longer is not what a caller should do on its own thread.
const SWIFT: Duration = Duration::from_millis(2);
/// At so many pages the write-ahead log is copied to the file: SQLite's own default.
const LOG_PAGES_MAX: i32 = 1_000;

thread_local! {
    /// How many pages the log had after the last commit, where there was one since this was last looked at.
    static LOG_PAGES: Cell<i32> = const { Cell::new(0) };
}

fn note_log(_: &Wal, pages: i32) -> rusqlite::Result<()> {
    LOG_PAGES.set(pages);
    Ok(())
}

/// Microseconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    })
}

/// The result of what calls SQLite here and now, and so has nothing to wait for.
pub(super) fn at_once<T>(
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    work.now_or_never().unwrap_or_else(|| {
        let reason = "an operation waited for something inside its transaction";
        Err(StoreError::Database(sqlx::Error::Protocol(
            reason.to_owned(),
        )))
    })
}

/// How the write-ahead log stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Log {
    /// The next commit begins it anew, and waits for the disk.
    Fresh,
    /// The next commit appends to it, which waits for nothing.
    Begun,
    /// It is long enough to be copied to the file, which waits for the disk.
    Full,
}

/// The connection, and what it last saw.
pub(super) struct Committer {
    options: OwnOptions,
    /// None after it was found broken, until it is opened again, and after the end.
    connection: Option<Own>,
    closed: bool,
    log: Log,
    /// Whether the last transaction was short, as the next one is likely to be.
    swift: bool,
    /// What `PRAGMA data_version` said last. On this connection it changes with commits of others only.
    data_version: i64,
}

impl Committer {
    pub(super) fn open(options: OwnOptions) -> Result<Self, StoreError> {
        let mut new = Self {
            options,
            connection: None,
            closed: false,
            log: Log::Fresh,
            swift: true,
            data_version: 0,
        };
        new.connected()?;
        new.data_version = new.read_data_version()?;
        Ok(new)
    }

    pub(super) fn close(&mut self) {
        self.connection = None;
        self.closed = true;
    }

    /// Gives up the connection, of which nobody knows how it stands.
    pub(super) fn disconnect(&mut self) {
        self.connection = None;
    }

    fn connected(&mut self) -> Result<&mut Own, StoreError> {
        Ok(match &mut self.connection {
            Some(connection) => connection,
            none => {
                let connection = Own::open(&self.options)?;
                connection.on_commit(note_log);
                // A database in memory has no log, and nothing ever to wait for.
                self.log = match self.options.memory {
                    true => Log::Begun,
                    false => Log::Fresh,
                };
                // The versions of one connection say nothing of another's.
                self.data_version = -1;
                none.insert(connection)
            }
        })
    }

    /// One transaction, after which the log may be full. An operation that fails is undone alone, as far as SQLite lets it.
    pub(super) fn commit(&mut self, group: &mut [Box<dyn Write>]) -> Result<(), StoreError> {
        let connection = self.connected()?;
        let began = Instant::now();
        let result = connection
            .run("BEGIN IMMEDIATE")
            .and_then(|()| match group {
                [only] => alone(connection, only),
                many => together(connection, many),
            });
        self.end(result.is_ok(), began);
        result
    }

    /// A transaction of one operation, where that takes no wait: else none, as where another process has the lock.
    pub(super) fn commit_now(
        &mut self,
        write: &mut Box<dyn Write>,
    ) -> Option<Result<(), StoreError>> {
        if self.log != Log::Begun || !self.swift || self.closed {
            return None;
        }
        let wait = self.options.busy_timeout;
        let connection = self.connection.as_mut()?;
        connection.set_busy_timeout(Duration::ZERO).ok()?;
        let begun = connection.run("BEGIN IMMEDIATE");
        let restored = connection.set_busy_timeout(wait);
        if begun.and(restored).is_err() {
            let _ = connection.run("ROLLBACK");
            return None;
        }
        let began = Instant::now();
        let result = alone(connection, write);
        self.end(result.is_ok(), began);
        Some(result)
    }

    /// After a transaction.
    fn end(&mut self, well: bool, began: Instant) {
        self.swift = began.elapsed() < SWIFT;
        if well {
            self.log = match LOG_PAGES.take() {
                // It wrote nothing.
                0 => self.log,
                pages if pages < LOG_PAGES_MAX => Log::Begun,
                _ => Log::Full,
            };
        } else if let Some(connection) = &mut self.connection
            && connection.run("ROLLBACK").is_err()
        {
            // Either SQLite has rolled back already, or the connection is of no use any more. A new
            // one is right in both cases.
            self.connection = None;
        }
    }

    /// Whether the log is to be copied to the file.
    pub(super) fn is_log_full(&self) -> bool {
        self.log == Log::Full
    }

    /// Copies the log to the file, as far as no reader needs it.
    pub(super) fn checkpoint(&mut self) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let mut connection = Connection::Own(connection);
        if let Err(error) = at_once(sql!("checkpoint").fetch_all(&mut connection)) {
            tracing::debug!(%error, "cannot copy the write-ahead log to the file");
        }
        self.log = Log::Fresh;
    }

    /// Whether others have committed since this was last asked.
    pub(super) fn has_news(&mut self) -> Result<bool, StoreError> {
        let version = self.read_data_version()?;
        Ok(std::mem::replace(&mut self.data_version, version) != version)
    }

    fn read_data_version(&mut self) -> Result<i64, StoreError> {
        let Some(connection) = &mut self.connection else {
            return Ok(self.data_version);
        };
        let mut connection = Connection::Own(connection);
        at_once(sql!("data_version").fetch_one(&mut connection))?.int("data_version")
    }
}

/// One write needs no savepoint: its transaction is its own.
fn alone(connection: &mut Own, write: &mut Box<dyn Write>) -> Result<(), StoreError> {
    let end = match write.run(connection, now()) {
        Some(counts) => {
            at_once(counts.write(&mut Connection::Own(connection)))?;
            "COMMIT"
        }
        None => "ROLLBACK",
    };
    connection.run(end)
}

fn together(connection: &mut Own, group: &mut [Box<dyn Write>]) -> Result<(), StoreError> {
    let mut counts = CountChanges::default();
    for write in group {
        connection.run("SAVEPOINT write")?;
        match write.run(connection, now()) {
            Some(changes) => counts.merge(changes),
            // Fails where SQLite has rolled back the whole transaction, as for a full disk: then the
            // whole group fails.
            None => connection.run("ROLLBACK TO write")?,
        }
        connection.run("RELEASE write")?;
    }
    at_once(counts.write(&mut Connection::Own(connection)))?;
    connection.run("COMMIT")
}
