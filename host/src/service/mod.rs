//! The use cases: the only door to the store for everything that people and programs ask for.

mod chain;
mod dead_letter;
mod deployment;
pub mod explain;
mod external;
mod pause;
mod removal;
mod schedule;
mod start;
mod stream;

use std::sync::Arc;
use std::time::{Duration, Instant};

use hardstop_domain::{ChainId, Digest, JobId, Limits, State, TypeName};
use hardstop_store::{
    ActiveType, Cancelled, CancelledChain, Component, Deployment, Due, JobDetail, JobQuery,
    JobSummary, Moved, NewDeployment, Retried, Session, Store, UsageSample,
};
use tokio::sync::OnceCell;

use chain::no_such_chain;
pub use dead_letter::ReplayReport;
pub use deployment::{TypeChange, TypeDifference, quarantine_hint, quarantine_text};
pub use external::Verdict;
pub use pause::PauseRequest;
pub use schedule::{ScheduleRequest, upcoming};
use start::start_error;
pub use start::{GraphBlocker, GraphRequest, StartRequest};

use crate::catalogue::{Catalogue, StartError};
use crate::error::Error;

/// The use cases over one store.
pub struct Service {
    store: Arc<dyn Store>,
    ceiling: Limits,
    catalogue: OnceCell<Catalogue>,
}

impl Service {
    /// The use cases over this store, under these ceilings.
    pub fn new(store: Arc<dyn Store>, ceiling: Limits) -> Self {
        Self {
            store,
            ceiling,
            catalogue: OnceCell::new(),
        }
    }

    /// The store's own description of itself.
    pub async fn describe_store(&self) -> Result<String, Error> {
        Ok(self.store.describe().await?)
    }

    /// Brings the schema up to date.
    pub async fn migrate(&self) -> Result<Vec<String>, Error> {
        Ok(self.store.migrate().await?)
    }

    /// Fails where the schema is not this host's.
    pub async fn check_schema(&self) -> Result<(), Error> {
        Ok(self.store.check_schema().await?)
    }

    /// Stores a verified deployment.
    pub async fn deploy(&self, deployment: NewDeployment) -> Result<Deployment, Error> {
        Ok(self.store.deploy(deployment).await?)
    }

    /// Every component.
    pub async fn components(&self) -> Result<Vec<Component>, Error> {
        Ok(self.store.components().await?)
    }

    /// The component that a digest, the beginning of one, or a name means.
    pub async fn component(&self, wanted: &str) -> Result<Component, Error> {
        let hex = wanted.strip_prefix("sha256:").unwrap_or(wanted);
        let is_hex = hex.len() >= 6 && hex.chars().all(|c| c.is_ascii_hexdigit());
        let components = self.components().await?;
        let by_digest: Vec<&Component> = components
            .iter()
            .filter(|c| is_hex && c.digest.to_string()["sha256:".len()..].starts_with(hex))
            .collect();
        // The newest of a name comes first.
        let found = match by_digest.as_slice() {
            [] => components.iter().find(|component| component.name == wanted),
            [one] => Some(*one),
            _ => {
                return Err(Error::usage(format!("`{wanted}` begins several digests"))
                    .hint("give more of its digits"));
            }
        };
        found.cloned().ok_or_else(|| {
            Error::usage(format!("there is no component `{wanted}`"))
                .hint("`hardstop component list` shows digests and names")
        })
    }

    /// The bytes of a component.
    pub async fn component_bytes(&self, digest: Digest) -> Result<Vec<u8>, Error> {
        self.store
            .component_bytes(digest)
            .await?
            .ok_or_else(|| Error::environment(format!("the database has no component {digest}")))
    }

    /// Every active type.
    pub async fn types(&self) -> Result<Vec<ActiveType>, Error> {
        Ok(self.store.types().await?)
    }

    /// One active type.
    pub async fn job_type(&self, name: &str) -> Result<ActiveType, Error> {
        let name = parse_type(name)?;
        let types = self.types().await?;
        types
            .into_iter()
            .find(|active| active.spec.name == name)
            .ok_or_else(|| start_error(StartError::UnknownType(name)))
    }

