//! Rows of the reads that concern more than one job.

use hardstop_domain::{ChainId, JobId, Lineage, OnBlockerFailure, OutcomeKind, SessionId};

use super::{View, summary};
use crate::StoreError;
use crate::record::*;

pub(crate) fn chain_summary(row: &impl View) -> Result<ChainSummary, StoreError> {
    Ok(ChainSummary {
        id: ChainId(row.uuid("id")?),
        type_name: row.type_name("type_name")?,
        state: row.state()?,
        outcome: row.outcome_option()?,
        key: row.get_text("key")?,
        jobs: row.int("jobs")?,
        created_at: row.time("created_at")?,
        finished_at: row.get_time("finished_at")?,
        last_job: JobId(row.uuid("last_job")?),
        priority: row.int("priority")?,
    })
}

/// A chain without its jobs, their blockers and its dependents.
pub(crate) fn chain_detail(row: &impl View) -> Result<ChainDetail, StoreError> {
    let summary = chain_summary(row)?;
    Ok(ChainDetail {
        output: row.get_text("output")?,
        failure: row.json_option("failure")?,
        parent_job: row.get_uuid("parent_job")?.map(JobId),
        lineage: lineage(row, summary.id)?,
        summary,
        jobs: Vec::new(),
        blockers: Vec::new(),
        dependents: Vec::new(),
        more_dependents: false,
    })
}

/// Where a chain stands among the chains that handlers started.
pub(crate) fn lineage(row: &impl View, chain: ChainId) -> Result<Lineage, StoreError> {
    Ok(Lineage {
        root: row.get_uuid("root_chain")?.map_or(chain, ChainId),
        depth: row.int_option("depth")?.unwrap_or(0),
    })
}

pub(crate) fn job_blocker(row: &impl View) -> Result<JobBlocker, StoreError> {
    Ok(JobBlocker {
        job: JobId(row.uuid("job_id")?),
        position: row.int("position")?,
        chain_id: ChainId(row.uuid("chain_id")?),
        state: match row.get_int("state")? {
            Some(_) => Some(row.state()?),
            None => None,
        },
        awaited: row.flag("awaited")?,
        overridden: row.flag("overridden")?,
        closed_by: row.get_uuid("closed_by")?.map(JobId),
    })
}

pub(crate) fn dependent(row: &impl View) -> Result<Dependent, StoreError> {
    Ok(Dependent {
        job: JobId(row.uuid("job_id")?),
        chain_id: ChainId(row.uuid("chain_id")?),
        type_name: row.type_name("type_name")?,
        state: row.state()?,
        position: row.int("position")?,
        awaited: row.flag("awaited")?,
    })
}

/// A job's own facts, without blockers, pauses, sessions and the jobs ahead of it.
pub(crate) fn explanation(row: &impl View) -> Result<Explanation, StoreError> {
    let policy = row.int("on_blocker_failure")?;
    let last_outcome = match row.int_option("last_outcome")? {
        None => None,
        Some(code) => Some(
            OutcomeKind::from_code(code)
                .ok_or_else(|| StoreError::Corrupt(format!("unknown outcome {code}")))?,
        ),
    };
    Ok(Explanation {
        job: summary(row)?,
        now: row.time("now")?,
        external: row.flag("external")?,
        deadline_at: row.get_time("deadline_at")?,
        continued_to: row.get_uuid("continued_to")?.map(JobId),
        last_outcome,
        failure: row.json_option("last_failure")?,
        on_blocker_failure: OnBlockerFailure::from_code(policy)
            .ok_or_else(|| StoreError::Corrupt(format!("on_blocker_failure = {policy}")))?,
        blockers_total: row.int("blockers")?,
        blockers_open: row.int("open_blockers")?,
        blockers: Vec::new(),
        pauses: Vec::new(),
        quarantine: None,
        serving: Vec::new(),
        holder: match row.get_int("session_id")? {
            Some(_) => Some(session_lease(row)?),
            None => None,
        },
        ahead: None,
    })
}

pub(crate) fn pause_in_force(row: &impl View) -> Result<PauseInForce, StoreError> {
    Ok(PauseInForce {
        everything: row.flag("everything")?,
        paused_at: row.time("paused_at")?,
        until: row.get_time("until")?,
        actor: row.text("actor")?,
        note: row.get_text("note")?,
    })
}

pub(crate) fn session_lease(row: &impl View) -> Result<SessionLease, StoreError> {
    Ok(SessionLease {
        id: SessionId(row.int("session_id")?),
        host: row.text("host")?,
        expires_at: row.time("expires_at")?,
        lease_duration_ms: row.int("lease_duration_ms")?,
        expired: row.flag("expired")?,
        dead: row.flag("dead")?,
    })
}
