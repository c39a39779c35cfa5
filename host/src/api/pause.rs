//! Pauses of a type, or of everything.

use std::time::Duration;

use aide::axum::routing::{get_with, post_with};
use axum::Json;
use hardstop_domain::quantity::duration_ms_option;
use hardstop_domain::{Scope, Timestamp, TypeName};
use hardstop_store::Pause;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::Caller;
use super::extract::Body;
use super::problem::Problem;
use super::route::Routes;
use crate::service::PauseRequest;

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(
            Scope::Read,
            "/pauses",
            get_with(list, |op| op.id("listPauses").summary("What is paused")),
        )
        .add(
            Scope::Operate,
            "/pause",
            post_with(pause, |op| {
                op.id("pause")
                    .summary("Keep jobs of a type, or all, from being claimed; what runs goes on")
            }),
        )
        .add(
            Scope::Operate,
            "/resume",
            post_with(resume, |op| op.id("resume").summary("End a pause")),
        )
}

/// What to pause.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PauseStart {
    /// The type; none: everything.
    #[serde(default, rename = "type")]
    type_name: Option<String>,
    /// How long, such as `10m`. Without an end it lasts until it is resumed.
    #[serde(default, rename = "for", with = "duration_ms_option")]
    #[schemars(with = "Option<String>")]
    time: Option<u64>,
    /// Until when.
    #[serde(default)]
    until: Option<Timestamp>,
    /// Why, for whoever wonders.
    #[serde(default)]
    note: Option<String>,
}

/// What to resume.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PauseTarget {
    /// The type; none: everything. The pause of a type and that of everything end apart.
    #[serde(default, rename = "type")]
    type_name: Option<TypeName>,
}

/// What was resumed.
#[derive(Serialize, JsonSchema)]
struct Resumed {
    /// The type; none: everything.
    #[serde(rename = "type")]
    type_name: Option<TypeName>,
    /// That it was.
    resumed: bool,
}

async fn list(caller: Caller) -> Result<Json<Vec<Pause>>, Problem> {
    Ok(Json(caller.service.pauses().await?))
}

async fn pause(caller: Caller, Body(start): Body<PauseStart>) -> Result<Json<Pause>, Problem> {
    let request = PauseRequest {
        type_name: start.type_name,
        time: start.time.map(Duration::from_millis),
        until: start.until.map(|until| until.to_string()),
        actor: caller.actor(),
        note: start.note,
    };
    Ok(Json(caller.service.pause(request).await?))
}

async fn resume(caller: Caller, Body(target): Body<PauseTarget>) -> Result<Json<Resumed>, Problem> {
    let type_name = target.type_name;
    let name = type_name.as_ref().map(TypeName::as_str);
    caller.service.resume(name).await?;
    Ok(Json(Resumed {
        type_name,
        resumed: true,
    }))
}
