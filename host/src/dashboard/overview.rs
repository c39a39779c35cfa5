//! The first page: what to look at, and how it goes.

use std::cmp::Reverse;

use askama::Template;
use hardstop_domain::{Scope, State};
use hardstop_store::{ActiveType, JobSummary, OldestReady, Pause, Session, StateCount};

use super::alert::{self, Alert, alerts};
use super::chart::{BarChart, LineChart, Series, Window};
use super::field::Query;
use super::job_list::Filter;
use super::route::Routes;
use super::shell::{Page, Section, Shell};
use super::show;
use super::viewer::Viewer;
use crate::api::problem::Problem;
use crate::service::pause_of;

/// How many of the newest jobs are shown, and of the types whose jobs wait.
const JOBS_SHOWN: u32 = 10;
const WAITING_SHOWN: usize = 20;
/// The states whose numbers are shown. Continued jobs are steps of chains, which end in one of the others.
const STATES: [State; 7] = [
    State::Running,
    State::Ready,
    State::Scheduled,
    State::Blocked,
    State::Completed,
    State::Discarded,
    State::Cancelled,
];

pub fn routes(routes: Routes) -> Routes {
    routes.page(
        Scope::Read,
        "/",
        "What to look at, and how it goes",
        overview,
    )
}

/// A type whose jobs wait.
struct Waiting {
    oldest: OldestReady,
    ready: u64,
    /// What keeps them, where that is known.
    because: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    shell: Shell,
    alerts: Vec<Alert>,
    /// Whether everything is paused.
    all_paused: bool,
    /// How many there are of each state.
    counts: Vec<(State, u64)>,
    window: Window,
    attempts: BarChart,
    waits: Option<LineChart>,
    waiting: Vec<Waiting>,
    /// How many types wait that are not shown.
    waiting_more: usize,
    types: Vec<ActiveType>,
    sessions: Vec<Session>,
    newest: Vec<JobSummary>,
}

async fn overview(viewer: Viewer, Query(query): Query) -> Result<Page<OverviewPage>, Problem> {
    let window = Window::read(&query)?;
    let service = &viewer.service;
    let shell = viewer.shell(Section::Overview, "Overview");
    let types = service.types().await?;
    let pauses = service.pauses().await?;
    let sessions = service.sessions().await?;
    let newest = Filter::default().rows(service, JOBS_SHOWN).await?;
    let counts = service.counts().await?;
    let covered = window.query(shell.now);
    let series = Series::of(window, &covered, &service.statistics(&covered).await?);
    let recent = service.statistics(&alert::recent(shell.now)).await?;
    let waiting = waiting(service.oldest_ready().await?, &counts, &types, &pauses);
    Ok(Page(OverviewPage {
        alerts: alerts(&alert::Facts {
            types: &types,
            pauses: &pauses,
            sessions: &sessions,
            recent: &recent,
            waiting: waiting
                .iter()
                .filter(|it| it.because.is_none())
                .map(|it| &it.oldest)
                .collect(),
        }),
        all_paused: pauses.iter().any(|pause| pause.type_name.is_none()),
        counts: STATES
            .into_iter()
            .map(|state| (state, sum(&counts, state)))
            .collect(),
        window,
        attempts: BarChart::of(&series),
        waits: LineChart::of_waits(&series),
        waiting_more: waiting.len().saturating_sub(WAITING_SHOWN),
        waiting: waiting.into_iter().take(WAITING_SHOWN).collect(),
        types,
        sessions,
        newest: newest.rows.into_iter().map(|row| row.job).collect(),
        shell,
    }))
}

fn sum(counts: &[StateCount], state: State) -> u64 {
    let of_it = counts.iter().filter(|count| count.state == state);
    of_it.map(|count| count.count).sum()
}

/// The types whose jobs wait, that with the oldest first.
fn waiting(
    oldest: Vec<OldestReady>,
    counts: &[StateCount],
    types: &[ActiveType],
    pauses: &[Pause],
) -> Vec<Waiting> {
    let waiting = oldest.into_iter().map(|oldest| {
        let name = &oldest.type_name;
        let ready = counts.iter().filter(|it| it.type_name == *name);
        let ready = ready.filter(|it| it.state == State::Ready);
        let active = types.iter().find(|active| active.spec.name == *name);
        let because = active.and_then(|active| {
            if active.quarantine.is_some() {
                Some("quarantined")
            } else if pause_of(active, pauses).is_some() {
                Some("paused")
            } else {
                active.spec.external.map(|_| "external")
            }
        });
        Waiting {
            ready: ready.map(|it| it.count).sum(),
            because,
            oldest,
        }
    });
    let mut waiting: Vec<Waiting> = waiting.collect();
    waiting.sort_by_key(|it| Reverse(it.oldest.age));
    waiting
}
