//! Starting chains.

use std::collections::HashMap;
use std::time::Duration;

use hardstop_domain::{
    ChainId, Dedup, JobId, LimitsPatch, NewChain, NewJob, OnBlockerFailure, Timestamp,
};
use hardstop_store::{Started, StoreError};
use uuid::Uuid;

use super::request::graph;
use super::{ChainStart, Service, StartedNode, parse_type};
use crate::catalogue::StartError;
use crate::error::{Error, Kind};

/// How many chains go into one transaction when many are started.
pub const START_BATCH: usize = 1_000;
/// The most bytes of input in one batch, unless one start alone has more.
pub const START_BATCH_BYTES: usize = 8 << 20;

/// A start as it is asked for.
#[derive(Debug, Clone, Default)]
pub struct StartRequest {
    /// The type's name.
    pub type_name: String,
    /// JSON text.
    pub input: String,
    /// How long to wait first.
    pub delay: Duration,
    /// Not before this time.
    pub not_before: Option<Timestamp>,
    /// Smaller runs earlier among jobs of one type.
    pub priority: Option<i16>,
    /// Limits to lower.
    pub limits: LimitsPatch,
    /// W3C `traceparent`.
    pub trace_parent: Option<String>,
    /// Chains to wait for.
    pub blockers: Vec<ChainId>,
    /// What becomes of the job when one of them fails.
    pub on_blocker_failure: OnBlockerFailure,
    /// Whether, and against what, it is deduplicated.
    pub dedup: Option<Dedup>,
}

/// One chain of a graph that is started in one call.
#[derive(Debug, Clone)]
pub struct GraphRequest {
    /// A name by which others of the graph wait for it.
    pub name: String,
    /// The start.
    pub start: StartRequest,
    /// What it waits for; the start's own list is not used.
    pub blockers: Vec<GraphBlocker>,
}

/// What a chain of a graph waits for.
#[derive(Debug, Clone)]
pub enum GraphBlocker {
    /// Another chain of the graph.
    Named(String),
    /// A chain that exists.
    Chain(ChainId),
}

impl Service {
    /// Starts one chain.
    pub async fn start(&self, request: StartRequest) -> Result<Started, Error> {
        let started = self.start_many(vec![request]).await?;
        started
            .into_iter()
            .next()
            .ok_or_else(|| Error::environment("nothing was started"))
    }

    /// Starts chains. Every one is checked before the first is stored; each batch of 1,000 is one
    /// transaction.
    pub async fn start_many(&self, requests: Vec<StartRequest>) -> Result<Vec<Started>, Error> {
        let mut chains = Vec::with_capacity(requests.len());
        for request in requests {
            chains.push(self.new_chain(request).await?);
        }
        let mut started = Vec::with_capacity(chains.len());
        for batch in chains.chunks(START_BATCH) {
            started.extend(self.store.enqueue(batch).await?);
        }
        Ok(started)
    }

    /// Starts chains that wait for each other, all in one transaction or none. Answers in the order of
    /// the graph.
    pub async fn start_graph(&self, chains: Vec<ChainStart>) -> Result<Vec<StartedNode>, Error> {
        let graph = graph(chains)?;
        let names: Vec<String> = graph.iter().map(|node| node.name.clone()).collect();
        let started = self.enqueue_graph(graph).await?;
        let nodes = names.into_iter().zip(started);
        let nodes = nodes.map(|(name, started)| StartedNode { name, started });
        Ok(nodes.collect())
    }

