//! The HTTP API: the use cases of [`crate::service`] over HTTP, and nothing beside them.
//!
//! ```text
//! connection (server) -> guard: shed, time out, refuse foreign origins -> access: token, scope -> handler -> service
//! ```
//!
//! Every route is added by `Routes::add`, which asks for the scope that it needs; the document is made of the
//! handlers' own types. An error is a [`problem::Problem`], whose kinds are one table: [`crate::error::Kind`].

pub(crate) mod access;
pub(crate) mod audit;
mod body;
pub(crate) mod chain;
mod component;
pub(crate) mod cursor;
pub(crate) mod dead_letter;
pub(crate) mod deployment;
pub mod document;
mod door;
pub(crate) mod event;
pub(crate) mod extract;
pub(crate) mod follow;
pub(crate) mod guard;
mod idempotency;
pub(crate) mod job;
pub(crate) mod job_type;
pub(crate) mod pause;
pub mod problem;
mod route;
pub(crate) mod schedule;
mod server;
mod session;
pub(crate) mod sse;
pub(crate) mod subscription;
pub(crate) mod token;
mod upload;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use hardstop_sandbox::Sandbox;
use serde_json::Value;
use tokio::sync::{Semaphore, watch};

use crate::config::Config;
use crate::dashboard::{self, Sessions};
use crate::error::{Error, Kind};
use body::BodyBudget;
pub use door::{Door, alone};
use problem::Problem;
use route::Routes;
pub use server::{Server, ServerConfig};

/// What the paths of the API begin with.
pub const PREFIX: &str = "/api/v1";

/// What handlers get of the server.
#[derive(Clone)]
pub struct Api {
    pub(crate) door: Door,
    /// Who is logged in to the dashboard.
    pub(crate) sessions: Arc<Sessions>,
    deployer: Arc<Deployer>,
    /// How many more jobs may be followed.
    followers: Arc<Semaphore>,
    /// How many more streams of events may be told.
    hearers: Arc<Semaphore>,
    /// What bodies may have together.
    bodies: Arc<BodyBudget>,
    /// Whether the server ends: what goes on by itself ends then.
    stopping: watch::Receiver<bool>,
}

/// How many deployments are verified at once.
const VERIFIED_AT_ONCE: usize = 2;

/// What verifies deployments.
pub struct Deployer {
    sandbox: Sandbox,
    config: Config,
    turns: Semaphore,
}

impl Deployer {
    /// Verifies in this sandbox, which is not that of a worker: full slots of jobs keep no deployment waiting.
    pub fn new(sandbox: Sandbox, config: Config) -> Self {
        Self {
            sandbox,
            config,
            turns: Semaphore::new(VERIFIED_AT_ONCE),
        }
    }
}

/// All routes, in the order in which the document lists them.
fn routes() -> Routes {
    let routes = Routes::none();
    let routes = chain::routes(routes);
    let routes = job::routes(routes);
    let routes = follow::routes(routes);
    let routes = event::routes(routes);
    let routes = job_type::routes(routes);
    let routes = component::routes(routes);
    let routes = deployment::routes(routes);
    let routes = schedule::routes(routes);
    let routes = pause::routes(routes);
    let routes = dead_letter::routes(routes);
    let routes = session::routes(routes);
    let routes = subscription::routes(routes);
    let routes = token::routes(routes);
    audit::routes(routes)
}

/// The API's document: OpenAPI 3.1.
pub fn openapi() -> Value {
    document::begin();
    document::of(routes()).0
}

/// The API and the dashboard behind this door, for a server that ends when `stopping` says so.
pub fn router(
    door: Door,
    deployer: Deployer,
    stopping: watch::Receiver<bool>,
) -> Result<Router, Error> {
    document::begin();
    let (document, routes) = document::of(routes());
    let api = Api {
        door: door.clone(),
        sessions: Arc::new(Sessions::new()?),
        bodies: Arc::new(BodyBudget::new(deployer.config.serve.body_budget_bytes)),
        deployer: Arc::new(deployer),
        followers: Arc::new(Semaphore::new(follow::FOLLOWERS_MAX)),
        hearers: Arc::new(Semaphore::new(event::HEARERS_MAX)),
        stopping,
    };
    let metered = from_fn_with_state(api.clone(), body::metered);
    let known = from_fn_with_state(door.clone(), access::authenticate);
    let router = Router::new()
        .nest(
            PREFIX,
            routes
                .layer(metered)
                .layer(known)
                .merge(document::route(&document)),
        )
        .merge(door::routes(&door).with_state(door))
        .merge(dashboard::router(&api))
        .fallback(|| async {
            Problem::new(Kind::NoSuchRoute, "nothing is served under this path")
                .hint("/api/v1/openapi.json lists the routes")
        })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                Kind::MethodNotAllowed,
                "the route does not have this method",
            )
            .hint("the header `Allow` and /api/v1/openapi.json say which it has")
        })
        .with_state(api);
    Ok(guard::around(router))
}
