//! Schedules.

use std::time::Duration;

use aide::axum::routing::{delete_with, get_with, post_with, put_with};
use axum::Json;
use hardstop_domain::quantity::duration_ms_option;
use hardstop_domain::{ChainId, Missed, Overlap, Scope};
use hardstop_store::{PutSchedule, Schedule, ScheduleDetail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::access::Caller;
use super::extract::{Body, Path};
use super::problem::Problem;
use super::route::Routes;
use crate::service::{ScheduleRequest, Timed, timed};

/// How many of its next times a schedule is shown with.
const NEXT_SHOWN: usize = 5;

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(
            Scope::Read,
            "/schedules",
            get_with(list, |op| {
                op.id("listSchedules").summary("Every schedule, by name")
            }),
        )
        .add(
            Scope::Read,
            "/schedules/{name}",
            get_with(show, |op| {
                op.id("showSchedule")
                    .summary("One schedule: its next times, and what became of the last ones")
            }),
        )
        .add(
            Scope::Operate,
            "/schedules/{name}",
            put_with(put, |op| {
                op.id("putSchedule")
                    .summary("Make a schedule, or change the one of its name")
            })
            .merge(delete_with(remove, |op| {
                op.id("deleteSchedule")
                    .summary("Delete a schedule; chains that it started stay")
            })),
        )
        .add(
            Scope::Operate,
            "/schedules/{name}/pause",
            post_with(pause, |op| {
                op.id("pauseSchedule").summary("Let a schedule rest")
            }),
        )
        .add(
            Scope::Operate,
            "/schedules/{name}/resume",
            post_with(resume, |op| {
                op.id("resumeSchedule")
                    .summary("Let a schedule go on, from now")
            }),
        )
        .create(
            Scope::Operate,
            "/schedules/{name}/trigger",
            post_with(trigger, |op| {
                op.id("triggerSchedule")
                    .summary("Start a chain of a schedule now")
            }),
        )
}

#[derive(Deserialize, JsonSchema)]
struct SchedulePath {
    /// Its name. A slash in it is written `%2F`.
    name: String,
}

/// A schedule. It has `cron` or `every`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SchedulePut {
    /// The type of the chains that it starts.
    #[serde(rename = "type")]
    type_name: String,
    /// Their input: any JSON; `{}` where it is left out.
    #[serde(default)]
    #[schemars(with = "Option<serde_json::Value>")]
    input: Option<Box<RawValue>>,
    /// Their priority, from -100 to 100.
    #[serde(default)]
    priority: Option<i16>,
    /// Minute, hour, day of month, month, day of week; or `@daily` and the like.
    #[serde(default)]
    cron: Option<String>,
    /// The zone of the expression, such as `Europe/Berlin`; UTC where it is left out.
    #[serde(default)]
    time_zone: Option<String>,
    /// An interval, such as `15m`.
    #[serde(default, with = "duration_ms_option")]
    #[schemars(with = "Option<String>")]
    every: Option<u64>,
    /// What to do while the chain that it started last is still open.
    #[serde(default)]
    overlap: Overlap,
    /// What to do about times at which no worker was there.
    #[serde(default)]
    missed: Missed,
}

impl SchedulePut {
    /// As it is asked for, with its input.
    pub fn of(request: ScheduleRequest, input: Box<RawValue>) -> Self {
        let ms = |every: Duration| u64::try_from(every.as_millis()).unwrap_or(u64::MAX);
        Self {
            type_name: request.type_name,
            input: Some(input),
            priority: request.priority,
            cron: request.cron,
            time_zone: request.time_zone,
            every: request.every.map(ms),
            overlap: request.overlap,
            missed: request.missed,
        }
    }
}

/// What was done with a schedule.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Done {
    /// Its name.
    name: String,
    /// `paused`, `resumed` or `deleted`.
    done: String,
}

/// The chain that was started.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Triggered {
    /// The chain.
    pub chain_id: ChainId,
}

async fn list(caller: Caller) -> Result<Json<Vec<Timed<Schedule>>>, Problem> {
    let schedules = caller.service.schedules().await?.into_iter();
    let timed = schedules.map(|schedule| timed(schedule.clone(), &schedule, 1));
    Ok(Json(timed.collect()))
}

async fn show(
    caller: Caller,
    Path(path): Path<SchedulePath>,
) -> Result<Json<Timed<ScheduleDetail>>, Problem> {
    let detail = caller.service.schedule(&path.name).await?;
    let schedule = detail.schedule.clone();
    Ok(Json(timed(detail, &schedule, NEXT_SHOWN)))
}

async fn put(
    caller: Caller,
    Path(path): Path<SchedulePath>,
    Body(put): Body<SchedulePut>,
) -> Result<Json<PutSchedule>, Problem> {
    let request = ScheduleRequest {
        name: path.name,
        type_name: put.type_name,
        input: put
            .input
            .map_or_else(|| "{}".to_owned(), |input| input.get().to_owned()),
        priority: put.priority,
        cron: put.cron,
        time_zone: put.time_zone,
        every: put.every.map(Duration::from_millis),
        overlap: put.overlap,
        missed: put.missed,
    };
    Ok(Json(caller.service.put_schedule(request).await?))
}

async fn remove(caller: Caller, Path(path): Path<SchedulePath>) -> Result<Json<Done>, Problem> {
    caller.service.delete_schedule(&path.name).await?;
    Ok(Json(Done {
        name: path.name,
        done: "deleted".to_owned(),
    }))
}

async fn pause(caller: Caller, Path(path): Path<SchedulePath>) -> Result<Json<Done>, Problem> {
    caller.service.set_schedule_paused(&path.name, true).await?;
    Ok(Json(Done {
        name: path.name,
        done: "paused".to_owned(),
    }))
}

async fn resume(caller: Caller, Path(path): Path<SchedulePath>) -> Result<Json<Done>, Problem> {
    caller
        .service
        .set_schedule_paused(&path.name, false)
        .await?;
    Ok(Json(Done {
        name: path.name,
        done: "resumed".to_owned(),
    }))
}

async fn trigger(
    caller: Caller,
    Path(path): Path<SchedulePath>,
) -> Result<Json<Triggered>, Problem> {
    let chain_id = caller.service.trigger_schedule(&path.name).await?;
    Ok(Json(Triggered { chain_id }))
}
