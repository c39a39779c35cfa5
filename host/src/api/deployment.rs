//! Deployments: made, checked, listed, shown, compared.

use aide::axum::routing::{get_with, post_with};
use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use hardstop_domain::{DeploymentId, Scope};
use hardstop_store::{DeploymentDetail, NewDeployment};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::Caller;
use super::body::UPLOAD_BYTES_MAX;
use super::extract::{Path, Query};
use super::problem::Problem;
use super::route::{Created, Routes};
use super::upload::{Upload, refused};
use super::{Api, Deployer};
use crate::deploy;
use crate::error::Kind;
use crate::service::{DeploymentLine, DeploymentMade, TypeDifference, Verified};

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(
            Scope::Read,
            "/deployments",
            get_with(list, |op| op.id("listDeployments").summary("The newest deployments")),
        )
        .create(
            Scope::Deploy,
            "/deployments",
            post_with(make, |op| {
                op.id("deploy")
                    .summary("Verify a component and put its types in force, or beside what is in force")
            })
            .layer(DefaultBodyLimit::max(UPLOAD_BYTES_MAX)),
        )
        .add(
            Scope::Deploy,
            "/deployments/check",
            post_with(check, |op| {
                op.id("checkDeployment")
                    .summary("Verify a component, and say what deploying it would change; nothing is stored")
            })
            .layer(DefaultBodyLimit::max(UPLOAD_BYTES_MAX)),
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
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deployments {
    /// How many at the most.
    #[serde(default = "limit_default")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: u32,
}

fn limit_default() -> u32 {
    20
}

/// Where to put a deployment.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Placed {
    /// Beside what is in force, with so many percent of the jobs; in force where it is left out.
    #[schemars(range(min = 1, max = 99))]
    pub canary: Option<u8>,
}

/// A deployment that is good.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Checked {
    /// What it is.
    #[serde(flatten)]
    pub verified: Verified,
    /// What it would change.
    pub differences: Vec<TypeDifference>,
}

/// What to compare with.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Other {
    /// The later deployment; where it is left out, what is in force is the earlier one.
    pub to: Option<DeploymentId>,
}

async fn list(
    caller: Caller,
    Query(query): Query<Deployments>,
) -> Result<Json<Vec<DeploymentLine>>, Problem> {
    Ok(Json(caller.service.deployments(query.limit).await?))
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

async fn make(
    caller: Caller,
    State(api): State<Api>,
    Query(placed): Query<Placed>,
    upload: Upload,
) -> Result<Created<DeploymentMade>, Problem> {
    let mut new = verify(&api, upload).await?;
    new.canary_percent = placed.canary;
    let made = caller.service.make_deployment(new).await?;
    let path = format!("/deployments/{}", made.deployment);
    Ok(Created::at(path, made))
}

async fn check(
    caller: Caller,
    State(api): State<Api>,
    upload: Upload,
) -> Result<Json<Checked>, Problem> {
    let new = verify(&api, upload).await?;
    let differences = caller.service.diff_new(&new).await?;
    Ok(Json(Checked {
        verified: Verified::of(&new),
        differences,
    }))
}

async fn verify(api: &Api, Upload(file): Upload) -> Result<NewDeployment, Problem> {
    let Ok(_turn) = api.deployer.turns.try_acquire() else {
        return Err(Problem::new(
            Kind::Overloaded,
            "other deployments are being verified",
        ));
    };
    let Deployer {
        sandbox, config, ..
    } = &*api.deployer;
    let bytes = file
        .read_component(config.component_bytes_max)
        .map_err(refused)?;
    deploy::verify(&file, bytes, sandbox, config)
        .await
        .map_err(refused)
}
