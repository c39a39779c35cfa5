//! Counters and statistics.

use std::time::Duration;

use hardstop_domain::{State, Statistic, Timestamp, TypeId, TypeName};
use schemars::JsonSchema;
use serde::Serialize;

/// How many jobs of a type are in a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StateCount {
    /// The type.
    pub type_name: TypeName,
    /// The state.
    pub state: State,
    /// Never 0.
    pub count: u64,
}

/// The ready job of a type that waits longest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldestReady {
    /// The type.
    pub type_name: TypeName,
    /// When it became due.
    pub due_at: Timestamp,
    /// How long ago that was, by the database's clock.
    pub age: Duration,
}

/// What attempts of a type came to in a minute, as one process saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct TypeStatistic {
    /// The begin of the minute (UTC).
    pub at: Timestamp,
    /// The type.
    pub type_id: TypeId,
    /// All that the process has seen of it in that minute so far.
    pub statistic: Statistic,
}

/// The least step of statistics, in seconds; every step is a multiple of it.
pub const STATISTIC_STEP_S_MIN: u32 = 60;
/// The most steps of one query.
pub const STATISTIC_STEPS_MAX: u32 = 1_500;
/// For how long statistics of each minute are kept. From then on they are those of an hour.
pub const STATISTIC_MINUTES_KEPT: Duration = Duration::from_secs(3 * 3_600);
/// For how long statistics are kept at all.
pub const STATISTIC_KEPT: Duration = Duration::from_secs(90 * 86_400);

/// Which statistics are asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct StatisticQuery {
    /// Of one type; none: of each.
    pub type_name: Option<TypeName>,
    /// From the step on that this lies in. Steps begin at multiples of their length since 1970.
    pub from: Timestamp,
    /// What began before this.
    pub to: Timestamp,
    /// How long a step is, in seconds: a multiple of [`STATISTIC_STEP_S_MIN`], at the most [`STATISTIC_STEPS_MAX`] of
    /// them from `from` to `to`.
    pub step_s: u32,
}

/// What attempts of a type came to in one step.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StatisticPoint {
    /// The begin of the step.
    pub at: Timestamp,
    /// How long it covers, in seconds: the step, or an hour where the step is shorter and its time is longer ago than
    /// [`STATISTIC_MINUTES_KEPT`].
    pub seconds: u32,
    /// The type.
    pub type_name: TypeName,
    /// What they came to.
    pub statistic: Statistic,
}
