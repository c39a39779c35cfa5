//! Types: all of them, and one with its health, its limits and their headroom, and the deployments that it had.

use askama::Template;
use axum::response::Redirect;
use hardstop_domain::profile::Distribution;
use hardstop_domain::quantity::{format_duration_ms, format_size, format_us, parse_duration};
use hardstop_domain::{
    DeploymentId, External, Histogram, LimitName, Limits, Scope, Statistic, Timestamp, TypeName,
    TypeSpec,
};
use hardstop_store::{
    ActiveType, CanaryChange, Pause, TypeDeployment, TypeEvent, TypeEventKind, TypeHistory,
};

use super::chart::{BarChart, LineChart, Series, Window};
use super::field::{Form, Query};
use super::route::Routes;
use super::shell::{Page, Section, Shell};
use super::show;
use super::start::TypePath;
use super::viewer::Viewer;
use crate::api::extract::Path;
use crate::api::problem::Problem;
use crate::error::Error;
use crate::service::{PauseRequest, TypeShown, Used, pause_of, quarantine_text};

/// How many deployments and events of a type are shown.
const HISTORY_SHOWN: usize = 20;

pub fn routes(routes: Routes) -> Routes {
    routes
        .page(Scope::Read, "/types", "Types", list)
        .page(Scope::Read, "/types/{type}", "One type", show_type)
        .action(Scope::Operate, "/types/{type}/pause", "Pause a type", pause)
        .action(
            Scope::Operate,
            "/types/{type}/resume",
            "Resume a type",
            resume,
        )
        .action(Scope::Operate, "/pause", "Pause everything", pause_all)
        .action(Scope::Operate, "/resume", "Resume everything", resume_all)
        .action(
            Scope::Deploy,
            "/types/{type}/rollback",
            "Put a deployment of before in force",
            rollback,
        )
        .action(
            Scope::Deploy,
            "/types/{type}/release",
            "Release a type from quarantine",
            release,
        )
        .action(
            Scope::Deploy,
            "/types/{type}/canary",
            "Steer a type's canary",
            canary,
        )
}

#[derive(Template)]
#[template(path = "types.html")]
struct TypesPage {
    shell: Shell,
    /// Each with the pause that keeps it from being claimed.
    types: Vec<(ActiveType, Option<Pause>)>,
}

impl TypesPage {
    fn wall(spec: &TypeSpec) -> String {
        match spec.external {
            Some(external) => format!("{} to complete", format_duration_ms(external.deadline_ms)),
            None => format_duration_ms(spec.limits.wall_timeout_ms),
        }
    }

    fn memory(spec: &TypeSpec) -> String {
        match spec.external {
            Some(_) => "external".to_owned(),
            None => format_size(spec.limits.memory_bytes_max),
        }
    }
}

async fn list(viewer: Viewer) -> Result<Page<TypesPage>, Problem> {
    let pauses = viewer.service.pauses().await?;
    let types = viewer.service.types().await?.into_iter();
    let types = types.map(|active| {
        let paused = pause_of(&active, &pauses).cloned();
        (active, paused)
    });
    Ok(Page(TypesPage {
        shell: viewer.shell(Section::Types, "Types"),
        types: types.collect(),
    }))
}

/// A limit, what jobs use of it, and what it could be.
struct LimitRow {
    name: LimitName,
    is: String,
    p50: String,
    p99: String,
    max: String,
    /// How much of the limit the highest use was.
    percent: f64,
    suggested: Option<String>,
}

impl LimitRow {
    fn of(used: &Distribution, limits: &Limits) -> Option<Self> {
        let name = used.name;
        let limit = limits.get(name)?;
        let top = limit.saturating_mul(name.scale()).max(1);
        Some(Self {
            name,
            is: name.format(limit),
            p50: name.format_used(used.p50),
            p99: name.format_used(used.p99),
            max: name.format_used(used.max),
            percent: used.max as f64 * 100.0 / top as f64,
            suggested: used.suggested.map(|value| name.format(value)),
        })
    }
}

fn limit_rows(used: &Used, limits: &Limits) -> Vec<LimitRow> {
    used.limits
        .iter()
        .filter_map(|used| LimitRow::of(used, limits))
        .collect()
}

