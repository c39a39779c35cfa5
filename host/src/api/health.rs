//! `/healthz` and `/readyz`, for whatever watches over the process. Outside of the API: without tokens, without load
//! shedding.

use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use super::Api;
use super::problem::Problem;
use crate::error::Kind;

/// How long the database may take.
const READY_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

pub fn routes() -> Router<Api> {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
}

/// Whether the process answers.
async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether it can do something: the database answers, and has this host's schema.
async fn readyz(State(api): State<Api>) -> Result<Json<Health>, Problem> {
    match tokio::time::timeout(READY_TIMEOUT, api.service.check_schema()).await {
        Ok(checked) => checked?,
        Err(_) => {
            return Err(Problem::new(
                Kind::DatabaseUnavailable,
                format!("no answer within {} s", READY_TIMEOUT.as_secs()),
            ));
        }
    }
    Ok(Json(Health { status: "ready" }))
}
