//! What a person or program does to one job or chain: cancel it, retry it, run it now or at another time.

use std::collections::BTreeSet;

use hardstop_domain::{ChainId, Failure, JobId, OutcomeKind, State};

use super::enqueue::locate;
use super::unblock::{Aftermath, closes};
use super::{Mode, Operation, unwritable};
use crate::StoreError;
use crate::record::{Cancelled, CancelledChain, Due, Moved, Retried};
use crate::row::{AttemptRow, FinishRow, RequeueRow, TIME_MAX, signed};
use crate::transaction::Transaction;
use crate::view::{Held, Reopened};

/// How often a job is looked for that is neither live nor final to one look: it changes at that moment.
const LOOKS_MAX: usize = 100;

/// Cancels a job that is not final.
pub(crate) struct Cancel(pub(crate) JobId);

impl Operation for Cancel {
    type Output = (Cancelled, Aftermath);

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Self::Output, StoreError> {
        // Twice, because a replay may take the job from final to live between the two looks.
        for _ in 0..2 {
            if let Some((held, state)) = tx.lock(self.0).await? {
                let aftermath = cancel(tx, &held, state).await?;
                return Ok((Cancelled::Was(state), aftermath));
            }
            if let Some(state) = tx.final_state(self.0).await? {
                return Ok((Cancelled::Final(state), Aftermath::default()));
            }
        }
        Ok((Cancelled::Unknown, Aftermath::default()))
    }
}

async fn cancel(
    tx: &mut dyn Transaction,
    held: &Held,
    state: State,
) -> Result<Aftermath, StoreError> {
    let failure = Failure::new(OutcomeKind::Cancelled, format!("cancelled while {state}"));
    let row = FinishRow::unsettled(held.id, held.token, State::Cancelled, &failure);
    let ended = tx.finish(&[&row.map_err(unwritable)?]).await?;
    if let Some(token) = held.token {
        let row = AttemptRow::unsettled(held, token.session(), &failure);
        tx.attempt(&[row.map_err(unwritable)?]).await?;
    }
    Ok(Aftermath {
        ready: false,
        closed: closes(ended.iter().map(|held| (held, State::Cancelled))),
    })
}

/// Cancels the live job of a chain.
pub(crate) struct CancelChain(pub(crate) ChainId);

impl Operation for CancelChain {
    type Output = (CancelledChain, Aftermath);

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Self::Output, StoreError> {
        // The chain may continue between the look and the lock.
        for _ in 0..LOOKS_MAX {
            if let Some(job) = tx.tail(self.0).await? {
                if let Some((held, state)) = tx.lock(job).await? {
                    let aftermath = cancel(tx, &held, state).await?;
                    return Ok((CancelledChain::Was { job, state }, aftermath));
                }
                continue;
            }
            if let Some(end) = tx.final_jobs(&[self.0]).await?.first() {
                let found = CancelledChain::Closed {
                    job: end.job,
                    state: end.state,
                };
                return Ok((found, Aftermath::default()));
            }
            if !tx.gone(&[self.0.into()]).await?.is_empty() {
                break;
            }
        }
        Ok((CancelledChain::Unknown, Aftermath::default()))
    }
}

/// Makes a discarded, cancelled or scheduled job ready.
pub(crate) struct Retry(pub(crate) JobId);

impl Operation for Retry {
    type Output = (Retried, Aftermath);

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Self::Output, StoreError> {
        const READY: Aftermath = Aftermath {
            ready: true,
            closed: false,
        };
        let nothing = Aftermath::default();
        // Twice, because the job may become final between the two looks, or live again.
        for _ in 0..2 {
            if let Some((_, state)) = tx.lock(self.0).await? {
                if state != State::Scheduled {
                    return Ok((Retried::Not(state), nothing));
                }
                let row = RequeueRow {
                    delay_ms: Some(0),
                    ..RequeueRow::new(self.0, None)
                };
                tx.requeue(&[&row]).await?;
                return Ok((Retried::Was(state), READY));
            }
            match tx.final_state(self.0).await? {
                Some(state @ (State::Discarded | State::Cancelled)) => {
                    return Ok(match reopen(tx, self.0).await? {
                        true => (Retried::Was(state), READY),
                        false => (Retried::Not(state), nothing),
                    });
                }
                Some(state) => return Ok((Retried::Not(state), nothing)),
                None => {}
            }
        }
        Ok((Retried::Unknown, nothing))
    }
}

