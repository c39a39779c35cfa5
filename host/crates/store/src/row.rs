//! What statements are fed with: lists of narrow rows, checked before any transaction begins.
//!
//! Postgres binds them column by column, SQLite as one JSON text, so field names are those of the
//! SQL files.

use hardstop_domain::job::{BLOCKERS_MAX, DELAY_MS_MAX, PRIORITY_MAX, PRIORITY_MIN};
use hardstop_domain::{
    ChainId, Dedup, DedupScope, Failure, JobId, LeaseToken, Lineage, LogEntry, NewJob, SessionId,
    State, Timestamp, TypeId, Usage,
};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::record::LivePart;
use crate::view::Held;

/// The longest input or output, in bytes. The operator's ceilings are lower; this one the database
/// checks too.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 16 << 20;
const TRACE_PARENT_BYTES_MAX: usize = 256;
/// 3000-01-01T00:00:00Z in microseconds: later times are cut to it, so that both databases can add to them.
pub(crate) const TIME_MAX: i64 = 32_503_680_000_000_000;

/// A job to create.
#[derive(Debug, Clone)]
pub(crate) struct JobRow {
    pub(crate) id: Uuid,
    pub(crate) chain_id: Uuid,
    pub(crate) type_id: i32,
    pub(crate) priority: i16,
    pub(crate) delay_ms: i64,
    /// Microseconds since 1970.
    pub(crate) not_before: Option<i64>,
    pub(crate) input: String,
    pub(crate) limits: Option<String>,
    pub(crate) trace_parent: Option<String>,
    pub(crate) blockers: i32,
    pub(crate) open_blockers: i32,
    pub(crate) on_blocker_failure: i16,
    pub(crate) blocking: bool,
    pub(crate) keyed: bool,
    pub(crate) root_chain: Option<Uuid>,
    pub(crate) depth: Option<i32>,
    pub(crate) parent_job: Option<Uuid>,
}

impl JobRow {
    /// The row of a job that can be stored, or a sentence that says why it cannot.
    pub(crate) fn new(job: &NewJob, chain: ChainId, type_id: TypeId) -> Result<Self, String> {
        check_payload("input", &job.input)?;
        let priority = job.priority.unwrap_or(0);
        if !(PRIORITY_MIN..=PRIORITY_MAX).contains(&priority) {
            return Err(format!(
                "priority {priority} of job {} is not from {PRIORITY_MIN} to {PRIORITY_MAX}",
                job.id
            ));
        }
        if job.delay_ms > DELAY_MS_MAX {
            return Err(format!(
                "delay of {} ms of job {} is over the maximum of {DELAY_MS_MAX} ms",
                job.delay_ms, job.id
            ));
        }
        if let Some(trace_parent) = &job.trace_parent
            && (trace_parent.len() > TRACE_PARENT_BYTES_MAX || trace_parent.contains('\0'))
        {
            return Err(format!("the trace parent of job {} is not one", job.id));
        }
        if job.blockers.len() > BLOCKERS_MAX {
            return Err(format!(
                "job {} names {} blockers, over the maximum of {BLOCKERS_MAX}",
                job.id,
                job.blockers.len()
            ));
        }
        let limits = match job.limits.is_empty() {
            true => None,
            false => Some(json(&job.limits)?),
        };
        Ok(Self {
            id: job.id.0,
            chain_id: chain.0,
            type_id: type_id.0,
            priority,
            delay_ms: signed(job.delay_ms),
            // Beyond the longest delay a time is as good as never.
            not_before: job.not_before.map(|at| at.0.clamp(0, TIME_MAX)),
            input: job.input.clone(),
            limits,
            trace_parent: job.trace_parent.clone(),
            blockers: 0,
            open_blockers: 0,
            on_blocker_failure: job.on_blocker_failure.code(),
            blocking: false,
            keyed: false,
            root_chain: None,
            depth: None,
            parent_job: job.parent.map(|parent| parent.0),
        })
    }

