//! One job: what became of it and when, what it said, what it used of what it was allowed, and what it was refused.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use askama::Template;
use axum::extract::State as Of;
use axum::response::Redirect;
use hardstop_domain::outcome::Progress;
use hardstop_domain::quantity::{format_size, format_us};
use hardstop_domain::{
    DeploymentId, Failure, JobId, LogEntry, OutcomeKind, Scope, State, Timestamp, TypeSpec, Usage,
};
use hardstop_store::{AttemptRecord, Due, JobDetail};
use uuid::Uuid;

use super::field::{Fields, Form, Query};
use super::route::Routes;
use super::shell::{Page, Section, Shell};
use super::show;
use super::usage::{Share, shares};
use super::viewer::Viewer;
use crate::api::Api;
use crate::api::extract::Path;
use crate::api::follow::{Events, Heard, LastEvent, events};
use crate::api::problem::Problem;
use crate::error::Error;
use crate::sensitive::mask;
use crate::service::Verdict;
use crate::service::explain::Reason;

/// How many lines of the log a page shows.
const LOG_LINES_MAX: usize = 1_000;
/// The width of the timeline, in its own units.
const TIMELINE_WIDTH: f64 = 1_000.0;
/// The narrowest piece of it.
const PIECE_WIDTH_MIN: f64 = 3.0;

pub fn routes(routes: Routes) -> Routes {
    routes
        .page(Scope::Read, "/jobs/{job}", "One job", show_job)
        .page(
            Scope::Read,
            "/jobs/{job}/live",
            "The events of a job, as the API tells them",
            live,
        )
        .action(Scope::Operate, "/jobs/{job}/retry", "Retry a job", retry)
        .action(Scope::Operate, "/jobs/{job}/cancel", "Cancel a job", cancel)
        .action(
            Scope::Operate,
            "/jobs/{job}/trigger",
            "Make a job due now",
            trigger,
        )
        .action(
            Scope::Operate,
            "/jobs/{job}/complete",
            "Complete an external job, or fail it",
            complete,
        )
}

#[derive(serde::Deserialize)]
struct JobPath {
    job: JobId,
}

/// A run of the job.
struct Run {
    /// As the page numbers it.
    run: u32,
    attempt: u32,
    /// None: it goes on.
    outcome: Option<OutcomeKind>,
    failure: Option<FailureShown>,
    shares: Vec<Share>,
    usage: Option<Usage>,
    host: Option<String>,
    progress: Option<Progress>,
    log: Vec<LogEntry>,
    /// How many lines of the log are not on the page.
    log_more: usize,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
}

/// Why it did not end well.
struct FailureShown {
    failure: Failure,
    /// The limit that ended it, in words.
    limit: Option<String>,
    details: Option<String>,
}

/// Something that the handler was refused.
struct Refused {
    capability: String,
    rule: String,
    grant: String,
}

/// A piece of the timeline.
struct Piece {
    x: f64,
    width: f64,
    class: &'static str,
    title: String,
}

#[derive(Template)]
#[template(path = "job.html")]
struct JobPage {
    shell: Shell,
    job: JobDetail,
    /// What the page has told, for who hears the rest.
    heard: String,
    reasons: Vec<Reason>,
    input: String,
    output: Option<String>,
    /// Oldest first.
    runs: Vec<Run>,
    pieces: Vec<Piece>,
    /// What its type may reach; none where the type is gone.
    granted: Option<Vec<String>>,
    refused: Vec<Refused>,
    external: bool,
    completion: Option<Uuid>,
}

impl JobPage {
    fn is_live(&self) -> bool {
        !self.job.summary.state.is_final()
    }

    fn may_retry(&self) -> bool {
        let state = self.job.summary.state;
        self.shell.may_operate()
            && matches!(
                state,
                State::Discarded | State::Cancelled | State::Scheduled
            )
    }

    fn may_cancel(&self) -> bool {
        self.shell.may_operate() && self.is_live()
    }

    fn may_trigger(&self) -> bool {
        let state = self.job.summary.state;
        self.shell.may_operate() && matches!(state, State::Scheduled | State::Blocked)
    }
}

