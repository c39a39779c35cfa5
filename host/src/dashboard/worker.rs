//! Workers: the processes that are registered, and how they stand with their leases.

use askama::Template;
use hardstop_domain::Scope;
use hardstop_store::Session;

use super::route::Routes;
use super::shell::{Page, Section, Shell};
use super::show;
use super::viewer::Viewer;
use crate::api::problem::Problem;

pub fn routes(routes: Routes) -> Routes {
    routes.page(Scope::Read, "/workers", "The worker processes", list)
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
}

async fn list(viewer: Viewer) -> Result<Page<WorkersPage>, Problem> {
    Ok(Page(WorkersPage {
        shell: viewer.shell(Section::Workers, "Workers"),
        sessions: viewer.service.sessions().await?,
    }))
}
