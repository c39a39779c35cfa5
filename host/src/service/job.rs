//! Jobs: look at them, wait for them, steer them.

use std::time::Duration;

use hardstop_domain::{JobId, LogEntry, State};
use hardstop_store::{Cancelled, Due, JobDetail, JobQuery, JobSummary, Moved, Retried};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Service;
use super::wait::Patience;
use crate::error::{Error, Kind};

/// What became of a job by what somebody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobChanged {
    /// The job.
    pub id: JobId,
    /// The state that it was in.
    pub was: State,
    /// The state that it is in.
    pub state: State,
}

impl JobChanged {
    fn new(id: JobId, was: State, state: State) -> Self {
        Self { id, was, state }
    }
}

/// Something that an attempt said.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// The run that said it; none for the one that ended the job well, or that goes on.
    pub run: Option<u32>,
    /// What.
    #[serde(flatten)]
    pub entry: LogEntry,
}

/// All that the attempts of a job said, oldest first.
pub fn logs(job: &JobDetail) -> Vec<LogLine> {
    let mut lines: Vec<LogLine> = Vec::new();
    for attempt in &job.attempts {
        lines.extend(attempt.log.iter().map(|entry| LogLine {
            run: Some(attempt.run),
            entry: entry.clone(),
        }));
    }
    // The attempt that made the job final is none of its attempt records where it ended well, nor is one that goes on.
    let state = job.summary.state;
    if matches!(state, State::Completed | State::Continued | State::Running) {
        lines.extend(job.log.iter().map(|entry| LogLine {
            run: None,
            entry: entry.clone(),
        }));
    }
    lines
}

impl Service {
    /// One job in full.
    pub async fn job(&self, id: JobId) -> Result<JobDetail, Error> {
        self.store.job(id).await?.ok_or_else(|| no_such_job(id))
    }

    /// A page of jobs.
    pub async fn jobs(&self, query: &JobQuery) -> Result<Vec<JobSummary>, Error> {
        Ok(self.store.jobs(query).await?)
    }

    /// Waits until a job is final.
    pub async fn wait_job(&self, id: JobId, timeout: Option<Duration>) -> Result<JobDetail, Error> {
        let mut patience = Patience::new(timeout);
        let what = format!("job {id}");
        let mut job = self.job(id).await?;
        loop {
            if job.summary.state.is_final() {
                return Ok(job);
            }
            patience.wait(&what, job.summary.state).await?;
            let again = self.job(id).await;
            job = again.map_err(|error| gone_where_missing(error, &what))?;
        }
    }

    /// Cancels a job.
    pub async fn cancel(&self, id: JobId) -> Result<JobChanged, Error> {
        match self.store.cancel(id).await? {
            Cancelled::Was(was) => Ok(JobChanged::new(id, was, State::Cancelled)),
            Cancelled::Final(state) => Err(Error::failed(format!(
                "job {id} is {state} already: nothing to cancel"
            ))),
            Cancelled::Unknown => Err(no_such_job(id)),
        }
    }

    /// Makes a queued job due now or at another time.
    pub async fn reschedule(&self, id: JobId, due: Due, force: bool) -> Result<JobChanged, Error> {
        match self.store.reschedule(id, due, force).await? {
            Moved::From { was, state } => Ok(JobChanged::new(id, was, state)),
            Moved::Not(State::Blocked) => Err(Error::failed(format!(
                "job {id} is blocked: it waits for other chains"
            ))
            .hint("`hardstop job trigger --force` lets it run without them")),
            Moved::Not(state) => Err(Error::failed(format!(
                "job {id} is {state}: only a job that is queued can be moved"
            ))),
            Moved::Unknown => Err(no_such_job(id)),
        }
    }

    /// Makes a discarded, cancelled or scheduled job ready.
    pub async fn retry(&self, id: JobId) -> Result<JobChanged, Error> {
        match self.store.retry(id).await? {
            Retried::Was(was) => Ok(JobChanged::new(id, was, State::Ready)),
            Retried::Not(state) => Err(Error::failed(format!(
                "job {id} is {state}: it cannot be retried"
            ))
            .hint("discarded, cancelled and scheduled jobs can")),
            Retried::KeyTaken(chain) => Err(Error::failed(format!(
                "job {id} cannot be retried: the open chain {chain} holds its deduplication key"
            ))
            .kind(Kind::KeyTaken)
            .hint("wait until that chain closes, or cancel it")),
            Retried::Unknown => Err(no_such_job(id)),
        }
    }
}

pub(super) fn no_such_job(id: JobId) -> Error {
    Error::usage(format!("there is no job {id}"))
        .kind(Kind::NoSuchJob)
        .hint(
            "`hardstop job list` shows the newest; where its type has `keep = \"failures\"`, a job that completes \
             leaves nothing; is --database-url the right one?",
        )
}

/// The error of a look for what was there before: it is gone.
pub(crate) fn gone_where_missing(error: Error, what: &str) -> Error {
    match error.kind {
        kind @ (Kind::NoSuchJob | Kind::NoSuchChain) => gone(what, kind),
        _ => error,
    }
}

/// Says that what was waited for is not there any more.
fn gone(what: &str, kind: Kind) -> Error {
    Error::failed(format!(
        "{what} is gone: it completed, where its type has `keep = \"failures\"`, or somebody deleted it"
    ))
    .kind(kind)
    .hint("what such a job comes to can only be had from what its handler does, and from events")
}
