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
use crate::error::Error;
use crate::service::{PauseRequest, optional_type, parse_time};

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
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseStart {
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

impl PauseStart {
    /// As it is asked for.
    pub fn of(request: PauseRequest) -> Result<Self, Error> {
        let type_name = optional_type(request.type_name.as_deref())?;
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Ok(Self {
            type_name: type_name.map(|name| name.to_string()),
            time: request.time.map(ms),
            until: request.until.as_deref().map(parse_time).transpose()?,
            note: request.note,
        })
    }
}

/// What to resume.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseTarget {
    /// The type; none: everything. The pause of a type and that of everything end apart.
    #[serde(default, rename = "type")]
    pub type_name: Option<TypeName>,
}

/// What was resumed.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Resumed {
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
        actor: None,
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
