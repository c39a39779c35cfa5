//! What a handler knows of its job, and what it may ask of the host.

use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

#[cfg(target_family = "wasm")]
use crate::binding;
use crate::failure::Failure;
use crate::next::NextJob;
use crate::payload;
use crate::recorder::{Record, TestCtx};

/// One attempt at one job: what the handler knows of it, and what it may ask of the host.
pub struct Ctx {
    attempt: Attempt,
    began_at: Instant,
    host: Host,
}

/// What the host says of the attempt.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub job_id: String,
    pub chain_id: String,
    pub job_type: String,
    pub attempt: u32,
    pub attempts_left: u32,
    pub deadline: Duration,
    pub blockers: Vec<Blocker>,
    pub trace_parent: Option<String>,
}

/// Who answers the calls that leave the guest.
///
/// An enum and no trait object, so that the linker drops the imports that no handler of a component
/// calls: a component's imports then say what it may ask for.
pub(crate) enum Host {
    /// The host's imports.
    #[cfg(target_family = "wasm")]
    Imports,
    /// A test.
    Recorder(Rc<Record>),
}

impl Ctx {
    pub(crate) fn new(attempt: Attempt, host: Host) -> Self {
        Self {
            attempt,
            began_at: Instant::now(),
            host,
        }
    }

    pub(crate) fn attempt_mut(&mut self) -> &mut Attempt {
        &mut self.attempt
    }

    /// A context for a test of a handler, without any host: see [`TestCtx`].
    pub fn for_test() -> TestCtx {
        TestCtx::new()
    }

    /// The job's id, a UUIDv7 as text. The same in every attempt, so it serves as an idempotency
    /// key for calls to others.
    pub fn job_id(&self) -> &str {
        &self.attempt.job_id
    }

    /// The id of the chain that the job belongs to.
    pub fn chain_id(&self) -> &str {
        &self.attempt.chain_id
    }

    /// The job type's name.
    pub fn job_type(&self) -> &str {
        &self.attempt.job_type
    }

    /// The number of this attempt, from 1. Snoozes, interruptions and rescues do not count.
    pub fn attempt(&self) -> u32 {
        self.attempt.attempt
    }

    /// How many attempts are left after this one.
    pub fn attempts_left(&self) -> u32 {
        self.attempt.attempts_left
    }

    /// How long until the wall deadline, where the host ends this attempt whatever it does. Zero
    /// once it has passed.
    pub fn remaining(&self) -> Duration {
        self.attempt
            .deadline
            .saturating_sub(self.began_at.elapsed())
    }

    /// The chains that this job waited for, in the order in which they were named.
    pub fn blockers(&self) -> &[Blocker] {
        &self.attempt.blockers
    }

    /// The W3C `traceparent` of the span that runs this attempt, where tracing is on.
    pub fn trace_parent(&self) -> Option<&str> {
        self.attempt.trace_parent.as_deref()
    }

    /// Says how far the attempt has come: `fraction` from 0 to 1, and a message or `None`. The last
    /// report is kept with the attempt, so that a stopped job shows where it was.
    ///
    /// A fraction outside is clamped, NaN is 0, and the message is cut at 200 bytes.
    pub fn progress<'a>(&self, fraction: f32, message: impl Into<Option<&'a str>>) {
        match &self.host {
            #[cfg(target_family = "wasm")]
            Host::Imports => binding::set_progress(fraction, message.into()),
            Host::Recorder(record) => record.set_progress(fraction, message.into()),
        }
    }

    /// Starts a chain with this job and returns the chain's id.
    ///
    /// The start is committed together with this attempt's outcome when the handler completes or
    /// continues, and dropped in every other case: a handler that fails has started nothing.
    ///
    /// The job type needs `chains = true` in its `[types.<name>.capabilities]`.
    pub fn start_chain(&self, job: NextJob) -> Result<String, StartError> {
        let parts = job
            .into_parts()
            .map_err(|failure| StartError::Invalid(failure.message))?;
        match &self.host {
            #[cfg(target_family = "wasm")]
            Host::Imports => binding::start_chain(parts),
            Host::Recorder(record) => record.start_chain(parts),
        }
    }

    /// The value that the manifest gives to `key` in `[types.<name>.capabilities.config]`.
    pub fn config(&self, key: &str) -> Result<String, ConfigError> {
        match &self.host {
            #[cfg(target_family = "wasm")]
            Host::Imports => binding::config(key),
            Host::Recorder(record) => record.config(key),
        }
    }
}

impl fmt::Debug for Ctx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ctx")
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

/// A chain that the job waited for, and what it came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocker {
    pub(crate) chain_id: String,
    pub(crate) output: String,
}

impl Blocker {
    /// The chain's id.
    pub fn chain_id(&self) -> &str {
        &self.chain_id
    }

    /// The output of the chain's last job. Where it does not fit `T`, a fatal failure that says
    /// where.
    pub fn output<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let what = format!("the output of chain {}", self.chain_id);
        payload::read(&self.output, &what)
    }

    /// The output as JSON text.
    pub fn output_json(&self) -> &str {
        &self.output
    }
}

/// A chain that was not started.
///
/// Not a `std::error::Error`, so that `?` makes it the failure that it is: a fatal one. A retry
/// would meet the same refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartError {
    /// The capability is not granted. Carries the rule and the manifest lines that would grant it.
    Denied(String),
    /// A limit is reached. Carries its name and value.
    Limit(String),
    /// The type's name, the input or an option is not valid.
    Invalid(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Denied(message) | Self::Limit(message) | Self::Invalid(message)) = self;
        f.pad(message)
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::fatal(error)
    }
}

/// A configuration value that the job type may not read, or that does not exist: the two are one,
/// since keys are granted one by one. Carries the manifest lines that would grant it.
///
/// Not a `std::error::Error`, so that `?` makes it the failure that it is: a fatal one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(pub(crate) String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::fatal(error)
    }
}
