//! What is served beside the API, by a worker too: `/healthz` and `/readyz`, for whatever watches over the process, and
//! `/metrics`. The first two are outside of the API: without tokens, without load shedding.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use hardstop_domain::Scope;
use serde::Serialize;
use tracing::warn;

use super::access::{authenticate, require};
use super::guard;
use super::problem::Problem;
use crate::error::{Error, Kind};
use crate::service::Service;
use crate::telemetry::Metrics;
use crate::telemetry::metric::Cluster;

/// How long the database may take.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The version of the text format that Prometheus reads.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What everybody who comes in is asked and told.
#[derive(Clone)]
pub struct Door {
    /// The use cases.
    pub service: Service,
    /// Whether the server can be reached from this machine only.
    pub is_loopback: bool,
    /// What this process counts.
    pub metrics: Arc<Metrics>,
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

/// The routes, for a server that has others too.
pub fn routes(door: &Door) -> Router<Door> {
    let metrics = get(metrics)
        .route_layer(from_fn(|request: Request, next: Next| {
            require(Scope::Read, request, next)
        }))
        .route_layer(from_fn_with_state(door.clone(), authenticate));
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", metrics)
}

/// These routes alone, for a worker that serves nothing else.
pub fn alone(door: Door) -> Router {
    let router = routes(&door).fallback(|| async {
        Problem::new(Kind::NoSuchRoute, "nothing is served under this path")
            .hint("a worker serves /metrics, /healthz and /readyz; `hardstop serve` has the API")
    });
    guard::around(router.with_state(door))
}

/// Whether the process answers.
async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether it can do something: the database answers, and has this host's schema.
async fn readyz(State(door): State<Door>) -> Result<Json<Health>, Problem> {
    match tokio::time::timeout(TIMEOUT, door.service.check_schema()).await {
        Ok(checked) => checked?,
        Err(_) => {
            return Err(Problem::new(
                Kind::DatabaseUnavailable,
                format!("no answer within {} s", TIMEOUT.as_secs()),
            ));
        }
    }
    Ok(Json(Health { status: "ready" }))
}

/// What there is to count, in the text format of Prometheus. Where the database does not answer, the rest is told.
async fn metrics(State(door): State<Door>) -> Result<impl IntoResponse, Problem> {
    let read = async {
        Ok::<_, Error>(Cluster {
            counts: door.service.counts().await?,
            oldest: door.service.oldest_ready().await?,
        })
    };
    let cluster = match tokio::time::timeout(TIMEOUT, read).await {
        Ok(Ok(cluster)) => Some(cluster),
        Ok(Err(error)) => {
            warn!(%error, "the metrics of the database are left out");
            None
        }
        Err(_) => {
            warn!(timeout = ?TIMEOUT, "the metrics of the database are left out: no answer");
            None
        }
    };
    let text = door.metrics.text(cluster.as_ref())?;
    Ok(([(header::CONTENT_TYPE, TEXT_FORMAT)], text))
}