/// Takes a final job back to the queue. False where it is not one that can be, its payload is gone, or its chain has
/// another live job.
///
/// Fails with a unique violation where another chain has its key. It waits again for those of its blockers that are open
/// again; what the others came to, it gets as it is now.
pub(crate) async fn reopen(tx: &mut dyn Transaction, job: JobId) -> Result<bool, StoreError> {
    let Some(reopened) = tx.reopen(job).await? else {
        return Ok(false);
    };
    if reopened.keyed {
        tx.reopen_key(reopened.chain).await?;
    }
    // Whoever waits for the chain waits for its new end, unless it was told of the old one.
    tx.clear_closures(&[reopened.chain]).await?;
    tx.mark_awaited(job).await?;
    if reopened.blockers > 0 {
        block_again(tx, &reopened).await?;
    }
    Ok(true)
}

async fn block_again(tx: &mut dyn Transaction, reopened: &Reopened) -> Result<(), StoreError> {
    let blockers = tx.blockers_of(reopened.id).await?;
    let awaited = || blockers.iter().filter(|blocker| !blocker.overridden);
    let mut chains: BTreeSet<ChainId> = awaited().map(|blocker| blocker.chain).collect();
    // A chain that was deleted meanwhile is no longer waited for.
    let closed = loop {
        match locate(tx, chains.clone()).await {
            Ok(closed) => break closed,
            Err(StoreError::UnknownChain(chain)) => drop(chains.remove(&chain)),
            Err(error) => return Err(error),
        }
    };
    let mut open = 0;
    let mut pointers = Vec::new();
    for blocker in awaited().filter(|blocker| chains.contains(&blocker.chain)) {
        let end = closed.get(&blocker.chain).map(|end| end.job);
        open += i32::from(end.is_none());
        pointers.push((blocker.position, end));
    }
    tx.point_blockers(reopened.id, &pointers).await?;
    if open > 0 {
        tx.hold_back(reopened.id, open).await?;
    }
    Ok(())
}

/// Makes a queued job due at another time.
pub(crate) struct Reschedule {
    pub(crate) job: JobId,
    pub(crate) due: Due,
    /// Whether a blocked job is to run without what it still awaits.
    pub(crate) force: bool,
}

impl Operation for Reschedule {
    type Output = (Moved, Aftermath);

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Self::Output, StoreError> {
        let nothing = Aftermath::default();
        for _ in 0..2 {
            if let Some((_, was)) = tx.lock(self.job).await? {
                if was == State::Running
                    || (was == State::Blocked && self.due == Due::Now && !self.force)
                {
                    return Ok((Moved::Not(was), nothing));
                }
                if was == State::Blocked && self.force {
                    tx.override_blockers(self.job).await?;
                }
                let (delay_ms, not_before) = match self.due {
                    Due::Now => (Some(0), None),
                    Due::After { delay_ms } => (Some(signed(delay_ms)), None),
                    Due::At(at) => (None, Some(at.0.clamp(0, TIME_MAX))),
                };
                let row = RequeueRow {
                    delay_ms,
                    not_before,
                    ..RequeueRow::new(self.job, None)
                };
                tx.requeue(&[&row]).await?;
                let Some((_, state)) = tx.lock(self.job).await? else {
                    return Ok((Moved::Unknown, nothing));
                };
                let aftermath = Aftermath {
                    ready: state == State::Ready,
                    closed: false,
                };
                return Ok((Moved::From { was, state }, aftermath));
            }
            if let Some(state) = tx.final_state(self.job).await? {
                return Ok((Moved::Not(state), nothing));
            }
        }
        Ok((Moved::Unknown, nothing))
    }
}

/// The state of a final job, and the open chain that holds its chain's key, where one does.
pub(crate) struct WhyNot(pub(crate) JobId);

impl Operation for WhyNot {
    type Output = (Option<State>, Option<ChainId>);

    fn mode(&self) -> Mode {
        Mode::READ
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Self::Output, StoreError> {
        Ok((tx.final_state(self.0).await?, tx.rival(self.0).await?))
    }
}
