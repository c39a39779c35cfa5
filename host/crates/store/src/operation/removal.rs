//! Removing: chains that somebody deletes, and final jobs whose time has come.

use std::collections::HashSet;
use std::time::Duration;

use hardstop_domain::job::DEDUP_WINDOW_MS_MAX;
use hardstop_domain::{ChainId, JobId, State};
use uuid::Uuid;

use super::{Mode, Operation};
use crate::StoreError;
use crate::record::{CASCADE_CHAINS_MAX, Deleted, Retention, WAITERS_SHOWN_MAX};
use crate::transaction::{ChainJob, Transaction};

/// How often a chain that goes on is looked for again before the deletion gives up.
const LOOKS_MAX: usize = 100;
/// How many jobs of a state, and how many rows of each kind beside, one step of retention removes.
const STEP: i64 = 500;
/// No retention is longer: what is subtracted from now must stay a time.
const AGE_US_MAX: i64 = 1_000 * 366 * 86_400 * 1_000_000;

/// Deletes a chain, and with `cascade` those that wait for it, and so on.
pub(crate) struct DeleteChain {
    pub(crate) id: ChainId,
    pub(crate) cascade: bool,
}

/// What became of a deletion, and whether a running job was part of it.
pub(crate) struct Deletion {
    pub(crate) deleted: Deleted,
    pub(crate) stopped: bool,
}

impl Operation for DeleteChain {
    type Output = Deletion;

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Deletion, StoreError> {
        let refused = |deleted| Deletion {
            deleted,
            stopped: false,
        };
        let mut jobs = lock_chains(tx, &[self.id]).await?;
        if jobs.is_empty() {
            return Ok(refused(Deleted::Unknown));
        }
        let mut chains = vec![self.id];
        let mut seen = HashSet::from([self.id]);
        let mut wave = vec![self.id];
        // Dependents are looked for after the locks, in a statement of its own: a start that named one of
        // the chains has either committed, and is seen, or finds the chain gone.
        while !wave.is_empty() {
            let limit = match self.cascade {
                // Those that are known already come again where they wait for several.
                true => 2 * CASCADE_CHAINS_MAX + 1,
                false => WAITERS_SHOWN_MAX,
            };
            let mut waiters = tx.dependents(&wave, limit as i64).await?;
            waiters.retain(|(_, chain)| seen.insert(*chain));
            if !self.cascade && !waiters.is_empty() {
                let jobs = waiters.into_iter().map(|(job, _)| job).collect();
                return Ok(refused(Deleted::Waited { jobs }));
            }
            wave = waiters.into_iter().map(|(_, chain)| chain).collect();
            wave.sort_unstable();
            chains.extend(&wave);
            if chains.len() > CASCADE_CHAINS_MAX {
                return Err(StoreError::Invalid(format!(
                    "to delete chain {} would delete more than {CASCADE_CHAINS_MAX} chains with it",
                    self.id
                )));
            }
            jobs.extend(lock_chains(tx, &wave).await?);
        }
        let ids: Vec<JobId> = jobs.iter().map(|job| job.id).collect();
        tx.delete_chains(&chains, &ids).await?;
        Ok(Deletion {
            stopped: jobs.iter().any(|job| job.state == State::Running),
            deleted: Deleted::Deleted {
                chains,
                jobs: ids.len() as u64,
            },
        })
    }
}

/// Locks every job of these chains. A chain that continued, or was reopened, while its rows were waited
/// for has a live or a last job that the statement could not see: then it is looked for again.
async fn lock_chains(
    tx: &mut dyn Transaction,
    chains: &[ChainId],
) -> Result<Vec<ChainJob>, StoreError> {
    if chains.is_empty() {
        return Ok(Vec::new());
    }
    let mut before = None;
    for _ in 0..LOOKS_MAX {
        let mut jobs = tx.lock_chains_live(chains).await?;
        let mut ends: HashSet<ChainId> = jobs.iter().map(|job| job.chain_id).collect();
        jobs.extend(tx.lock_chains_done(chains).await?);
        let last = jobs.iter().filter(|job| job.state != State::Continued);
        ends.extend(last.map(|job| job.chain_id));
        let is_whole = jobs.iter().all(|job| ends.contains(&job.chain_id));
        let ids: Vec<JobId> = jobs.iter().map(|job| job.id).collect();
        // What two looks agree on does not move: retention has removed the last job.
        if (is_whole && !jobs.is_empty()) || before.as_ref() == Some(&ids) {
            return Ok(jobs);
        }
        before = Some(ids);
    }
    Err(StoreError::Invalid(format!(
        "chain {} goes on too fast to be deleted: cancel it first",
        chains[0]
    )))
}

/// One step of retention: removes a bounded number of final jobs and of what others have left.
pub(crate) struct Retain {
    retention: Retention,
    /// Where the walk over completed jobs stands.
    after: Uuid,
}

/// What a step removed.
pub(crate) struct RetainedStep {
    pub(crate) jobs: u64,
    pub(crate) more: bool,
    /// Where the next walk over completed jobs begins.
    pub(crate) after: Uuid,
}

impl Retain {
    pub(crate) fn new(retention: &Retention, after: Uuid) -> Self {
        Self {
            retention: *retention,
            after,
        }
    }
}

/// Microseconds, at most a thousand years.
pub(crate) fn age_us(age: Duration) -> i64 {
    i64::try_from(age.as_micros()).map_or(AGE_US_MAX, |us| us.min(AGE_US_MAX))
}

impl Operation for Retain {
    type Output = RetainedStep;

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC.resend()
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<RetainedStep, StoreError> {
        let mut step = RetainedStep {
            jobs: 0,
            more: false,
            after: self.after,
        };
        if !tx.retain_lock().await? {
            return Ok(step);
        }
        let mut expired = Vec::new();
        if let Some(age) = self.retention.completed {
            // A walk in bounded steps: jobs that stay are passed once in a while, not at each step.
            let looked = tx.expired_well(self.after, age_us(age), STEP).await?;
            let full = looked.len() as i64 == STEP;
            step.after = match looked.last() {
                Some((last, _)) if full => last.0,
                _ => Uuid::nil(),
            };
            step.more |= full;
            let old = looked.into_iter().filter(|(_, expired)| *expired);
            expired.extend(old.map(|(id, _)| id));
        }
        for (state, age) in [
            (State::Discarded, self.retention.discarded),
            (State::Cancelled, self.retention.cancelled),
        ] {
            if let Some(age) = age {
                let old = tx.expired_dead(state, age_us(age), STEP).await?;
                step.more |= old.len() as i64 == STEP;
                expired.extend(old);
            }
        }
        if !expired.is_empty() {
            // Locked first, and removed in a later statement that looks again whether anybody needs
            // them: a start that names a closed chain locks the same rows.
            expired.sort_unstable();
            tx.dead_lock(&expired).await?;
            step.jobs = tx.remove(&expired).await?;
        }
        let youngest = [
            self.retention.completed,
            self.retention.discarded,
            self.retention.cancelled,
        ];
        let youngest = youngest
            .into_iter()
            .flatten()
            .min()
            .map_or(AGE_US_MAX, age_us);
        let key_age_us = age_us(Duration::from_millis(DEDUP_WINDOW_MS_MAX));
        let swept = tx.sweep(youngest, key_age_us, STEP).await?;
        step.more |= swept >= STEP as u64;
        if step.jobs + swept > 0 {
            tx.shrink().await?;
        }
        Ok(step)
    }
}
