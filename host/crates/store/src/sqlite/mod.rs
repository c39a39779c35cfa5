//! The store on SQLite: one writer that commits in groups, and a pool of readers.

mod commit;
mod failure;
mod migrate;
mod own_transaction;
mod statement;
mod transaction;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tokio::sync::{Semaphore, oneshot};

pub use own_transaction::start_chains;

use crate::connect::bad_url;
use crate::error::Interpreter;
use crate::migration;
use crate::operation::{Access, Operation};
use crate::store::Backend;
use crate::wake::{Signal, SignalListener, Signals};
use crate::{ConnectOptions, Listener, Retention, StoreError, Wake};
pub(crate) use failure::SqliteFailure;
use statement::{Connection, OwnOptions};
use transaction::SqliteTransaction;
use writer::{Call, GROUP_MAX, Letter, Write, Writer};

/// Beside the wait for the lock of another process: for the work itself and for what is before it in the
/// mailbox.
const GRACE: Duration = Duration::from_secs(2);

/// The path that stands for a database in memory. A name may follow, by which another store of this process
/// opens the same one.
const MEMORY: &str = ":memory:";

/// A SQLite file.
pub(crate) struct Sqlite {
    options: SqliteConnectOptions,
    interpreter: Interpreter,
    writer: Writer,
    /// Bounds what is in the mailbox.
    places: Semaphore,
    /// None for a database in memory, whose locks are for all of it: the writer reads, too.
    readers: Option<SqlitePool>,
    signals: Signals,
}

impl Sqlite {
    pub(crate) async fn open(path: &str, options: &ConnectOptions) -> Result<Self, StoreError> {
        let url = format!("sqlite://{path}");
        let memory = path.starts_with(MEMORY);
        let path = match path.strip_prefix(MEMORY) {
            Some("") => PathBuf::from(format!("/hardstop-{}", uuid::Uuid::now_v7())),
            Some(name) => PathBuf::from(format!("/hardstop-{name}")),
            None => file(&url, path)?,
        };
        let timeout = options.statement_timeout;
        let interpreter = Interpreter {
            database: path.display().to_string(),
            timeout,
        };
        if !memory && !options.create && !path.exists() {
            return Err(interpreter.unreachable("the file does not exist"));
        }
        let base = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(options.create)
            .busy_timeout(timeout)
            .foreign_keys(true)
            .pragma("temp_store", "MEMORY")
            .disable_statement_logging();
        let writing = base
            .clone()
            // Only has an effect on a file that is being created.
            .auto_vacuum(SqliteAutoVacuum::Incremental)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal);
        // SQLite's own file system in memory: connections of one process that name the same file share it.
        let writing = match memory {
            true => writing
                .vfs("memdb")
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Memory),
            false => writing,
        };
        let reading = base.create_if_missing(false).pragma("query_only", "1");

        if !memory {
            let prepare = Self::prepare(&writing, options.create);
            interpreter.within(timeout + GRACE, prepare).await?;
        }
        let signals = Signals::default();
        let own = OwnOptions {
            path,
            busy_timeout: timeout,
            memory,
        };
        let writer = Writer::start(own, interpreter.clone(), signals.clone())
            .map_err(|error| interpreter.read(error))?;
        let readers = SqlitePoolOptions::new()
            .max_connections(options.connections.max(1))
            .acquire_timeout(timeout)
            .test_before_acquire(false);
        let readers = (!memory).then(|| readers.connect_lazy_with(reading));
        Ok(Self {
            options: writing,
            interpreter,
            writer,
            places: Semaphore::new(GROUP_MAX),
            readers,
            signals,
        })
    }

    /// Makes the file a database, and migrates one that holds nothing yet: it was created just now, by
    /// this process or by another that is not further.
    async fn prepare(options: &SqliteConnectOptions, create: bool) -> Result<(), StoreError> {
        let mut connection = connect(options).await?;
        if create && migrate::is_empty(&mut connection).await? {
            migrate::migrate(&mut connection).await?;
        }
        connection.close().await?;
        Ok(())
    }

    async fn write<O: Operation>(
        &self,
        operation: O,
        is_short: bool,
    ) -> Result<O::Output, StoreError> {
        let _place = self.places.acquire().await;
        let (reply, answer) = oneshot::channel();
        let mut write: Box<dyn Write> = Box::new(Call {
            operation,
            result: None,
            reply,
        });
        if is_short {
            // Whoever is about to write, too, says so meanwhile: then all of it is one commit of the thread's.
            tokio::task::yield_now().await;
            if self.places.available_permits() == GROUP_MAX - 1 {
                write = match self.writer.write_now(write) {
                    Ok(()) => return answer.await.map_err(|_| self.closed())?,
                    Err(write) => write,
                };
            }
        }
        self.send(Letter::Write(write))?;
        answer.await.map_err(|_| self.closed())?
    }

    fn closed(&self) -> StoreError {
        self.interpreter.unreachable("the store is closed")
    }

    fn send(&self, letter: Letter) -> Result<(), StoreError> {
        match self.writer.send(letter) {
            true => Ok(()),
            false => Err(self.closed()),
        }
    }

    /// Has the writer's thread do something.
    async fn on_writer(
        &self,
        letter: impl FnOnce(oneshot::Sender<()>) -> Letter,
    ) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(letter(reply))?;
        answer.await.map_err(|_| self.closed())
    }

    async fn read<O: Operation>(&self, operation: O) -> Result<O::Output, StoreError> {
        let Some(readers) = &self.readers else {
            return self.write(operation, false).await;
        };
        let mut connection = readers.acquire().await?;
        let mut transaction =
            SqliteTransaction::new(Connection::Driver(&mut connection), commit::now());
        operation.run(&mut transaction).await
    }

    async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let timeout = self.interpreter.timeout + GRACE;
        self.interpreter.within(timeout, work).await
    }
}

