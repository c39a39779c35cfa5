//! Workers: the processes that are registered, and how they stand with their leases.

use askama::Template;
use axum::response::Redirect;
use hardstop_domain::quantity::format_size;
use hardstop_domain::{Scope, SessionId};
use hardstop_store::Session;

use super::route::Routes;
use super::shell::{Page, Section, Shell};
use super::show;
use super::viewer::Viewer;
use crate::api::extract::Path;
use crate::api::problem::Problem;

pub fn routes(routes: Routes) -> Routes {
    routes
        .page(Scope::Read, "/workers", "The worker processes", list)
        .action(
            Scope::Operate,
            "/workers/{session}/drain",
            "Ask a worker to drain",
            drain,
        )
}

#[derive(serde::Deserialize)]
struct SessionPath {
    session: SessionId,
}

#[derive(Template)]
#[template(path = "workers.html")]
struct WorkersPage {
    shell: Shell,
    sessions: Vec<Session>,
}

impl WorkersPage {
    fn running(&self) -> u64 {
        self.sessions.iter().map(|session| session.running).sum()
    }

    /// How many of its slots a worker uses: in percent, and in words. None where it has not told yet.
    fn slots(&self, session: &Session) -> Option<(f64, String)> {
        let (used, all) = (session.slots_used?, session.slots?);
        let words = format!("{} of {}", show::number(used), show::number(all));
        Some((percent(used.into(), all.into()), words))
    }

    /// How much of its memory is admitted, likewise.
    fn memory(&self, session: &Session) -> Option<(f64, String)> {
        let (used, all) = (session.memory_admitted?, session.memory_budget?);
        let words = format!("{} of {}", format_size(used), format_size(all));
        Some((percent(used, all), words))
    }
}

fn percent(used: u64, all: u64) -> f64 {
    100.0 * used as f64 / all.max(1) as f64
}

async fn list(viewer: Viewer) -> Result<Page<WorkersPage>, Problem> {
    Ok(Page(WorkersPage {
        shell: viewer.shell(Section::Workers, "Workers"),
        sessions: viewer.service.sessions().await?,
    }))
}

async fn drain(viewer: Viewer, Path(path): Path<SessionPath>) -> Result<Redirect, Problem> {
    viewer.service.drain_session(path.session).await?;
    Ok(Redirect::to("/workers?done=drain"))
}
