//! What an attempt came to, what it used, and what it said.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::capability::Refusal;
use crate::job::NewChain;
use crate::job::NewJob;
use crate::limit::LimitName;

/// The kinds of outcome. Written in kebab case everywhere.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeKind {
    /// The handler returned an output.
    Completed,
    /// The handler named the next job of the chain.
    Continued,
    /// The handler asked to run later.
    Snoozed,
    /// The handler failed in a way that may pass.
    FailedRetryable,
    /// The handler failed in a way that cannot pass.
    FailedFatal,
    /// Stopped at the wall deadline.
    TimedOutWall,
    /// Stopped at the limit of CPU time.
    TimedOutCpu,
    /// Stopped when its fuel was used up.
    OutOfFuel,
    /// Ended after a growth of memory was refused.
    OutOfMemory,
    /// Recursed past the stack limit.
    StackOverflow,
    /// Executed a trap: `unreachable`, a panic, a bad access, a division by zero.
    Trapped,
    /// Returned more than the output limit.
    OutputTooLarge,
    /// Failed after it called what it has no grant for.
    Denied,
    /// Ended by a limit that has no kind of its own: handles, instances, a host call.
    LimitExceeded,
    /// Cancelled by a person or program.
    Cancelled,
    /// Stopped by the host's shutdown.
    Interrupted,
    /// The host that ran it is gone.
    Lost,
}

impl OutcomeKind {
    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::Completed,
        Self::Continued,
        Self::Snoozed,
        Self::FailedRetryable,
        Self::FailedFatal,
        Self::TimedOutWall,
        Self::TimedOutCpu,
        Self::OutOfFuel,
        Self::OutOfMemory,
        Self::StackOverflow,
        Self::Trapped,
        Self::OutputTooLarge,
        Self::Denied,
        Self::LimitExceeded,
        Self::Cancelled,
        Self::Interrupted,
        Self::Lost,
    ];

    /// The number that the databases keep. Never renumbered.
    pub fn code(self) -> i16 {
        match self {
            Self::Completed => 1,
            Self::Continued => 2,
            Self::Snoozed => 3,
            Self::FailedRetryable => 10,
            Self::FailedFatal => 11,
            Self::TimedOutWall => 12,
            Self::TimedOutCpu => 13,
            Self::OutOfFuel => 14,
            Self::OutOfMemory => 15,
            Self::StackOverflow => 16,
            Self::Trapped => 17,
            Self::OutputTooLarge => 18,
            Self::Denied => 19,
            Self::LimitExceeded => 20,
            Self::Cancelled => 30,
            Self::Interrupted => 31,
            Self::Lost => 32,
        }
    }

    /// The kind of a code.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Whether it is neither what the handler wanted nor an end that was asked for from outside.
    pub fn is_failure(self) -> bool {
        !matches!(
            self,
            Self::Completed | Self::Continued | Self::Snoozed | Self::Cancelled | Self::Interrupted
        )
    }

    /// The kebab-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Continued => "continued",
            Self::Snoozed => "snoozed",
            Self::FailedRetryable => "failed-retryable",
            Self::FailedFatal => "failed-fatal",
            Self::TimedOutWall => "timed-out-wall",
            Self::TimedOutCpu => "timed-out-cpu",
            Self::OutOfFuel => "out-of-fuel",
            Self::OutOfMemory => "out-of-memory",
            Self::StackOverflow => "stack-overflow",
            Self::Trapped => "trapped",
            Self::OutputTooLarge => "output-too-large",
            Self::Denied => "denied",
            Self::LimitExceeded => "limit-exceeded",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::Lost => "lost",
        }
    }
}

impl fmt::Display for OutcomeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one for each attempt, never many"
)]
pub enum Outcome {
    /// The output, JSON text.
    Completed {
        /// JSON text within the output limit.
        output: String,
    },
    /// The chain goes on with `next`.
    Continued {
        /// The next job of the chain.
        next: NewJob,
    },
    /// To be run again.
    Snoozed {
        /// Milliseconds to wait.
        delay_ms: u64,
    },
    /// Anything else.
    Failed(Failure),
}

impl Outcome {
    /// The kind of this outcome.
    pub fn kind(&self) -> OutcomeKind {
        match self {
            Self::Completed { .. } => OutcomeKind::Completed,
            Self::Continued { .. } => OutcomeKind::Continued,
            Self::Snoozed { .. } => OutcomeKind::Snoozed,
            Self::Failed(failure) => failure.kind,
        }
    }

    /// The failure, where it is one.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) => Some(failure),
            _ => None,
        }
    }
}

/// Why an attempt did not end well: what a developer needs to see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// Which way.
    pub kind: OutcomeKind,
    /// What happened, in a sentence.
    pub message: String,
    /// The guest's frames, innermost first, function names demangled. Empty where the guest was
    /// not executing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backtrace: Vec<String>,
    /// What the handler attached to its failure: JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
    /// Milliseconds that the handler asked to wait before the next attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The limit that ended the attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<LimitHit>,
    /// The refused call behind a `denied`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
}

