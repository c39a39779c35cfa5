//! The values and decisions of Hardstop.
//!
//! Nothing here does I/O, reads a clock, draws a random number or awaits: what depends on those is
//! handed in. So every decision of the host (what an outcome means for a job, when to retry, which
//! limit applies) can be read and tested here, apart from databases and sandboxes.

#![forbid(unsafe_code)]

pub mod blocker;
pub mod canary;
pub mod capability;
pub mod command;
pub mod dedup;
pub mod event;
pub mod file;
pub mod graph;
pub mod id;
pub mod job;
pub mod job_type;
pub mod limit;
pub mod outcome;
pub mod profile;
pub mod quantity;
pub mod quarantine;
pub mod retry;
pub mod schedule;
pub mod scope;
pub mod snooze;
pub mod statistic;
pub mod timestamp;
pub mod transition;

pub use blocker::{Blocker, BlockerEnd};
pub use capability::Capabilities;
pub use command::Command;
pub use event::{EventKind, EventKinds, EventMark, EventUrl, SubscriptionName, Thresholds};
pub use file::{FileRef, Files};
pub use id::{
    AuditId, ChainId, DeploymentId, Digest, JobId, LeaseToken, ReplayId, SessionId, SubscriptionId,
    TokenId, TypeId,
};
pub use job::{Dedup, DedupScope, Lineage, NewChain, NewJob, OnBlockerFailure, State};
pub use job_type::{External, Keep, TypeName, TypeSpec};
pub use limit::{LimitName, Limits, LimitsPatch};
pub use outcome::{
    Failure, LimitHit, LogEntry, LogLevel, Outcome, OutcomeKind, Report, Usage, UsageDetail,
};
pub use quarantine::{Failures, QuarantinePolicy, Tally};
pub use retry::RetryPolicy;
pub use schedule::{Missed, Overlap, ScheduleName, ScheduleSpec, Timing, Zone};
pub use scope::{Scope, Scopes};
pub use snooze::SnoozePolicy;
pub use statistic::{Histogram, Statistic};
pub use timestamp::Timestamp;
pub use transition::{LargerMemory, Next, Past, Transition, transition};
