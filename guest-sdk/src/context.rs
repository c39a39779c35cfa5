//! What a handler knows of its job, and what it may ask of the host.

use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

#[cfg(target_family = "wasm")]
use crate::binding;
use crate::failure::Failure;
use crate::http::{HttpError, Request, Response};
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

    /// The outputs of all blockers, in the order in which they were named. Where one has none, or does
    /// not fit `T`, a fatal failure that says which and why.
    pub fn outputs<T: DeserializeOwned>(&self) -> Result<Vec<T>, Failure> {
        self.blockers().iter().map(Blocker::output).collect()
    }

    /// Starts a chain with this job and returns the chain's id.
    ///
    /// The start is committed together with this attempt's outcome when the handler completes or
    /// continues, and dropped in every other case: a handler that fails has started nothing.
    ///
    /// With a [`key`](NextJob::key) it is decided with the commit whether the chain is superfluous; a
    /// job of this attempt that has the id as a blocker then waits for the chain in whose favour it was
    /// dropped.
    ///
    /// The job type needs `chains = true` in its `[types.<name>.capabilities]`. Its limits `children`,
    /// `depth` and `descendants` say how many chains may come of one.
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

    /// Starts a chain with each of these jobs and returns the chains' ids, in order. Stops at the first
    /// that is refused.
    pub fn start_chains(
        &self,
        jobs: impl IntoIterator<Item = NextJob>,
    ) -> Result<Vec<String>, StartError> {
        jobs.into_iter().map(|job| self.start_chain(job)).collect()
    }

    /// The value that the manifest gives to `key` in `[types.<name>.capabilities.config]`.
    pub fn config(&self, key: &str) -> Result<String, ConfigError> {
        match &self.host {
            #[cfg(target_family = "wasm")]
            Host::Imports => binding::config(key),
            Host::Recorder(record) => record.config(key),
        }
    }

    /// A secret of the operator. One that the manifest asks for as `placeholder` is a stand-in, which the
    /// host replaces by the value in the headers of requests to the secret's own hosts; one that it asks
    /// for as `readable` is the value.
    ///
    /// The job type needs the name in its `[types.<name>.capabilities.secrets]`, and the operator must
    /// allow it.
    pub fn secret(&self, name: &str) -> Result<String, SecretError> {
        match &self.host {
            #[cfg(target_family = "wasm")]
            Host::Imports => binding::secret(name),
            Host::Recorder(record) => record.secret(name),
        }
    }

    /// Sends an HTTP request, and waits for the whole response. See [`http`](crate::http).
    pub fn fetch(&self, request: Request) -> Result<Response, HttpError> {
        if let Some(fault) = request.fault {
            return Err(HttpError::Invalid(fault));
        }
        match &self.host {
            #[cfg(target_family = "wasm")]
            Host::Imports => binding::fetch(&request),
            Host::Recorder(record) => record.fetch(request),
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
    pub(crate) result: BlockerResult,
}

/// What a blocker came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockerResult {
    /// The output of the chain's last job, JSON text.
    Completed(String),
    /// The chain ended without an output. A handler sees this only where its job was started with
    /// [`OnBlockerFailure::Run`](crate::OnBlockerFailure::Run).
    Failed(BlockerFailure),
    /// Nothing is known of it: its result is no longer kept, or an operator let the job run without it.
    Gone,
}

/// Why a blocker has no output.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockerFailure {
    /// How its last job ended.
    pub state: BlockerState,
    /// What the last attempt came to: `failed-fatal`, `timed-out-wall`, `out-of-memory` and so on.
    pub kind: String,
    /// One line for people.
    pub message: String,
}

/// How a chain ends that has no output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockerState {
    /// Its last job's attempts were exhausted, or it failed for good.
    Discarded,
    /// Its last job was cancelled.
    Cancelled,
}

impl fmt::Display for BlockerFailure {
    /// `discarded (timed-out-wall): stopped after 2s ...`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            BlockerState::Discarded => "discarded",
            BlockerState::Cancelled => "cancelled",
        };
        write!(f, "{state} ({}): {}", self.kind, self.message)
    }
}

impl Blocker {
    /// The chain's id.
    pub fn chain_id(&self) -> &str {
        &self.chain_id
    }

    /// What it came to.
    pub fn result(&self) -> &BlockerResult {
        &self.result
    }

    /// The output of the chain's last job. Where there is none, or it does not fit `T`, a fatal failure
    /// that says why, or where.
    pub fn output<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let chain = &self.chain_id;
        match &self.result {
            BlockerResult::Completed(output) => {
                payload::read(output, &format!("the output of chain {chain}"))
            }
            BlockerResult::Failed(failure) => Err(Failure::fatal(format!(
                "chain {chain}, which this job waited for, has no output: {failure}"
            ))),
            BlockerResult::Gone => Err(Failure::fatal(format!(
                "the output of chain {chain}, which this job waited for, is no longer there"
            ))),
        }
    }

    /// The output as JSON text, where there is one.
    pub fn output_json(&self) -> Option<&str> {
        match &self.result {
            BlockerResult::Completed(output) => Some(output),
            _ => None,
        }
    }

    /// Why it has no output, where the chain failed.
    pub fn failure(&self) -> Option<&BlockerFailure> {
        match &self.result {
            BlockerResult::Failed(failure) => Some(failure),
            _ => None,
        }
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

/// A secret that the job type may not use, or that does not exist. Carries the lines that would grant it.
///
/// Not a `std::error::Error`, so that `?` makes it the failure that it is: a fatal one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretError(pub(crate) String);

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<SecretError> for Failure {
    fn from(error: SecretError) -> Self {
        Self::fatal(error)
    }
}
