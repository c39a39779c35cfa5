//! Schedules: all of them, and one with its next and its last times.

use askama::Template;
use axum::response::Redirect;
use hardstop_domain::{Overlap, Scope};
use hardstop_store::{FireResult, Schedule, ScheduleDetail};

use super::route::Routes;
use super::shell::{Page, Section, Shell};
use super::show;
use super::viewer::Viewer;
use crate::api::extract::Path;
use crate::api::problem::Problem;
use crate::sensitive::mask;
use crate::service::{Timed, timed};

/// How many of its next times are shown of a schedule.
const NEXT_SHOWN: usize = 10;

pub fn routes(routes: Routes) -> Routes {
    routes
        .page(Scope::Read, "/schedules", "Schedules", list)
        .page(
            Scope::Read,
            "/schedules/{name}",
            "One schedule",
            show_schedule,
        )
        .action(
            Scope::Operate,
            "/schedules/{name}/pause",
            "Pause a schedule",
            pause,
        )
        .action(
            Scope::Operate,
            "/schedules/{name}/resume",
            "Resume a schedule",
            resume,
        )
        .action(
            Scope::Operate,
            "/schedules/{name}/trigger",
            "Start a chain of a schedule now",
            trigger,
        )
        .action(
            Scope::Operate,
            "/schedules/{name}/delete",
            "Delete a schedule",
            delete,
        )
}

#[derive(serde::Deserialize)]
struct SchedulePath {
    name: String,
}

/// What it does while the chain before is open, in words.
fn overlap(overlap: &Overlap) -> &'static str {
    match overlap {
        Overlap::Skip => "starts nothing while the chain before is open",
        Overlap::Queue => "starts a chain that waits for the one before",
        Overlap::Allow => "starts a chain all the same",
    }
}

/// A name may have a slash in it.
fn address(name: &str) -> String {
    format!("/schedules/{}", name.replace('/', "%2F"))
}

#[derive(Template)]
#[template(path = "schedules.html")]
struct SchedulesPage {
    shell: Shell,
    schedules: Vec<Schedule>,
}

async fn list(viewer: Viewer) -> Result<Page<SchedulesPage>, Problem> {
    Ok(Page(SchedulesPage {
        shell: viewer.shell(Section::Schedules, "Schedules"),
        schedules: viewer.service.schedules().await?,
    }))
}

#[derive(Template)]
#[template(path = "schedule.html")]
struct SchedulePage {
    shell: Shell,
    timed: Timed<ScheduleDetail>,
    address: String,
    input: String,
}

async fn show_schedule(
    viewer: Viewer,
    Path(path): Path<SchedulePath>,
) -> Result<Page<SchedulePage>, Problem> {
    let detail = viewer.service.schedule(&path.name).await?;
    let mut schema = String::new();
    if let Some(name) = &detail.schedule.type_name {
        let types = viewer.service.types().await?.into_iter();
        let mut types = types.filter(|active| active.spec.name == *name);
        schema = types
            .next()
            .map_or(schema, |active| active.spec.input_schema);
    }
    let schedule = detail.schedule.clone();
    Ok(Page(SchedulePage {
        shell: viewer.shell(Section::Schedules, path.name.clone()),
        input: show::json(&mask(&schema, &detail.input)),
        timed: timed(detail, &schedule, NEXT_SHOWN),
        address: address(&path.name),
    }))
}

fn back(path: &SchedulePath, done: &str) -> Redirect {
    Redirect::to(&format!("{}?done={done}", address(&path.name)))
}

async fn pause(viewer: Viewer, Path(path): Path<SchedulePath>) -> Result<Redirect, Problem> {
    viewer.service.set_schedule_paused(&path.name, true).await?;
    Ok(back(&path, "schedule-paused"))
}

async fn resume(viewer: Viewer, Path(path): Path<SchedulePath>) -> Result<Redirect, Problem> {
    viewer
        .service
        .set_schedule_paused(&path.name, false)
        .await?;
    Ok(back(&path, "schedule-resumed"))
}

async fn trigger(viewer: Viewer, Path(path): Path<SchedulePath>) -> Result<Redirect, Problem> {
    let chain = viewer.service.trigger_schedule(&path.name).await?;
    Ok(Redirect::to(&format!("/chains/{chain}?done=started")))
}

async fn delete(viewer: Viewer, Path(path): Path<SchedulePath>) -> Result<Redirect, Problem> {
    viewer.service.delete_schedule(&path.name).await?;
    Ok(Redirect::to("/schedules?done=schedule-deleted"))
}