    /// The same row of a chain that stands there among the chains that handlers started.
    pub(crate) fn with_lineage(mut self, lineage: Lineage) -> Self {
        if lineage.depth > 0 {
            self.root_chain = Some(lineage.root.0);
            self.depth = Some(i32::try_from(lineage.depth).unwrap_or(i32::MAX));
        }
        self
    }

    /// Whether it is ready as soon as it is there.
    pub(crate) fn is_ready(&self) -> bool {
        self.delay_ms == 0 && self.not_before.is_none() && self.open_blockers == 0
    }

    /// When it is due where it is stored now, in microseconds since 1970. The statement of Postgres says the same.
    pub(crate) fn due_at(&self, now: Timestamp) -> i64 {
        let due_at = now.0.saturating_add(self.delay_ms.saturating_mul(1_000));
        due_at.max(self.not_before.unwrap_or(0))
    }

    /// The state that it comes into then. The statement of Postgres says the same.
    pub(crate) fn first_state(&self, now: Timestamp) -> State {
        match self.open_blockers {
            0 if self.due_at(now) > now.0 => State::Scheduled,
            0 => State::Ready,
            _ => State::Blocked,
        }
    }
}

/// A deduplication key that a new chain asks for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct KeyRow {
    pub(crate) type_id: i32,
    pub(crate) key: String,
    #[serde(serialize_with = "hex")]
    pub(crate) chain_id: Uuid,
    /// None: only open chains count.
    pub(crate) window_ms: Option<i64>,
}

impl KeyRow {
    /// The row of a key that can be stored, or a sentence that says why it cannot.
    pub(crate) fn new(chain: ChainId, type_id: TypeId, dedup: &Dedup) -> Result<Self, String> {
        dedup.check().map_err(|error| error.to_string())?;
        let window_ms = match dedup.scope {
            DedupScope::Open => None,
            DedupScope::Any { window_ms } => Some(signed(window_ms)),
        };
        Ok(Self {
            type_id: type_id.0,
            key: dedup.key.clone(),
            chain_id: chain.0,
            window_ms,
        })
    }
}

/// One chain that a job waits for.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct BlockerRow {
    #[serde(serialize_with = "hex")]
    pub(crate) job_id: Uuid,
    pub(crate) position: i32,
    #[serde(serialize_with = "hex")]
    pub(crate) chain_id: Uuid,
    /// The job that closed it; none while it is awaited.
    #[serde(serialize_with = "hex_option")]
    pub(crate) closed_by: Option<Uuid>,
}

/// A chain that has closed, and the job whose end closed it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ClosureRow {
    #[serde(serialize_with = "hex")]
    pub(crate) chain_id: Uuid,
    #[serde(serialize_with = "hex")]
    pub(crate) job_id: Uuid,
    pub(crate) state: i16,
}

/// An event of a type, for one subscription.
#[derive(Debug, Clone)]
pub(crate) struct EventRow {
    pub(crate) kind: i16,
    pub(crate) type_id: i32,
    pub(crate) detail: String,
    pub(crate) job_id: Option<Uuid>,
    pub(crate) chain_id: Option<Uuid>,
}

/// A job that has become final, for the subscriptions that want to be told.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct EndedRow {
    pub(crate) type_id: i32,
    #[serde(serialize_with = "hex")]
    pub(crate) job_id: Uuid,
    #[serde(serialize_with = "hex")]
    pub(crate) chain_id: Uuid,
    pub(crate) state: i16,
    pub(crate) outcome: i16,
    pub(crate) attempt: i32,
}

/// A job to move to its final row, where it still carries the lease `held`.
#[derive(Debug, Clone)]
pub(crate) struct FinishRow {
    pub(crate) id: Uuid,
    /// The lease that it must carry; none for a queued job.
    pub(crate) held: Option<i64>,
    /// The settlement's lease, kept so that the same settlement is known when it comes again. None
    /// where no settlement finishes the job.
    pub(crate) token: Option<i64>,
    pub(crate) state: i16,
    pub(crate) outcome: i16,
    pub(crate) output: Option<String>,
    pub(crate) failure: Option<String>,
    pub(crate) log: Option<String>,
    pub(crate) continued_to: Option<Uuid>,
    pub(crate) usage: Option<UsageRow>,
    /// The deployment that its last attempt ran.
    pub(crate) deployment: Option<Uuid>,
    /// Whether it stays as a final row in any case, and not only where something refers to it.
    pub(crate) kept: bool,
}

