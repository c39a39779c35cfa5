//! The settler: writes what attempts came to, in groups.
//!
//! It flushes whenever it is idle and gathers while it is not, so one job alone waits for nothing, and a thousand share one
//! commit. Only where a thousand jobs and more end in a second does it let some milliseconds pass between two commits.

#![expect(
    clippy::vec_box,
    reason = "what an attempt came to has more than a kilobyte, and goes through three lists"
)]

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hardstop_domain::{
    ChainId, Failure, JobId, Keep, LeaseToken, Lineage, NewJob, Next, OutcomeKind, Usage,
};
use hardstop_store::{Settled, Settlement, StoreError};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{error, info, warn};

use super::health::Sign;
use super::statistic::Seen;
use super::{Phase, Shared};
use crate::telemetry::trace::Traced;

/// The most settlements in one transaction.
const BATCH: usize = 1_000;
/// The most bytes of outputs and inputs in one transaction, unless one alone has more.
const BATCH_BYTES: usize = 8 << 20;

/// What an attempt came to, to be written.
pub struct Ended {
    /// What is written.
    pub settlement: Settlement,
    /// What becomes of the job where others started so many chains meanwhile that its own are too many. None
    /// where it started none.
    pub overtaken: Option<Next>,
    /// What is told of it once it is on record.
    pub note: Note,
}

/// What is told of an attempt once its settlement is on record.
#[derive(Debug, Default)]
pub struct Note {
    /// What it says of its component, where it says anything.
    pub sign: Option<Sign>,
    /// What it adds to the statistics, where it was an attempt.
    pub seen: Option<Seen>,
    /// Its place in its trace, and how long it took; none where no traces are made.
    pub traced: Option<(Traced, Duration)>,
}

impl Ended {
    /// Nothing but the settlement.
    pub fn bare(settlement: Settlement) -> Box<Self> {
        Box::new(Self {
            settlement,
            overtaken: None,
            note: Note::default(),
        })
    }

    /// What is written in the place of what could not be: it says nothing of the component.
    fn instead(settlement: Settlement, note: Note) -> Box<Self> {
        Box::new(Self {
            settlement,
            overtaken: None,
            note: Note { sign: None, ..note },
        })
    }
}

/// Gives a job back that was not begun, or whose attempt nobody knows the end of. Not counted.
pub fn release(job: JobId, token: LeaseToken, why: &str) -> Settlement {
    Settlement {
        job,
        token,
        next: Next::Release,
        outcome: OutcomeKind::Interrupted,
        failure: Some(Failure::new(OutcomeKind::Interrupted, why)),
        usage: Usage::default(),
        deployment: None,
        log: Vec::new(),
        progress: None,
        children: Vec::new(),
        lineage: Lineage::root(ChainId(job.0)),
        descendants_max: 0,
        keep: Keep::All,
    }
}

/// Writes settlements until every sender is gone.
pub async fn run(shared: Arc<Shared>, mut queue: mpsc::Receiver<Box<Ended>>) {
    let mut gathered = Vec::new();
    let mut written_at = Instant::now();
    while queue.recv_many(&mut gathered, BATCH).await > 0 {
        let until = written_at + shared.pace.gather_time();
        gather(&shared, &mut queue, &mut gathered, until).await;
        written_at = Instant::now();
        let mut rest = std::mem::take(&mut gathered);
        while !rest.is_empty() {
            let batch = take_batch(&mut rest);
            write(&shared, batch).await;
        }
    }
}

/// Gathers until this time, or until there is a batch, or until no more can come soon.
async fn gather(
    shared: &Shared,
    queue: &mut mpsc::Receiver<Box<Ended>>,
    gathered: &mut Vec<Box<Ended>>,
    until: Instant,
) {
    let mut over = pin!(async {
        tokio::select! {
            biased;
            () = shared.reached(Phase::Draining) => {}
            () = sleep_until(until) => {}
        }
    });
    while gathered.len() < BATCH {
        tokio::select! {
            biased;
            () = &mut over => return,
            more = queue.recv_many(gathered, BATCH) => if more == 0 {
                return;
            },
        }
    }
}

/// Takes from the front as many settlements as fit one transaction, and at least one.
fn take_batch(rest: &mut Vec<Box<Ended>>) -> Vec<Box<Ended>> {
    let mut bytes = 0;
    let count = rest
        .iter()
        .take_while(|ended| {
            let size = size(&ended.settlement);
            let fits = bytes == 0 || bytes + size <= BATCH_BYTES;
            bytes += size.max(1);
            fits
        })
        .count();
    let tail = rest.split_off(count);
    std::mem::replace(rest, tail)
}

