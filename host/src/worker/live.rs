//! What attempts say while they run, kept in the store as it comes, so that people can watch.
//!
//! Most attempts are over in a moment, and cost nothing here but a place for what they might say. Those that go on and say
//! something are looked at once a second; what they said since the last look becomes a part of its own. A settlement
//! brings the whole log again, and a while after the attempt has ended its parts are removed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use hardstop_domain::outcome::Progress;
use hardstop_domain::{JobId, LeaseToken, LogEntry};
use hardstop_sandbox::Watch;
use hardstop_store::{LivePart, StoreError};
use tokio::time::{Instant, sleep};
use tracing::debug;

use super::Shared;

/// How often attempts are looked at, and how long they must have run.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long parts are kept when their attempt has ended: its settlement is on record by then.
const KEPT: Duration = Duration::from_secs(5);
/// How many bytes of logs are written together, roughly: the attempt that goes beyond it is the last.
const BATCH_BYTES: usize = 1 << 20;
/// How many attempts one write concerns at the most.
const BATCH_ATTEMPTS: usize = 1_000;

type Key = (JobId, LeaseToken);

/// The attempts that have said something.
#[derive(Default)]
pub struct Live(Mutex<Board>);

#[derive(Default)]
struct Board {
    speaking: HashMap<Key, Speaker>,
    /// Those that ended, and of which parts are kept.
    ended: Vec<(Key, Instant)>,
}

struct Speaker {
    began: Instant,
    said: Arc<Mutex<Said>>,
}

/// What an attempt said and nobody has kept yet.
#[derive(Default)]
struct Said {
    log: Vec<LogEntry>,
    progress: Option<Progress>,
    /// How many parts of its log were taken.
    parts: u32,
    /// Whether anything was taken.
    taken: bool,
}

/// Hears one attempt.
struct Voice {
    live: Arc<Live>,
    key: Key,
    began: Instant,
    said: OnceLock<Arc<Mutex<Said>>>,
}

/// What is written together.
#[derive(Default)]
struct Batch {
    parts: Vec<LivePart>,
    ended: Vec<Key>,
    /// Whether there is more.
    full: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Live {
    /// What hears an attempt that begins now.
    pub fn voice(self: &Arc<Self>, job: JobId, token: LeaseToken) -> Arc<dyn Watch> {
        Arc::new(Voice {
            live: Arc::clone(self),
            key: (job, token),
            began: Instant::now(),
            said: OnceLock::new(),
        })
    }

    fn take(&self, now: Instant) -> Batch {
        let mut board = lock(&self.0);
        let mut batch = Batch::default();
        board.ended.retain(|(key, at)| {
            let over = now.saturating_duration_since(*at) >= KEPT;
            if over {
                batch.ended.push(*key);
            }
            !over
        });
        let mut bytes = 0;
        for (key, speaker) in &board.speaking {
            if now.saturating_duration_since(speaker.began) < INTERVAL {
                continue;
            }
            let mut said = lock(&speaker.said);
            if said.log.is_empty() && said.progress.is_none() {
                continue;
            }
            if bytes >= BATCH_BYTES || batch.parts.len() >= BATCH_ATTEMPTS {
                batch.full = true;
                break;
            }
            said.taken = true;
            let log = std::mem::take(&mut said.log);
            bytes += log.iter().map(|it| it.message.len()).sum::<usize>();
            said.parts += u32::from(!log.is_empty());
            batch.parts.push(LivePart {
                job: key.0,
                token: key.1,
                log: (!log.is_empty()).then_some((said.parts, log)),
                progress: said.progress.take(),
            });
        }
        batch
    }
}

impl Voice {
    fn say(&self, what: impl FnOnce(&mut Said)) {
        let said = self.said.get_or_init(|| {
            let said = Arc::default();
            let speaker = Speaker {
                began: self.began,
                said: Arc::clone(&said),
            };
            lock(&self.live.0).speaking.insert(self.key, speaker);
            said
        });
        what(&mut lock(said));
    }
}

impl Watch for Voice {
    fn log(&self, entry: &LogEntry) {
        self.say(|said| said.log.push(entry.clone()));
    }