async fn show_job(viewer: Viewer, Path(path): Path<JobPath>) -> Result<Page<JobPage>, Problem> {
    let job = viewer.service.job(path.job).await?;
    let heard = Heard::all_of(&job).id();
    let job = viewer.caller().shown(job);
    let name = job.summary.type_name.clone();
    let reasons = match job.summary.state.is_final() {
        true => Vec::new(),
        // It may have gone meanwhile.
        false => viewer
            .service
            .explain(path.job)
            .await
            .map_or_else(|_| Vec::new(), |it| it.reasons),
    };
    let spec = viewer
        .service
        .spec_of(job.deployment, &name, path.job)
        .await?;
    let schema = |text: Option<&str>, json: &str| show::json(&mask(text.unwrap_or_default(), json));
    let input = schema(
        spec.as_ref().map(|spec| spec.input_schema.as_str()),
        &job.input,
    );
    let output = job.output.as_deref();
    let output = output.map(|output| {
        schema(
            spec.as_ref().map(|spec| spec.output_schema.as_str()),
            output,
        )
    });
    let runs = runs(&viewer, &job, spec.as_ref()).await?;
    let shell = viewer.shell(Section::Jobs, format!("{name} {}", job.summary.state));
    Ok(Page(JobPage {
        pieces: timeline(&job, &runs, shell.now),
        refused: refused(&runs),
        granted: spec.as_ref().map(|spec| spec.capabilities.describe()),
        external: spec.is_some_and(|spec| spec.external.is_some()),
        completion: job.completion_token,
        shell,
        heard,
        reasons,
        input,
        output,
        runs,
        job,
    }))
}

/// Every run: those on record, and the one that ended the job well or goes on, of which only the job tells.
async fn runs(
    viewer: &Viewer,
    job: &JobDetail,
    spec: Option<&TypeSpec>,
) -> Result<Vec<Run>, Error> {
    let mut specs: HashMap<Option<DeploymentId>, Option<TypeSpec>> = HashMap::new();
    specs.insert(job.deployment, spec.cloned());
    let summary = &job.summary;
    let mut runs = Vec::with_capacity(job.attempts.len() + 1);
    for attempt in &job.attempts {
        let spec = match specs.entry(attempt.deployment) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let (deployment, name) = (attempt.deployment, &summary.type_name);
                let found = viewer.service.spec_of(deployment, name, summary.id);
                place.insert(found.await?)
            }
        };
        let spec = spec.as_ref();
        let shares = shares_of(viewer, job, spec, attempt.usage.as_ref());
        runs.push(Run::of(attempt, shares));
    }
    let ended_well = matches!(summary.state, State::Completed | State::Continued);
    let goes_on = summary.state == State::Running;
    if goes_on || (ended_well && summary.outcome.is_some()) {
        let (log, log_more) = shortened(&job.log);
        runs.push(Run {
            run: job.run,
            attempt: summary.attempt,
            outcome: summary.outcome.filter(|_| ended_well),
            failure: None,
            shares: shares_of(viewer, job, spec, job.usage.as_ref()),
            usage: job.usage,
            host: None,
            progress: job.progress.clone(),
            log,
            log_more,
            started_at: summary.started_at,
            finished_at: summary.finished_at,
        });
    }
    Ok(runs)
}

fn shares_of(
    viewer: &Viewer,
    job: &JobDetail,
    spec: Option<&TypeSpec>,
    usage: Option<&Usage>,
) -> Vec<Share> {
    let (Some(spec), Some(usage)) = (spec, usage) else {
        return Vec::new();
    };
    let limits = viewer.service.limits_of(spec, &job.limits, Some(usage));
    limits.map_or_else(Vec::new, |limits| shares(usage, &limits))
}

fn shortened(log: &[LogEntry]) -> (Vec<LogEntry>, usize) {
    let shown = log.len().min(LOG_LINES_MAX);
    (log[..shown].to_vec(), log.len() - shown)
}

impl Run {
    fn of(attempt: &AttemptRecord, shares: Vec<Share>) -> Self {
        let (log, log_more) = shortened(&attempt.log);
        Self {
            run: attempt.run,
            attempt: attempt.attempt,
            outcome: Some(attempt.outcome),
            failure: attempt.failure.clone().map(FailureShown::of),
            shares,
            usage: attempt.usage,
            host: Some(attempt.host.clone()),
            progress: attempt.progress.clone(),
            log,
            log_more,
            started_at: Some(attempt.started_at),
            finished_at: Some(attempt.finished_at),
        }
    }

    /// What of its log was dropped.
    fn dropped(&self) -> Option<String> {
        let bytes = self.usage.map_or(0, |usage| usage.log_bytes_dropped);
        (bytes > 0).then(|| format_size(bytes))
    }

    fn percent(&self) -> String {
        self.progress
            .as_ref()
            .map_or_else(String::new, |it| format!("{:.0}%", it.fraction * 100.0))
    }
}

