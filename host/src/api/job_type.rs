//! Types: what is deployed, their history, and what steers their deployments.

use aide::axum::routing::{get_with, post_with};
use axum::Json;
use hardstop_domain::{DeploymentId, Scope, TypeName};
use hardstop_store::{CanaryChange, TypeHistory};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::Caller;
use super::extract::{Body, Path};
use super::problem::Problem;
use super::route::Routes;
use crate::error::{Error, Kind};
use crate::service::{TypeInForce, TypeShown};

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(
            Scope::Read,
            "/types",
            get_with(list, |op| {
                op.id("listTypes").summary("Every deployed type, by name")
            }),
        )
        .add(
            Scope::Read,
            "/types/{type}",
            get_with(show, |op| {
                op.id("showType")
                    .summary("One type, and what its newest jobs used of its limits")
            }),
        )
        .add(
            Scope::Read,
            "/types/{type}/history",
            get_with(history, |op| {
                op.id("showTypeHistory")
                    .summary("The deployments of a type, and what was done with them")
            }),
        )
        .add(
            Scope::Deploy,
            "/types/{type}/rollback",
            post_with(rollback, |op| {
                op.id("rollBackType")
                    .summary("Put a deployment of before in force again")
            }),
        )
        .add(
            Scope::Deploy,
            "/types/{type}/canary",
            post_with(canary, |op| {
                op.id("changeCanary")
                    .summary("Change the share of a type's canary, put it in force, or end it")
            }),
        )
        .add(
            Scope::Deploy,
            "/types/{type}/release",
            post_with(release, |op| {
                op.id("releaseType")
                    .summary("Let the quarantined components of a type run again")
            }),
        )
}

#[derive(Deserialize, JsonSchema)]
struct TypePath {
    /// Its name.
    #[serde(rename = "type")]
    type_name: TypeName,
}

/// Where to go back to.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// The deployment; the one that was in force before where it is left out.
    #[serde(default)]
    pub to: Option<DeploymentId>,
}

/// What is in force after a rollback.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct RolledBack {
    /// The type.
    #[serde(rename = "type")]
    type_name: TypeName,
    /// The deployment that was in force.
    pub from: DeploymentId,
    /// The deployment that is.
    pub to: DeploymentId,
}

/// What becomes of a canary.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Canary {
    /// It gets this share of the jobs, from 1 to 99.
    Percent(#[schemars(range(min = 1, max = 99))] u8),
    /// It is put in force.
    Promote {},
    /// It is the canary no more.
    End {},
}

impl Canary {
    /// As it is asked for.
    pub fn of(change: CanaryChange) -> Self {
        match change {
            CanaryChange::Percent(percent) => Self::Percent(percent),
            CanaryChange::Promote => Self::Promote {},
            CanaryChange::End => Self::End {},
        }
    }
}

/// What became of a canary.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct CanaryChanged {
    /// The type.
    #[serde(rename = "type")]
    type_name: TypeName,
    /// Its deployment.
    pub deployment: DeploymentId,
    /// The share that it gets.
    canary_percent: Option<u8>,
    /// Whether it is in force.
    in_force: bool,
}

/// What was released.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Released {
    /// The type.
    #[serde(rename = "type")]
    type_name: TypeName,
    /// How many of its components.
    pub released: u64,
}

async fn list(caller: Caller) -> Result<Json<Vec<TypeInForce>>, Problem> {
    Ok(Json(caller.service.types_in_force().await?))
}

async fn show(caller: Caller, Path(path): Path<TypePath>) -> Result<Json<TypeShown>, Problem> {
    let shown = caller.service.show_type(path.type_name.as_str()).await?;
    Ok(Json(shown))
}

async fn history(caller: Caller, Path(path): Path<TypePath>) -> Result<Json<TypeHistory>, Problem> {
    let history = caller.service.type_history(path.type_name.as_str()).await;
    Ok(Json(history.map_err(of_path)?))
}

async fn rollback(
    caller: Caller,
    Path(path): Path<TypePath>,
    Body(rollback): Body<Rollback>,
) -> Result<Json<RolledBack>, Problem> {
    let type_name = path.type_name;
    let rolled = caller
        .service
        .rollback(type_name.as_str(), rollback.to)
        .await;
    let (from, to) = rolled.map_err(of_path)?;
    Ok(Json(RolledBack {
        type_name,
        from,
        to,
    }))
}

async fn canary(
    caller: Caller,
    Path(path): Path<TypePath>,
    Body(canary): Body<Canary>,
) -> Result<Json<CanaryChanged>, Problem> {
    let (change, canary_percent) = match canary {
        Canary::Percent(percent) => (CanaryChange::Percent(percent), Some(percent)),
        Canary::Promote {} => (CanaryChange::Promote, None),
        Canary::End {} => (CanaryChange::End, None),
    };
    let type_name = path.type_name;
    let changed = caller
        .service
        .change_canary(type_name.as_str(), change)
        .await;
    Ok(Json(CanaryChanged {
        deployment: changed.map_err(of_path)?,
        type_name,
        canary_percent,
        in_force: change == CanaryChange::Promote,
    }))
}

async fn release(caller: Caller, Path(path): Path<TypePath>) -> Result<Json<Released>, Problem> {
    let type_name = path.type_name;
    let released = caller.service.release(type_name.as_str()).await;
    Ok(Json(Released {
        released: released.map_err(of_path)?,
        type_name,
    }))
}

/// A type that the path names and that is not deployed is one that is not there.
fn of_path(error: Error) -> Error {
    match error.kind {
        Kind::NotDeployed => error.kind(Kind::NoSuchType),
        _ => error,
    }
}
