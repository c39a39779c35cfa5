//! Dead letters and their replays.

use hardstop_domain::{JobId, ReplayId, State};
use hardstop_store::{
    DeadLetter, DeadLetterFilter, DeadLetterQuery, JobDetail, Replay, ReplayDetail, ReplayedJob,
};

use super::job::whole;
use super::operation::acts_by_token;
use super::{Client, path};
use crate::api::cursor::Page;
use crate::api::dead_letter::{DeadLetters, Paging, ReplayJobs, ReplayStart};
use crate::error::{Error, Kind};
use crate::service::ReplayReport;

impl Client {
    /// A page of dead letters, newest first. A server searches some for a text and says where to go on.
    pub async fn dead_letters(&self, query: &DeadLetterQuery) -> Result<Vec<DeadLetter>, Error> {
        let wanted = query.limit as usize;
        let mut query = DeadLetters::of(query);
        let mut found = Vec::new();
        loop {
            let page: Page<DeadLetter> = self.list("/dead-letters", &query).await?;
            found.extend(page.items);
            match page.next {
                Some(next) if found.len() < wanted => query.go_on(next),
                _ => {
                    found.truncate(wanted);
                    return Ok(found);
                }
            }
        }
    }

    /// One dead letter in full.
    pub async fn dead_letter(&self, id: JobId) -> Result<JobDetail, Error> {
        let letter = self.get(&path(["dead-letters", &id.to_string()])).await?;
        Ok(whole(letter))
    }

    /// One dead letter in full, where it still is one.
    pub async fn find_dead_letter(&self, id: JobId) -> Result<Option<JobDetail>, Error> {
        match self.job(id).await {
            Ok(job) => {
                let is_dead = matches!(job.summary.state, State::Discarded | State::Cancelled);
                Ok(is_dead.then_some(job))
            }
            Err(error) if error.kind == Kind::NoSuchJob => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replays these jobs. With `dry_run` nothing is written.
    pub async fn replay_jobs(
        &self,
        jobs: Vec<JobId>,
        note: Option<String>,
        actor: Option<String>,
        dry_run: bool,
    ) -> Result<ReplayReport, Error> {
        let start = ReplayStart {
            jobs,
            note,
            ..ReplayStart::default()
        };
        self.start_replay(&start, actor, dry_run).await
    }

    /// Replays every dead letter that the filter means. With `dry_run` nothing is written.
    pub async fn replay_matching(
        &self,
        filter: DeadLetterFilter,
        note: Option<String>,
        actor: Option<String>,
        dry_run: bool,
    ) -> Result<ReplayReport, Error> {
        let start = ReplayStart {
            note,
            ..ReplayStart::of(filter)
        };
        self.start_replay(&start, actor, dry_run).await
    }

    async fn start_replay(
        &self,
        start: &ReplayStart,
        actor: Option<String>,
        dry_run: bool,
    ) -> Result<ReplayReport, Error> {
        acts_by_token(actor)?;
        let path = match dry_run {
            true => "/dead-letters/preview",
            false => "/replays",
        };
        self.post(path, start).await
    }

    /// A page of replays, newest first.
    pub async fn replays(
        &self,
        before: Option<ReplayId>,
        limit: u32,
    ) -> Result<Vec<Replay>, Error> {
        let paging = Paging {
            before,
            cursor: None,
            limit,
        };
        let page: Page<_> = self.list("/replays", &paging).await?;
        Ok(page.items)
    }

    /// One replay and how its jobs fare.
    pub async fn replay(&self, id: ReplayId) -> Result<ReplayDetail, Error> {
        self.get(&path(["replays", &id.to_string()])).await
    }

    /// A page of a replay's jobs, oldest first.
    pub async fn replayed_jobs(
        &self,
        id: ReplayId,
        after: Option<JobId>,
        limit: u32,
    ) -> Result<Vec<ReplayedJob>, Error> {
        let path = path(["replays", &id.to_string(), "jobs"]);
        let paging = ReplayJobs {
            after,
            cursor: None,
            limit,
        };
        let page: Page<_> = self.list(&path, &paging).await?;
        Ok(page.items)
    }
}
