//! What schedules do when they are due: each in a transaction of its own, which locks its row, so that any
//! number of hosts fire it once.

use hardstop_domain::quantity::format_duration_ms;
use hardstop_domain::schedule::{FireKind, MISSED_AFTER_MS, plan};
use hardstop_domain::{
    ChainId, OnBlockerFailure, Overlap, ScheduleName, ScheduleSpec, Timestamp, TypeName,
};

use super::schedule::{fire_row, new_job, start};
use super::{Mode, Operation};
use crate::StoreError;
use crate::record::{FireCheck, FireResult};
use crate::transaction::Transaction;
use crate::view::HeldSchedule;

/// How many chains one transaction starts, and how large their inputs may be together.
const STARTS_MAX: usize = 100;
const STARTED_BYTES_MAX: usize = 8 << 20;
/// How long until a schedule is looked at again whose specification this host cannot read: a newer host
/// may have written it.
const UNREADABLE_RETRY_US: i64 = 3_600_000_000;

/// The schedules that are due next. See [`crate::transaction::schedule::ScheduleStatements`].
pub(crate) struct Due {
    pub(crate) limit: i64,
}

impl Operation for Due {
    type Output = Vec<(ScheduleName, i64)>;

    fn mode(&self) -> Mode {
        Mode::READ
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Self::Output, StoreError> {
        tx.due_schedules(self.limit).await
    }
}

/// What one schedule did.
#[derive(Debug, Default)]
pub(crate) struct FiredOne {
    pub(crate) started: Vec<ChainId>,
    /// Why none could be started.
    pub(crate) failed: Option<String>,
}

/// Fires a schedule, if it is due and no other host does so.
pub(crate) struct Fire {
    pub(crate) name: ScheduleName,
    pub(crate) check: FireCheck,
}

impl Operation for Fire {
    type Output = FiredOne;

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<FiredOne, StoreError> {
        let name = self.name.as_str();
        let Some(held) = tx.take_schedule(name).await? else {
            return Ok(FiredOne::default());
        };
        let due_at = held.next_at.unwrap_or(held.now);
        let spec: ScheduleSpec = match serde_json::from_str(&held.spec) {
            Ok(spec) => spec,
            Err(error) => {
                let reason = format!("this host cannot read the schedule: {error}");
                let row = fire_row(due_at, FireResult::Failed, None, Some(reason.clone()));
                let next_at = Timestamp(held.now.0.saturating_add(UNREADABLE_RETRY_US));
                tx.fire(name, &[row]).await?;
                tx.set_schedule(name, false, Some(next_at), held.last_chain)
                    .await?;
                return Ok(FiredOne {
                    failed: Some(reason),
                    ..FiredOne::default()
                });
            }
        };
        let type_name = self.type_name(tx, &held).await?;
        let starts_max = (STARTED_BYTES_MAX / held.input.len().max(1)).clamp(1, STARTS_MAX);
        let plan = plan(&spec, held.created_at, due_at, held.now, starts_max);
        // Whether the chain before is open; asked only where it matters.
        let mut open = match (spec.overlap, held.last_chain) {
            (Overlap::Allow, _) | (_, None) => false,
            (_, Some(chain)) => tx.chain_open(chain).await?,
        };
        let mut last_chain = held.last_chain;
        let mut fired = FiredOne::default();
        let (mut rows, mut jobs) = (Vec::with_capacity(plan.fires.len()), Vec::new());
        let mut more_missed = plan.more_missed;
        for (at, kind) in plan.fires {
            let earlier = std::mem::take(&mut more_missed)
                .then(|| "earlier ones were missed too and are not listed".to_owned());
            let row = match (kind, &type_name) {
                (FireKind::Missed, _) => fire_row(at, FireResult::Missed, None, earlier),
                (_, Err(reason)) => {
                    fired.failed = Some(reason.clone());
                    fire_row(at, FireResult::Failed, None, Some(reason.clone()))
                }
                _ if open && spec.overlap == Overlap::Skip => {
                    let note = last_chain.map(|chain| format!("chain {chain} was still open"));
                    fire_row(at, FireResult::Skipped, None, note)
                }
                (_, Ok(type_name)) => {
                    let mut job = new_job(&held, type_name);
                    if open && spec.overlap == Overlap::Queue {
                        job.blockers.extend(last_chain);
                        job.on_blocker_failure = OnBlockerFailure::Run;
                    }
                    let chain = ChainId::from(job.id);
                    (last_chain, open) = (Some(chain), true);
                    fired.started.push(chain);
                    jobs.push(job);
                    let late = (kind == FireKind::StartLate).then(|| late_note(at, held.now));
                    fire_row(at, FireResult::Started, Some(chain), late)
                }
            };
            rows.push(row);
        }
        tx.fire(name, &rows).await?;
        if let (Ok(type_name), false) = (&type_name, jobs.is_empty()) {
            let started = start(tx, jobs.clone(), type_name, held.type_id).await;
            // The chain before was open, and has ended meanwhile without leaving anything.
            match (started, held.last_chain) {
                (Err(StoreError::UnknownChain(gone)), Some(last)) if gone == last => {
                    jobs.iter_mut()
                        .for_each(|job| job.blockers.retain(|chain| *chain != last));
                    start(tx, jobs, type_name, held.type_id).await?;
                }
                (started, _) => started?,
            }
        }
        tx.set_schedule(name, false, plan.next_at, last_chain)
            .await?;
        Ok(fired)
    }
}

impl Fire {
    /// The type to start, or why nothing can be started.
    async fn type_name(
        &self,
        tx: &mut dyn Transaction,
        held: &HeldSchedule,
    ) -> Result<Result<TypeName, String>, StoreError> {
        let types = tx.types().await?;
        let Some(active) = types.into_iter().find(|active| active.id == held.type_id) else {
            return Ok(Err("its type is not deployed any more".to_owned()));
        };
        let type_name = active.spec.name.clone();
        let job = new_job(held, &type_name);
        Ok((self.check)(&active, &job).map(|()| type_name))
    }
}

fn late_note(at: Timestamp, now: Timestamp) -> String {
    let late_s = now.since(at).as_secs();
    format!(
        "{} late: over {} is missed",
        format_duration_ms(late_s * 1_000),
        format_duration_ms(MISSED_AFTER_MS)
    )
}

/// Moves a schedule on that cannot be fired, so that it does not fail again and again.
pub(crate) struct PassOver {
    pub(crate) name: ScheduleName,
    /// Recorded as the reason. None: the time was recorded before.
    pub(crate) reason: Option<String>,
}

impl Operation for PassOver {
    type Output = ();

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<(), StoreError> {
        let name = self.name.as_str();
        let Some(held) = tx.take_schedule(name).await? else {
            return Ok(());
        };
        let due_at = held.next_at.unwrap_or(held.now);
        let next_at = match serde_json::from_str::<ScheduleSpec>(&held.spec) {
            Ok(spec) => spec.timing.next(held.now, held.created_at),
            Err(_) => Some(Timestamp(held.now.0.saturating_add(UNREADABLE_RETRY_US))),
        };
        if let Some(reason) = &self.reason {
            let row = fire_row(due_at, FireResult::Failed, None, Some(reason.clone()));
            tx.fire(name, &[row]).await?;
        }
        tx.set_schedule(name, false, next_at, held.last_chain).await
    }
}
