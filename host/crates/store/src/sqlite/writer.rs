//! The one writer: a thread with a mailbox that commits in groups.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::FutureExt as _;
use tokio::sync::oneshot;

use super::statement::{Connection, Own, OwnOptions, sql};
use super::transaction::{CountChanges, SqliteTransaction};
use crate::error::Interpreter;
use crate::operation::Operation;
use crate::view::View;
use crate::wake::Signals;
use crate::{StoreError, Wake};

/// The most operations that one commit carries.
pub(super) const GROUP_MAX: usize = 512;
/// How often to look whether another process has committed, while somebody listens.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// What comes into the mailbox.
pub(super) enum Letter {
    /// An operation to commit.
    Write(Box<dyn Write>),
    /// Begin to look for commits of other processes; answered when that has begun.
    Poll(oneshot::Sender<()>),
    /// Close the connection.
    Stop(oneshot::Sender<()>),
}

/// An operation whose type is forgotten.
pub(super) trait Write: Send {
    /// Whether nobody waits for it any more.
    fn is_abandoned(&self) -> bool;
    /// Runs it and keeps what came of it. What it did to the counters, where it may be committed.
    fn run(&mut self, connection: &mut Own, now: i64) -> Option<CountChanges>;
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

    fn run(&mut self, connection: &mut Own, now: i64) -> Option<CountChanges> {
        let mut transaction = SqliteTransaction::new(Connection::Own(connection), now);
        let result = at_once(self.operation.run(&mut transaction));
        let done = self.result.insert(result).is_ok();
        done.then_some(transaction.counts)
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

/// What the thread behind the mailbox has.
pub(super) struct Writer {
    options: OwnOptions,
    interpreter: Interpreter,
    signals: Signals,
    /// None after the connection was found broken, until it is opened again.
    connection: Option<Own>,
    letters: Receiver<Letter>,
    /// What `PRAGMA data_version` said last. On this connection it changes with commits of others only.
    data_version: i64,
    /// When to look at it next; none while nobody listens.
    poll_at: Option<Instant>,
}

impl Writer {
    pub(super) fn start(
        options: OwnOptions,
        interpreter: Interpreter,
        signals: Signals,
    ) -> Result<Sender<Letter>, StoreError> {
        let connection = Own::open(&options)?;
        let (sender, letters) = mpsc::channel();
        let mut writer = Self {
            options,
            interpreter,
            signals,
            connection: Some(connection),
            letters,
            data_version: 0,
            poll_at: None,
        };
        writer.data_version = writer.read_data_version()?;
        let thread = std::thread::Builder::new().name("sqlite-writer".to_owned());
        thread
            .spawn(move || writer.work())
            .map_err(|error| StoreError::Database(sqlx::Error::Io(error)))?;
        Ok(sender)
    }

    fn work(mut self) {
        while let Some(letter) = self.next() {
            let stopped = match letter {
                Letter::Write(first) => self.gather(first),
                Letter::Stop(reply) => Some(reply),
                Letter::Poll(reply) => {
                    self.begin_polling(reply);
                    None
                }
            };
            if let Some(reply) = stopped {
                drop(self);
                let _ = reply.send(());
                return;
            }
        }
    }

    /// The next letter, while it looks for commits of others. None where every sender is gone, and so is the store.
    fn next(&mut self) -> Option<Letter> {
        loop {
            let Some(poll_at) = self.poll_at else {
                return self.letters.recv().ok();
            };
            // A mailbox that is never empty must not keep it from looking.
            let pause = poll_at.saturating_duration_since(Instant::now());
            if !pause.is_zero() {
                match self.letters.recv_timeout(pause) {
                    Ok(letter) => return Some(letter),
                    Err(RecvTimeoutError::Disconnected) => return None,
                    Err(RecvTimeoutError::Timeout) => {}
                }
            }
            self.poll();
        }
    }

    fn connected(&mut self) -> Result<&mut Own, StoreError> {
        Ok(match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(Own::open(&self.options)?),
        })
    }

    /// Commits the first write and whatever else is waiting. Returns a stop that came with it.
    fn gather(&mut self, first: Box<dyn Write>) -> Option<oneshot::Sender<()>> {
        let mut group = vec![first];
        let mut stopped = None;
        while group.len() < GROUP_MAX && stopped.is_none() {
            match self.letters.try_recv() {
                Ok(Letter::Write(write)) => group.push(write),
                Ok(Letter::Stop(reply)) => stopped = Some(reply),
                Ok(Letter::Poll(reply)) => self.begin_polling(reply),
                Err(_) => break,
            }
        }
        group.retain(|write| !write.is_abandoned());
        if !group.is_empty() {
            let failure = self.commit(&mut group).err();
            let failure = failure.map(|error| self.interpreter.read(error));
            for write in group {
                write.answer(failure.as_ref());
            }
        }
        stopped
    }

    /// One transaction. An operation that fails is undone alone, as far as SQLite lets it.
    fn commit(&mut self, group: &mut [Box<dyn Write>]) -> Result<(), StoreError> {
        let connection = self.connected()?;
        let result = match group {
            [only] => alone(connection, only),
            many => together(connection, many),
        };
        if result.is_err() && connection.run("ROLLBACK").is_err() {
            // Either SQLite has rolled back already, or the connection is of no use any more. A new
            // one is right in both cases.
            self.connection = None;
        }
        result
    }

    fn begin_polling(&mut self, reply: oneshot::Sender<()>) {
        // What was committed before the first listener came is for its first look, not for it to hear.
        if self.poll_at.is_none() {
            match self.read_data_version() {
                Ok(version) => self.data_version = version,
                Err(error) => tracing::debug!(%error, "cannot look for commits of other processes"),
            }
        }
        self.poll_at = Some(Instant::now() + POLL_INTERVAL);
        let _ = reply.send(());
    }

    fn poll(&mut self) {
        self.poll_at = self.signals.any().then(|| Instant::now() + POLL_INTERVAL);
        match self.read_data_version() {
            Ok(version) if version == self.data_version => {}
            Ok(version) => {
                self.data_version = version;
                self.signals.raise(Wake::Any);
            }
            Err(error) => tracing::debug!(%error, "cannot look for commits of other processes"),
        }
    }

    fn read_data_version(&mut self) -> Result<i64, StoreError> {
        let Some(connection) = &mut self.connection else {
            return Ok(self.data_version);
        };
        let mut connection = Connection::Own(connection);
        at_once(sql!("data_version").fetch_one(&mut connection))?.int("data_version")
    }
}

/// The result of what calls SQLite here and now, and so has nothing to wait for.
fn at_once<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    work.now_or_never().unwrap_or_else(|| {
        let reason = "an operation waited for something inside its transaction";
        Err(StoreError::Database(sqlx::Error::Protocol(
            reason.to_owned(),
        )))
    })
}

/// One write needs no savepoint: its transaction is its own.
fn alone(connection: &mut Own, write: &mut Box<dyn Write>) -> Result<(), StoreError> {
    connection.run("BEGIN IMMEDIATE")?;
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
    connection.run("BEGIN IMMEDIATE")?;
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
