//! The one writer: a task with a mailbox that commits in groups.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use super::migrate;
use super::transaction::{CountChanges, SqliteTransaction, sql};
use crate::error::Interpreter;
use crate::operation::Operation;
use crate::view::View;
use crate::wake::Signals;
use crate::{StoreError, Wake};

/// The most operations that one commit carries.
const GROUP_MAX: usize = 512;
/// How often to look whether another process has committed, while somebody listens.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// What comes into the mailbox.
pub(super) enum Letter {
    /// An operation to commit.
    Write(Box<dyn Write>),
    /// Begin to look for commits of other processes; answered when that has begun.
    Poll(oneshot::Sender<()>),
    /// Migrate over this connection, which alone sees a database in memory.
    Migrate(oneshot::Sender<Result<Vec<String>, StoreError>>),
    /// Check the schema over this connection.
    Check(oneshot::Sender<Result<(), StoreError>>),
    /// Close the connection.
    Stop(oneshot::Sender<()>),
}

/// An operation whose type is forgotten.
pub(super) trait Write: Send {
    /// Whether nobody waits for it any more.
    fn is_abandoned(&self) -> bool;
    /// Runs it and keeps what came of it. What it did to the counters, where it may be committed.
    fn run<'a>(
        &'a mut self,
        connection: &'a mut SqliteConnection,
        now: i64,
    ) -> Pin<Box<dyn Future<Output = Option<CountChanges>> + Send + 'a>>;
    /// Answers; `failure` is that of the transaction around it.
    fn answer(self: Box<Self>, failure: Option<&StoreError>);
}

/// An operation on its way through the mailbox.
pub(super) struct Call<O: Operation> {
    pub(super) operation: O,
    pub(super) result: Option<Result<O::Output, StoreError>>,
    pub(super) reply: oneshot::Sender<Result<O::Output, StoreError>>,
}

impl<O: Operation> Write for Call<O> {
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn run<'a>(
        &'a mut self,
        connection: &'a mut SqliteConnection,
        now: i64,
    ) -> Pin<Box<dyn Future<Output = Option<CountChanges>> + Send + 'a>> {
        Box::pin(async move {
            let mut transaction = SqliteTransaction::new(connection, now);
            let result = self.operation.run(&mut transaction).await;
            let done = self.result.insert(result).is_ok();
            done.then_some(transaction.counts)
        })
    }

    fn answer(self: Box<Self>, failure: Option<&StoreError>) {
        let result = match (self.result, failure) {
            // What failed by itself has its own reason.
            (Some(Err(error)), _) => Err(error),
            (_, Some(failure)) => Err(failure.again()),
            (Some(done), None) => done,
            (None, None) => return,
        };
        // Nobody waits for it any more: what was done stands.
        let _ = self.reply.send(result);
    }
}

/// Microseconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    })
}

/// The task behind the mailbox.
pub(super) struct Writer {
    options: SqliteConnectOptions,
    interpreter: Interpreter,
    signals: Signals,
    /// None after the connection was found broken, until it is opened again.
    connection: Option<SqliteConnection>,
    letters: mpsc::Receiver<Letter>,
    /// What `PRAGMA data_version` said last. On this connection it changes with commits of others only.
    data_version: i64,
    polling: bool,
}

impl Writer {
    pub(super) async fn start(
        options: SqliteConnectOptions,
        interpreter: Interpreter,
        signals: Signals,
    ) -> Result<mpsc::Sender<Letter>, StoreError> {
        let connection = options.connect().await?;
        let (sender, letters) = mpsc::channel(GROUP_MAX);
        let mut writer = Self {
            options,
            interpreter,
            signals,
            connection: Some(connection),
            letters,
            data_version: 0,
            polling: false,
        };
        writer.data_version = writer.read_data_version().await?;
        tokio::spawn(writer.work());
        Ok(sender)
    }

    async fn work(mut self) {
        let mut poll = tokio::time::interval(POLL_INTERVAL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let letter = tokio::select! {
                letter = self.letters.recv() => letter,
                _ = poll.tick(), if self.polling => {
                    self.poll().await;
                    continue;
                }
            };
            let stopped = match letter {
                Some(Letter::Write(first)) => self.gather(first).await,
                Some(Letter::Stop(reply)) => Some(reply),
                Some(other) => {
                    self.do_now(other).await;
                    None
                }
                // Every sender is gone, and so is the store.
                None => break,
            };
            if let Some(reply) = stopped {
                self.letters.close();
                if let Some(connection) = self.connection.take() {
                    let _ = connection.close().await;
                }
                let _ = reply.send(());
                break;
            }
        }
    }

