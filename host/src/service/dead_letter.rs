//! Dead letters: find, replay, follow.

use hardstop_domain::{JobId, ReplayId, State};
use hardstop_store::{
    DEAD_LETTER_LIMIT_MAX, DeadLetter, DeadLetterFilter, DeadLetterQuery, JobDetail, Replay,
    ReplayAnswer, ReplayBatch, ReplayDetail, ReplayedJob,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Service, no_such_job};
use crate::error::{Error, Kind};

/// How many of the jobs of a replay are named in its answer.
const SHOWN_MAX: usize = 20;

/// How many dead letters are searched for a text at once, the newest: more would keep whoever looks waiting.
pub const SEARCHED_MAX: u32 = 20_000;

/// Dead letters that were looked for.
#[derive(Debug, Clone)]
pub struct FoundDeadLetters {
    /// Newest first.
    pub letters: Vec<DeadLetter>,
    /// The last that was looked at, where older ones were not: a search for those goes on behind it.
    pub searched_to: Option<JobId>,
}

/// What a replay came to, or would come to.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ReplayReport {
    /// The replay; none where nothing was written.
    pub replay: Option<ReplayId>,
    /// Whether it was only looked at.
    pub dry_run: bool,
    /// How many jobs were, or would be, replayed.
    pub jobs: u64,
    /// How many of those that were meant could not be: somebody else was first, or their input is gone.
    pub skipped: u64,
    /// The first of those replayed, as they were: at most 20.
    pub first: Vec<DeadLetter>,
}

impl Service {
    /// A page of dead letters, newest first.
    pub async fn dead_letters(&self, query: &DeadLetterQuery) -> Result<Vec<DeadLetter>, Error> {
        Ok(self.store.dead_letters(query).await?)
    }

    /// The same, but a text is looked for among the newest [`SEARCHED_MAX`] only of those that the query means by state,
    /// type and age.
    pub async fn search_dead_letters(
        &self,
        query: &DeadLetterQuery,
    ) -> Result<FoundDeadLetters, Error> {
        let bound = match query.filter.message {
            Some(_) => self.store.dead_letter_bound(query, SEARCHED_MAX).await?,
            None => None,
        };
        let bounded = DeadLetterQuery {
            from: bound.max(query.from),
            ..query.clone()
        };
        let letters = self.store.dead_letters(&bounded).await?;
        let is_full = letters.len() >= query.limit as usize;
        Ok(FoundDeadLetters {
            letters,
            // What is full goes on behind its last one.
            searched_to: bound.filter(|_| !is_full),
        })
    }

    /// One dead letter in full.
    pub async fn dead_letter(&self, id: JobId) -> Result<JobDetail, Error> {
        let job = self.job(id).await?;
        match job.summary.state {
            State::Discarded | State::Cancelled => Ok(job),
            state => Err(
                Error::failed(format!("job {id} is {state}: it is no dead letter"))
                    .hint(format!("`hardstop job show {id}` shows any job")),
            ),
        }
    }

    /// One dead letter in full, where it still is one.
    pub async fn find_dead_letter(&self, id: JobId) -> Result<Option<JobDetail>, Error> {
        let job = self.store.job(id).await?;
        Ok(job.filter(|job| matches!(job.summary.state, State::Discarded | State::Cancelled)))
    }

    /// Replays every dead letter that the filter means, a page at a time, as one replay. With `dry_run`
    /// nothing is written. Should it fail half-way, what was replayed is recorded.
    pub async fn replay_matching(
        &self,
        filter: DeadLetterFilter,
        note: Option<String>,
        actor: Option<String>,
        dry_run: bool,
    ) -> Result<ReplayReport, Error> {
        let id = match dry_run {
            true => ReplayId(Uuid::now_v7()),
            false => match self.new_replay().await? {
                Ok(id) => id,
                Err(made) => return Ok(made),
            },
        };
        let mut batch = ReplayBatch {
            id,
            actor: actor.unwrap_or_else(|| self.actor.to_string()),
            note,
            filter: filter.clone(),
            jobs: Vec::new(),
        };
        let mut report = ReplayReport {
            replay: None,
            dry_run,
            jobs: 0,
            skipped: 0,
            first: Vec::new(),
        };
        let mut query = DeadLetterQuery {
            filter,
            limit: DEAD_LETTER_LIMIT_MAX,
            ..DeadLetterQuery::default()
        };
        // Newest to oldest by id: what fails again meanwhile keeps its id, and is not met twice.
        loop {
            let page = self.store.dead_letters(&query).await?;
            let Some(last) = page.last() else {
                return Ok(report);
            };
            query.before = Some(last.summary.id);
            if dry_run {
                report.jobs += page.len() as u64;
                let room = SHOWN_MAX.saturating_sub(report.first.len());
                report.first.extend(page.into_iter().take(room));
                continue;
            }
            batch.jobs = page.iter().map(|letter| letter.summary.id).collect();
            let answers = self.store.replay(&batch).await?;
            for letter in page {
                let answer = answers.iter().find(|(job, _)| *job == letter.summary.id);
                if !answer.is_some_and(|(_, answer)| is_replayed(answer)) {
                    report.skipped += 1;
                    continue;
                }
                report.replay = Some(batch.id);
                report.jobs += 1;
                if report.first.len() < SHOWN_MAX {
                    report.first.push(letter);
                }
            }
        }
    }

