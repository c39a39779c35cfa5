//! A job that is to be started: as the continuation of a chain, or as a chain of its own.

use std::time::Duration;

use serde::Serialize;

use crate::failure::Failure;
use crate::handler::Handler;

/// What becomes of a job when one of its blockers ends without an output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnBlockerFailure {
    /// It is cancelled at once, and so is whatever waits for it in the same way.
    #[default]
    Cancel,
    /// It runs once every blocker has closed, and sees which failed and why.
    Run,
    /// It stays blocked until the blocker is replayed and completes, or until somebody lets it run or
    /// cancels it.
    Hold,
}

/// A deduplication key and how far it reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dedup {
    pub key: String,
    /// None: only chains that are open.
    pub window: Option<Duration>,
}

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
    options: Options,
}

/// What a job is started with besides its input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub delay: Option<Duration>,
    pub priority: Option<i16>,
    pub blockers: Vec<String>,
    pub on_blocker_failure: OnBlockerFailure,
    pub dedup: Option<Dedup>,
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
            options: Options::default(),
        }
    }

    /// Sets how long the job waits before it becomes ready. Rounded up to whole milliseconds.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.options.delay = Some(delay);
        self
    }

    /// Sets the priority: smaller runs earlier, among jobs of one type. Without it the job inherits
    /// that of the job which names it.
    #[must_use]
    pub fn priority(mut self, priority: i16) -> Self {
        self.options.priority = Some(priority);
        self
    }

    /// Adds blockers: the job waits until these chains have closed, and gets their outputs, in this
    /// order, by [`Ctx::outputs`](crate::Ctx::outputs). They are chains that this attempt has started,
    /// or any others; up to 10,000.
    ///
    /// So work is spread out and gathered again:
    ///
    /// ```
    /// use hardstop_guest::{Ctx, Failure, NextJob, Outcome};
    ///
    /// /// Counts the words of many texts, each text in a chain of its own.
    /// #[hardstop_guest::job]
    /// pub fn survey(ctx: &Ctx, texts: Vec<String>) -> Result<Outcome<usize>, Failure> {
    ///     let parts = ctx.start_chains(texts.iter().map(NextJob::of::<count>))?;
    ///     Ok(Outcome::continue_with(NextJob::of::<total>(&()).blocked_by(parts)))
    /// }
    ///
    /// /// Counts the words of a text.
    /// #[hardstop_guest::job]
    /// pub fn count(_ctx: &Ctx, text: String) -> Result<usize, Failure> {
    ///     Ok(text.split_whitespace().count())
    /// }
    ///
    /// /// Adds up what was counted.
    /// #[hardstop_guest::job]
    /// pub fn total(ctx: &Ctx, _: ()) -> Result<usize, Failure> {
    ///     Ok(ctx.outputs::<usize>()?.into_iter().sum())
    /// }
    ///
    /// let ctx = Ctx::for_test();
    /// let Ok(Outcome::ContinueWith(next)) = survey(&ctx, vec!["a b".into(), "c".into()]) else {
    ///     panic!("it goes on");
    /// };
    /// assert_eq!(ctx.started().len(), 2);
    /// assert_eq!(next.blockers(), ctx.started_ids());
    ///
    /// let ctx = Ctx::for_test().with_blocker(&2).with_blocker(&1);
    /// assert_eq!(total(&ctx, ()), Ok(3));
    /// ```
    #[must_use]
    pub fn blocked_by<I>(mut self, chains: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        self.options
            .blockers
            .extend(chains.into_iter().map(Into::into));
        self
    }

    /// Sets what becomes of the job when a blocker ends without an output. Without it, the job is
    /// cancelled.
    #[must_use]
    pub fn on_blocker_failure(mut self, policy: OnBlockerFailure) -> Self {
        self.options.on_blocker_failure = policy;
        self
    }

    /// Names a deduplication key, 1 to 255 bytes: the chain is not started where one of the same type
    /// and key is open. For [`Ctx::start_chain`](crate::Ctx::start_chain) only: a continuation keeps
    /// the key of its chain.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        let key = key.into();
        self.options.dedup = Some(Dedup { key, window: None });
        self
    }

    /// As [`key`](Self::key), and neither is the chain started where one of the same type and key was
    /// started within this window before, whatever became of it. From 1 ms to 90 days.
    #[must_use]
    pub fn key_within(mut self, key: impl Into<String>, window: Duration) -> Self {
        self.options.dedup = Some(Dedup {
            key: key.into(),
            window: Some(window),
        });
        self
    }

    /// The chains that it waits for.
    pub fn blockers(&self) -> &[String] {
        &self.options.blockers
    }

    /// The same, as a continuation: a fatal failure where it could not be one.
    pub(crate) fn into_continuation(self) -> Result<Self, Failure> {
        if self.options.dedup.is_some() {
            return Err(Failure::fatal(format!(
                "continues with `{}` under a deduplication key: the chain keeps its own; start a chain \
                 with the key, or leave it out",
                self.job_type
            )));
        }
        self.into_parts().map(Self::from)
    }

    /// The parts that the host is given, or a fatal failure where the input cannot be written.
    pub(crate) fn into_parts(self) -> Result<Parts, Failure> {
        match self.input {
            Ok(input) => Ok(Parts {
                job_type: self.job_type,
                input,
                options: self.options,
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
    pub options: Options,
}

impl From<Parts> for NextJob {
    fn from(parts: Parts) -> Self {
        Self {
            job_type: parts.job_type,
            input: Ok(parts.input),
            options: parts.options,
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
            .blocked_by(["b", "a"])
            .blocked_by(["c".to_owned()])
            .on_blocker_failure(OnBlockerFailure::Hold)
            .key("today")
            .into_parts()
            .expect("JSON");
        assert_eq!(
            parts,
            Parts {
                job_type: "mail.send".to_owned(),
                input: r#"["a@example.com"]"#.to_owned(),
                options: Options {
                    delay: Some(Duration::from_millis(5)),
                    priority: Some(-1),
                    blockers: ["b", "a", "c"].map(str::to_owned).into(),
                    on_blocker_failure: OnBlockerFailure::Hold,
                    dedup: Some(Dedup {
                        key: "today".to_owned(),
                        window: None,
                    }),
                },
            }
        );
    }

    #[test]
    fn a_continuation_has_no_key() {
        let day = Duration::from_secs(86_400);
        for job in [
            NextJob::named("mail.send", &1).key("today"),
            NextJob::named("mail.send", &1).key_within("today", day),
        ] {
            let failure = job.into_continuation().expect_err("a key");
            assert_eq!(failure.kind, FailureKind::Fatal);
            assert!(
                failure
                    .message
                    .contains("`mail.send` under a deduplication key"),
                "{failure}"
            );
        }
        let job = NextJob::named("mail.send", &1);
        assert_eq!(job.clone().into_continuation(), Ok(job));
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