    /// Does what is no write and does not stop.
    async fn do_now(&mut self, letter: Letter) {
        match letter {
            Letter::Poll(reply) => self.begin_polling(reply).await,
            Letter::Migrate(reply) => {
                let result = match self.connected().await {
                    Ok(connection) => migrate::migrate(connection).await,
                    Err(error) => Err(error),
                };
                let _ = reply.send(result.map_err(|error| self.interpreter.read(error)));
            }
            Letter::Check(reply) => {
                let result = match self.connected().await {
                    Ok(connection) => migrate::check(connection).await,
                    Err(error) => Err(error),
                };
                let _ = reply.send(result.map_err(|error| self.interpreter.read(error)));
            }
            Letter::Write(_) | Letter::Stop(_) => {}
        }
    }

    async fn connected(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        Ok(match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.options.connect().await?),
        })
    }

    /// Commits the first write and whatever else is waiting. Returns a stop that came with it.
    async fn gather(&mut self, first: Box<dyn Write>) -> Option<oneshot::Sender<()>> {
        let mut group = vec![first];
        let mut stopped = None;
        while group.len() < GROUP_MAX && stopped.is_none() {
            match self.letters.try_recv() {
                Ok(Letter::Write(write)) => group.push(write),
                Ok(Letter::Stop(reply)) => stopped = Some(reply),
                Ok(other) => self.do_now(other).await,
                Err(_) => break,
            }
        }
        group.retain(|write| !write.is_abandoned());
        if !group.is_empty() {
            let failure = self.commit(&mut group).await.err();
            let failure = failure.map(|error| self.interpreter.read(error));
            for write in group {
                write.answer(failure.as_ref());
            }
        }
        stopped
    }

    /// One transaction. An operation that fails is undone alone, as far as SQLite lets it.
    async fn commit(&mut self, group: &mut [Box<dyn Write>]) -> Result<(), StoreError> {
        let connection = self.connected().await?;
        let result = match group {
            [only] => alone(connection, only).await,
            many => together(connection, many).await,
        };
        if result.is_err()
            && sqlx::query("ROLLBACK")
                .execute(&mut *connection)
                .await
                .is_err()
        {
            // Either SQLite has rolled back already, or the connection is of no use any more. A new
            // one is right in both cases.
            self.connection = None;
        }
        result
    }

    async fn begin_polling(&mut self, reply: oneshot::Sender<()>) {
        // What was committed before the first listener came is for its first look, not for it to hear.
        if !self.polling {
            match self.read_data_version().await {
                Ok(version) => self.data_version = version,
                Err(error) => tracing::debug!(%error, "cannot look for commits of other processes"),
            }
        }
        self.polling = true;
        let _ = reply.send(());
    }

    async fn poll(&mut self) {
        self.polling = self.signals.any();
        match self.read_data_version().await {
            Ok(version) if version == self.data_version => {}
            Ok(version) => {
                self.data_version = version;
                self.signals.raise(Wake::Any);
            }
            Err(error) => tracing::debug!(%error, "cannot look for commits of other processes"),
        }
    }

    async fn read_data_version(&mut self) -> Result<i64, StoreError> {
        let Some(connection) = &mut self.connection else {
            return Ok(self.data_version);
        };
        sql!("data_version")
            .fetch_one(connection)
            .await?
            .int("data_version")
    }
}

/// One write needs no savepoint: its transaction is its own.
async fn alone(
    connection: &mut SqliteConnection,
    write: &mut Box<dyn Write>,
) -> Result<(), StoreError> {
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut *connection)
        .await?;
    let end = match write.run(connection, now()).await {
        Some(counts) => {
            counts.write(connection).await?;
            "COMMIT"
        }
        None => "ROLLBACK",
    };
    sqlx::query(end).execute(&mut *connection).await?;
    Ok(())
}

async fn together(
    connection: &mut SqliteConnection,
    group: &mut [Box<dyn Write>],
) -> Result<(), StoreError> {
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut *connection)
        .await?;
    let mut counts = CountChanges::default();
    for write in group {
        sqlx::query("SAVEPOINT write")
            .execute(&mut *connection)
            .await?;
        match write.run(connection, now()).await {
            Some(changes) => counts.merge(changes),
            // Fails where SQLite has rolled back the whole transaction, as for a full disk: then the
            // whole group fails.
            None => {
                sqlx::query("ROLLBACK TO write")
                    .execute(&mut *connection)
                    .await?;
            }
        }
        sqlx::query("RELEASE write")
            .execute(&mut *connection)
            .await?;
    }
    counts.write(connection).await?;
    sqlx::query("COMMIT").execute(&mut *connection).await?;
    Ok(())
}
