//! The first page: what to look at, and how it goes.

use askama::Template;
use hardstop_domain::Scope;
use hardstop_store::{ActiveType, JobSummary, Session};

use super::alert::{Alert, alerts};
use super::job_list::Filter;
use super::route::Routes;
use super::shell::{Page, Section, Shell};
use super::show;
use super::viewer::Viewer;
use crate::api::problem::Problem;

/// How many of the newest jobs are shown.
const JOBS_SHOWN: u32 = 10;

pub fn routes(routes: Routes) -> Routes {
    routes.page(
        Scope::Read,
        "/",
        "What to look at, and how it goes",
        overview,
    )
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    shell: Shell,
    alerts: Vec<Alert>,
    /// Whether everything is paused.
    all_paused: bool,
    types: Vec<ActiveType>,
    sessions: Vec<Session>,
    newest: Vec<JobSummary>,
}

impl OverviewPage {
    fn running(&self) -> u64 {
        self.sessions.iter().map(|session| session.running).sum()
    }
}

async fn overview(viewer: Viewer) -> Result<Page<OverviewPage>, Problem> {
    let types = viewer.service.types().await?;
    let pauses = viewer.service.pauses().await?;
    let sessions = viewer.service.sessions().await?;
    let newest = Filter::default().rows(&viewer.service, JOBS_SHOWN).await?;
    Ok(Page(OverviewPage {
        shell: viewer.shell(Section::Overview, "Overview"),
        alerts: alerts(&types, &pauses, &sessions),
        all_paused: pauses.iter().any(|pause| pause.type_name.is_none()),
        types,
        sessions,
        newest: newest.into_iter().map(|row| row.job).collect(),
    }))
}
