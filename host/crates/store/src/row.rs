//! What statements are fed with: lists of narrow rows, checked before any transaction begins.
//!
//! Postgres binds them column by column, SQLite as one JSON text, so field names are those of the
//! SQL files.

use hardstop_domain::job::{DELAY_MS_MAX, PRIORITY_MAX, PRIORITY_MIN};
use hardstop_domain::{
    ChainId, Failure, JobId, LeaseToken, LogEntry, NewJob, SessionId, State, TypeId, Usage,
};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::view::Held;

/// The longest input or output, in bytes. The operator's ceilings are lower; this one the database
/// checks too.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 16 << 20;
const TRACE_PARENT_BYTES_MAX: usize = 256;

/// A job to create.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct JobRow {
    #[serde(serialize_with = "hex")]
    pub(crate) id: Uuid,
    #[serde(serialize_with = "hex")]
    pub(crate) chain_id: Uuid,
    pub(crate) type_id: i32,
    pub(crate) priority: i16,
    pub(crate) delay_ms: i64,
    pub(crate) input: String,
    pub(crate) limits: Option<String>,
    pub(crate) trace_parent: Option<String>,
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
            input: job.input.clone(),
            limits,
            trace_parent: job.trace_parent.clone(),
        })
    }
}

/// A job to move to its final row, where it still carries the lease `held`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct FinishRow {
    #[serde(serialize_with = "hex")]
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
    #[serde(serialize_with = "hex_option")]
    pub(crate) continued_to: Option<Uuid>,
    pub(crate) usage: Option<UsageRow>,
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
        })
    }
}

/// What an attempt used, in columns.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct UsageRow {
    pub(crate) wall_us: i64,
    pub(crate) cpu_us: i64,
    pub(crate) fuel: Option<i64>,
    pub(crate) memory_bytes_peak: i64,
    pub(crate) output_bytes: i64,
    pub(crate) log_bytes: i64,
    pub(crate) log_bytes_dropped: i64,
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
    /// Milliseconds from now. None: due when it was, so that it keeps its place.
    pub(crate) delay_ms: Option<i64>,
    pub(crate) attempt_change: i16,
    pub(crate) snoozes_change: i32,
    pub(crate) rescues_change: i16,
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
        })
    }
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

fn hex<S: Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&id.simple())
}

fn hex_option<S: Serializer>(id: &Option<Uuid>, serializer: S) -> Result<S::Ok, S::Error> {
    match id {
        Some(id) => hex(id, serializer),
        None => serializer.serialize_none(),
    }
}