impl FailureShown {
    fn of(failure: Failure) -> Self {
        let limit = failure.limit.map(|hit| {
            let (limit, used) = (hit.name.format(hit.limit), hit.name.format(hit.used));
            let late = hit.overrun_us.map_or_else(String::new, |us| {
                format!(", ended {} past it", format_us(us))
            });
            format!("limit {} = {limit}, used {used}{late}", hit.name)
        });
        Self {
            limit,
            details: failure.details.as_deref().map(show::json),
            failure,
        }
    }
}

/// What was refused in any run, once.
fn refused(runs: &[Run]) -> Vec<Refused> {
    let mut found: Vec<Refused> = Vec::new();
    for failure in runs.iter().filter_map(|run| run.failure.as_ref()) {
        if let Some(refusal) = &failure.failure.refusal
            && !found.iter().any(|it| it.grant == refusal.grant)
        {
            found.push(Refused {
                capability: refusal.capability.clone(),
                rule: refusal.rule.clone(),
                grant: refusal.grant.clone(),
            });
        }
    }
    found
}

/// From its creation to its end, or now: where it waited and where it ran.
fn timeline(job: &JobDetail, runs: &[Run], now: Timestamp) -> Vec<Piece> {
    let summary = &job.summary;
    let end = summary
        .finished_at
        .unwrap_or(now)
        .0
        .max(summary.created_at.0 + 1);
    let scale = TIMELINE_WIDTH / (end - summary.created_at.0) as f64;
    let mut pieces = Vec::new();
    let mut add = |from: Timestamp, to: Timestamp, class, what: &str| {
        let x = (from.0 - summary.created_at.0).max(0) as f64 * scale;
        let width = ((to.0 - from.0).max(0) as f64 * scale).max(PIECE_WIDTH_MIN);
        let x = x.min(TIMELINE_WIDTH - PIECE_WIDTH_MIN);
        pieces.push(Piece {
            x,
            width: width.min(TIMELINE_WIDTH - x),
            class,
            title: format!("{what}, {}", show::took(&from, &to)),
        });
    };
    add(summary.created_at, Timestamp(end), "wait", "waited or ran");
    for run in runs {
        if let (Some(from), Some(to), Some(outcome)) =
            (run.started_at, run.finished_at, run.outcome)
        {
            let what = format!("run {} {outcome}", run.run);
            add(from, to, show::tone(outcome), &what);
        }
    }
    if let (State::Running, Some(from)) = (summary.state, summary.started_at) {
        add(from, Timestamp(end), "running", "running");
    }
    pieces
}

/// What the API tells of it, for who has heard what the page shows.
async fn live(
    viewer: Viewer,
    Of(api): Of<Api>,
    Path(path): Path<JobPath>,
    Query(query): Query,
    LastEvent(last): LastEvent,
) -> Result<Events, Problem> {
    let heard = query.text("heard").and_then(Heard::read);
    let heard = match last == Heard::default() {
        true => heard.unwrap_or_default(),
        false => last,
    };
    events(viewer.service, &api, path.job, heard).await
}

fn back(job: JobId, done: &str) -> Redirect {
    Redirect::to(&format!("/jobs/{job}?done={done}"))
}

async fn retry(viewer: Viewer, Path(path): Path<JobPath>) -> Result<Redirect, Problem> {
    viewer.service.retry(path.job).await?;
    Ok(back(path.job, "retried"))
}

async fn cancel(viewer: Viewer, Path(path): Path<JobPath>) -> Result<Redirect, Problem> {
    viewer.service.cancel(path.job).await?;
    Ok(back(path.job, "cancelled"))
}

async fn trigger(
    viewer: Viewer,
    Path(path): Path<JobPath>,
    Form(form): Form,
) -> Result<Redirect, Problem> {
    let force = form.text("force").is_some();
    viewer.service.reschedule(path.job, Due::Now, force).await?;
    Ok(back(path.job, "triggered"))
}

async fn complete(
    viewer: Viewer,
    Path(path): Path<JobPath>,
    Form(form): Form,
) -> Result<Redirect, Problem> {
    let token = form.read::<Uuid>("token")?;
    let token = token.ok_or_else(|| {
        Error::usage("the form has no completion token").hint("load the page of the job again")
    })?;
    let (verdict, done) = verdict(&form);
    viewer.service.finish(path.job, token, verdict).await?;
    Ok(back(path.job, done))
}

fn verdict(form: &Fields) -> (Verdict, &'static str) {
    match form.text("verdict") {
        Some("fail") => {
            let message = form
                .owned("message")
                .unwrap_or_else(|| "failed by an operator".to_owned());
            (
                Verdict::Fail {
                    message,
                    details: None,
                },
                "failed",
            )
        }
        _ => {
            let output = form.owned("output").unwrap_or_else(|| "null".to_owned());
            (Verdict::Complete { output }, "completed")
        }
    }
}
