//! Sessions: the workers that are registered.

use aide::axum::routing::{get_with, post_with};
use axum::Json;
use hardstop_domain::{Scope, SessionId};
use hardstop_store::Session;
use schemars::JsonSchema;
use serde::Deserialize;

use super::access::Caller;
use super::extract::Path;
use super::problem::Problem;
use super::route::Routes;

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(
            Scope::Read,
            "/sessions",
            get_with(list, |op| {
                op.id("listSessions").summary("Every open session")
            }),
        )
        .add(
            Scope::Operate,
            "/sessions/{session}/drain",
            post_with(drain, |op| {
                op.id("drainSession").summary(
                    "Ask a worker to drain: it claims nothing new, finishes what it runs and ends",
                )
            }),
        )
}

#[derive(Deserialize, JsonSchema)]
struct SessionPath {
    /// The session's number.
    session: SessionId,
}

async fn list(caller: Caller) -> Result<Json<Vec<Session>>, Problem> {
    Ok(Json(caller.service.sessions().await?))
}

async fn drain(caller: Caller, Path(path): Path<SessionPath>) -> Result<Json<Session>, Problem> {
    Ok(Json(caller.service.drain_session(path.session).await?))
}
