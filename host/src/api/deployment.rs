//! Deployments: list, show, compare.

use aide::axum::routing::get_with;
use axum::Json;
use hardstop_domain::{DeploymentId, Scope};
use hardstop_store::DeploymentDetail;
use schemars::JsonSchema;
use serde::Deserialize;

use super::access::Caller;
use super::extract::{Path, Query};
use super::problem::Problem;
use super::route::Routes;
use crate::service::{DeploymentLine, TypeDifference};

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(
            Scope::Read,
            "/deployments",
            get_with(list, |op| op.id("listDeployments").summary("The newest deployments")),
        )
        .add(
            Scope::Read,
            "/deployments/{deployment}",
            get_with(show, |op| op.id("showDeployment").summary("One deployment")),
        )
        .add(
            Scope::Read,
            "/deployments/{deployment}/diff",
            get_with(diff, |op| {
                op.id("diffDeployments")
                    .summary("What is different from one deployment to another, or from what is in force to it")
            }),
        )
}

#[derive(Deserialize, JsonSchema)]
struct DeploymentPath {
    /// The deployment.
    deployment: DeploymentId,
}

/// Which deployments to list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Deployments {
    /// How many at the most.
    #[serde(default = "limit_default")]
    #[schemars(range(min = 1, max = 100))]
    limit: u32,
}

fn limit_default() -> u32 {
    20
}

/// What to compare with.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Other {
    /// The later deployment; where it is left out, what is in force is the earlier one.
    to: Option<DeploymentId>,
}

async fn list(
    caller: Caller,
    Query(query): Query<Deployments>,
) -> Result<Json<Vec<DeploymentLine>>, Problem> {
    let deployments = caller.service.deployments(query.limit).await?;
    Ok(Json(deployments.iter().map(DeploymentLine::of).collect()))
}

async fn show(
    caller: Caller,
    Path(path): Path<DeploymentPath>,
) -> Result<Json<DeploymentDetail>, Problem> {
    Ok(Json(caller.service.deployment(path.deployment).await?))
}

async fn diff(
    caller: Caller,
    Path(path): Path<DeploymentPath>,
    Query(other): Query<Other>,
) -> Result<Json<Vec<TypeDifference>>, Problem> {
    Ok(Json(caller.service.diff(path.deployment, other.to).await?))
}
