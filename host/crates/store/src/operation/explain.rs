//! Why a job is not running: the facts.

use hardstop_domain::{JobId, State};

use super::read::count;
use super::{Mode, Operation};
use crate::StoreError;
use crate::record::*;
use crate::transaction::Transaction;

/// What is known of a job that may keep it from running. A few statements, each bounded.
pub(crate) struct Explain(pub(crate) JobId);

impl Operation for Explain {
    type Output = Option<Explanation>;

    fn mode(&self) -> Mode {
        Mode::LIST
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Option<Explanation>, StoreError> {
        let Some(mut facts) = tx.explain_job(self.0).await? else {
            return Ok(None);
        };
        let state = facts.job.state;
        if state.is_final() {
            return Ok(Some(facts));
        }
        if state == State::Blocked {
            let limit = count(EXPLAIN_BLOCKERS_MAX);
            facts.blockers = tx.job_blockers(&[self.0], limit, true).await?;
        }
        if state == State::Ready {
            let limit = i64::from(EXPLAIN_AHEAD_MAX) + 1;
            facts.ahead = Some(tx.explain_ahead(self.0, limit).await?);
        }
        let type_name = &facts.job.type_name;
        facts.pauses = tx.explain_pauses(type_name).await?;
        let active = tx.types().await?;
        let active = active.into_iter().find(|it| it.spec.name == *type_name);
        facts.quarantine = active.and_then(|active| active.quarantine);
        let limit = count(EXPLAIN_SESSIONS_MAX);
        facts.serving = tx.explain_sessions(type_name, limit).await?;
        Ok(Some(facts))
    }
}
