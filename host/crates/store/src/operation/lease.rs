//! Sessions and their leases: claim, heartbeat, rescue, and the promotion of due jobs.

use std::collections::HashMap;
use std::time::Duration;

use hardstop_domain::transition::RESCUES_MAX;
use hardstop_domain::{Failure, JobId, LeaseToken, OutcomeKind, SessionId, State, TypeName};

use super::unblock::{Aftermath, closes};
use super::{Mode, Operation, unwritable};
use crate::StoreError;
use crate::record::{BlockerResult, ClaimRequest, ClaimedJob, Heartbeat, Promoted, Rescued};
use crate::row::{AttemptRow, FinishRow, RequeueRow, json};
use crate::transaction::Transaction;
use crate::view::Held;

/// How many jobs one call of rescue or close gives back in one transaction.
const ORPHANS_MAX: i64 = 1_000;
/// A claim of so many jobs is a short operation.
const SHORT_CLAIM_MAX: u32 = 128;
/// How many jobs one promotion makes ready.
const PROMOTED_MAX: i64 = 5_000;

/// Leases ready jobs.
pub(crate) struct Claim {
    request: ClaimRequest,
}

impl Claim {
    /// Quotas are capped by what is asked for in all; a type that is named twice counts once.
    pub(crate) fn new(request: &ClaimRequest) -> Self {
        let mut quotas: Vec<(_, u32)> = Vec::with_capacity(request.quotas.len());
        for (type_id, quota) in &request.quotas {
            let quota = (*quota).min(request.total).min(i32::MAX as u32);
            match quotas.iter_mut().find(|(known, _)| known == type_id) {
                Some((_, known)) => *known = quota.max(*known),
                None => quotas.push((*type_id, quota)),
            }
        }
        Self {
            request: ClaimRequest {
                token: request.token,
                quotas,
                total: request.total,
            },
        }
    }
}

impl Operation for Claim {
    type Output = Vec<ClaimedJob>;

    fn mode(&self) -> Mode {
        // Never sent again: jobs of a claim whose reply was lost would be held and not run.
        Mode {
            // Most find few: where there are many, there are settlements at the same time.
            short: self.request.total <= SHORT_CLAIM_MAX,
            ..Mode::LEASE
        }
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Vec<ClaimedJob>, StoreError> {
        let mut claimed = tx.claim(&self.request).await?;
        if !claimed.alive {
            return Err(StoreError::SessionEnded(self.request.token.session()));
        }
        if !claimed.with_blockers.is_empty() {
            let mut results: HashMap<JobId, Vec<BlockerResult>> = HashMap::new();
            for (job, result) in tx.blocker_results(&claimed.with_blockers).await? {
                results.entry(job).or_default().push(result);
            }
            for job in &mut claimed.jobs {
                job.blockers = results.remove(&job.id).unwrap_or_default();
            }
        }
        Ok(in_turns(&self.request, claimed.jobs))
    }
}

/// Puts jobs in the order in which they are to run: in turns between the types, and inside a type by
/// priority, due time and id. The databases return updated rows in no order.
fn in_turns(request: &ClaimRequest, mut jobs: Vec<ClaimedJob>) -> Vec<ClaimedJob> {
    jobs.sort_by_key(|job| (job.priority, job.due_at, job.id));
    let turns: HashMap<_, _> = request.quotas.iter().map(|(id, _)| *id).zip(0..).collect();
    let mut rounds: HashMap<_, u32> = HashMap::new();
    let mut keyed: Vec<((u32, i32), ClaimedJob)> = jobs
        .into_iter()
        .map(|job| {
            let round = rounds.entry(job.type_id).or_default();
            *round += 1;
            let turn = turns.get(&job.type_id).copied().unwrap_or(i32::MAX);
            ((*round, turn), job)
        })
        .collect();
    keyed.sort_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, job)| job).collect()
}

/// Renews a session's lease.
pub(crate) struct Beat {
    pub(crate) session: SessionId,
    /// What is held under these is told.
    pub(crate) leases: Vec<LeaseToken>,
}

impl Operation for Beat {
    type Output = Heartbeat;

    fn mode(&self) -> Mode {
        Mode::LEASE.resend()
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Heartbeat, StoreError> {
        let alive = tx.heartbeat(self.session).await?;
        let held = match alive {
            true => tx.held(&self.leases).await?,
            false => Vec::new(),
        };
        Ok(Heartbeat { alive, held })
    }
}

/// Registers a session.
pub(crate) struct OpenSession {
    pub(crate) host: String,
    pub(crate) lease_duration: Duration,
    pub(crate) types: Option<Vec<TypeName>>,
}

impl Operation for OpenSession {
    type Output = SessionId;

