//! Dead letters by what is wrong with them, and their replay; and the replays of before.

use askama::Template;
use axum::response::{IntoResponse as _, Redirect, Response};
use hardstop_domain::{JobId, OutcomeKind, ReplayId, Scope, State, TypeName};
use hardstop_store::{DeadLetterFilter, Replay, ReplayDetail, ReplayedJob, StateCount};

use super::field::{Fields, Form, Query};
use super::route::Routes;
use super::shell::{Page, Section, Shell};
use super::show;
use super::viewer::Viewer;
use crate::api::extract::Path;
use crate::api::problem::Problem;
use crate::error::Error;
use crate::service::{DeadGroups, ReplayReport, SEARCHED_MAX};

/// How many replays are listed, and jobs of a replay shown.
const SHOWN: u32 = 20;
const JOBS_SHOWN: u32 = 100;

pub fn routes(routes: Routes) -> Routes {
    routes
        .page(Scope::Read, "/dead-letters", "Dead letters by error", list)
        .page(Scope::Read, "/replays/{replay}", "One replay", show_replay)
        .action(
            Scope::Operate,
            "/dead-letters/replay",
            "Ask before dead letters are replayed",
            ask,
        )
        .action(
            Scope::Operate,
            "/dead-letters/replay/confirmed",
            "Replay dead letters",
            replay,
        )
}

#[derive(serde::Deserialize)]
struct ReplayPath {
    replay: ReplayId,
}

/// What is meant, as the address or a form says it.
fn filter(fields: &Fields) -> Result<DeadLetterFilter, Error> {
    let jobs = fields.read_all::<JobId>("job")?;
    let outcome = fields.text("outcome").map(|text| {
        let kind = OutcomeKind::ALL
            .into_iter()
            .find(|kind| kind.name() == text);
        kind.ok_or_else(|| Error::usage(format!("`outcome`: `{text}` is no outcome")))
    });
    Ok(DeadLetterFilter {
        type_name: fields.read("type")?,
        state: fields.read("state")?,
        outcome: outcome.transpose()?,
        message: fields.owned("message"),
        jobs: (!jobs.is_empty()).then_some(jobs),
        ..DeadLetterFilter::default()
    })
}

/// What can be chosen of it, as fields.
fn pairs(filter: &DeadLetterFilter) -> Vec<(&'static str, String)> {
    let pairs = [
        ("type", filter.type_name.as_ref().map(TypeName::to_string)),
        ("state", filter.state.map(|state| state.to_string())),
        ("outcome", filter.outcome.map(|kind| kind.to_string())),
        ("message", filter.message.clone()),
    ];
    pairs
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

#[derive(Template)]
#[template(path = "dead_letters.html")]
struct DeadLettersPage {
    shell: Shell,
    filter: DeadLetterFilter,
    types: Vec<TypeName>,
    found: DeadGroups,
    /// How many there are, by the counters, which know types and states.
    total: Option<u64>,
    replays: Vec<Replay>,
}

impl DeadLettersPage {
    fn is_filtered(&self) -> bool {
        !pairs(&self.filter).is_empty()
    }
}

async fn list(viewer: Viewer, Query(query): Query) -> Result<Page<DeadLettersPage>, Problem> {
    let filter = filter(&query)?;
    let counts = viewer.service.counts().await?;
    let is_meant = |count: &&StateCount| {
        let named = filter.type_name.as_ref();
        count.state == filter.state.unwrap_or(State::Discarded)
            && named.is_none_or(|name| *name == count.type_name)
    };
    let is_counted = filter.outcome.is_none() && filter.message.is_none();
    let total = counts.iter().filter(is_meant).map(|count| count.count);
    Ok(Page(DeadLettersPage {
        total: is_counted.then(|| total.sum()),
        shell: viewer.shell(Section::DeadLetters, "Dead letters"),
        types: viewer.service.type_names().await?,
        found: viewer.service.dead_groups(&filter).await?,
        replays: viewer.service.replays(None, SHOWN).await?,
        filter,
    }))
}

#[derive(Template)]
#[template(path = "replay_ask.html")]
struct AskPage {
    shell: Shell,
    filter: DeadLetterFilter,
    /// Chosen one by one.
    jobs: Vec<JobId>,
    report: ReplayReport,
}

async fn preview(
    viewer: &Viewer,
    filter: &DeadLetterFilter,
    note: Option<String>,
    dry_run: bool,
) -> Result<ReplayReport, Error> {
    match &filter.jobs {
        Some(jobs) => {
            viewer
                .service
                .replay_jobs(jobs.clone(), note, None, dry_run)
                .await
        }
        None => {
            viewer
                .service
                .replay_matching(filter.clone(), note, None, dry_run)
                .await
        }
    }
}

async fn ask(viewer: Viewer, Form(form): Form) -> Result<Page<AskPage>, Problem> {
    let filter = filter(&form)?;
    Ok(Page(AskPage {
        shell: viewer.shell(Section::DeadLetters, "Replay dead letters"),
        report: preview(&viewer, &filter, None, true).await?,
        jobs: filter.jobs.clone().unwrap_or_default(),
        filter,
    }))
}

async fn replay(viewer: Viewer, Form(form): Form) -> Result<Response, Problem> {
    let filter = filter(&form)?;
    let report = preview(&viewer, &filter, form.owned("note"), false).await?;
    Ok(match report.replay {
        Some(replay) => Redirect::to(&format!("/replays/{replay}")).into_response(),
        None => Redirect::to("/dead-letters").into_response(),
    })
}

#[derive(Template)]
#[template(path = "replay.html")]
struct ReplayPage {
    shell: Shell,
    detail: ReplayDetail,
    jobs: Vec<ReplayedJob>,
}

impl ReplayPage {
    /// Whether some of its jobs are not final yet.
    fn goes_on(&self) -> bool {
        self.detail
            .states
            .iter()
            .any(|(state, _)| state.is_some_and(|state| !state.is_final()))
    }
}

async fn show_replay(
    viewer: Viewer,
    Path(path): Path<ReplayPath>,
) -> Result<Page<ReplayPage>, Problem> {
    Ok(Page(ReplayPage {
        shell: viewer.shell(Section::DeadLetters, "Replay"),
        detail: viewer.service.replay(path.replay).await?,
        jobs: viewer
            .service
            .replayed_jobs(path.replay, None, JOBS_SHOWN)
            .await?,
    }))
}
