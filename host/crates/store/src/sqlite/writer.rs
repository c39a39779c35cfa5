//! The writer: a thread with a mailbox that commits in groups, and the way past it for a caller who comes alone.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::commit::{Committer, at_once};
use super::statement::{Connection, Own, OwnOptions};
use super::transaction::{CountChanges, SqliteTransaction};
use crate::error::Interpreter;
use crate::operation::Operation;
use crate::wake::Signals;
use crate::{StoreError, Wake};

/// The most operations that one commit carries.
pub(super) const GROUP_MAX: usize = 512;
/// How often to look whether another process has committed, while somebody listens.
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// The same after no other has for so long: each look wakes a core.
const QUIET_POLL_INTERVAL: Duration = Duration::from_millis(20);
const QUIET_AFTER: Duration = Duration::from_secs(1);

/// What comes into the mailbox.
pub(super) enum Letter {
    /// An operation to commit.
    Write(Box<dyn Write>),
    /// Begin to look for commits of other processes; answered when that has begun.
    Poll(oneshot::Sender<()>),
    /// Copy the write-ahead log to the file.
    Checkpoint,
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

/// The way to write: to the thread behind the mailbox, or at once.
pub(super) struct Writer {
    letters: Sender<Letter>,
    committer: Arc<Mutex<Committer>>,
    interpreter: Interpreter,
}

impl Writer {
    pub(super) fn start(
        options: OwnOptions,
        interpreter: Interpreter,
        signals: Signals,
    ) -> Result<Self, StoreError> {
        let committer = Arc::new(Mutex::new(Committer::open(options)?));
        let (sender, letters) = mpsc::channel();
        let behind = Behind {
            committer: Arc::clone(&committer),
            interpreter: interpreter.clone(),
            signals,
            letters,
            poll_at: None,
            heard_at: Instant::now(),
        };
        let thread = std::thread::Builder::new().name("sqlite-writer".to_owned());
        thread
            .spawn(move || behind.work())
            .map_err(|error| StoreError::Database(sqlx::Error::Io(error)))?;
        Ok(Self {
            letters: sender,
            committer,
            interpreter,
        })
    }

    /// Puts it into the mailbox. False where nobody takes letters any more.
    pub(super) fn send(&self, letter: Letter) -> bool {
        self.letters.send(letter).is_ok()
    }

    /// Commits it on the caller's thread, where nobody else is at it and it takes no wait: no two changes of threads.
    /// Else gives it back.
    pub(super) fn write_now(&self, mut write: Box<dyn Write>) -> Result<(), Box<dyn Write>> {
        // Where a caller panicked, the thread sees to the connection.
        let Ok(mut committer) = self.committer.try_lock() else {
            return Err(write);
        };
        let Some(result) = committer.commit_now(&mut write) else {
            return Err(write);
        };
        let is_log_full = committer.is_log_full();
        drop(committer);
        if is_log_full {
            self.send(Letter::Checkpoint);
        }
        answer([write], result, &self.interpreter);
        Ok(())
    }
}

/// Answers those whose transaction ended so.
fn answer(
    writes: impl IntoIterator<Item = Box<dyn Write>>,
    result: Result<(), StoreError>,
    interpreter: &Interpreter,
) {
    let failure = result.err().map(|error| interpreter.read(error));
    for write in writes {
        write.answer(failure.as_ref());
    }
}

/// The thread behind the mailbox.
struct Behind {
    committer: Arc<Mutex<Committer>>,
    interpreter: Interpreter,
    signals: Signals,
    letters: Receiver<Letter>,
    /// When to look for commits of others next; none while nobody listens.
    poll_at: Option<Instant>,
    /// When others had committed last.
    heard_at: Instant,
}

impl Behind {
    fn work(mut self) {
        while let Some(letter) = self.next() {
            let stopped = match letter {
                Letter::Write(first) => self.gather(first),
                Letter::Stop(reply) => Some(reply),
                Letter::Poll(reply) => {
                    self.begin_polling(reply);
                    None
                }
                Letter::Checkpoint => {
                    self.checkpoint();
                    None
                }
            };
            if let Some(reply) = stopped {
                self.committer().close();
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

    /// Waits for a caller who is writing.
    fn committer(&self) -> MutexGuard<'_, Committer> {
        self.committer.lock().unwrap_or_else(|poisoned| {
            // The caller panicked in the middle of a transaction.
            self.committer.clear_poison();
            let mut committer = poisoned.into_inner();
            committer.disconnect();
            committer
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
                Ok(Letter::Checkpoint) => self.checkpoint(),
                Err(_) => break,
            }
        }
        group.retain(|write| !write.is_abandoned());
        if !group.is_empty() {
            let result = self.committer().commit(&mut group);
            answer(group, result, &self.interpreter);
            self.checkpoint();
        }
        stopped
    }

    /// Copies the log to the file, where it is long enough.
    fn checkpoint(&self) {
        let mut committer = self.committer();
        if committer.is_log_full() {
            committer.checkpoint();
        }
    }

    fn begin_polling(&mut self, reply: oneshot::Sender<()>) {
        // What was committed before the first listener came is for its first look, not for it to hear.
        if self.poll_at.is_none() {
            self.has_news();
        }
        self.poll_at = Some(Instant::now() + POLL_INTERVAL);
        let _ = reply.send(());
    }

    fn poll(&mut self) {
        if self.has_news() {
            self.heard_at = Instant::now();
            self.signals.raise(Wake::Any);
        }
        let interval = match self.heard_at.elapsed() < QUIET_AFTER {
            true => POLL_INTERVAL,
            false => QUIET_POLL_INTERVAL,
        };
        self.poll_at = self.signals.any().then(|| Instant::now() + interval);
    }

    fn has_news(&self) -> bool {
        self.committer().has_news().unwrap_or_else(|error| {
            tracing::debug!(%error, "cannot look for commits of other processes");
            false
        })
    }
}
