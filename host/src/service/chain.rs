//! Chains: look at them, wait for them, cancel them.

use std::time::Duration;

use hardstop_domain::{ChainId, JobId, State};
use hardstop_store::{CancelledChain, ChainDetail, ChainQuery, ChainSummary, JobDetail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::wait::Patience;
use super::{Service, gone_where_missing};
use crate::error::{Error, Kind};

/// A chain that was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChainCancelled {
    /// The chain.
    pub id: ChainId,
    /// Its live job, which was cancelled.
    pub job: JobId,
    /// The state that this was in.
    pub was: State,
    /// The state that it is in.
    pub state: State,
}

/// Chains that were deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChainsDeleted {
    /// The chains: the one that was named first.
    pub chains: Vec<ChainId>,
    /// How many jobs they had.
    pub jobs: u64,
}

impl Service {
    /// A page of chains, newest first.
    pub async fn chains(&self, query: &ChainQuery) -> Result<Vec<ChainSummary>, Error> {
        if query.state == Some(State::Continued) {
            return Err(Error::usage("no chain is `continued`: jobs are").hint(
                "a chain has the state of its last job: blocked, scheduled, ready or running while \
                 it is open; completed, discarded or cancelled once it is closed",
            ));
        }
        Ok(self.store.chains(query).await?)
    }

    /// One chain in full.
    pub async fn chain(&self, id: ChainId) -> Result<ChainDetail, Error> {
        let chain = self.store.chain_detail(id).await?;
        chain.ok_or_else(|| no_such_chain(id))
    }

    /// Waits until a chain is closed. Returns its last job.
    pub async fn wait_chain(
        &self,
        id: ChainId,
        timeout: Option<Duration>,
    ) -> Result<JobDetail, Error> {
        let mut patience = Patience::new(timeout);
        let what = format!("chain {id}");
        let mut was_there = false;
        loop {
            let jobs = self.store.chain(id).await?;
            let last = jobs.last().ok_or_else(|| match was_there {
                true => gone_where_missing(no_such_chain(id), &what),
                false => no_such_chain(id),
            })?;
            if last.state.is_final() && last.state != State::Continued {
                return self.job(last.id).await;
            }
            was_there = true;
            patience.wait(&what, last.state).await?;
        }
    }

    /// Cancels the live job of a chain, and so closes the chain.
    pub async fn cancel_chain(&self, id: ChainId) -> Result<ChainCancelled, Error> {
        match self.store.cancel_chain(id).await? {
            CancelledChain::Was { job, state } => Ok(ChainCancelled {
                id,
                job,
                was: state,
                state: State::Cancelled,
            }),
            CancelledChain::Closed { job, state } => Err(Error::failed(format!(
                "chain {id} is closed already: its last job {job} is {state}"
            ))),
            CancelledChain::Unknown => Err(no_such_chain(id)),
        }
    }
}

pub(super) fn no_such_chain(id: ChainId) -> Error {
    let error = Error::usage(format!("there is no chain {id}"));
    error.kind(Kind::NoSuchChain).hint(
        "a chain is named by its first job: `hardstop chain list` shows the newest, `hardstop job \
         show` a job's chain; where its type has `keep = \"failures\"`, a job that completes leaves nothing; is \
         --database-url the right one?",
    )
}
