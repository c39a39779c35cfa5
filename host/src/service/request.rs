//! Starts as they are written in JSON: in files of the command line and in bodies of the API.

use std::collections::HashSet;
use std::time::Duration;

use hardstop_domain::quantity::{duration_ms, duration_ms_option};
use hardstop_domain::{ChainId, Dedup, DedupScope, LimitsPatch, OnBlockerFailure, Timestamp};
use hardstop_store::{Completion, Started};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{GraphBlocker, GraphRequest, Service, StartRequest};
use crate::error::Error;

/// A chain to start.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChainStart {
    /// The type of its first job.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The input of that job: any JSON; `{}` where it is left out.
    #[serde(default)]
    #[schemars(with = "Option<serde_json::Value>")]
    pub input: Option<Box<RawValue>>,
    /// How long to wait before the job becomes ready, such as `10s`.
    #[serde(default, with = "duration_ms")]
    #[schemars(with = "String")]
    pub after: u64,
    /// The time before which the job does not become ready.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// Smaller runs earlier among jobs of one type, from -100 to 100.
    #[serde(default)]
    pub priority: Option<i16>,
    /// A deduplication key: nothing is started while another chain of the type with this key is open.
    #[serde(default)]
    pub key: Option<String>,
    /// Nothing is started, either, if one was started within this time, such as `1h`, whatever became of it.
    #[serde(default, with = "duration_ms_option")]
    #[schemars(with = "Option<String>")]
    pub key_window: Option<u64>,
    /// Limits to lower for the job.
    #[serde(default)]
    pub limits: LimitsPatch,
    /// Chains that must close before the job may run; in a graph, also names of others of it.
    #[serde(default)]
    pub blockers: Vec<String>,
    /// What becomes of the job when one of them ends without an output.
    #[serde(default)]
    pub on_blocker_failure: OnBlockerFailure,
    /// W3C `traceparent` of whoever starts it.
    #[serde(default)]
    pub trace_parent: Option<String>,
    /// In a graph: the name by which others of it wait for this one.
    #[serde(default)]
    pub name: Option<String>,
}

impl ChainStart {
    /// What a request asks for, with its input.
    pub fn of(request: StartRequest, input: Box<RawValue>) -> Self {
        let (key, scope) = match request.dedup {
            None => (None, DedupScope::Open),
            Some(dedup) => (Some(dedup.key), dedup.scope),
        };
        let key_window = match scope {
            DedupScope::Open => None,
            DedupScope::Any { window_ms } => Some(window_ms),
        };
        Self {
            type_name: request.type_name,
            input: Some(input),
            after: u64::try_from(request.delay.as_millis()).unwrap_or(u64::MAX),
            at: request.not_before,
            priority: request.priority,
            key,
            key_window,
            limits: request.limits,
            blockers: request.blockers.iter().map(ToString::to_string).collect(),
            on_blocker_failure: request.on_blocker_failure,
            trace_parent: request.trace_parent,
            name: None,
        }
    }

    /// As the start of a chain that is no part of a graph.
    pub fn request(self) -> Result<StartRequest, Error> {
        if self.name.is_some() {
            return Err(Error::usage("`name` is for the chains of a graph"));
        }
        let blockers = self.blockers.iter().map(|blocker| {
            blocker
                .parse()
                .map_err(|error| Error::usage(format!("blockers: {error}")))
        });
        let blockers = blockers.collect::<Result<Vec<ChainId>, Error>>()?;
        Ok(StartRequest {
            blockers,
            ..self.without_blockers()?
        })
    }

    fn without_blockers(self) -> Result<StartRequest, Error> {
        if self.key.is_none() && self.key_window.is_some() {
            return Err(Error::usage("`key_window` goes with a `key`"));
        }
        let scope = match self.key_window {
            None => DedupScope::Open,
            Some(window_ms) => DedupScope::Any { window_ms },
        };
        Ok(StartRequest {
            type_name: self.type_name,
            input: self
                .input
                .map_or_else(|| "{}".to_owned(), |input| input.get().to_owned()),
            delay: Duration::from_millis(self.after),
            not_before: self.at,
            priority: self.priority,
            limits: self.limits,
            trace_parent: self.trace_parent,
            blockers: Vec::new(),
            on_blocker_failure: self.on_blocker_failure,
            dedup: self.key.map(|key| Dedup { key, scope }),
        })
    }
}

/// The requests of a graph. What a chain waits for is another of the graph where that has the name, or else the id of
/// a chain that exists.
pub(super) fn graph(chains: Vec<ChainStart>) -> Result<Vec<GraphRequest>, Error> {
    let names: HashSet<String> = chains.iter().filter_map(|it| it.name.clone()).collect();
    let mut graph = Vec::with_capacity(chains.len());
    for (index, mut chain) in chains.into_iter().enumerate() {
        let name = chain
            .name
            .take()
            .ok_or_else(|| Error::usage(format!("chain {index} of the graph has no `name`")))?;
        let blockers = std::mem::take(&mut chain.blockers).into_iter();
        let blockers = blockers.map(|blocker| match blocker.parse::<ChainId>() {
            Ok(chain) if !names.contains(&blocker) => GraphBlocker::Chain(chain),
            _ => GraphBlocker::Named(blocker),
        });
        graph.push(GraphRequest {
            blockers: blockers.collect(),
            start: chain
                .without_blockers()
                .map_err(|error| error.context(format!("chain `{name}` of the graph")))?,
            name,
        });
    }
    Ok(graph)
}

/// A chain that was started, and with what its job is completed where that is external.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct StartedChain {
    /// The chain.
    #[serde(flatten)]
    pub started: Started,
    /// Of an external job.
    #[serde(flatten)]
    pub completion: Option<Completion>,
}

/// A chain of a graph that was started.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct StartedNode {
    /// Its name in the graph.
    pub name: String,
    /// The chain.
    #[serde(flatten)]
    pub started: Started,
}

impl Service {
    /// Starts chains, as [`Service::start_many`] does. Tells with what jobs are completed that are external.
    pub async fn start_chains(
        &self,
        requests: Vec<StartRequest>,
    ) -> Result<Vec<StartedChain>, Error> {
        let types: Vec<String> = requests.iter().map(|it| it.type_name.clone()).collect();
        let started = self.start_many(requests).await?;
        self.with_completions(&types, started).await
    }

    /// What was started, with the tokens of external jobs. `types` names the type of each.
    async fn with_completions(
        &self,
        types: &[String],
        started: Vec<Started>,
    ) -> Result<Vec<StartedChain>, Error> {
        let catalogue = self.catalogue().await?;
        let mut chains = Vec::with_capacity(started.len());
        for (type_name, started) in types.iter().zip(started) {
            let active = catalogue
                .entries()
                .find(|entry| entry.active.spec.name.as_str() == type_name);
            let completion = match active.is_some_and(|it| it.active.spec.external.is_some()) {
                true => self.completion(started.chain_id.into()).await?,
                false => None,
            };
            chains.push(StartedChain {
                started,
                completion,
            });
        }
        Ok(chains)
    }
}
