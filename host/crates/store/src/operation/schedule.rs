//! Making and changing schedules. What they do when they are due is in `fire`.

use hardstop_domain::{
    ChainId, JobId, NewChain, NewJob, ScheduleName, ScheduleSpec, Timestamp, TypeId, TypeName,
};
use uuid::Uuid;

use super::enqueue::{Enqueue, TypeIds};
use super::{Mode, Operation};
use crate::StoreError;
use crate::record::{
    FIRES_KEPT, FIRES_SHOWN, FireResult, NewSchedule, PutSchedule, ScheduleDetail,
};
use crate::row::{FireRow, JobRow, json};
use crate::transaction::Transaction;
use crate::view::HeldSchedule;

/// Makes a schedule, or changes the one of its name.
pub(crate) struct Put {
    schedule: NewSchedule,
    type_id: TypeId,
    spec: String,
}

impl Put {
    /// Fails where a chain of it could not be stored.
    pub(crate) fn new(schedule: NewSchedule, type_id: TypeId) -> Result<Self, StoreError> {
        let spec = schedule.spec.check().map_err(|error| error.to_string());
        let job = NewJob {
            priority: Some(schedule.priority),
            ..NewJob::new(
                JobId(Uuid::nil()),
                schedule.type_name.clone(),
                schedule.input.clone(),
            )
        };
        let spec = spec
            .and_then(|()| JobRow::new(&job, job.id.into(), type_id))
            .and_then(|_| json(&schedule.spec))
            .map_err(StoreError::Invalid)?;
        Ok(Self {
            schedule,
            type_id,
            spec,
        })
    }
}

impl Put {
    pub(super) fn name(&self) -> &ScheduleName {
        &self.schedule.name
    }
}

impl Operation for Put {
    type Output = PutSchedule;

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<PutSchedule, StoreError> {
        let name = self.schedule.name.as_str();
        let timing = &self.schedule.spec.timing;
        let before = tx.lock_schedule(name).await?;
        let (next_at, now) = match &before {
            None => {
                let now = tx.now().await?;
                (timing.next(now, now), now)
            }
            Some(held) if held.paused => (None, held.now),
            // A deployment that puts the same again must not lose a time that is due just now.
            Some(held) if held.next_at.is_some() && same_timing(held, &self.schedule.spec) => {
                (held.next_at, held.now)
            }
            Some(held) => (timing.next(held.now, held.created_at), held.now),
        };
        tx.put_schedule(&self.schedule, self.type_id, &self.spec, now, next_at)
            .await?;
        Ok(PutSchedule {
            created: before.is_none(),
            next_at,
        })
    }
}

fn same_timing(held: &HeldSchedule, spec: &ScheduleSpec) -> bool {
    serde_json::from_str::<ScheduleSpec>(&held.spec).is_ok_and(|held| held.timing == spec.timing)
}

/// Pauses or resumes a schedule. Says whether there is one.
pub(crate) struct SetPaused {
    pub(crate) name: ScheduleName,
    pub(crate) paused: bool,
}

impl Operation for SetPaused {
    type Output = bool;

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC.resend()
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<bool, StoreError> {
        let name = self.name.as_str();
        let Some(held) = tx.lock_schedule(name).await? else {
            return Ok(false);
        };
        if held.paused == self.paused {
            return Ok(true);
        }
        // What was due meanwhile is not made up for.
        let next_at = match self.paused {
            true => None,
            false => {
                let spec: ScheduleSpec = serde_json::from_str(&held.spec)
                    .map_err(|error| StoreError::Corrupt(format!("spec: {error}")))?;
                spec.timing.next(held.now, held.created_at)
            }
        };
        tx.set_schedule(name, self.paused, next_at, held.last_chain)
            .await?;
        Ok(true)
    }
}

/// Deletes a schedule and its history. Says whether there was one.
pub(crate) struct Delete(pub(crate) ScheduleName);

impl Operation for Delete {
    type Output = bool;

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<bool, StoreError> {
        // Locked first, so that no host adds to the history meanwhile.
        let exists = tx.lock_schedule(self.0.as_str()).await?.is_some();
        tx.delete_schedule(self.0.as_str()).await?;
        Ok(exists)
    }
}

/// Starts a chain of a schedule now, whatever its time and the chain before. None where there is no such
/// schedule.
pub(crate) struct Trigger(pub(crate) ScheduleName);

impl Operation for Trigger {
    type Output = Option<ChainId>;

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Option<ChainId>, StoreError> {
        let name = self.0.as_str();
        let Some(held) = tx.lock_schedule(name).await? else {
            return Ok(None);
        };
        let types = tx.type_ids().await?;
        let Some((type_name, _)) = types.into_iter().find(|(_, id)| *id == held.type_id) else {
            return Err(StoreError::Invalid(format!(
                "the type of schedule `{name}` is not deployed any more"
            )));
        };
        let job = new_job(&held, &type_name);
        let chain = ChainId::from(job.id);
        tx.fire(
            name,
            &[fire_row(held.now, FireResult::Triggered, Some(chain), None)],
        )
        .await?;
        start(tx, vec![job], &type_name, held.type_id).await?;
        tx.set_schedule(name, held.paused, held.next_at, Some(chain))
            .await?;
        Ok(Some(chain))
    }
}

/// The job that a schedule starts.
pub(super) fn new_job(held: &HeldSchedule, type_name: &TypeName) -> NewJob {
    NewJob {
        priority: Some(held.priority),
        ..NewJob::new(
            JobId(Uuid::now_v7()),
            type_name.clone(),
            held.input.as_str(),
        )
    }
}

/// Starts a chain with each of these jobs, all of one type.
pub(super) async fn start(
    tx: &mut dyn Transaction,
    jobs: Vec<NewJob>,
    type_name: &TypeName,
    type_id: TypeId,
) -> Result<(), StoreError> {
    let chains: Vec<NewChain> = jobs.into_iter().map(NewChain::new).collect();
    let types = TypeIds::from([(type_name.clone(), type_id)]);
    Enqueue::new(&chains, &types)?.run(tx).await?;
    Ok(())
}

pub(super) fn fire_row(
    at: Timestamp,
    result: FireResult,
    chain: Option<ChainId>,
    note: Option<String>,
) -> FireRow {
    FireRow {
        at: at.0,
        result: result.code(),
        chain_id: chain.map(|chain| chain.0),
        note,
    }
}

/// One schedule in full.
pub(crate) struct Detail(pub(crate) ScheduleName);

impl Operation for Detail {
    type Output = Option<ScheduleDetail>;

    fn mode(&self) -> Mode {
        Mode::READ
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Option<ScheduleDetail>, StoreError> {
        let Some(mut detail) = tx.schedule(self.0.as_str()).await? else {
            return Ok(None);
        };
        detail.fires = tx.fires(self.0.as_str(), FIRES_SHOWN).await?;
        Ok(Some(detail))
    }
}

/// Forgets what became of times long past.
pub(crate) struct Trim;

impl Operation for Trim {
    type Output = ();

    fn mode(&self) -> Mode {
        Mode::WRITE.resend()
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<(), StoreError> {
        tx.trim_fires(FIRES_KEPT).await
    }
}
