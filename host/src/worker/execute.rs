//! What runs an attempt, as the worker sees it.

use std::collections::BTreeSet;

use async_trait::async_trait;
use hardstop_domain::{Digest, Files, Report};
use hardstop_sandbox::{Attempt, Occupancy};

/// Runs attempts. [`Loader`](super::Loader) is the one that a worker has: it fetches the component and runs it in
/// the sandbox. The simulation has another, whose attempts last and come to what it likes.
#[async_trait]
pub trait Execute: Send + Sync + 'static {
    /// Runs one attempt with this component and these files, which it puts into the attempt, and tells all about
    /// it. Never panics, and ends at once when `attempt.stop` is raised.
    async fn execute(&self, component: Digest, files: &Files, attempt: Attempt) -> Report;

    /// The components and files that active types name now: others need not be kept for later attempts.
    fn retain(&self, active: &BTreeSet<Digest>);

    /// What is in use of the sandbox's pools.
    fn occupancy(&self) -> Occupancy;
}
