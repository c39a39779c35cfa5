//! Reads rows about schedules.

use hardstop_domain::{ChainId, ScheduleName, Timestamp, TypeId};

use super::View;
use crate::StoreError;
use crate::record::{Fire, FireResult, Schedule, ScheduleDetail};

/// A schedule whose row is locked.
#[derive(Debug, Clone)]
pub(crate) struct HeldSchedule {
    pub(crate) type_id: TypeId,
    pub(crate) priority: i16,
    pub(crate) paused: bool,
    pub(crate) next_at: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
    pub(crate) last_chain: Option<ChainId>,
    /// JSON text, which a newer host may have written.
    pub(crate) spec: String,
    pub(crate) input: String,
    /// The database's time.
    pub(crate) now: Timestamp,
}

pub(crate) fn held(row: &impl View) -> Result<HeldSchedule, StoreError> {
    Ok(HeldSchedule {
        type_id: TypeId(row.int("type_id")?),
        priority: row.int("priority")?,
        paused: row.flag("paused")?,
        next_at: row.get_time("next_at")?,
        created_at: row.time("created_at")?,
        last_chain: row.get_uuid("last_chain")?.map(ChainId),
        spec: row.text("spec")?,
        input: row.text("input")?,
        now: row.time("now")?,
    })
}

pub(crate) fn name(row: &impl View) -> Result<ScheduleName, StoreError> {
    row.text("name")?
        .parse()
        .map_err(|error| StoreError::Corrupt(format!("{error}")))
}

pub(crate) fn due(row: &impl View) -> Result<(ScheduleName, i64), StoreError> {
    Ok((name(row)?, row.int("due_in_us")?))
}

pub(crate) fn schedule(row: &impl View) -> Result<Schedule, StoreError> {
    Ok(Schedule {
        name: name(row)?,
        type_name: row.name_option("type_name")?,
        priority: row.int("priority")?,
        paused: row.flag("paused")?,
        spec: super::parse(&row.text("spec")?, "spec")?,
        next_at: row.get_time("next_at")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        last_chain: row.get_uuid("last_chain")?.map(ChainId),
    })
}

/// Without its fires.
pub(crate) fn detail(row: &impl View) -> Result<ScheduleDetail, StoreError> {
    Ok(ScheduleDetail {
        schedule: schedule(row)?,
        input: row.text("input")?,
        fires: Vec::new(),
    })
}

pub(crate) fn fire(row: &impl View) -> Result<Fire, StoreError> {
    let code = row.int("result")?;
    Ok(Fire {
        at: row.time("at")?,
        result: FireResult::from_code(code)
            .ok_or_else(|| StoreError::Corrupt(format!("unknown result {code} of a schedule")))?,
        chain_id: row.get_uuid("chain_id")?.map(ChainId),
        note: row.get_text("note")?,
        created_at: row.time("created_at")?,
    })
}