/// A connection of its own. Two processes that turn one new file into a WAL database at once may be
/// told that it is locked without a wait, so this waits.
async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection, StoreError> {
    const BUSY: &str = "5";
    loop {
        match options.connect().await {
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(BUSY) => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            result => return Ok(result?),
        }
    }
}

/// The path that the URL names.
fn file(url: &str, path: &str) -> Result<PathBuf, StoreError> {
    if path.is_empty() {
        return Err(bad_url(
            url,
            "expected a path, such as sqlite://hardstop.db",
        ));
    }
    if path.contains('?') {
        return Err(bad_url(url, "a SQLite URL takes no parameters"));
    }
    Ok(Path::new(path).to_path_buf())
}

impl Backend for Sqlite {
    async fn run<O: Operation>(&self, operation: O) -> Result<O::Output, StoreError> {
        self.within(async {
            let mode = operation.mode();
            match mode.access {
                Access::Read | Access::List => self.read(operation).await,
                // Leases are as durable as the rest: the transaction is shared.
                Access::Write | Access::Lease => self.write(operation, mode.short).await,
            }
        })
        .await
    }

    fn describe(&self, version: &str) -> String {
        format!("SQLite {version}, {}", self.interpreter.database)
    }

    async fn migrate(&self) -> Result<Vec<String>, StoreError> {
        let migrate = async { migrate::migrate(&mut connect(&self.options).await?).await };
        self.interpreter.within(migration::TIMEOUT, migrate).await
    }

    async fn check_schema(&self) -> Result<(), StoreError> {
        self.within(async { migrate::check(&mut connect(&self.options).await?).await })
            .await
    }

    async fn maintain(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn drop_day(&self, _: &Retention) -> Result<u32, StoreError> {
        Ok(0)
    }

    fn wake(&self, kind: Wake) {
        // Other processes see that the file has changed.
        self.signals.raise(kind);
    }

    async fn listen(&self) -> Result<Box<dyn Listener>, StoreError> {
        let signal = Arc::new(Signal::default());
        self.signals.add(&signal);
        self.within(self.on_writer(Letter::Poll)).await?;
        Ok(Box::new(SignalListener::new(signal, None)))
    }

    async fn close(&self) {
        let _ = self.on_writer(Letter::Stop).await;
        if let Some(readers) = &self.readers {
            readers.close().await;
        }
    }
}
