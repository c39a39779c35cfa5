//! What is removed: chains that somebody deletes, and final jobs whose time has come.

use std::time::Duration;

use hardstop_domain::{ChainId, JobId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most chains that one deletion takes along.
pub const CASCADE_CHAINS_MAX: usize = 10_000;
/// How many of the jobs that keep a chain from being deleted are named.
pub const WAITERS_SHOWN_MAX: usize = 100;

/// What a deletion came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Deleted {
    /// Gone, with all their jobs: the chain itself first, then those that waited for it.
    Deleted {
        /// The chains.
        chains: Vec<ChainId>,
        /// How many jobs they had.
        jobs: u64,
    },
    /// Nothing was deleted: these live jobs wait for the chain, or still need its output. At most
    /// [`WAITERS_SHOWN_MAX`] of them.
    Waited {
        /// The jobs.
        jobs: Vec<JobId>,
    },
    /// There is no such chain.
    Unknown,
}

/// How long final jobs are kept. None: for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Completed jobs, and those that continued.
    pub completed: Option<Duration>,
    /// Discarded jobs.
    pub discarded: Option<Duration>,
    /// Cancelled jobs.
    pub cancelled: Option<Duration>,
}

impl Default for Retention {
    /// Completed 7 days, discarded 90 days, cancelled 30 days.
    fn default() -> Self {
        let days = |count: u64| Some(Duration::from_secs(count * 86_400));
        Self {
            completed: days(7),
            discarded: days(90),
            cancelled: days(30),
        }
    }
}

/// What one step of retention removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retained {
    /// Jobs that were removed one by one.
    pub jobs: u64,
    /// Partitions that were dropped, with however many jobs. Always none on SQLite.
    pub partitions: u32,
    /// Whether there may be more to remove at once.
    pub more: bool,
}