impl Failure {
    /// A failure with a message and nothing else.
    pub fn new(kind: OutcomeKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            backtrace: Vec::new(),
            details: None,
            retry_after_ms: None,
            limit: None,
            refusal: None,
        }
    }
}

/// A limit that ended an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LimitHit {
    /// Which limit.
    pub name: LimitName,
    /// Its value: milliseconds, units of fuel or bytes.
    pub limit: u64,
    /// What was used or asked for, in the same unit.
    pub used: u64,
    /// For a limit of time: microseconds from the limit to the end of the attempt, teardown
    /// included. This is how late the stop was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overrun_us: Option<u64>,
}

/// What an attempt used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Microseconds from the beginning of instantiation to the end of teardown.
    pub wall_us: u64,
    /// Microseconds on a CPU.
    pub cpu_us: u64,
    /// Units of fuel, where fuel is counted.
    pub fuel: Option<u64>,
    /// The most that all linear memories and tables held together, in bytes.
    pub memory_bytes_peak: u64,
    /// Bytes of output.
    pub output_bytes: u64,
    /// Bytes of log that were kept.
    pub log_bytes: u64,
    /// Bytes of log that were dropped.
    pub log_bytes_dropped: u64,
    /// What most attempts use nothing of.
    #[serde(flatten)]
    pub detail: UsageDetail,
}

/// The part of [`Usage`] that most attempts use nothing of. What is zero is not written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct UsageDetail {
    /// Entries of the log that were kept.
    #[serde(skip_serializing_if = "is_zero")]
    pub log_lines: u64,
    /// Entries of the log that were dropped.
    #[serde(skip_serializing_if = "is_zero")]
    pub log_lines_dropped: u64,
    /// Progress reports that were not passed on, over the limit on their rate.
    #[serde(skip_serializing_if = "is_zero")]
    pub progress_dropped: u64,
    /// HTTP requests that were let through.
    #[serde(skip_serializing_if = "is_zero")]
    pub http_requests: u64,
    /// Bytes that they sent, headers included.
    #[serde(skip_serializing_if = "is_zero")]
    pub http_request_bytes: u64,
    /// Bytes that came back, headers included.
    #[serde(skip_serializing_if = "is_zero")]
    pub http_response_bytes: u64,
    /// The most bytes that the scratch folder held at one time, in whole blocks of 4 KiB.
    #[serde(skip_serializing_if = "is_zero")]
    pub scratch_bytes_peak: u64,
    /// The most files and folders that it held.
    #[serde(skip_serializing_if = "is_zero")]
    pub scratch_files_peak: u64,
    /// The limit on memory, in bytes, where the attempt had the larger one of its type's retry policy.
    #[serde(skip_serializing_if = "is_zero")]
    pub larger_memory: u64,
}

impl UsageDetail {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde calls"
)]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// How serious a log entry is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// The finest.
    Trace,
    /// For finding faults.
    Debug,
    /// Normal; also standard output.
    Info,
    /// Suspicious; also standard error.
    Warn,
    /// Wrong.
    Error,
}

impl LogLevel {
    /// The name, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// One entry of an attempt's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogEntry {
    /// Microseconds from the beginning of the attempt.
    pub at_us: u64,
    /// How serious.
    pub level: LogLevel,
    /// What was said.
    pub message: String,
    /// Names and values beside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<(String, String)>,
}

/// How far an attempt said that it had come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// From 0 to 1.
    pub fraction: f32,
    /// A few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// All that the sandbox tells of one attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What it came to.
    pub outcome: Outcome,
    /// What it used.
    pub usage: Usage,
    /// What it said, in order.
    pub log: Vec<LogEntry>,
    /// Its last word on how far it had come.
    pub progress: Option<Progress>,
    /// The chains that it started. Empty unless the outcome is `completed` or `continued`: in every
    /// other case they are dropped.
    pub children: Vec<NewChain>,
    /// The calls that were refused.
    pub refusals: Vec<Refusal>,
}

impl Report {
    /// Whether a guest was begun at all.
    pub fn has_begun(&self) -> bool {
        self.usage.wall_us > 0
    }

    /// The report of an attempt that never began, such as one whose component cannot be loaded.
    pub fn not_started(failure: Failure) -> Self {
        Self {
            outcome: Outcome::Failed(failure),
            usage: Usage::default(),
            log: Vec::new(),
            progress: None,
            children: Vec::new(),
            refusals: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_and_names_are_distinct_and_read_back() {
        let codes: BTreeSet<i16> = OutcomeKind::ALL.iter().map(|kind| kind.code()).collect();
        assert_eq!(codes.len(), OutcomeKind::ALL.len());
        for kind in OutcomeKind::ALL {
            assert_eq!(OutcomeKind::from_code(kind.code()), Some(kind));
            let json = serde_json::to_string(&kind).expect("serialises");
            assert_eq!(json, format!("\"{}\"", kind.name()));
        }
        assert_eq!(OutcomeKind::from_code(0), None);
    }
}