#[derive(Template)]
#[template(path = "type.html")]
struct TypePage {
    shell: Shell,
    active: ActiveType,
    shown: TypeShown,
    paused: Option<hardstop_store::Pause>,
    quarantine: Option<String>,
    /// With what jobs use, where any did.
    limits: Vec<LimitRow>,
    /// Those of which nothing is measured.
    other_limits: Vec<(LimitName, String)>,
    granted: Vec<String>,
    history: TypeHistory,
    health: Health,
}

/// How attempts of a type went in a window.
struct Health {
    window: Window,
    total: Statistic,
    attempts: BarChart,
    waits: Option<LineChart>,
    runs: Option<LineChart>,
}

impl Health {
    /// Its percentiles, in thousandths, and how they are called.
    const SHOWN: [(u32, &str); 4] = [(500, "p50"), (950, "p95"), (990, "p99"), (1_000, "most")];

    async fn of(
        viewer: &Viewer,
        name: &TypeName,
        window: Window,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let mut covered = window.query(now);
        covered.type_name = Some(name.clone());
        let points = viewer.service.statistics(&covered).await?;
        let series = Series::of(window, &covered, &points);
        Ok(Self {
            window,
            total: series.total(),
            attempts: BarChart::of(&series),
            waits: LineChart::of_waits(&series),
            runs: LineChart::of_runs(&series),
        })
    }

    /// How many of a hundred attempts failed.
    fn failed_percent(&self) -> String {
        let (all, failed) = (self.total.attempts(), self.total.failures());
        match (all, failed) {
            (0, _) => "none ended".to_owned(),
            (_, 0) => "0%".to_owned(),
            (all, failed) if failed * 1_000 < all => "<0.1%".to_owned(),
            (all, failed) => format!("{:.1}%", failed as f64 * 100.0 / all as f64),
        }
    }

    /// Of waits and of runs, the percentiles.
    fn percentiles(&self) -> [(&'static str, Vec<(&'static str, String)>); 2] {
        let row = |histogram: &Histogram| {
            let shown = Self::SHOWN.into_iter().map(|(permille, name)| {
                let us = histogram.permille_us(permille);
                (name, us.map_or_else(|| "none".to_owned(), format_us))
            });
            shown.collect()
        };
        [
            ("waited", row(&self.total.wait)),
            ("ran", row(&self.total.run)),
        ]
    }
}

impl TypePage {
    fn spec(&self) -> &TypeSpec {
        &self.active.spec
    }

    fn may_start(&self) -> bool {
        self.shell.may_operate()
    }

    fn retry(&self) -> String {
        let retry = &self.spec().retry;
        let on: Vec<&str> = retry.on.iter().map(|kind| kind.name()).collect();
        format!(
            "{} attempts, on {}",
            retry.attempts_max,
            if on.is_empty() {
                "nothing".to_owned()
            } else {
                on.join(", ")
            }
        )
    }

    fn deadline(&self, external: &External) -> String {
        format_duration_ms(external.deadline_ms)
    }

    fn deployments(&self) -> &[TypeDeployment] {
        let all = &self.history.deployments;
        &all[..all.len().min(HISTORY_SHOWN)]
    }

    fn events(&self) -> &[TypeEvent] {
        let all = &self.history.events;
        &all[..all.len().min(HISTORY_SHOWN)]
    }

    fn input_schema(&self) -> String {
        show::json(&self.spec().input_schema)
    }

    fn output_schema(&self) -> String {
        show::json(&self.spec().output_schema)
    }
}

/// What was done, in words.
fn event_text(event: &TypeEvent) -> String {
    match (event.kind, event.percent) {
        (TypeEventKind::Deployed, _) => "deployed".to_owned(),
        (TypeEventKind::RolledBack, _) => "rolled back".to_owned(),
        (TypeEventKind::Canary, Some(percent)) => format!("canary with {percent}%"),
        (TypeEventKind::Canary, None) => "canary".to_owned(),
        (TypeEventKind::Promoted, _) => "canary put in force".to_owned(),
        (TypeEventKind::CanaryEnded, _) => "canary ended".to_owned(),
        (TypeEventKind::Quarantined, _) => "quarantined".to_owned(),
        (TypeEventKind::Released, _) => "released".to_owned(),
    }
}

