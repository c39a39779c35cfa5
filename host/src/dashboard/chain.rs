//! Chains: a page of them, and one with its jobs and what they wait for as a graph.

use askama::Template;
use axum::response::Redirect;
use form_urlencoded::Serializer;
use hardstop_domain::{ChainId, Scope, State, TypeName};
use hardstop_store::{ChainDetail, ChainQuery, ChainSummary};

use super::field::{Form, Query};
use super::graph::Graph;
use super::job_list::ROWS;
use super::route::Routes;
use super::shell::{Page, Section, Shell};
use super::show;
use super::viewer::Viewer;
use crate::api::extract::Path;
use crate::api::problem::Problem;
use crate::sensitive::mask;

pub fn routes(routes: Routes) -> Routes {
    routes
        .page(Scope::Read, "/chains", "Chains, newest first", list)
        .page(Scope::Read, "/chains/{chain}", "One chain", show_chain)
        .action(
            Scope::Operate,
            "/chains/{chain}/cancel",
            "Cancel a chain",
            cancel,
        )
        .action(
            Scope::Operate,
            "/chains/{chain}/delete",
            "Delete a chain",
            delete,
        )
}

#[derive(serde::Deserialize)]
struct ChainPath {
    chain: ChainId,
}

/// The states that a chain can be in.
const STATES: [State; 7] = [
    State::Blocked,
    State::Scheduled,
    State::Ready,
    State::Running,
    State::Completed,
    State::Discarded,
    State::Cancelled,
];

#[derive(Template)]
#[template(path = "chains.html")]
struct ChainsPage {
    shell: Shell,
    type_name: Option<TypeName>,
    state: Option<State>,
    key: Option<String>,
    types: Vec<TypeName>,
    chains: Vec<ChainSummary>,
    older: Option<String>,
    is_later: bool,
}

impl ChainsPage {
    fn address(&self, state: Option<&str>, before: Option<ChainId>) -> String {
        let mut query = Serializer::new(String::new());
        let pairs = [
            ("type", self.type_name.as_ref().map(TypeName::to_string)),
            ("state", state.map(str::to_owned)),
            ("key", self.key.clone()),
            ("before", before.map(|id| id.to_string())),
        ];
        for (name, value) in pairs {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                query.append_pair(name, &value);
            }
        }
        match query.finish() {
            query if query.is_empty() => "/chains".to_owned(),
            query => format!("/chains?{query}"),
        }
    }

    fn in_state(&self, state: &str) -> String {
        self.address(Some(state), None)
    }

    fn newest(&self) -> String {
        self.address(self.state.map(State::name), None)
    }

    fn is_filtered(&self) -> bool {
        self.type_name.is_some() || self.state.is_some() || self.key.is_some()
    }
}

async fn list(viewer: Viewer, Query(query): Query) -> Result<Page<ChainsPage>, Problem> {
    let before: Option<ChainId> = query.read("before")?;
    let wanted = ChainQuery {
        type_name: query.read("type")?,
        state: query.read("state")?,
        key: query.owned("key"),
        before,
        limit: ROWS,
        ..ChainQuery::default()
    };
    let chains = viewer.service.chains(&wanted).await?;
    let mut page = ChainsPage {
        shell: viewer.shell(Section::Chains, "Chains"),
        type_name: wanted.type_name,
        state: wanted.state,
        key: wanted.key,
        types: viewer.service.type_names().await?,
        chains,
        older: None,
        is_later: before.is_some(),
    };
    let last = page
        .chains
        .last()
        .filter(|_| page.chains.len() == ROWS as usize);
    page.older = last.map(|last| page.address(page.state.map(State::name), Some(last.id)));
    Ok(Page(page))
}

#[derive(Template)]
#[template(path = "chain.html")]
struct ChainPage {
    shell: Shell,
    chain: ChainDetail,
    graph: Graph,
    output: Option<String>,
}

impl ChainPage {
    fn is_open(&self) -> bool {
        !self.chain.summary.state.is_final()
    }
}

async fn show_chain(
    viewer: Viewer,
    Path(path): Path<ChainPath>,
) -> Result<Page<ChainPage>, Problem> {
    let chain = viewer.service.chain(path.chain).await?;
    let last = chain.jobs.last();
    let mut output = None;
    if let (Some(text), Some(last)) = (&chain.output, last) {
        let deployment = viewer.service.job(last.id).await?.deployment;
        let spec = viewer
            .service
            .spec_of(deployment, &last.type_name, last.id)
            .await?;
        let schema = spec.map_or_else(String::new, |spec| spec.output_schema);
        output = Some(show::json(&mask(&schema, text)));
    }
    let title = format!("Chain of {}", chain.summary.type_name);
    Ok(Page(ChainPage {
        shell: viewer.shell(Section::Chains, title),
        graph: Graph::of(&chain),
        output,
        chain,
    }))
}

async fn cancel(viewer: Viewer, Path(path): Path<ChainPath>) -> Result<Redirect, Problem> {
    viewer.service.cancel_chain(path.chain).await?;
    Ok(Redirect::to(&format!(
        "/chains/{}?done=chain-cancelled",
        path.chain
    )))
}

async fn delete(
    viewer: Viewer,
    Path(path): Path<ChainPath>,
    Form(form): Form,
) -> Result<Redirect, Problem> {
    let cascade = form.text("cascade").is_some();
    viewer.service.delete_chain(path.chain, cascade).await?;
    Ok(Redirect::to("/chains?done=chain-deleted"))
}