    fn progress(&self, progress: &Progress) {
        self.say(|said| said.progress = Some(progress.clone()));
    }
}

impl Drop for Voice {
    fn drop(&mut self) {
        let Some(said) = self.said.get() else {
            return;
        };
        let mut board = lock(&self.live.0);
        board.speaking.remove(&self.key);
        if lock(said).taken {
            board.ended.push((self.key, Instant::now()));
        }
    }
}

/// Keeps what is said, for ever.
pub async fn keep(shared: Arc<Shared>) {
    loop {
        sleep(INTERVAL).await;
        loop {
            let batch = shared.live.take(Instant::now());
            if batch.parts.is_empty() && batch.ended.is_empty() {
                break;
            }
            // A part that is lost would be a gap until the settlement, so this one is tried until it is kept.
            while let Err(error) = write(&shared, &batch).await {
                debug!(%error, "cannot keep what attempts say: trying again");
                sleep(INTERVAL).await;
            }
            if !batch.full {
                break;
            }
        }
    }
}

async fn write(shared: &Shared, batch: &Batch) -> Result<(), StoreError> {
    shared.store.put_live(&batch.parts, &batch.ended).await
}

/// Removes what is left of attempts that have ended. For when no attempt runs any more.
pub async fn end(shared: &Shared) -> Result<(), StoreError> {
    let batch = shared.live.take(Instant::now() + KEPT);
    match batch.ended.is_empty() {
        true => Ok(()),
        false => shared.store.put_live(&[], &batch.ended).await,
    }
}

#[cfg(test)]
mod tests {
    use hardstop_domain::{LogLevel, SessionId};
    use uuid::Uuid;

    use super::*;

    fn entry(message: &str) -> LogEntry {
        LogEntry {
            at_us: 0,
            level: LogLevel::Info,
            message: message.to_owned(),
            fields: Vec::new(),
        }
    }

    fn messages(part: &LivePart) -> (u32, Vec<&str>) {
        let (number, log) = part.log.as_ref().expect("lines");
        (*number, log.iter().map(|it| it.message.as_str()).collect())
    }

    #[test]
    fn what_goes_on_is_kept_part_by_part_and_removed_a_while_after_its_end() {
        let live = Arc::new(Live::default());
        let (job, token) = (JobId(Uuid::from_u128(1)), LeaseToken::new(SessionId(1), 1));
        let voice = live.voice(job, token);
        let began = Instant::now();
        voice.log(&entry("one"));
        voice.log(&entry("two"));
        assert!(live.take(began).parts.is_empty(), "it may be over at once");
        let later = began + 2 * INTERVAL;
        let batch = live.take(later);
        assert_eq!(messages(&batch.parts[0]), (1, vec!["one", "two"]));
        assert_eq!(batch.parts[0].progress, None);
        assert!(live.take(later).parts.is_empty(), "nothing new");
        voice.progress(&Progress {
            fraction: 0.5,
            message: None,
        });
        let batch = live.take(later);
        assert_eq!(batch.parts[0].log, None);
        assert_eq!(
            batch.parts[0].progress.as_ref().expect("told").fraction,
            0.5
        );
        voice.log(&entry("three"));
        assert_eq!(messages(&live.take(later).parts[0]), (2, vec!["three"]));
        drop(voice);
        assert!(
            live.take(Instant::now()).ended.is_empty(),
            "not yet settled"
        );
        assert_eq!(live.take(Instant::now() + KEPT).ended, [(job, token)]);
        assert!(live.take(Instant::now() + KEPT).ended.is_empty());
    }

    #[test]
    fn what_said_nothing_or_was_short_leaves_nothing() {
        let live = Arc::new(Live::default());
        let voices =
            [1, 2].map(|n| live.voice(JobId(Uuid::from_u128(n)), LeaseToken::new(SessionId(1), 1)));
        voices[0].log(&entry("short"));
        drop(voices);
        let batch = live.take(Instant::now() + 2 * KEPT);
        assert!(batch.parts.is_empty() && batch.ended.is_empty());
        assert!(lock(&live.0).speaking.is_empty());
    }

    #[test]
    fn a_batch_is_bounded() {
        let live = Arc::new(Live::default());
        let text = "x".repeat(BATCH_BYTES / 2);
        let voices: Vec<_> = (0..5)
            .map(|n| {
                let voice = live.voice(JobId(Uuid::from_u128(n)), LeaseToken::new(SessionId(1), 1));
                voice.log(&entry(&text));
                voice
            })
            .collect();
        let later = Instant::now() + 2 * INTERVAL;
        let batches: Vec<_> = (0..4).map(|_| live.take(later)).collect();
        let seen: Vec<_> = batches.iter().map(|it| (it.parts.len(), it.full)).collect();
        assert_eq!(seen, [(2, true), (2, true), (1, false), (0, false)]);
        drop(voices);
    }
}
