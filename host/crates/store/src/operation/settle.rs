//! Writing what attempts came to.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use hardstop_domain::{ChainId, JobId, Keep, LeaseToken, Lineage, Next, State, TypeName};

use super::continuation::{Continuation, check_graph};
use super::enqueue::{NewRow, TypeIds, create};
use super::unblock::{Aftermath, closes};
use super::{Mode, Operation};
use crate::StoreError;
use crate::record::{Settled, Settlement};
use crate::row::{
    AttemptRow, FinishRow, RequeueRow, UsageRow, check_payload, json, log_json, signed,
};
use crate::transaction::Transaction;
use crate::view::Held;

/// A settlement that can be written, as rows.
#[derive(Debug)]
pub(crate) struct Planned {
    job: JobId,
    token: LeaseToken,
    change: Change,
    /// What is known of the attempt's record before its row is; the rest is filled in then.
    attempt: Option<AttemptRow>,
    next: Option<Continuation>,
    children: Vec<NewRow>,
    lineage: Lineage,
    descendants_max: u64,
}

#[derive(Debug)]
enum Change {
    Finish(FinishRow),
    Requeue(RequeueRow),
}

/// The types that a settlement starts jobs of.
pub(crate) fn types_named(settlement: &Settlement) -> impl Iterator<Item = &TypeName> {
    let next = match &settlement.next {
        Next::Continue { job } => Some(&job.type_name),
        _ => None,
    };
    settlement
        .children
        .iter()
        .map(|child| &child.first.type_name)
        .chain(next)
}

impl Planned {
    /// The rows of a settlement, or a sentence that says why it cannot be written.
    pub(crate) fn new(settlement: &Settlement, types: &TypeIds) -> Result<Self, String> {
        let finishes = matches!(
            settlement.next,
            Next::Complete { .. } | Next::Continue { .. }
        );
        if !finishes && !settlement.children.is_empty() {
            return Err(format!(
                "{} chains started by an attempt that did not complete or continue",
                settlement.children.len()
            ));
        }
        let type_id = |name: &TypeName| {
            types
                .get(name)
                .copied()
                .ok_or_else(|| format!("type `{name}` is not deployed"))
        };
        let children = settlement
            .children
            .iter()
            .map(|child| {
                let mut new = NewRow::of_chain(child, type_id(&child.first.type_name)?)?;
                new.row = new.row.with_lineage(settlement.lineage.child());
                Ok(new)
            })
            .collect::<Result<Vec<_>, String>>()?;
        let next = match &settlement.next {
            Next::Continue { job } => Some(Continuation::new(job, type_id(&job.type_name)?)?),
            _ => None,
        };
        let change = change(settlement)?;
        let attempt = match finishes {
            true => None,
            false => Some(attempt(settlement)?),
        };
        Ok(Self {
            job: settlement.job,
            token: settlement.token,
            change,
            attempt,
            next,
            children,
            lineage: settlement.lineage,
            descendants_max: settlement.descendants_max,
        })
    }

    /// Whether it may make a job ready, this one or another.
    fn makes_ready(&self) -> bool {
        self.requeues_at_once() || self.next.is_some() || !self.children.is_empty()
    }

    fn requeues_at_once(&self) -> bool {
        matches!(&self.change, Change::Requeue(row) if row.delay_ms.unwrap_or(0) == 0)
    }

    /// Whether nothing follows from it but the end of its job.
    fn is_plain(&self) -> bool {
        matches!(self.change, Change::Finish(_))
            && self.attempt.is_none()
            && self.next.is_none()
            && self.children.is_empty()
    }

    /// How many jobs it writes: its own and those that follow from it.
    fn jobs(&self) -> usize {
        1 + usize::from(self.next.is_some()) + self.children.len()
    }

    /// How many bytes of text it writes, as far as they may be many.
    fn bytes(&self) -> usize {
        let size = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let end = match &self.change {
            Change::Finish(row) => size(&row.output) + size(&row.log),
            Change::Requeue(_) => 0,
        };
        let attempt = self.attempt.as_ref().map_or(0, |row| size(&row.log));
        let next = self.next.as_ref().map_or(0, Continuation::bytes);
        let children = self.children.iter().map(|new| new.row.input.len());
        end + attempt + next + children.sum::<usize>()
    }

    /// The final state of its job, where it gets there.
    fn final_state(&self) -> Option<State> {
        match &self.change {
            Change::Finish(row) => State::from_code(row.state),
            Change::Requeue(_) => None,
        }
    }