fn size(settlement: &Settlement) -> usize {
    let next = match &settlement.next {
        Next::Complete { output } => output.len(),
        Next::Continue { job } => start_size(job),
        _ => 0,
    };
    let children: usize = settlement
        .children
        .iter()
        .map(|child| start_size(&child.first))
        .sum();
    // An entry is stored with its level and time, and what a guest says may be escaped.
    let log: usize = settlement
        .log
        .iter()
        .map(|entry| 64 + 2 * entry.message.len())
        .sum();
    // A discarded job's failure is in its own row and in its attempt's.
    let failure = settlement.failure.as_ref().map_or(0, |failure| {
        failure.message.len() + failure.details.as_ref().map_or(0, String::len)
    });
    next + children + log + 2 * failure
}

fn start_size(job: &NewJob) -> usize {
    // Each blocker is a row.
    job.input.len() + 64 * job.blockers.len()
}

async fn write(shared: &Shared, ended: Vec<Box<Ended>>) {
    let (batch, beside): (Vec<_>, Vec<_>) = ended
        .into_iter()
        .map(|ended| (ended.settlement, (ended.overtaken, ended.note)))
        .unzip();
    let answers = match send(shared, &batch).await {
        Ok(answers) => answers,
        // The store refuses bad settlements one by one; should a whole batch fail all the same,
        // what is good in it must not be lost with the rest.
        Err(error) if batch.len() > 1 => {
            warn!(%error, settlements = batch.len(), "a batch failed: writing one by one");
            for (settlement, (overtaken, note)) in batch.into_iter().zip(beside) {
                let ended = Ended {
                    settlement,
                    overtaken,
                    note,
                };
                Box::pin(write(shared, vec![Box::new(ended)])).await;
            }
            return;
        }
        Err(error) => {
            for settlement in batch {
                give_up(shared, &settlement, &error.to_string());
            }
            return;
        }
    };
    shared
        .telemetry
        .metrics
        .worker
        .batch
        .observe(batch.len() as f64);
    if batch
        .iter()
        .any(|s| matches!(s.next, Next::Retry { .. } | Next::Snooze { .. }))
    {
        shared.signals.promote.notify_one();
    }
    let heard = batch.into_iter().zip(beside).zip(answers);
    let again = conclude(shared, heard);
    if !again.is_empty() {
        Box::pin(write(shared, again)).await;
    }
}

/// Takes the store's answers to settlements. Returns what is to be written in the place of some.
fn conclude(
    shared: &Shared,
    heard: impl Iterator<Item = ((Settlement, (Option<Next>, Note)), Settled)>,
) -> Vec<Box<Ended>> {
    let mut again = Vec::new();
    let mut statistics = shared.statistics.gathered();
    for ((settlement, (overtaken, note)), answer) in heard {
        match (answer, overtaken) {
            // Only what is on record counts.
            (Settled::Written, _) => {
                if let Some(seen) = note.seen {
                    statistics.settled(seen, &settlement);
                    let of = shared.metrics_of(seen.type_id);
                    let metrics = &shared.telemetry.metrics;
                    metrics.settled(&of, seen.wait(), &settlement);
                }
                if let Some(sign) = note.sign {
                    shared.health.note(sign);
                }
                if let (Some(tracer), Some((traced, took))) =
                    (&shared.telemetry.tracer, &note.traced)
                {
                    tracer.settled(traced, *took, &settlement);
                }
            }
            (Settled::Stale, _) => {
                if let Some(seen) = note.seen {
                    statistics.stale(seen);
                    shared.metrics_of(seen.type_id).stale();
                }
                warn!(
                    job = %settlement.job, lease = %settlement.token, outcome = %settlement.outcome,
                    "stale settlement: the job is no longer this lease's; its effects are dropped"
                );
            }
            (Settled::Overtaken(reason), Some(next)) => {
                info!(job = %settlement.job, reason, "settlement overtaken: another attempt is told of the limit");
                let kind = OutcomeKind::FailedRetryable;
                let settlement = failed(settlement, next, kind, &reason);
                again.push(Ended::instead(settlement, note));
            }
            (Settled::Refused(reason) | Settled::Overtaken(reason), _) if is_bare(&settlement) => {
                give_up(shared, &settlement, &reason);
            }
            (Settled::Refused(reason) | Settled::Overtaken(reason), _) => {
                warn!(job = %settlement.job, reason, "settlement refused: the job fails with that");
                let settlement = refused(settlement, &reason);
                again.push(Ended::instead(settlement, note));
            }
        }
    }
    again
}