impl FinishRow {
    /// The end of a job by the store itself, without a settlement.
    pub(crate) fn unsettled(
        job: JobId,
        held: Option<LeaseToken>,
        state: State,
        failure: &Failure,
    ) -> Result<Self, String> {
        Ok(Self {
            id: job.0,
            held: held.map(|token| token.0),
            token: None,
            state: state.code(),
            outcome: failure.kind.code(),
            output: None,
            failure: Some(json(failure)?),
            log: None,
            continued_to: None,
            usage: None,
            deployment: None,
            kept: true,
        })
    }
}

/// What an attempt used, in columns.
#[derive(Debug, Clone)]
pub(crate) struct UsageRow {
    pub(crate) wall_us: i64,
    pub(crate) cpu_us: i64,
    pub(crate) fuel: Option<i64>,
    pub(crate) memory_bytes_peak: i64,
    pub(crate) output_bytes: i64,
    pub(crate) log_bytes: i64,
    pub(crate) log_bytes_dropped: i64,
    /// JSON, where there is something to tell.
    pub(crate) detail: Option<String>,
}

impl From<&Usage> for UsageRow {
    fn from(usage: &Usage) -> Self {
        Self {
            wall_us: signed(usage.wall_us),
            cpu_us: signed(usage.cpu_us),
            fuel: usage.fuel.map(signed),
            memory_bytes_peak: signed(usage.memory_bytes_peak),
            output_bytes: signed(usage.output_bytes),
            log_bytes: signed(usage.log_bytes),
            log_bytes_dropped: signed(usage.log_bytes_dropped),
            // A struct of numbers can always be written.
            detail: match usage.detail.is_empty() {
                true => None,
                false => json(&usage.detail).ok(),
            },
        }
    }
}

/// A job to give back to the queue, where it still carries the lease `held`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RequeueRow {
    #[serde(serialize_with = "hex")]
    pub(crate) id: Uuid,
    /// The lease that it must carry; none for a queued job.
    pub(crate) held: Option<i64>,
    /// Milliseconds from now. Without this and `not_before`: due when it was, so that it keeps its place.
    pub(crate) delay_ms: Option<i64>,
    /// Microseconds since 1970.
    pub(crate) not_before: Option<i64>,
    pub(crate) attempt_change: i16,
    pub(crate) snoozes_change: i32,
    pub(crate) snoozed_ms_change: i64,
    pub(crate) rescues_change: i16,
    /// Whether it has the larger memory from now on.
    pub(crate) larger_memory: bool,
}

impl RequeueRow {
    /// A job that goes back to its place, nothing counted.
    pub(crate) fn new(job: JobId, held: Option<LeaseToken>) -> Self {
        Self {
            id: job.0,
            held: held.map(|token| token.0),
            delay_ms: None,
            not_before: None,
            attempt_change: 0,
            snoozes_change: 0,
            snoozed_ms_change: 0,
            rescues_change: 0,
            larger_memory: false,
        }
    }
}

/// The record of a run that did not end well.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct AttemptRow {
    #[serde(serialize_with = "hex")]
    pub(crate) job_id: Uuid,
    /// As in [`FinishRow`].
    pub(crate) token: Option<i64>,
    /// Microseconds since 1970.
    pub(crate) started_at: i64,
    pub(crate) run: i32,
    pub(crate) session: i32,
    pub(crate) attempt: i16,
    pub(crate) outcome: i16,
    pub(crate) failure: Option<String>,
    pub(crate) usage: Option<String>,
    pub(crate) log: Option<String>,
    pub(crate) progress: Option<String>,
    /// The deployment that it ran.
    #[serde(serialize_with = "hex_option")]
    pub(crate) deployment: Option<Uuid>,
}