    /// Replays these jobs. Each must be a dead letter: that is looked at before the first is replayed. With
    /// `dry_run` nothing is written.
    pub async fn replay_jobs(
        &self,
        mut jobs: Vec<JobId>,
        note: Option<String>,
        actor: Option<String>,
        dry_run: bool,
    ) -> Result<ReplayReport, Error> {
        jobs.sort_unstable();
        jobs.dedup();
        let mut first = Vec::new();
        for chunk in jobs.chunks(DEAD_LETTER_LIMIT_MAX as usize) {
            first.extend(self.named(chunk).await?);
        }
        let mut report = ReplayReport {
            replay: None,
            dry_run,
            jobs: jobs.len() as u64,
            skipped: 0,
            first,
        };
        report.first.truncate(SHOWN_MAX);
        if dry_run {
            return Ok(report);
        }
        let id = match self.new_replay().await? {
            Ok(id) => id,
            Err(made) => return Ok(made),
        };
        let actor = actor.unwrap_or_else(|| self.actor.to_string());
        for chunk in jobs.chunks(DEAD_LETTER_LIMIT_MAX as usize) {
            let batch = ReplayBatch {
                id,
                actor: actor.clone(),
                note: note.clone(),
                filter: DeadLetterFilter {
                    jobs: Some(chunk.to_vec()),
                    ..DeadLetterFilter::default()
                },
                jobs: chunk.to_vec(),
            };
            for (job, answer) in self.store.replay(&batch).await? {
                if !is_replayed(&answer) {
                    return Err(refusal(job, answer));
                }
            }
            report.replay = Some(id);
        }
        Ok(report)
    }

    /// The id of a replay to make; or, where the request was sent before, what became of it then. Only whoever is first
    /// replays: what failed again since is not meant.
    async fn new_replay(&self) -> Result<Result<ReplayId, ReplayReport>, Error> {
        let new = Uuid::now_v7();
        let id = self.store.reserve(new).await?;
        if id == new {
            return Ok(Ok(ReplayId(id)));
        }
        let made = self.store.replay_detail(ReplayId(id)).await?;
        Ok(Err(ReplayReport {
            jobs: made.as_ref().map_or(0, |made| made.replay.jobs),
            replay: made.map(|made| made.replay.id),
            dry_run: false,
            skipped: 0,
            first: Vec::new(),
        }))
    }

    /// These dead letters, discarded or cancelled. Fails for the first that is none.
    async fn named(&self, jobs: &[JobId]) -> Result<Vec<DeadLetter>, Error> {
        let mut found = Vec::new();
        for state in [State::Discarded, State::Cancelled] {
            let query = DeadLetterQuery {
                filter: DeadLetterFilter {
                    state: Some(state),
                    jobs: Some(jobs.to_vec()),
                    ..DeadLetterFilter::default()
                },
                limit: DEAD_LETTER_LIMIT_MAX,
                ..DeadLetterQuery::default()
            };
            found.extend(self.store.dead_letters(&query).await?);
        }
        for job in jobs {
            if !found.iter().any(|letter| letter.summary.id == *job) {
                let state = self.job(*job).await?.summary.state;
                return Err(refusal(*job, ReplayAnswer::NotFinal(state)));
            }
        }
        Ok(found)
    }

    /// A page of replays, newest first.
    pub async fn replays(
        &self,
        before: Option<ReplayId>,
        limit: u32,
    ) -> Result<Vec<Replay>, Error> {
        Ok(self.store.replays(before, limit).await?)
    }

    /// One replay and how its jobs fare.
    pub async fn replay(&self, id: ReplayId) -> Result<ReplayDetail, Error> {
        self.store.replay_detail(id).await?.ok_or_else(|| {
            Error::usage(format!("there is no replay {id}"))
                .kind(Kind::NoSuchReplay)
                .hint("`hardstop dead-letter replays` shows those that are kept")
        })
    }

    /// A page of a replay's jobs, oldest first.
    pub async fn replayed_jobs(
        &self,
        id: ReplayId,
        after: Option<JobId>,
        limit: u32,
    ) -> Result<Vec<ReplayedJob>, Error> {
        Ok(self.store.replay_jobs(id, after, limit).await?)
    }
}

fn is_replayed(answer: &ReplayAnswer) -> bool {
    // `AlreadyInThisReplay`: by a sending whose reply was lost.
    matches!(
        answer,
        ReplayAnswer::Replayed(_) | ReplayAnswer::AlreadyInThisReplay
    )
}

fn refusal(job: JobId, answer: ReplayAnswer) -> Error {
    match answer {
        ReplayAnswer::Unknown => no_such_job(job),
        ReplayAnswer::ChainLive => Error::failed(format!(
            "job {job} cannot be replayed: another job of its chain is live, or another chain has its \
             key"
        )),
        ReplayAnswer::NotReplayable(state)
            if state != State::Completed && state != State::Continued =>
        {
            Error::failed(format!(
                "job {job} is {state} and cannot be replayed: its input is no longer kept"
            ))
        }
        ReplayAnswer::NotFinal(state) | ReplayAnswer::NotReplayable(state) => {
            Error::failed(format!("job {job} is {state}: it cannot be replayed"))
                .hint("discarded and cancelled jobs can; nothing was replayed")
        }
        ReplayAnswer::Replayed(_) | ReplayAnswer::AlreadyInThisReplay => {
            Error::failed(format!("job {job} was replayed"))
        }
    }
}
