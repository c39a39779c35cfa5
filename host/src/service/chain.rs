//! Reading chains.

use hardstop_domain::{ChainId, State};
use hardstop_store::{ChainDetail, ChainQuery, ChainSummary};

use super::Service;
use crate::error::Error;

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
}

pub(super) fn no_such_chain(id: ChainId) -> Error {
    Error::usage(format!("there is no chain {id}")).hint(
        "a chain is named by its first job: `hardstop chain list` shows the newest, `hardstop job \
         show` a job's chain; is --database-url the right one?",
    )
}