/// Whether nothing is left of a settlement that could be left out.
fn is_bare(settlement: &Settlement) -> bool {
    settlement.outcome == OutcomeKind::FailedFatal
        && settlement.log.is_empty()
        && settlement.progress.is_none()
}

/// The same attempt as a fatal failure, because what it came to cannot be written; where it was one
/// already, without what it said.
fn refused(mut settlement: Settlement, reason: &str) -> Settlement {
    if settlement.outcome == OutcomeKind::FailedFatal {
        (settlement.log, settlement.progress) = (Vec::new(), None);
    }
    failed(settlement, Next::Discard, OutcomeKind::FailedFatal, reason)
}

/// The same attempt as a failure.
fn failed(settlement: Settlement, next: Next, kind: OutcomeKind, reason: &str) -> Settlement {
    Settlement {
        next,
        outcome: kind,
        failure: Some(Failure::new(kind, reason)),
        children: Vec::new(),
        ..settlement
    }
}

/// The attempt is lost, the job is not: the heartbeat gives it back.
fn give_up(shared: &Shared, settlement: &Settlement, reason: &str) {
    error!(job = %settlement.job, reason, "cannot settle: the job is given back");
    shared
        .abandoned()
        .insert((settlement.job, settlement.token), Instant::now());
}

/// How often a batch is sent again that the database answers with an error which may pass. One that
/// does not answer is waited for as long as it takes.
const TRIES: u32 = 5;

/// Sends a batch until the database takes it. Sending again is safe: what was written before is
/// answered as before.
async fn send(shared: &Shared, batch: &[Settlement]) -> Result<Vec<Settled>, StoreError> {
    let mut pause = Duration::from_millis(50);
    let mut tries = 0;
    loop {
        let error = match shared.store.settle(batch).await {
            Ok(answers) => return Ok(answers),
            Err(error) => error,
        };
        // A failover leaves a server read-only for a while.
        let is_away = matches!(
            error,
            StoreError::Unreachable { .. } | StoreError::Timeout(_) | StoreError::ReadOnly { .. }
        );
        tries += 1;
        if !is_away && (!error.is_transient() || tries >= TRIES) {
            return Err(error);
        }
        warn!(%error, settlements = batch.len(), ?pause, "cannot settle now: trying again");
        tokio::select! {
            biased;
            () = shared.reached(Phase::Leaving) => return Err(error),
            () = sleep(pause) => {}
        }
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hardstop_domain::SessionId;
    use uuid::Uuid;

    fn completed(bytes: usize) -> Settlement {
        Settlement {
            job: JobId(Uuid::nil()),
            token: LeaseToken::new(SessionId(1), 1),
            next: Next::Complete {
                output: "x".repeat(bytes),
            },
            outcome: OutcomeKind::Completed,
            failure: None,
            usage: Usage::default(),
            deployment: None,
            log: Vec::new(),
            progress: None,
            children: Vec::new(),
            lineage: Lineage::root(ChainId(Uuid::nil())),
            descendants_max: 0,
            keep: Keep::All,
        }
    }

    #[test]
    fn what_cannot_be_written_becomes_a_failure_then_a_bare_one_and_then_is_given_up() {
        let entry = hardstop_domain::LogEntry {
            at_us: 0,
            level: hardstop_domain::LogLevel::Info,
            message: "said".to_owned(),
            fields: Vec::new(),
        };
        let settlement = Settlement {
            log: vec![entry],
            ..completed(1)
        };
        assert!(!is_bare(&settlement));
        let first = refused(settlement, "no");
        assert_eq!(first.next, Next::Discard);
        assert_eq!(first.log.len(), 1);
        assert!(!is_bare(&first), "what it said is still there");
        assert!(is_bare(&refused(first, "no")));
    }

    #[test]
    fn batches_are_bounded_by_bytes_and_never_empty() {
        let mut rest: Vec<Box<Ended>> = [BATCH_BYTES * 2, 10, BATCH_BYTES - 10, 1, 1]
            .map(|bytes| Ended::bare(completed(bytes)))
            .into();
        let mut sizes = Vec::new();
        while !rest.is_empty() {
            sizes.push(take_batch(&mut rest).len());
        }
        assert_eq!(sizes, [1, 2, 2]);
    }
}