    /// Whether its job may leave nothing behind.
    fn may_drop(&self) -> bool {
        matches!(&self.change, Change::Finish(row) if !row.kept)
    }

    /// The rows that stand only if the job still carried the lease.
    fn follow(&self, held: &Held, attempts: &mut Vec<AttemptRow>, jobs: &mut Vec<NewRow>) {
        if let Some(draft) = &self.attempt {
            let change = match &self.change {
                Change::Requeue(row) => row.attempt_change,
                Change::Finish(_) => 0,
            };
            attempts.push(AttemptRow {
                run: held.run,
                attempt: held.attempt - change,
                started_at: held.claimed_at.map_or(0, |at| at.0),
                ..draft.clone()
            });
        }
        jobs.extend(
            self.next
                .as_ref()
                .map(|next| next.follow(held, self.lineage)),
        );
        jobs.extend(self.children.iter().cloned());
    }
}

fn change(settlement: &Settlement) -> Result<Change, String> {
    let held = Some(settlement.token.0);
    let finish = |state: State| -> Result<FinishRow, String> {
        Ok(FinishRow {
            id: settlement.job.0,
            held,
            token: held,
            state: state.code(),
            outcome: settlement.outcome.code(),
            output: None,
            failure: settlement.failure.as_ref().map(json).transpose()?,
            log: None,
            continued_to: None,
            usage: Some(UsageRow::from(&settlement.usage)),
            deployment: settlement.deployment.map(|id| id.0),
            kept: true,
        })
    };
    let requeue = |delay_ms: Option<u64>, attempt_change, snoozes_change| {
        let delay_ms = delay_ms.map(|ms| signed(ms.min(hardstop_domain::job::DELAY_MS_MAX)));
        Change::Requeue(RequeueRow {
            delay_ms,
            attempt_change,
            snoozes_change,
            snoozed_ms_change: i64::from(snoozes_change) * delay_ms.unwrap_or(0),
            ..RequeueRow::new(settlement.job, Some(settlement.token))
        })
    };
    Ok(match &settlement.next {
        Next::Complete { output } => {
            check_payload("output", output)?;
            Change::Finish(FinishRow {
                output: Some(output.clone()),
                log: log_json(&settlement.log)?,
                kept: settlement.keep == Keep::All || !settlement.children.is_empty(),
                ..finish(State::Completed)?
            })
        }
        Next::Continue { job } => Change::Finish(FinishRow {
            continued_to: Some(job.id.0),
            log: log_json(&settlement.log)?,
            ..finish(State::Continued)?
        }),
        // Their log is in the attempt's record, which a replay keeps.
        Next::Discard => Change::Finish(finish(State::Discarded)?),
        Next::Cancel => Change::Finish(finish(State::Cancelled)?),
        Next::Retry { delay_ms } => requeue(Some(*delay_ms), 0, 0),
        Next::RetryLarger => Change::Requeue(RequeueRow {
            larger_memory: true,
            ..RequeueRow::new(settlement.job, Some(settlement.token))
        }),
        Next::Snooze { delay_ms } => requeue(Some(*delay_ms), -1, 1),
        Next::Release => requeue(None, -1, 0),
    })
}

fn attempt(settlement: &Settlement) -> Result<AttemptRow, String> {
    Ok(AttemptRow {
        job_id: settlement.job.0,
        token: Some(settlement.token.0),
        started_at: 0,
        run: 0,
        session: settlement.token.session().0,
        attempt: 0,
        outcome: settlement.outcome.code(),
        failure: settlement.failure.as_ref().map(json).transpose()?,
        usage: Some(json(&settlement.usage)?),
        log: log_json(&settlement.log)?,
        progress: settlement.progress.as_ref().map(json).transpose()?,
        deployment: settlement.deployment.map(|id| id.0),
    })
}

/// Writes a part of the planned settlements: those at `part`, no job twice.
pub(crate) struct Settle {
    planned: Arc<Vec<Planned>>,
    part: Vec<usize>,
}

impl Settle {
    /// `part` is put in the order in which rows are locked.
    pub(crate) fn new(planned: Arc<Vec<Planned>>, mut part: Vec<usize>) -> Self {
        part.sort_by_key(|index| planned[*index].job);
        Self { planned, part }
    }

    fn part(&self) -> impl Iterator<Item = &Planned> {
        self.part.iter().map(|index| &self.planned[*index])
    }
}

