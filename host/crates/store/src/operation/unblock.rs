//! Telling the jobs that wait for chains that these have closed.
//!
//! The statement that finishes a job records in `closure`, in the same transaction, that a chain has closed for
//! which jobs wait, and lets go of the chain's key. Who waits is told right after, in transactions of their own
//! and in bounded portions, so that neither ten thousand dependents nor a long line of cancellations makes a
//! settlement slow. Should the process die in between, any other goes on from the record.

use std::collections::{BTreeMap, BTreeSet};

use hardstop_domain::{ChainId, Failure, JobId, OnBlockerFailure, OutcomeKind, State};

use super::{Mode, Operation, unwritable};
use crate::StoreError;
use crate::row::FinishRow;
use crate::transaction::Transaction;
use crate::view::{Awaiting, Held};

/// The most dependents that one transaction tells.
const PORTION: i64 = 1_000;
/// The most closures that one transaction takes up.
const CLOSURES_MAX: i64 = 100;

/// What came of an operation for jobs beside those that it names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Aftermath {
    /// Whether a job became ready.
    pub(crate) ready: bool,
    /// Whether a chain closed for which jobs wait: they are to be told.
    pub(crate) closed: bool,
}

impl std::ops::AddAssign for Aftermath {
    fn add_assign(&mut self, other: Self) {
        self.ready |= other.ready;
        self.closed |= other.closed;
    }
}

/// Whether the end of one of these jobs, in this state, closed a chain for which jobs wait.
pub(crate) fn closes<'h>(ended: impl IntoIterator<Item = (&'h Held, State)>) -> bool {
    ended
        .into_iter()
        .any(|(held, state)| held.blocking && state != State::Continued)
}

/// Tells one portion of the jobs that wait for closed chains. To be repeated while `closed`.
pub(crate) struct Unblock;

impl Operation for Unblock {
    type Output = Aftermath;

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC.resend()
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Aftermath, StoreError> {
        let chains = tx.closures(CLOSURES_MAX).await?;
        if chains.is_empty() {
            return Ok(Aftermath::default());
        }
        let rows = tx.awaiting(&chains, PORTION).await?;
        let all = (rows.len() as i64) < PORTION;
        if all {
            tx.clear_closures(&chains).await?;
        }
        let mut aftermath = tell(tx, &rows).await?;
        aftermath.closed |= !all || chains.len() as i64 == CLOSURES_MAX;
        Ok(aftermath)
    }
}

async fn tell(tx: &mut dyn Transaction, rows: &[Awaiting]) -> Result<Aftermath, StoreError> {
    let mut aftermath = Aftermath::default();
    if rows.is_empty() {
        return Ok(aftermath);
    }
    // Only what nobody else has noted counts: an operator may have let the job run meanwhile.
    let mut counts: BTreeMap<JobId, i32> = BTreeMap::new();
    for job in tx.close_blockers(rows).await? {
        *counts.entry(job).or_default() += 1;
    }
    let mut cancels = Vec::new();
    let mut cancelled = BTreeSet::new();
    for row in rows {
        let fails = row.state != State::Completed && row.policy == OnBlockerFailure::Cancel;
        if fails && counts.contains_key(&row.job) && cancelled.insert(row.job) {
            cancels.push(cancellation(row.job, row.chain, row.state)?);
        }
    }
    counts.retain(|job, _| !cancelled.contains(job));
    if !counts.is_empty() {
        let counts: Vec<_> = counts.into_iter().collect();
        let told = tx.unblock(&counts).await?;
        aftermath.ready = told.iter().any(|(_, state)| *state == State::Ready);
    }
    cancels.sort_by_key(|row| row.id);
    let ended = tx.finish(&cancels.iter().collect::<Vec<_>>()).await?;
    aftermath.closed = closes(ended.iter().map(|held| (held, State::Cancelled)));
    Ok(aftermath)
}

/// The end of a job whose blocker ended in a state without an output.
pub(crate) fn cancellation(
    job: JobId,
    blocker: ChainId,
    state: State,
) -> Result<FinishRow, StoreError> {
    let failure = Failure::new(
        OutcomeKind::Cancelled,
        format!("cancelled: its blocker {blocker} was {state}"),
    );
    FinishRow::unsettled(job, None, State::Cancelled, &failure).map_err(unwritable)
}
