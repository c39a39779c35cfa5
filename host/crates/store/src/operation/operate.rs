//! What a person or program does to one job: cancel it, retry it.

use hardstop_domain::{Failure, JobId, OutcomeKind, State};

use super::{Mode, Operation, unwritable};
use crate::StoreError;
use crate::record::{Cancelled, Retried};
use crate::row::{AttemptRow, FinishRow, RequeueRow};
use crate::transaction::Transaction;

/// Cancels a job that is not final.
pub(crate) struct Cancel(pub(crate) JobId);

impl Operation for Cancel {
    type Output = Cancelled;

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Cancelled, StoreError> {
        // Twice, because a replay may take the job from final to live between the two looks.
        for _ in 0..2 {
            if let Some((held, state)) = tx.lock(self.0).await? {
                let failure =
                    Failure::new(OutcomeKind::Cancelled, format!("cancelled while {state}"));
                let row = FinishRow::unsettled(self.0, held.token, State::Cancelled, &failure);
                tx.finish(&[&row.map_err(unwritable)?]).await?;
                if let Some(token) = held.token {
                    let row = AttemptRow::unsettled(&held, token.session(), &failure);
                    tx.attempt(&[row.map_err(unwritable)?]).await?;
                }
                return Ok(Cancelled::Was(state));
            }
            if let Some(state) = tx.final_state(self.0).await? {
                return Ok(Cancelled::Final(state));
            }
        }
        Ok(Cancelled::Unknown)
    }
}

/// Makes a discarded, cancelled or scheduled job ready.
pub(crate) struct Retry(pub(crate) JobId);

impl Operation for Retry {
    type Output = Retried;

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Retried, StoreError> {
        // Twice, because the job may become final between the two looks, or live again.
        for _ in 0..2 {
            if let Some((_, state)) = tx.lock(self.0).await? {
                if state != State::Scheduled {
                    return Ok(Retried::Not(state));
                }
                let row = RequeueRow {
                    id: self.0.0,
                    held: None,
                    delay_ms: Some(0),
                    attempt_change: 0,
                    snoozes_change: 0,
                    rescues_change: 0,
                };
                tx.requeue(&[&row]).await?;
                return Ok(Retried::Was(state));
            }
            match tx.final_state(self.0).await? {
                Some(state @ (State::Discarded | State::Cancelled)) => {
                    // The index of live chains refuses it where the chain has another live job.
                    return Ok(match tx.reopen(self.0).await? {
                        true => Retried::Was(state),
                        false => Retried::Not(state),
                    });
                }
                Some(state) => return Ok(Retried::Not(state)),
                None => {}
            }
        }
        Ok(Retried::Unknown)
    }
}

/// The state of a final job.
pub(crate) struct FinalState(pub(crate) JobId);

impl Operation for FinalState {
    type Output = Option<State>;

    fn mode(&self) -> Mode {
        Mode::READ
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Option<State>, StoreError> {
        tx.final_state(self.0).await
    }
}