    fn mode(&self) -> Mode {
        // Durable: a number that was handed out must not come again. Sent again, it leaves a session
        // behind that nobody uses and that expires.
        Mode::WRITE.resend()
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<SessionId, StoreError> {
        let ms = i64::try_from(self.lease_duration.as_millis()).unwrap_or(i64::MAX);
        // A year is longer than any lease, and fits into every time.
        let ms = ms.clamp(1, hardstop_domain::job::DELAY_MS_MAX as i64);
        let types = self.types.as_ref().map(json).transpose();
        tx.open_session(&self.host, ms, types.map_err(unwritable)?.as_deref())
            .await
    }
}

/// Ends a session. Its jobs are given back by [`GiveBack`].
pub(crate) struct EndSession(pub(crate) SessionId);

impl Operation for EndSession {
    type Output = bool;

    fn mode(&self) -> Mode {
        Mode::WRITE.resend()
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<bool, StoreError> {
        tx.end_session(self.0).await
    }
}

/// Gives back what an ended session still holds: ready, the attempt not counted, recorded as
/// interrupted. Returns how many jobs, at most one batch.
pub(crate) struct GiveBack(pub(crate) SessionId);

impl Operation for GiveBack {
    type Output = u64;

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC.resend()
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<u64, StoreError> {
        let mut orphans = tx.orphan(Some(self.0), ORPHANS_MAX).await?;
        orphans.sort_by_key(|(held, _)| held.id);
        let failure = Failure::new(
            OutcomeKind::Interrupted,
            format!("session {} was closed while it held the job", self.0),
        );
        let mut attempts = Vec::with_capacity(orphans.len());
        for (held, _) in &orphans {
            attempts.push(AttemptRow::unsettled(held, self.0, &failure).map_err(unwritable)?);
        }
        let rows: Vec<_> = orphans.iter().map(|(held, _)| requeue(held, 0)).collect();
        tx.requeue(&rows.iter().collect::<Vec<_>>()).await?;
        tx.attempt(&attempts).await?;
        Ok(orphans.len() as u64)
    }
}

/// The row that gives an orphan back, its attempt not counted.
fn requeue(held: &Held, rescues_change: i16) -> RequeueRow {
    RequeueRow {
        attempt_change: -1,
        rescues_change,
        ..RequeueRow::new(held.id, held.token)
    }
}

/// Ends the sessions whose lease has run out and gives their jobs back, and those of any session that
/// is dead or gone. Returns at most one batch.
pub(crate) struct Rescue;

impl Operation for Rescue {
    type Output = (Vec<Rescued>, Aftermath);

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC.resend()
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Self::Output, StoreError> {
        // First the sessions, then, in a later statement, their jobs: a claim that holds its session's
        // row is either seen by the second statement, or finds its session dead.
        tx.end_expired().await?;
        let mut orphans = tx.orphan(None, ORPHANS_MAX).await?;
        orphans.sort_by_key(|(held, _)| held.id);
        let (mut attempts, mut requeues, mut discards) = (Vec::new(), Vec::new(), Vec::new());
        let mut rescued = Vec::with_capacity(orphans.len());
        for (held, host) in &orphans {
            let Some(token) = held.token else { continue };
            let session = token.session();
            let failure = Failure::new(
                OutcomeKind::Lost,
                match host {
                    Some(host) => {
                        format!("host {host} vanished: the lease of its session {session} ran out")
                    }
                    None => format!("the host of session {session} vanished"),
                },
            );
            let rescues = u32::try_from(held.rescues).unwrap_or(0) + 1;
            attempts.push(AttemptRow::unsettled(held, session, &failure).map_err(unwritable)?);
            requeues.push(requeue(held, 1));
            let state = match rescues >= RESCUES_MAX {
                true => {
                    let row = FinishRow::unsettled(held.id, None, State::Discarded, &failure);
                    discards.push(row.map_err(unwritable)?);
                    State::Discarded
                }
                false => State::Ready,
            };
            rescued.push(Rescued {
                job: held.id,
                type_id: held.type_id,
                session,
                rescues,
                state,
            });
        }
        // All go back to the queue first, so that the counts are right in the final rows too.
        tx.requeue(&requeues.iter().collect::<Vec<_>>()).await?;
        let ended = tx.finish(&discards.iter().collect::<Vec<_>>()).await?;
        tx.attempt(&attempts).await?;
        let aftermath = Aftermath {
            ready: rescued.iter().any(|job| job.state == State::Ready),
            closed: closes(ended.iter().map(|held| (held, State::Discarded))),
        };
        Ok((rescued, aftermath))
    }
}

/// Makes due jobs ready.
pub(crate) struct Promote;

impl Operation for Promote {
    type Output = Promoted;

    fn mode(&self) -> Mode {
        // Two statements that need not stand or fall together.
        Mode::WRITE.resend()
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Promoted, StoreError> {
        let count = tx.promote(PROMOTED_MAX).await?;
        let next_due_in = tx
            .next_due()
            .await?
            .map(|us| Duration::from_micros(us.max(0) as u64));
        Ok(Promoted { count, next_due_in })
    }
}
