//! Dead letters: looking at them, and replays.

use std::collections::{HashMap, HashSet};

use hardstop_domain::{JobId, ReplayId, State, Timestamp, TypeId};
use uuid::Uuid;

use super::operate::reopen;
use super::{Mode, Operation, check_limit, unwritable};
use crate::StoreError;
use crate::record::*;
use crate::row::{ReplayJobRow, json, least_id};
use crate::transaction::{DeadLetterPage, Transaction};
use crate::view::Dead;

/// A page of dead letters.
pub(crate) struct DeadLetters {
    page: DeadLetterPage,
    message: Option<String>,
}

impl DeadLetters {
    /// `type_id` is that of the type that the filter names. Fails where the query contradicts itself.
    pub(crate) fn new(
        query: &DeadLetterQuery,
        type_id: Option<TypeId>,
    ) -> Result<Self, StoreError> {
        check_limit(query.limit, DEAD_LETTER_LIMIT_MAX)?;
        let filter = &query.filter;
        let state = filter.state.unwrap_or(State::Discarded);
        if !is_dead(state) {
            return Err(StoreError::Invalid(format!(
                "{state} jobs are no dead letters: discarded and cancelled ones are"
            )));
        }
        if let Some(jobs) = &filter.jobs {
            check_jobs(jobs.len())?;
        }
        let until = filter.until.map_or(Uuid::max(), ceiling_id);
        let failure_part = match &filter.message {
            // As it is written inside of a JSON text.
            Some(text) => {
                let quoted = json(text).map_err(unwritable)?;
                Some(quoted[1..quoted.len() - 1].to_owned())
            }
            None => None,
        };
        Ok(Self {
            page: DeadLetterPage {
                state: state.code(),
                type_id: type_id.map(|id| id.0),
                before: query.before.map_or(until, |id| id.0.min(until)),
                from: filter
                    .since
                    .map_or(Uuid::nil(), ceiling_id)
                    .max(query.from.map_or(Uuid::nil(), |id| id.0)),
                outcome: filter.outcome.map(|kind| kind.code()),
                failure_part,
                jobs: filter.jobs.clone(),
                limit: i64::from(query.limit),
            },
            message: filter.message.clone(),
        })
    }
}

/// The least id of a job created at this time or later. Ids carry milliseconds: a job of the same
/// millisecond as `at` counts as created before it where `at` has a fraction of one.
fn ceiling_id(at: Timestamp) -> Uuid {
    least_id(Timestamp(at.0.saturating_add(999)))
}

impl Operation for DeadLetters {
    type Output = Vec<DeadLetter>;

    fn mode(&self) -> Mode {
        Mode::LIST
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Vec<DeadLetter>, StoreError> {
        let wanted = self.page.limit as usize;
        let mut page = self.page.clone();
        let mut found = Vec::new();
        // The statement finds the text anywhere in the failure; what it finds elsewhere is passed over.
        loop {
            let letters = tx.dead_letters(&page).await?;
            let is_last = letters.len() < wanted;
            let Some(last) = letters.last() else {
                return Ok(found);
            };
            page.before = last.summary.id.0;
            found.extend(letters.into_iter().filter(|letter| self.is_meant(letter)));
            if is_last || found.len() >= wanted {
                found.truncate(wanted);
                return Ok(found);
            }
        }
    }
}

/// The last of the newest dead letters.
pub(crate) struct DeadLetterBound {
    page: DeadLetterPage,
    count: u32,
}

impl DeadLetterBound {
    /// Of those that the query means by state, type and age. `type_id` as for [`DeadLetters::new`].
    pub(crate) fn new(
        query: &DeadLetterQuery,
        type_id: Option<TypeId>,
        count: u32,
    ) -> Result<Self, StoreError> {
        let DeadLetters { page, .. } = DeadLetters::new(query, type_id)?;
        Ok(Self { page, count })
    }
}

impl Operation for DeadLetterBound {
    type Output = Option<JobId>;

    fn mode(&self) -> Mode {
        Mode::LIST
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Option<JobId>, StoreError> {
        tx.dead_letter_bound(&self.page, self.count).await
    }
}

impl DeadLetters {
    fn is_meant(&self, letter: &DeadLetter) -> bool {
        let Some(text) = &self.message else {
            return true;
        };
        let message = letter.failure.as_ref().map(|failure| &failure.message);
        message.is_some_and(|message| message.contains(text.as_str()))
    }
}

fn is_dead(state: State) -> bool {
    matches!(state, State::Discarded | State::Cancelled)
}

fn check_jobs(count: usize) -> Result<(), StoreError> {
    if count > DEAD_LETTER_LIMIT_MAX as usize {
        return Err(StoreError::Invalid(format!(
            "{count} jobs are over the maximum of {DEAD_LETTER_LIMIT_MAX} at once"
        )));
    }
    Ok(())
}

/// Takes dead letters back to the queue.
#[derive(Clone)]
pub(crate) struct ReplayJobs {
    batch: ReplayBatch,
    filter: String,
}

impl ReplayJobs {
    /// Fails where the batch is too large, or its actor or note is not one.
    pub(crate) fn new(batch: &ReplayBatch) -> Result<Self, StoreError> {
        check_jobs(batch.jobs.len())?;
        check_text("actor", &batch.actor, ACTOR_BYTES_MAX)?;
        if batch.actor.is_empty() {
            return Err(StoreError::Invalid("a replay needs an actor".to_owned()));
        }
        if let Some(note) = &batch.note {
            check_text("note", note, NOTE_BYTES_MAX)?;
        }
        let mut batch = batch.clone();
        batch.jobs.sort_unstable();
        batch.jobs.dedup();
        Ok(Self {
            filter: json(&batch.filter).map_err(unwritable)?,
            batch,
        })
    }