/// A part of what a running attempt said.
#[derive(Debug)]
pub(crate) struct LiveRow {
    pub(crate) job_id: Uuid,
    pub(crate) token: i64,
    pub(crate) part: i32,
    pub(crate) log: Option<String>,
    pub(crate) progress: Option<String>,
}

impl LiveRow {
    /// The rows of what attempts said.
    pub(crate) fn of(parts: &[LivePart]) -> Result<Vec<Self>, String> {
        let mut rows = Vec::new();
        for said in parts {
            let row = |part, log, progress| Self {
                job_id: said.job.0,
                token: said.token.0,
                part,
                log,
                progress,
            };
            if let Some(progress) = &said.progress {
                rows.push(row(0, None, Some(json(progress)?)));
            }
            if let Some((part, log)) = &said.log {
                let part = i32::try_from(*part).map_err(|error| error.to_string())?;
                rows.push(row(part, Some(json(log)?), None));
            }
        }
        rows.sort_by_key(|row| (row.job_id, row.token, row.part));
        Ok(rows)
    }
}

impl AttemptRow {
    /// The record of a run that the store itself ends, without a settlement. `held` is the row of
    /// the running job.
    pub(crate) fn unsettled(
        held: &Held,
        session: SessionId,
        failure: &Failure,
    ) -> Result<Self, String> {
        Ok(Self {
            job_id: held.id.0,
            token: None,
            started_at: held.claimed_at.map_or(0, |at| at.0),
            run: held.run,
            session: session.0,
            attempt: held.attempt,
            outcome: failure.kind.code(),
            failure: Some(json(failure)?),
            usage: None,
            log: None,
            progress: None,
            deployment: None,
        })
    }
}

/// What became of a time of a schedule.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct FireRow {
    /// Microseconds since 1970.
    pub(crate) at: i64,
    pub(crate) result: i16,
    #[serde(serialize_with = "hex_option")]
    pub(crate) chain_id: Option<Uuid>,
    pub(crate) note: Option<String>,
}

/// A job that a replay takes back to the queue, as it was.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ReplayJobRow {
    #[serde(serialize_with = "hex")]
    pub(crate) job_id: Uuid,
    pub(crate) state: i16,
    pub(crate) outcome: i16,
    pub(crate) failure: Option<String>,
}

/// The least id that a UUIDv7 made at that time or later can have: its first 48 bits are milliseconds.
pub(crate) fn least_id(at: Timestamp) -> Uuid {
    let ms = at.0.div_euclid(1_000).clamp(0, (1 << 48) - 1);
    Uuid::from_u128((ms as u128) << 80)
}

/// Fails with a sentence where the text is too long, or is not one that both databases can hold.
pub(crate) fn check_payload(what: &str, text: &str) -> Result<(), String> {
    if text.len() > PAYLOAD_BYTES_MAX {
        return Err(format!(
            "{what} of {} bytes is over the maximum of {PAYLOAD_BYTES_MAX} bytes",
            text.len()
        ));
    }
    // No JSON text holds one; Postgres refuses it in any text.
    if text.contains('\0') {
        return Err(format!("{what} holds a NUL character"));
    }
    Ok(())
}

/// A value as JSON text.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, String> {
    serde_json::to_string(value).map_err(|error| error.to_string())
}

/// A log as JSON text; nothing for an empty one.
pub(crate) fn log_json(log: &[LogEntry]) -> Result<Option<String>, String> {
    match log.is_empty() {
        true => Ok(None),
        false => json(log).map(Some),
    }
}

/// Clamps to what a database's integer holds.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Clamps to what a column of counts holds.
pub(crate) fn counted(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

fn hex<S: Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&id.simple())
}

fn hex_option<S: Serializer>(id: &Option<Uuid>, serializer: S) -> Result<S::Ok, S::Error> {
    match id {
        Some(id) => hex(id, serializer),
        None => serializer.serialize_none(),
    }
}

/// A record of a change.
#[derive(Debug)]
pub(crate) struct AuditRow {
    pub(crate) id: Uuid,
    pub(crate) action: &'static str,
    pub(crate) subject: String,
    /// JSON.
    pub(crate) before: Option<String>,
    /// JSON.
    pub(crate) after: Option<String>,
}
