//! A job that is to be started: as the continuation of a chain, or as a chain of its own.

use std::time::Duration;

use serde::Serialize;

use crate::failure::Failure;
use crate::handler::Handler;

/// A job that is to be started, by [`Outcome::continue_with`](crate::Outcome::continue_with) or
/// [`Ctx::start_chain`](crate::Ctx::start_chain).
///
/// ```
/// use std::time::Duration;
/// use hardstop_guest::{Ctx, Failure, NextJob, Outcome};
///
/// #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
/// pub struct Page {
///     number: u32,
/// }
///
/// /// Reads one page after the other.
/// #[hardstop_guest::job]
/// pub fn crawl(_ctx: &Ctx, page: Page) -> Result<Outcome<u32>, Failure> {
///     if page.number == 3 {
///         return Ok(Outcome::complete(page.number));
///     }
///     let next = Page { number: page.number + 1 };
///     Ok(Outcome::continue_with(
///         NextJob::of::<crawl>(&next).delay(Duration::from_secs(1)),
///     ))
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextJob {
    job_type: String,
    input: Result<String, String>,
    delay: Option<Duration>,
    priority: Option<i16>,
}

impl NextJob {
    /// A job for a handler of this crate (or of one that it depends on): the compiler checks the
    /// input. The name between the brackets is the handler function's.
    pub fn of<H: Handler>(input: &H::Input) -> Self
    where
        H::Input: Serialize,
    {
        Self::named(H::NAME, input)
    }

    /// A job of a type that another component implements. The host checks the name and the input.
    pub fn named(job_type: impl Into<String>, input: &(impl Serialize + ?Sized)) -> Self {
        Self {
            job_type: job_type.into(),
            input: serde_json::to_string(input).map_err(|error| error.to_string()),
            delay: None,
            priority: None,
        }
    }

    /// Sets how long the job waits before it becomes ready. Rounded up to whole milliseconds.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Sets the priority: smaller runs earlier, among jobs of one type. Without it the job inherits
    /// that of the job which names it.
    #[must_use]
    pub fn priority(mut self, priority: i16) -> Self {
        self.priority = Some(priority);
        self
    }

    /// The parts that the host is given, or a fatal failure where the input cannot be written.
    pub(crate) fn into_parts(self) -> Result<Parts, Failure> {
        match self.input {
            Ok(input) => Ok(Parts {
                job_type: self.job_type,
                input,
                delay: self.delay,
                priority: self.priority,
            }),
            Err(error) => Err(Failure::fatal(format!(
                "the input for a job of type `{}` cannot be written as JSON: {error}",
                self.job_type
            ))),
        }
    }
}

/// A [`NextJob`] whose input is known to be JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parts {
    pub job_type: String,
    pub input: String,
    pub delay: Option<Duration>,
    pub priority: Option<i16>,
}

impl From<Parts> for NextJob {
    fn from(parts: Parts) -> Self {
        Self {
            job_type: parts.job_type,
            input: Ok(parts.input),
            delay: parts.delay,
            priority: parts.priority,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    #[test]
    fn options_reach_the_host() {
        let parts = NextJob::named("mail.send", &["a@example.com"])
            .delay(Duration::from_millis(5))
            .priority(-1)
            .into_parts()
            .expect("JSON");
        assert_eq!(
            parts,
            Parts {
                job_type: "mail.send".to_owned(),
                input: r#"["a@example.com"]"#.to_owned(),
                delay: Some(Duration::from_millis(5)),
                priority: Some(-1),
            }
        );
    }

    #[test]
    fn an_input_that_is_no_json_is_fatal() {
        let keys_are_lists = std::collections::BTreeMap::from([(vec![1], 1)]);
        let failure = NextJob::named("mail.send", &keys_are_lists)
            .into_parts()
            .expect_err("no JSON");
        assert_eq!(failure.kind, FailureKind::Fatal);
        assert!(failure.message.contains("`mail.send`"), "{failure}");
    }
}