    async fn enqueue_graph(&self, graph: Vec<GraphRequest>) -> Result<Vec<Started>, Error> {
        let mut ids: HashMap<String, ChainId> = HashMap::with_capacity(graph.len());
        let mut chains = Vec::with_capacity(graph.len());
        let mut waits = Vec::with_capacity(graph.len());
        for node in graph {
            let chain = self
                .new_chain(node.start)
                .await
                .map_err(|error| error.context(format!("chain `{}` of the graph", node.name)))?;
            if ids.insert(node.name.clone(), chain.id()).is_some() {
                return Err(Error::usage(format!(
                    "two chains of the graph are named `{}`",
                    node.name
                )));
            }
            chains.push(chain);
            waits.push((node.name, node.blockers));
        }
        for (chain, (name, blockers)) in chains.iter_mut().zip(waits) {
            let blockers = blockers.iter().map(|blocker| match blocker {
                GraphBlocker::Chain(chain) => Ok(*chain),
                GraphBlocker::Named(wanted) => ids.get(wanted).copied().ok_or_else(|| {
                    Error::usage(format!(
                        "chain `{name}` of the graph waits for `{wanted}`, which is not in it"
                    ))
                    .hint("name another chain of the graph, or the id of one that exists")
                }),
            });
            chain.first.blockers = blockers.collect::<Result<Vec<ChainId>, Error>>()?;
        }
        match self.store.enqueue(&chains).await {
            Err(StoreError::BlockerCycle(cycle)) => {
                let names: HashMap<ChainId, &str> =
                    ids.iter().map(|(name, id)| (*id, name.as_str())).collect();
                let cycle: Vec<&str> = cycle
                    .iter()
                    .map(|chain| names.get(chain).copied().unwrap_or("?"))
                    .collect();
                Err(Error::usage(format!(
                    "chains of the graph block each other: {}",
                    cycle.join(" waits for ")
                ))
                .kind(Kind::BlockerCycle)
                .hint("leave out one of these waits"))
            }
            started => Ok(started?),
        }
    }

    /// The chain that a request asks for, where it can be started.
    pub(super) async fn new_chain(&self, request: StartRequest) -> Result<NewChain, Error> {
        let mut catalogue = self.catalogue().await?;
        let type_name = parse_type(&request.type_name)?;
        if catalogue.by_name(&type_name).is_err() {
            // It may have been deployed just now, by another process.
            catalogue = self.refresh_catalogue().await?;
        }
        let first = NewJob {
            delay_ms: u64::try_from(request.delay.as_millis()).unwrap_or(u64::MAX),
            not_before: request.not_before,
            priority: request.priority,
            limits: request.limits,
            trace_parent: request.trace_parent,
            blockers: request.blockers,
            on_blocker_failure: request.on_blocker_failure,
            ..NewJob::new(JobId(Uuid::now_v7()), type_name, request.input)
        };
        catalogue
            .check_start(&first, &self.ceiling)
            .map_err(start_error)?;
        Ok(NewChain {
            dedup: request.dedup,
            ..NewChain::new(first)
        })
    }
}

/// Says that so many chains are not started in one transaction.
pub fn too_many(chains: usize) -> Error {
    Error::usage(format!(
        "{chains} chains are more than the {START_BATCH} that are started together"
    ))
    .hint("start them in parts")
}

pub(crate) fn start_error(error: StartError) -> Error {
    let kind = match &error {
        StartError::UnknownType(_) => Kind::NotDeployed,
        StartError::Mismatch { .. } => Kind::SchemaMismatch,
        _ => Kind::Invalid,
    };
    let hint = match &error {
        StartError::UnknownType(_) => {
            "`hardstop type list` shows what is deployed; `hardstop deploy` adds to it".to_owned()
        }
        StartError::NotJson { .. } => {
            "give JSON text, @FILE to read a file, or - for standard input".to_owned()
        }
        StartError::Mismatch { type_name, .. } => {
            format!("`hardstop type show {type_name}` prints the schema")
        }
        StartError::InputTooLarge { type_name, .. } => {
            format!("raise `input` in [types.{type_name}.limits] of its manifest and deploy again")
        }
        _ => return Error::usage(error.to_string()).kind(kind),
    };
    Error::usage(error.to_string()).kind(kind).hint(hint)
}