async fn show_type(
    viewer: Viewer,
    Path(path): Path<TypePath>,
    Query(query): Query,
) -> Result<Page<TypePage>, Problem> {
    let name = path.type_name.as_str();
    let window = Window::read(&query)?;
    let shell = viewer.shell(Section::Types, name);
    let active = viewer.service.job_type(name).await?;
    let shown = viewer.service.show_active(&active).await?;
    let history = viewer.service.type_history(name).await?;
    let pauses = viewer.service.pauses().await?;
    let health = Health::of(&viewer, &active.spec.name, window, shell.now).await?;
    let limits = limit_rows(&shown.usage, &active.spec.limits);
    let others = LimitName::ALL
        .into_iter()
        .filter(|name| !limits.iter().any(|row| row.name == *name));
    let others = others.filter_map(|name| Some((name, name.format(active.spec.limits.get(name)?))));
    Ok(Page(TypePage {
        shell,
        health,
        paused: pause_of(&active, &pauses).cloned(),
        quarantine: active.quarantine.as_ref().map(quarantine_text),
        other_limits: others.collect(),
        granted: active.spec.capabilities.describe(),
        limits,
        history,
        shown,
        active,
    }))
}

fn back(path: &TypePath, done: &str) -> Redirect {
    Redirect::to(&format!("/types/{}?done={done}", path.type_name))
}

fn asked_pause(
    form: &super::field::Fields,
    type_name: Option<String>,
) -> Result<PauseRequest, Error> {
    let time = form.text("for").map(parse_duration).transpose();
    let time = time.map_err(|error| {
        Error::usage(format!("`for`: {error}"))
            .hint("write 10m, or leave it empty for a pause that somebody ends")
    })?;
    Ok(PauseRequest {
        type_name,
        time,
        until: None,
        actor: None,
        note: form.owned("note"),
    })
}

async fn pause(
    viewer: Viewer,
    Path(path): Path<TypePath>,
    Form(form): Form,
) -> Result<Redirect, Problem> {
    let request = asked_pause(&form, Some(path.type_name.to_string()))?;
    viewer.service.pause(request).await?;
    Ok(back(&path, "paused"))
}

async fn resume(viewer: Viewer, Path(path): Path<TypePath>) -> Result<Redirect, Problem> {
    viewer.service.resume(Some(path.type_name.as_str())).await?;
    Ok(back(&path, "resumed"))
}

async fn pause_all(viewer: Viewer, Form(form): Form) -> Result<Redirect, Problem> {
    viewer.service.pause(asked_pause(&form, None)?).await?;
    Ok(Redirect::to("/?done=paused"))
}

async fn resume_all(viewer: Viewer) -> Result<Redirect, Problem> {
    viewer.service.resume(None).await?;
    Ok(Redirect::to("/?done=resumed"))
}

async fn rollback(
    viewer: Viewer,
    Path(path): Path<TypePath>,
    Form(form): Form,
) -> Result<Redirect, Problem> {
    let to: Option<DeploymentId> = form.read("to")?;
    viewer.service.rollback(path.type_name.as_str(), to).await?;
    Ok(back(&path, "rolled-back"))
}

async fn release(viewer: Viewer, Path(path): Path<TypePath>) -> Result<Redirect, Problem> {
    viewer.service.release(path.type_name.as_str()).await?;
    Ok(back(&path, "released"))
}

async fn canary(
    viewer: Viewer,
    Path(path): Path<TypePath>,
    Form(form): Form,
) -> Result<Redirect, Problem> {
    let (change, done) = match form.text("change") {
        Some("promote") => (CanaryChange::Promote, "canary-promoted"),
        Some("end") => (CanaryChange::End, "canary-ended"),
        _ => {
            let percent = form.read("percent")?;
            let percent = percent.ok_or_else(|| {
                Error::usage("`percent` is empty").hint("write a number from 1 to 99")
            })?;
            (CanaryChange::Percent(percent), "canary-changed")
        }
    };
    viewer
        .service
        .change_canary(path.type_name.as_str(), change)
        .await?;
    Ok(back(&path, done))
}
