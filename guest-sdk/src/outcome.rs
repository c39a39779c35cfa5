//! How a handler ends well.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::failure::Failure;
use crate::next::NextJob;

/// How a handler ends well, where it may do more than complete.
///
/// A handler that always completes returns its output as it is, without this type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<T> {
    /// The job is done, and so is its chain. Carries the output.
    Complete(T),
    /// The job is done, and its chain goes on with this job.
    ContinueWith(NextJob),
    /// Run this job again after so long. Neither a failure nor counted as an attempt.
    Snooze(Duration),
}

impl<T> Outcome<T> {
    /// The job is done, and so is its chain.
    pub fn complete(output: T) -> Self {
        Self::Complete(output)
    }

    /// The job is done, and its chain goes on with `next`.
    pub fn continue_with(next: NextJob) -> Self {
        Self::ContinueWith(next)
    }

    /// Run this job again after `delay`, rounded up to whole milliseconds. Neither a failure nor
    /// counted as an attempt. Chains that this attempt started are dropped.
    pub fn snooze(delay: Duration) -> Self {
        Self::Snooze(delay)
    }
}

/// What a handler may return in `Ok`: an [`Outcome`], or any output type, which completes the job.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a handler's output",
    note = "an output derives `serde::Serialize` and `schemars::JsonSchema`, or is an `Outcome` of such a type"
)]
pub trait IntoOutcome {
    /// The output of a job that completes.
    type Output: Serialize + JsonSchema;

    /// The outcome.
    fn into_outcome(self) -> Outcome<Self::Output>;
}

impl<T: Serialize + JsonSchema> IntoOutcome for T {
    type Output = T;

    fn into_outcome(self) -> Outcome<T> {
        Outcome::Complete(self)
    }
}

impl<T: Serialize + JsonSchema> IntoOutcome for Outcome<T> {
    type Output = T;

    fn into_outcome(self) -> Self {
        self
    }
}

/// What a handler may return: a `Result` of something that is [`IntoOutcome`], and a [`Failure`]
/// or any error that becomes one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be returned by a handler",
    note = "a handler returns `Result<Output, hardstop_guest::Failure>`, where `Output` derives `serde::Serialize` and `schemars::JsonSchema`, or is an `Outcome` of such a type"
)]
pub trait HandlerResult {
    /// The output of a job that completes.
    type Output: Serialize + JsonSchema;

    /// The outcome or the failure.
    fn into_result(self) -> Result<Outcome<Self::Output>, Failure>;
}

impl<T: IntoOutcome, E: Into<Failure>> HandlerResult for Result<T, E> {
    type Output = T::Output;

    fn into_result(self) -> Result<Outcome<T::Output>, Failure> {
        match self {
            Ok(value) => Ok(value.into_outcome()),
            Err(error) => Err(error.into()),
        }
    }
}
