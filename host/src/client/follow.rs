//! Waiting for what a server is told of a job, by its event stream.
//!
//! The stream ends when the server does, or after a while; what is in between may break it off. Then it is asked for
//! again from the last event that came, until the job is final or whoever waits has waited long enough.

use std::time::Duration;

use hardstop_domain::{ChainId, JobId, State};
use hardstop_store::JobDetail;
use tokio::time::Instant;

use super::stream::{ABSENCE_MAX, PAUSE, Presence};
use super::{Client, path};
use crate::error::{Error, Exit};
use crate::service::{gone_where_missing, still};

impl Client {
    /// Waits until a job is final.
    pub async fn wait_job(&self, id: JobId, timeout: Option<Duration>) -> Result<JobDetail, Error> {
        let followed = within(timeout, self.follow(id)).await;
        followed.unwrap_or(Ok(()))?;
        // It was there to be followed.
        let what = format!("job {id}");
        let job = self.present(|| self.job(id)).await;
        let job = job.map_err(|error| gone_where_missing(error, &what))?;
        match (job.summary.state, timeout) {
            (state, Some(timeout)) if !state.is_final() => Err(still(what, state, timeout)),
            _ => Ok(job),
        }
    }

    /// Waits until a chain is closed. Returns its last job.
    pub async fn wait_chain(
        &self,
        id: ChainId,
        timeout: Option<Duration>,
    ) -> Result<JobDetail, Error> {
        let what = format!("chain {id}");
        let mut chain = self.present(|| self.chain(id)).await?.summary;
        let closed = async {
            loop {
                if chain.state.is_final() && chain.state != State::Continued {
                    return Ok::<_, Error>(());
                }
                self.follow(chain.last_job).await?;
                chain = self.present(|| self.chain(id)).await?.summary;
            }
        };
        let missing = |error| gone_where_missing(error, &what);
        within(timeout, closed)
            .await
            .unwrap_or(Ok(()))
            .map_err(missing)?;
        let chain = self
            .present(|| self.chain(id))
            .await
            .map_err(missing)?
            .summary;
        match timeout {
            Some(timeout) if !chain.state.is_final() => Err(still(what, chain.state, timeout)),
            _ => {
                let job = self.present(|| self.job(chain.last_job)).await;
                job.map_err(missing)
            }
        }
    }

    /// Asks until the server answers, unless it is away for too long.
    async fn present<T, F: Future<Output = Result<T, Error>>>(
        &self,
        ask: impl Fn() -> F,
    ) -> Result<T, Error> {
        let began = Instant::now();
        loop {
            match ask().await {
                Err(error) if error.exit == Exit::Environment && began.elapsed() < ABSENCE_MAX => {
                    tokio::time::sleep(PAUSE).await;
                }
                answer => return answer,
            }
        }
    }

    /// Follows a job until it is final.
    async fn follow(&self, id: JobId) -> Result<(), Error> {
        let path = path(["jobs", &id.to_string(), "follow"]);
        let mut last: Option<String> = None;
        let mut presence = Presence::now();
        loop {
            let heard = last.clone();
            match self.follow_once(&path, &mut last).await {
                Ok(true) => return Ok(()),
                Ok(false) => presence = Presence::now(),
                Err(_) if last != heard => presence = Presence::now(),
                Err(error) => presence.bear(error)?,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Follows it to the end of one stream. Tells whether it is final.
    async fn follow_once(&self, path: &str, last: &mut Option<String>) -> Result<bool, Error> {
        let mut stream = self.stream(path, last.as_deref()).await?;
        while let Some(event) = stream.next().await? {
            *last = Some(event.id);
            if event.name == "end" {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What comes of it within this time; none where that has passed.
async fn within<T>(timeout: Option<Duration>, work: impl Future<Output = T>) -> Option<T> {
    match timeout {
        None => Some(work.await),
        Some(timeout) => tokio::time::timeout(timeout, work).await.ok(),
    }
}
