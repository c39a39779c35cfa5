//! Jobs without a handler: completed from outside with a token, or discarded at their deadline.

use std::time::Duration;

use hardstop_domain::quantity::format_duration_ms;
use hardstop_domain::{Failure, JobId, OutcomeKind, State, TypeId};
use uuid::Uuid;

use super::continuation::{Continuation, check_graph};
use super::enqueue::create;
use super::unblock::{Aftermath, closes};
use super::{Mode, Operation, unwritable};
use crate::StoreError;
use crate::record::{Completion, Expired, ExternalAnswer, ExternalOutcome};
use crate::row::{FinishRow, check_payload, json};
use crate::transaction::Transaction;
use crate::view::{External, Held};

/// How many jobs one look discards in one transaction.
const EXPIRED_MAX: i64 = 1_000;

/// What completes an external job that is not final.
pub(crate) struct Awaited(pub(crate) JobId);

impl Operation for Awaited {
    type Output = Option<Completion>;

    fn mode(&self) -> Mode {
        Mode::READ
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Self::Output, StoreError> {
        tx.completion_token(self.0).await
    }
}

/// Completes an external job.
pub(crate) struct CompleteExternal {
    job: JobId,
    token: Uuid,
    /// Its last row, but for what only the live row knows.
    finish: FinishRow,
    next: Option<Continuation>,
}

impl CompleteExternal {
    /// Fails with a sentence where the outcome cannot be written. `next_type` is the number of the type that it
    /// continues with.
    pub(crate) fn new(
        job: JobId,
        token: Uuid,
        outcome: &ExternalOutcome,
        next_type: Option<TypeId>,
    ) -> Result<Self, String> {
        let finish = |state: State, kind: OutcomeKind| FinishRow {
            id: job.0,
            held: None,
            token: None,
            state: state.code(),
            outcome: kind.code(),
            output: None,
            failure: None,
            log: None,
            continued_to: None,
            usage: None,
            deployment: None,
            kept: true,
        };
        let mut next = None;
        let finish = match outcome {
            ExternalOutcome::Complete { output } => {
                check_payload("output", output)?;
                FinishRow {
                    output: Some(output.clone()),
                    ..finish(State::Completed, OutcomeKind::Completed)
                }
            }
            ExternalOutcome::Continue { next: job } => {
                let Some(type_id) = next_type else {
                    return Err(format!("type `{}` is not deployed", job.type_name));
                };
                next = Some(Continuation::new(job, type_id)?);
                FinishRow {
                    continued_to: Some(job.id.0),
                    ..finish(State::Continued, OutcomeKind::Continued)
                }
            }
            ExternalOutcome::Fail { message, details } => {
                let mut failure = Failure::new(OutcomeKind::FailedFatal, message);
                failure.details.clone_from(details);
                let failure = json(&failure)?;
                check_payload("failure", &failure)?;
                FinishRow {
                    failure: Some(failure),
                    ..finish(State::Discarded, OutcomeKind::FailedFatal)
                }
            }
        };
        Ok(Self {
            job,
            token,
            finish,
            next,
        })
    }

    pub(super) fn job(&self) -> JobId {
        self.job
    }

    /// The state that it leaves the job in.
    pub(super) fn state_after(&self) -> Option<State> {
        State::from_code(self.finish.state)
    }

    async fn finish(
        &self,
        tx: &mut dyn Transaction,
        held: &Held,
        external: &External,
    ) -> Result<Aftermath, StoreError> {
        let ended = tx.finish(&[&self.finish]).await?;
        let state = State::from_code(self.finish.state);
        let mut aftermath = Aftermath {
            ready: false,
            closed: closes(ended.iter().filter_map(|held| Some((held, state?)))),
        };
        if let Some(next) = &self.next {
            let mut new = next.follow(held, external.lineage(held.chain_id));
            new.row.trace_parent.clone_from(&external.trace_parent);
            let new = [new];
            check_graph(tx, &new).await?;
            aftermath += create(tx, &new).await?.aftermath;
        }
        Ok(aftermath)
    }
}

impl Operation for CompleteExternal {
    type Output = (ExternalAnswer, Aftermath);

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Self::Output, StoreError> {
        let nothing = |answer| Ok((answer, Aftermath::default()));
        // Twice, because the job may become final between the two looks, or live again.
        for _ in 0..2 {
            let live = tx.lock(self.job).await?;
            // After the lock, so that the deadline is looked at by the clock of now.
            let Some(external) = tx.external(self.job, self.token).await? else {
                return nothing(ExternalAnswer::Unknown);
            };
            if !external.is_external {
                return nothing(ExternalAnswer::NotExternal);
            }
            // Whoever does not have the token learns nothing about the job.
            if !external.matches {
                return nothing(ExternalAnswer::WrongToken);
            }
            match live {
                Some((_, State::Ready)) if external.late => {
                    return nothing(ExternalAnswer::TimedOut);
                }
                Some((held, State::Ready)) => {
                    let aftermath = self.finish(tx, &held, &external).await?;
                    return Ok((ExternalAnswer::Done, aftermath));
                }
                Some((_, state)) => return nothing(ExternalAnswer::NotReady(state)),
                None => {
                    if let Some(state) = tx.final_state(self.job).await? {
                        return nothing(ExternalAnswer::AlreadyFinal(state));
                    }
                }
            }
        }
        nothing(ExternalAnswer::Unknown)
    }
}

/// Discards external jobs whose deadline has passed, at most one batch.
pub(crate) struct ExpireExternal;

impl Operation for ExpireExternal {
    type Output = (Expired, Aftermath);

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC.resend()
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Self::Output, StoreError> {
        let mut rows = Vec::new();
        for late in tx.expired(EXPIRED_MAX).await? {
            let failure = Failure::new(
                OutcomeKind::TimedOutWall,
                format!(
                    "nobody completed it by its deadline {} ({} after it became ready)",
                    late.deadline_at,
                    format_duration_ms(late.deadline_ms)
                ),
            );
            let row = FinishRow::unsettled(late.job, None, State::Discarded, &failure);
            rows.push(row.map_err(unwritable)?);
        }
        rows.sort_by_key(|row| row.id);
        let ended = tx.finish(&rows.iter().collect::<Vec<_>>()).await?;
        let aftermath = Aftermath {
            ready: false,
            closed: closes(ended.iter().map(|held| (held, State::Discarded))),
        };
        let next_due_in = tx.next_deadline().await?;
        let expired = Expired {
            count: ended.len() as u64,
            next_due_in: next_due_in.map(|us| Duration::from_micros(us.max(0) as u64)),
        };
        Ok((expired, aftermath))
    }
}
