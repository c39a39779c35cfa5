//! Chains: start, list, show, cancel, delete.

use aide::axum::routing::{delete_with, get_with, post_with};
use axum::Json;
use hardstop_domain::{ChainId, Scope, State, Timestamp, TypeName};
use hardstop_store::{ChainDetail, ChainQuery, ChainSummary};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::Caller;
use super::cursor::{List, Page, limit_default};
use super::extract::{Body, Path, Query, TraceParent};
use super::problem::Problem;
use super::route::{Created, Routes};
use crate::error::Error;
use crate::service::{
    ChainCancelled, ChainStart, ChainsDeleted, START_BATCH, StartRequest, StartedChain,
    StartedNode, too_many,
};

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(
            Scope::Read,
            "/chains",
            get_with(list, |op| {
                op.id("listChains").summary("Chains, newest first")
            }),
        )
        .create(
            Scope::Operate,
            "/chains",
            post_with(start, |op| op.id("startChain").summary("Start a chain")),
        )
        .create(
            Scope::Operate,
            "/chains/bulk",
            post_with(start_bulk, |op| {
                op.id("startChains")
                    .summary("Start up to 1,000 chains, all or none")
            }),
        )
        .create(
            Scope::Operate,
            "/chains/graph",
            post_with(start_graph, |op| {
                op.id("startGraph")
                    .summary("Start up to 1,000 chains that wait for each other, all or none")
            }),
        )
        .add(
            Scope::Read,
            "/chains/{chain}",
            get_with(show, |op| {
                op.id("showChain")
                    .summary("One chain: its jobs, blockers and dependents")
            }),
        )
        .add(
            Scope::Operate,
            "/chains/{chain}",
            delete_with(remove, |op| {
                op.id("deleteChain")
                    .summary("Delete a chain with all its jobs")
            }),
        )
        .add(
            Scope::Operate,
            "/chains/{chain}/cancel",
            post_with(cancel, |op| {
                op.id("cancelChain")
                    .summary("Cancel the live job of a chain, and so close it")
            }),
        )
}

#[derive(Deserialize, JsonSchema)]
struct ChainPath {
    /// The chain: the id of its first job.
    chain: ChainId,
}

/// Which chains to list.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Chains {
    /// Only chains that began with this type.
    #[serde(rename = "type")]
    type_name: Option<TypeName>,
    /// Only this state: that of the last job.
    state: Option<State>,
    /// Only chains that were started with this deduplication key of the type.
    key: Option<String>,
    /// Only chains created at this time or later.
    since: Option<Timestamp>,
    /// Only chains created before this time.
    until: Option<Timestamp>,
    /// Only chains older than this one.
    before: Option<ChainId>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// How many at the most.
    #[serde(default = "limit_default")]
    #[schemars(range(min = 1, max = 1000))]
    limit: u32,
}

impl Chains {
    /// The chains that the query means.
    pub fn of(query: &ChainQuery) -> Self {
        let query = query.clone();
        Self {
            type_name: query.type_name,
            state: query.state,
            key: query.key,
            since: query.since,
            until: query.until,
            before: query.before,
            cursor: None,
            limit: query.limit,
        }
    }
}

/// Chains to start together.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChainStarts {
    /// The chains.
    #[schemars(length(max = 1000))]
    pub chains: Vec<ChainStart>,
}

/// What was started, in the order in which it was asked for.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "{T}s")]
pub struct StartedItems<T> {
    /// The chains.
    pub items: Vec<T>,
}

/// How to delete.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deletion {
    /// Delete the chains that wait for it too, and so on downwards.
    #[serde(default)]
    pub cascade: bool,
}

async fn list(
    caller: Caller,
    Query(query): Query<Chains>,
) -> Result<Json<Page<ChainSummary>>, Problem> {
    let list = List::new("chains", &query);
    let before = query.before.map(|chain| chain.0);
    let before = list.begin(query.cursor.as_deref(), before)?.map(ChainId);
    let query = ChainQuery {
        type_name: query.type_name,
        state: query.state,
        key: query.key,
        since: query.since,
        until: query.until,
        before,
        limit: query.limit,
    };
    let chains = caller.service.chains(&query).await?;
    Ok(Json(list.page(chains, query.limit, |it| it.id.0)))
}

async fn start(
    caller: Caller,
    trace: TraceParent,
    Body(mut chain): Body<ChainStart>,
) -> Result<Created<StartedChain>, Problem> {
    trace.over(&mut chain.trace_parent);
    let started = caller.service.start_chains(vec![chain.request()?]).await?;
    let chain = started
        .into_iter()
        .next()
        .ok_or_else(|| Error::environment("nothing was started"))?;
    let path = format!("/chains/{}", chain.started.chain_id);
    Ok(Created::at(path, chain))
}

async fn start_bulk(
    caller: Caller,
    trace: TraceParent,
    Body(starts): Body<ChainStarts>,
) -> Result<Created<StartedItems<StartedChain>>, Problem> {
    if starts.chains.len() > START_BATCH {
        return Err(too_many(starts.chains.len()).into());
    }
    let mut requests: Vec<StartRequest> = Vec::with_capacity(starts.chains.len());
    for (index, mut chain) in starts.chains.into_iter().enumerate() {
        trace.over(&mut chain.trace_parent);
        let request = chain.request();
        requests.push(request.map_err(|error| error.context(format!("chains[{index}]")))?);
    }
    let items = caller.service.start_chains(requests).await?;
    Ok(Created::without_place(StartedItems { items }))
}

async fn start_graph(
    caller: Caller,
    trace: TraceParent,
    Body(mut starts): Body<ChainStarts>,
) -> Result<Created<StartedItems<StartedNode>>, Problem> {
    if starts.chains.len() > START_BATCH {
        return Err(too_many(starts.chains.len()).into());
    }
    for chain in &mut starts.chains {
        trace.over(&mut chain.trace_parent);
    }
    let items = caller.service.start_graph(starts.chains).await?;
    Ok(Created::without_place(StartedItems { items }))
}

async fn show(caller: Caller, Path(path): Path<ChainPath>) -> Result<Json<ChainDetail>, Problem> {
    Ok(Json(caller.service.chain(path.chain).await?))
}

async fn cancel(
    caller: Caller,
    Path(path): Path<ChainPath>,
) -> Result<Json<ChainCancelled>, Problem> {
    Ok(Json(caller.service.cancel_chain(path.chain).await?))
}

async fn remove(
    caller: Caller,
    Path(path): Path<ChainPath>,
    Query(deletion): Query<Deletion>,
) -> Result<Json<ChainsDeleted>, Problem> {
    let deleted = caller
        .service
        .delete_chain(path.chain, deletion.cascade)
        .await?;
    Ok(Json(deleted))
}