    /// What the newest jobs of a type used that ended well, at the most so many.
    pub async fn type_usage(&self, name: &TypeName, limit: u32) -> Result<Vec<UsageSample>, Error> {
        Ok(self.store.type_usage(name, limit).await?)
    }

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
        loop {
            let job = self.job(id).await?;
            if job.summary.state.is_final() {
                return Ok(job);
            }
            patience
                .wait(format_args!("job {id}"), job.summary.state)
                .await?;
        }
    }

    /// Waits until a chain is closed. Returns its last job.
    pub async fn wait_chain(
        &self,
        id: ChainId,
        timeout: Option<Duration>,
    ) -> Result<JobDetail, Error> {
        let mut patience = Patience::new(timeout);
        loop {
            let jobs = self.store.chain(id).await?;
            let last = jobs.last().ok_or_else(|| chain::no_such_chain(id))?;
            if last.state.is_final() && last.state != State::Continued {
                return self.job(last.id).await;
            }
            patience
                .wait(format_args!("chain {id}"), last.state)
                .await?;
        }
    }

    /// Cancels a job. Returns the state that it was in.
    pub async fn cancel(&self, id: JobId) -> Result<State, Error> {
        match self.store.cancel(id).await? {
            Cancelled::Was(state) => Ok(state),
            Cancelled::Final(state) => Err(Error::failed(format!(
                "job {id} is {state} already: nothing to cancel"
            ))),
            Cancelled::Unknown => Err(no_such_job(id)),
        }
    }

    /// Cancels the live job of a chain, and so closes the chain. Returns that job and the state that it
    /// was in.
    pub async fn cancel_chain(&self, id: ChainId) -> Result<(JobId, State), Error> {
        match self.store.cancel_chain(id).await? {
            CancelledChain::Was { job, state } => Ok((job, state)),
            CancelledChain::Closed { job, state } => Err(Error::failed(format!(
                "chain {id} is closed already: its last job {job} is {state}"
            ))),
            CancelledChain::Unknown => Err(no_such_chain(id)),
        }
    }

    /// Makes a queued job due now or at another time. Returns the states before and after.
    pub async fn reschedule(
        &self,
        id: JobId,
        due: Due,
        force: bool,
    ) -> Result<(State, State), Error> {
        match self.store.reschedule(id, due, force).await? {
            Moved::From { was, state } => Ok((was, state)),
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

    /// Makes a discarded, cancelled or scheduled job ready. Returns the state that it was in.
    pub async fn retry(&self, id: JobId) -> Result<State, Error> {
        match self.store.retry(id).await? {
            Retried::Was(state) => Ok(state),
            Retried::Not(state) => Err(Error::failed(format!(
                "job {id} is {state}: it cannot be retried"
            ))
            .hint("discarded, cancelled and scheduled jobs can")),
            Retried::KeyTaken(chain) => Err(Error::failed(format!(
                "job {id} cannot be retried: the open chain {chain} holds its deduplication key"
            ))
            .hint("wait until that chain closes, or cancel it")),
            Retried::Unknown => Err(no_such_job(id)),
        }
    }

    /// Every open session.
    pub async fn sessions(&self) -> Result<Vec<Session>, Error> {
        Ok(self.store.sessions().await?)
    }

    /// Sends what is still to be sent, and closes.
    pub async fn close(&self) {
        self.store.close().await;
    }
}

fn no_such_job(id: JobId) -> Error {
    Error::usage(format!("there is no job {id}"))
        .hint("`hardstop job list` shows the newest; is --database-url the right one?")
}

fn parse_type(text: &str) -> Result<TypeName, Error> {
    text.parse()
        .map_err(|error| Error::usage(format!("{error}")))
}

/// How long a wait still goes on, and how often it looks: from every 2 ms to every 100 ms.
struct Patience {
    began: Instant,
    timeout: Option<Duration>,
    pause: Duration,
}

impl Patience {
    fn new(timeout: Option<Duration>) -> Self {
        Self {
            began: Instant::now(),
            timeout,
            pause: Duration::from_millis(2),
        }
    }

    async fn wait(&mut self, what: std::fmt::Arguments<'_>, state: State) -> Result<(), Error> {
        let mut pause = self.pause;
        if let Some(timeout) = self.timeout {
            let left = timeout.saturating_sub(self.began.elapsed());
            if left.is_zero() {
                return Err(Error::timeout(format!(
                    "{what} is still {state} after {:.1} s",
                    timeout.as_secs_f64()
                ))
                .hint("it goes on; `hardstop job wait` can wait again"));
            }
            pause = pause.min(left);
        }
        tokio::time::sleep(pause).await;
        self.pause = (self.pause * 3 / 2).min(Duration::from_millis(100));
        Ok(())
    }
}