/// What became of the settlements at these places.
pub(crate) struct SettledPart {
    pub(crate) answers: Vec<(usize, Settled)>,
    pub(crate) aftermath: Aftermath,
}

impl Operation for Settle {
    type Output = SettledPart;

    fn mode(&self) -> Mode {
        // A batch of plain completions is one statement, and so one round trip.
        let mode = match self.part().all(Planned::is_plain) {
            true => Mode::WRITE,
            false => Mode::WRITE_ATOMIC,
        };
        let jobs = self.part().map(Planned::jobs).sum();
        let bytes = self.part().map(Planned::bytes).sum();
        mode.resend().of_jobs(jobs, bytes)
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<SettledPart, StoreError> {
        let (mut finishes, mut requeues) = (Vec::new(), Vec::new());
        for planned in self.part() {
            match &planned.change {
                Change::Finish(row) => finishes.push(row),
                Change::Requeue(row) => requeues.push(row),
            }
        }
        // Finishing rows are locked first: what depends on their end must come in later statements.
        let mut accepted = tx.finish(&finishes).await?;
        accepted.extend(tx.requeue(&requeues).await?);
        let by_job: HashMap<JobId, &Held> = accepted.iter().map(|held| (held.id, held)).collect();

        let (mut attempts, mut jobs) = (Vec::new(), Vec::new());
        let mut answers = Vec::with_capacity(self.part.len());
        let (mut written, mut missed) = (Vec::new(), Vec::new());
        let mut aftermath = Aftermath::default();
        for (index, planned) in self.part.iter().zip(self.part()) {
            match by_job.get(&planned.job) {
                Some(held) => {
                    planned.follow(held, &mut attempts, &mut jobs);
                    aftermath.ready |= planned.requeues_at_once();
                    written.push((planned, *held));
                    answers.push((*index, Settled::Written));
                }
                None => missed.push((*index, planned)),
            }
        }
        count_descendants(tx, &written).await?;
        check_graph(tx, &jobs).await?;
        jobs.sort_by_key(|new| new.row.id);
        let created = create(tx, &jobs).await?;
        tx.attempt(&attempts).await?;
        aftermath += created.aftermath;
        let ended = written
            .iter()
            .filter_map(|(planned, held)| Some((*held, planned.final_state()?)));
        aftermath.closed |= closes(ended);

        let leases: Vec<_> = missed.iter().map(|(_, p)| (p.job, p.token)).collect();
        let before: HashSet<_> = tx.settled(&leases).await?.into_iter().collect();
        // A job that left nothing was ended by its first lease, for it has an attempt on record, or a final row, where another
        // had it.
        let unkept = missed.iter().filter(|(_, p)| p.may_drop());
        let unkept: Vec<JobId> = unkept.map(|(_, p)| p.job).collect();
        let gone: HashSet<_> = tx.gone(&unkept).await?.into_iter().collect();
        for (index, planned) in missed {
            let written = before.contains(&(planned.job, planned.token))
                || planned.may_drop() && gone.contains(&planned.job);
            // Whoever wrote it may have died before it could wake anybody.
            aftermath.ready |= written && planned.makes_ready();
            aftermath.closed |= written;
            let answer = match written {
                true => Settled::Written,
                false => Settled::Stale,
            };
            answers.push((index, answer));
        }
        Ok(SettledPart { answers, aftermath })
    }
}

/// Counts the new descendants of each root. Fails with [`StoreError::TooManyDescendants`] where one would have too many.
async fn count_descendants(
    tx: &mut dyn Transaction,
    written: &[(&Planned, &Held)],
) -> Result<(), StoreError> {
    let mut more: BTreeMap<ChainId, i64> = BTreeMap::new();
    for (planned, _) in written {
        if !planned.children.is_empty() {
            *more.entry(planned.lineage.root).or_default() += planned.children.len() as i64;
        }
    }
    if more.is_empty() {
        return Ok(());
    }
    let roots: Vec<ChainId> = more.keys().copied().collect();
    let mut now: HashMap<ChainId, u64> = tx.lock_lineage(&roots).await?.into_iter().collect();
    for (planned, _) in written {
        if planned.children.is_empty() {
            continue;
        }
        let root = planned.lineage.root;
        let count = now.entry(root).or_default();
        *count += planned.children.len() as u64;
        if *count > planned.descendants_max {
            return Err(StoreError::TooManyDescendants {
                root,
                count: *count,
                limit: planned.descendants_max,
            });
        }
    }
    tx.grow_lineage(&more.into_iter().collect::<Vec<_>>()).await
}
