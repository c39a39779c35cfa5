//! How a handler ends badly.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// May pass another time: retried as the job type's retry policy says.
    Retryable,
    /// Cannot pass: the job is discarded at once.
    Fatal,
}

/// How a handler ends badly: what happened, and whether trying again can help.
///
/// Any [`std::error::Error`] becomes a *retryable* failure by `?`, with the messages of its sources
/// after its own. A failure that no retry can mend must be named so:
///
/// ```
/// use hardstop_guest::{Failure, FailureKind};
///
/// fn parse(text: &str) -> Result<u32, Failure> {
///     text.parse()
///         .map_err(|error| Failure::fatal(format!("`{text}` is no number: {error}")))
/// }
///
/// assert_eq!(parse("x").unwrap_err().kind, FailureKind::Fatal);
/// ```
///
/// It is not a `std::error::Error` itself: that is what lets `?` take every error that is one.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Failure {
    /// Whether trying again can help.
    pub kind: FailureKind,
    /// One line for people.
    pub message: String,
    /// The wait before the next attempt, in place of the retry policy's.
    pub retry_after: Option<Duration>,
    /// Anything a program may want to know.
    pub details: Option<Value>,
}

impl Failure {
    /// A failure that no retry can mend: the job is discarded.
    pub fn fatal(message: impl fmt::Display) -> Self {
        Self::new(FailureKind::Fatal, message)
    }

    /// A failure that may pass: the job is tried again as its type's retry policy says.
    pub fn retryable(message: impl fmt::Display) -> Self {
        Self::new(FailureKind::Retryable, message)
    }

    fn new(kind: FailureKind, message: impl fmt::Display) -> Self {
        Self {
            kind,
            message: message.to_string(),
            retry_after: None,
            details: None,
        }
    }

    /// Sets the wait before the next attempt, in place of the retry policy's. Without effect on a
    /// fatal failure.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// Adds details for programs. What cannot be written as JSON is replaced by a text that says
    /// so: a failure to describe a failure must not hide it.
    #[must_use]
    pub fn details(mut self, details: impl Serialize) -> Self {
        let value = serde_json::to_value(details).unwrap_or_else(|error| {
            Value::String(format!("the details cannot be written as JSON: {error}"))
        });
        self.details = Some(value);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.message)
    }
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // Many errors already end with what their source says.
            if !message.ends_with(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            source = cause.source();
        }
        Self::retryable(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(std::num::ParseIntError);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("cannot read the page number")
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn any_error_is_retryable_and_keeps_its_sources() {
        fn page(text: &str) -> Result<u32, Failure> {
            Ok(text.parse().map_err(Outer)?)
        }
        assert_eq!(
            page("x").expect_err("no number"),
            Failure::retryable("cannot read the page number: invalid digit found in string")
        );
    }

    #[test]
    fn a_source_that_was_named_is_not_named_again() {
        let inner = std::io::Error::other("no route");
        let outer = std::io::Error::other(inner);
        assert_eq!(Failure::from(outer).message, "no route");
    }

    #[test]
    fn delays_and_details_are_kept() {
        let failure = Failure::retryable("busy")
            .retry_after(Duration::from_secs(3))
            .details([1, 2]);
        assert_eq!(failure.retry_after, Some(Duration::from_secs(3)));
        assert_eq!(failure.details, Some(serde_json::json!([1, 2])));
        assert_eq!(format!("{failure}"), "busy");
    }

    #[test]
    fn details_that_are_no_json_do_not_hide_the_failure() {
        let keys_are_lists = std::collections::BTreeMap::from([(vec![1], 1)]);
        let failure = Failure::fatal("broken").details(keys_are_lists);
        let Some(Value::String(text)) = failure.details else {
            panic!("a text");
        };
        assert!(text.starts_with("the details cannot be written"), "{text}");
    }
}