    /// The same replay of some of its jobs.
    pub(crate) fn of(&self, jobs: &[JobId]) -> Self {
        Self {
            batch: ReplayBatch {
                jobs: jobs.to_vec(),
                ..self.batch.clone()
            },
            filter: self.filter.clone(),
        }
    }

    pub(super) fn replay(&self) -> ReplayId {
        self.batch.id
    }

    pub(crate) fn jobs(&self) -> &[JobId] {
        &self.batch.jobs
    }

    async fn one(
        &self,
        tx: &mut dyn Transaction,
        job: JobId,
        dead: Option<&Dead>,
        rows: &mut Vec<ReplayJobRow>,
    ) -> Result<ReplayAnswer, StoreError> {
        let Some(dead) = dead else {
            return Ok(match tx.lock(job).await? {
                Some((_, state)) => ReplayAnswer::NotFinal(state),
                None => ReplayAnswer::Unknown,
            });
        };
        if !is_dead(dead.state) || !dead.has_body {
            return Ok(ReplayAnswer::NotReplayable(dead.state));
        }
        if dead.chain_live {
            return Ok(ReplayAnswer::ChainLive);
        }
        // It is locked, and all else that reopening asks for was looked at: another of this batch has the chain.
        if !reopen(tx, job).await? {
            return Ok(ReplayAnswer::ChainLive);
        }
        rows.push(ReplayJobRow {
            job_id: job.0,
            state: dead.state.code(),
            outcome: dead.outcome,
            failure: dead.failure.clone(),
        });
        Ok(ReplayAnswer::Replayed(dead.state))
    }
}

fn check_text(what: &str, text: &str, bytes_max: usize) -> Result<(), StoreError> {
    if text.len() > bytes_max {
        return Err(StoreError::Invalid(format!(
            "{what} of {} bytes is over the maximum of {bytes_max} bytes",
            text.len()
        )));
    }
    if text.contains('\0') {
        return Err(StoreError::Invalid(format!("{what} holds a NUL character")));
    }
    Ok(())
}

impl Operation for ReplayJobs {
    type Output = Vec<(JobId, ReplayAnswer)>;

    fn mode(&self) -> Mode {
        // Sent again, it finds what it has replayed.
        Mode::WRITE_ATOMIC.resend()
    }

    async fn run(
        &self,
        tx: &mut dyn Transaction,
    ) -> Result<Vec<(JobId, ReplayAnswer)>, StoreError> {
        let batch = &self.batch;
        let dead = tx.dead_lock(&batch.jobs).await?;
        let dead: HashMap<JobId, Dead> = dead.into_iter().map(|dead| (dead.id, dead)).collect();
        // After the locks: another sending of this batch may have been before us.
        let known: HashSet<JobId> = tx
            .replayed(batch.id, &batch.jobs)
            .await?
            .into_iter()
            .collect();
        let mut rows = Vec::new();
        let mut answers = Vec::with_capacity(batch.jobs.len());
        for job in &batch.jobs {
            let answer = match known.contains(job) {
                true => ReplayAnswer::AlreadyInThisReplay,
                false => self.one(tx, *job, dead.get(job), &mut rows).await?,
            };
            answers.push((*job, answer));
        }
        if !rows.is_empty() {
            tx.put_replay(batch, &self.filter).await?;
            tx.put_replay_jobs(batch.id, &rows).await?;
        }
        Ok(answers)
    }
}

/// A page of replays.
pub(crate) struct Replays {
    before: Option<ReplayId>,
    limit: u32,
}

impl Replays {
    pub(crate) fn new(before: Option<ReplayId>, limit: u32) -> Result<Self, StoreError> {
        check_limit(limit, DEAD_LETTER_LIMIT_MAX)?;
        Ok(Self { before, limit })
    }
}

impl Operation for Replays {
    type Output = Vec<Replay>;

    fn mode(&self) -> Mode {
        Mode::LIST
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Vec<Replay>, StoreError> {
        let before = self.before.map_or(Uuid::max(), |id| id.0);
        tx.replays(before, None, i64::from(self.limit)).await
    }
}

/// One replay, and how its jobs fare.
pub(crate) struct ReplayState(pub(crate) ReplayId);

impl Operation for ReplayState {
    type Output = Option<ReplayDetail>;

    fn mode(&self) -> Mode {
        Mode::READ
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Option<ReplayDetail>, StoreError> {
        let Some(replay) = tx.replays(Uuid::max(), Some(self.0), 1).await?.pop() else {
            return Ok(None);
        };
        Ok(Some(ReplayDetail {
            replay,
            states: tx.replay_states(self.0).await?,
        }))
    }
}

/// A page of a replay's jobs.
pub(crate) struct ReplayedJobs {
    replay: ReplayId,
    after: Option<JobId>,
    limit: u32,
}

impl ReplayedJobs {
    pub(crate) fn new(
        replay: ReplayId,
        after: Option<JobId>,
        limit: u32,
    ) -> Result<Self, StoreError> {
        check_limit(limit, DEAD_LETTER_LIMIT_MAX)?;
        Ok(Self {
            replay,
            after,
            limit,
        })
    }
}

impl Operation for ReplayedJobs {
    type Output = Vec<ReplayedJob>;

    fn mode(&self) -> Mode {
        Mode::LIST
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Vec<ReplayedJob>, StoreError> {
        let after = self.after.map_or(Uuid::nil(), |id| id.0);
        tx.replay_jobs(self.replay, after, i64::from(self.limit))
            .await
    }
}
