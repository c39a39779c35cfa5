//! The same done to many jobs: first what it would be done to is counted and shown, then it is done to just that.

use askama::Template;
use hardstop_domain::{JobId, Scope, State};
use hardstop_store::JobSummary;

use super::field::{Fields, Form};
use super::job_list::Filter;
use super::route::Routes;
use super::shell::{Page, Section, Shell};
use super::show;
use super::viewer::Viewer;
use crate::api::problem::Problem;
use crate::error::Error;
use crate::service::Service;

/// How many jobs are steered at once.
const JOBS_MAX: u32 = 1_000;
/// How many of them are shown.
const SHOWN_MAX: usize = 20;

pub fn routes(routes: Routes) -> Routes {
    routes
        .action(
            Scope::Operate,
            "/jobs/bulk",
            "Ask before many jobs are retried or cancelled",
            ask,
        )
        .action(
            Scope::Operate,
            "/jobs/bulk/confirmed",
            "Retry or cancel many jobs",
            act,
        )
}

/// What is done to many jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Retry,
    Cancel,
}

impl Action {
    fn read(fields: &Fields) -> Result<(Self, bool), Error> {
        match fields.text("action") {
            Some("retry") => Ok((Self::Retry, false)),
            Some("cancel") => Ok((Self::Cancel, false)),
            Some("retry-all") => Ok((Self::Retry, true)),
            Some("cancel-all") => Ok((Self::Cancel, true)),
            _ => Err(Error::usage("`action` is not retry or cancel")),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Cancel => "cancel",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Retry => "Retry",
            Self::Cancel => "Cancel",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Retry => "retried",
            Self::Cancel => "cancelled",
        }
    }

    /// Whether it can be done to a job in this state.
    fn fits(self, state: State) -> bool {
        match self {
            Self::Retry => matches!(
                state,
                State::Discarded | State::Cancelled | State::Scheduled
            ),
            Self::Cancel => !state.is_final(),
        }
    }

    async fn act(self, service: &Service, job: JobId) -> Result<(), Error> {
        match self {
            Self::Retry => service.retry(job).await.map(drop),
            Self::Cancel => service.cancel(job).await.map(drop),
        }
    }
}

#[derive(Template)]
#[template(path = "bulk_ask.html")]
struct AskPage {
    shell: Shell,
    action: Action,
    jobs: Vec<JobSummary>,
    /// How many were meant that it cannot be done to.
    unfit: u64,
    /// Whether there may be more.
    is_full: bool,
    back: String,
}

#[derive(Template)]
#[template(path = "bulk_done.html")]
struct DonePage {
    shell: Shell,
    action: Action,
    done: u64,
    refused: Vec<(JobId, String)>,
    back: String,
}

/// The list that somebody came from.
fn back(form: &Fields) -> String {
    let back = form.text("back").unwrap_or_default();
    match back.starts_with("/jobs") {
        true => back.to_owned(),
        false => "/jobs".to_owned(),
    }
}

async fn ask(viewer: Viewer, Form(form): Form) -> Result<Page<AskPage>, Problem> {
    let (action, all) = Action::read(&form)?;
    let shell = viewer.shell(Section::Jobs, format!("{} jobs", action.title()));
    let mut is_searched = true;
    let found: Vec<JobSummary> = match all {
        true => {
            let filter = Filter::read(&form, shell.now)?;
            // What is listed with errors comes in smaller pages.
            let limit = JOBS_MAX.min(hardstop_store::DEAD_LETTER_LIMIT_MAX);
            let found = filter.rows(&viewer.service, limit).await?;
            is_searched = found.searched_to.is_none();
            found.rows.into_iter().map(|row| row.job).collect()
        }
        false => {
            let mut found = Vec::new();
            for id in form
                .read_all::<JobId>("job")?
                .into_iter()
                .take(JOBS_MAX as usize)
            {
                found.push(viewer.service.job(id).await?.summary);
            }
            found
        }
    };
    let is_full = found.len() as u32 >= hardstop_store::DEAD_LETTER_LIMIT_MAX;
    let is_full = all && (is_full || !is_searched);
    let (jobs, unfit): (Vec<_>, Vec<_>) = found.into_iter().partition(|job| action.fits(job.state));
    Ok(Page(AskPage {
        shell,
        action,
        jobs,
        unfit: unfit.len() as u64,
        is_full,
        back: back(&form),
    }))
}

async fn act(viewer: Viewer, Form(form): Form) -> Result<Page<DonePage>, Problem> {
    let (action, _) = Action::read(&form)?;
    let jobs = form.read_all::<JobId>("job")?;
    if jobs.len() as u32 > JOBS_MAX {
        return Err(Error::usage(format!(
            "{} jobs are more than the {JOBS_MAX} that are steered at once",
            jobs.len()
        ))
        .into());
    }
    let mut page = DonePage {
        shell: viewer.shell(Section::Jobs, format!("Jobs {}", action.done())),
        action,
        done: 0,
        refused: Vec::new(),
        back: back(&form),
    };
    for job in jobs {
        match action.act(&viewer.service, job).await {
            Ok(()) => page.done += 1,
            // What the database does not answer ends it: what was done is on record.
            Err(error) if error.kind.is_internal() => return Err(error.into()),
            Err(error) => page.refused.push((job, error.message)),
        }
    }
    Ok(Page(page))
}
