//! The settler: writes what attempts came to, in groups.
//!
//! It flushes whenever it is idle and gathers while it is not. There is no timer, so one job alone
//! waits for nothing, and a thousand share one commit.

use std::sync::Arc;
use std::time::Duration;

use hardstop_domain::{Failure, Next, OutcomeKind};
use hardstop_store::{Settled, Settlement, StoreError};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::{error, warn};

use super::{Phase, Shared};

/// The most settlements in one transaction.
const BATCH: usize = 1_000;
/// The most bytes of outputs and inputs in one transaction, unless one alone has more.
const BATCH_BYTES: usize = 8 << 20;

/// Writes settlements until every sender is gone.
pub async fn run(shared: Arc<Shared>, mut queue: mpsc::Receiver<Settlement>) {
    let mut gathered = Vec::new();
    while queue.recv_many(&mut gathered, BATCH).await > 0 {
        let mut rest = std::mem::take(&mut gathered);
        while !rest.is_empty() {
            let batch = take_batch(&mut rest);
            write(&shared, batch).await;
        }
    }
}

/// Takes from the front as many settlements as fit one transaction, and at least one.
fn take_batch(rest: &mut Vec<Settlement>) -> Vec<Settlement> {
    let mut bytes = 0;
    let count = rest
        .iter()
        .take_while(|settlement| {
            let fits = bytes == 0 || bytes + size(settlement) <= BATCH_BYTES;
            bytes += size(settlement).max(1);
            fits
        })
        .count();
    let tail = rest.split_off(count);
    std::mem::replace(rest, tail)
}

fn size(settlement: &Settlement) -> usize {
    let next = match &settlement.next {
        Next::Complete { output } => output.len(),
        Next::Continue { job } => job.input.len(),
        _ => 0,
    };
    let children: usize = settlement
        .children
        .iter()
        .map(|child| child.first.input.len())
        .sum();
    next + children + settlement.usage.log_bytes as usize
}

async fn write(shared: &Shared, batch: Vec<Settlement>) {
    let answers = match send(shared, &batch).await {
        Ok(answers) => answers,
        // The store refuses bad settlements one by one; should a whole batch fail all the same,
        // what is good in it must not be lost with the rest.
        Err(error) if batch.len() > 1 => {
            warn!(%error, settlements = batch.len(), "a batch failed: writing one by one");
            for settlement in batch {
                Box::pin(write(shared, vec![settlement])).await;
            }
            return;
        }
        Err(error) => {
            for settlement in batch {
                error!(job = %settlement.job, %error, "cannot settle: the job will be rescued");
            }
            return;
        }
    };
    if batch
        .iter()
        .any(|s| matches!(s.next, Next::Retry { .. } | Next::Snooze { .. }))
    {
        shared.signals.promote.notify_one();
    }
    let mut again = Vec::new();
    for (settlement, answer) in batch.into_iter().zip(answers) {
        match answer {
            Settled::Written => {}
            Settled::Stale => warn!(
                job = %settlement.job, lease = %settlement.token, outcome = %settlement.outcome,
                "stale settlement: the job is no longer this lease's; its effects are dropped"
            ),
            Settled::Refused(reason) if settlement.outcome != OutcomeKind::FailedFatal => {
                warn!(job = %settlement.job, reason, "settlement refused: the job fails with that");
                again.push(failed(settlement, &reason));
            }
            Settled::Refused(reason) => {
                error!(job = %settlement.job, reason, "cannot settle: the job will be rescued");
            }
        }
    }
    if !again.is_empty() {
        Box::pin(write(shared, again)).await;
    }
}

/// The same attempt as a fatal failure, because what it came to cannot be written.
fn failed(settlement: Settlement, reason: &str) -> Settlement {
    Settlement {
        next: Next::Discard,
        outcome: OutcomeKind::FailedFatal,
        failure: Some(Failure::new(OutcomeKind::FailedFatal, reason)),
        children: Vec::new(),
        ..settlement
    }
}

/// Sends a batch until the database takes it. Sending again is safe: what was written before is
/// answered as before.
async fn send(shared: &Shared, batch: &[Settlement]) -> Result<Vec<Settled>, StoreError> {
    let mut pause = Duration::from_millis(50);
    loop {
        match shared.store.settle(batch).await {
            Ok(answers) => return Ok(answers),
            Err(error) if error.is_transient() => {
                warn!(%error, settlements = batch.len(), ?pause, "cannot settle now: trying again");
                tokio::select! {
                    () = sleep(pause) => {}
                    () = shared.reached(Phase::Leaving) => return Err(error),
                }
                pause = (pause * 2).min(Duration::from_secs(2));
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hardstop_domain::{JobId, LeaseToken, SessionId, Usage};
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
            log: Vec::new(),
            progress: None,
            children: Vec::new(),
        }
    }

    #[test]
    fn batches_are_bounded_by_bytes_and_never_empty() {
        let mut rest: Vec<Settlement> = [BATCH_BYTES * 2, 10, BATCH_BYTES - 10, 1, 1]
            .map(completed)
            .into();
        let mut sizes = Vec::new();
        while !rest.is_empty() {
            sizes.push(take_batch(&mut rest).len());
        }
        assert_eq!(sizes, [1, 2, 2]);
    }
}
