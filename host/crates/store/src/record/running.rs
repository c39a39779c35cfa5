//! What workers tell while they work: how they stand, and what attempts have said so far.

use hardstop_domain::outcome::Progress;
use hardstop_domain::{JobId, LeaseToken, LogEntry};

/// How a worker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Attempts that it may run at once.
    pub slots: u32,
    /// Those that it runs.
    pub slots_used: u32,
    /// Bytes of memory that its guests may be granted together.
    pub memory_budget: u64,
    /// Bytes that they are granted.
    pub memory_admitted: u64,
    /// Whether it claims nothing new and waits for what runs.
    pub draining: bool,
}

/// What an attempt said since its last part.
#[derive(Debug, Clone, PartialEq)]
pub struct LivePart {
    /// Its job.
    pub job: JobId,
    /// Its lease.
    pub token: LeaseToken,
    /// Lines of its log, with the number of the part, from 1; none where it said nothing new.
    pub log: Option<(u32, Vec<LogEntry>)>,
    /// How far it is; none where it told nothing new.
    pub progress: Option<Progress>,
}
