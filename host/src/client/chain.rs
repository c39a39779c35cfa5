//! Chains: started, shown, cancelled, deleted.

use hardstop_domain::{ChainId, State};
use hardstop_store::{ChainDetail, ChainQuery, ChainSummary};
use serde_json::value::RawValue;

use super::{Client, path};
use crate::api::chain::{ChainStarts, Chains, Deletion, StartedItems};
use crate::api::cursor::Page;
use crate::catalogue::StartError;
use crate::error::Error;
use crate::service::{
    ChainCancelled, ChainStart, ChainsDeleted, START_BATCH, START_BATCH_BYTES, StartRequest,
    StartedChain, StartedNode, parse_type, start_error,
};

impl Client {
    /// A page of chains, newest first.
    pub async fn chains(&self, query: &ChainQuery) -> Result<Vec<ChainSummary>, Error> {
        let page: Page<_> = self.list("/chains", &Chains::of(query)).await?;
        Ok(page.items)
    }

    /// One chain in full.
    pub async fn chain(&self, id: ChainId) -> Result<ChainDetail, Error> {
        let mut chain: ChainDetail = self.get(&path(["chains", &id.to_string()])).await?;
        // In JSON, an output that is `null` and none at all are the same.
        if chain.summary.state == State::Completed {
            chain.output.get_or_insert_with(|| "null".to_owned());
        }
        Ok(chain)
    }

    /// Cancels the live job of a chain, and so closes the chain.
    pub async fn cancel_chain(&self, id: ChainId) -> Result<ChainCancelled, Error> {
        self.post_empty(&path(["chains", &id.to_string(), "cancel"]))
            .await
    }

    /// Deletes a chain with all its jobs; with `cascade` those that wait for it too, and so on downwards.
    pub async fn delete_chain(&self, id: ChainId, cascade: bool) -> Result<ChainsDeleted, Error> {
        let path = path(["chains", &id.to_string()]);
        let query = serde_urlencoded::to_string(Deletion { cascade }).unwrap_or_default();
        self.delete(&format!("{path}?{query}")).await
    }

    /// Starts chains: each batch that fits into a request is one transaction.
    pub async fn start_chains(
        &self,
        requests: Vec<StartRequest>,
    ) -> Result<Vec<StartedChain>, Error> {
        let mut started = Vec::with_capacity(requests.len());
        let mut batch: Vec<ChainStart> = Vec::new();
        let mut bytes = 0;
        for request in requests {
            let more = request.input.len();
            if batch.len() == START_BATCH || bytes + more > START_BATCH_BYTES {
                started.extend(self.start_batch(std::mem::take(&mut batch)).await?);
                bytes = 0;
            }
            bytes += more;
            let input = self
                .input(&request.type_name, request.input.clone())
                .await?;
            batch.push(ChainStart::of(request, input));
        }
        started.extend(self.start_batch(batch).await?);
        Ok(started)
    }

    async fn start_batch(&self, chains: Vec<ChainStart>) -> Result<Vec<StartedChain>, Error> {
        match chains.as_slice() {
            [] => Ok(Vec::new()),
            // What is wrong with it is said without its place in a batch.
            [chain] => Ok(vec![self.post("/chains", chain).await?]),
            _ => {
                let starts = ChainStarts { chains };
                let started: StartedItems<_> = self.post("/chains/bulk", &starts).await?;
                Ok(started.items)
            }
        }
    }

    /// Starts chains that wait for each other, all in one transaction or none.
    pub async fn start_graph(&self, chains: Vec<ChainStart>) -> Result<Vec<StartedNode>, Error> {
        let starts = ChainStarts { chains };
        let started: StartedItems<_> = self.post("/chains/graph", &starts).await?;
        Ok(started.items)
    }

    /// An input of a type as it is sent. What is not JSON cannot be.
    pub(super) async fn input(&self, name: &str, text: String) -> Result<Box<RawValue>, Error> {
        let error = match RawValue::from_string(text) {
            Ok(input) => return Ok(input),
            Err(error) => error,
        };
        let type_name = parse_type(name)?;
        let types = self.types_in_force().await?;
        Err(start_error(
            match types.iter().any(|it| it.view.name == type_name) {
                false => StartError::UnknownType(type_name),
                true => StartError::NotJson {
                    type_name,
                    reason: error.to_string(),
                },
            },
        ))
    }
}
