//! A context for tests: it plays the host and records what the handler asked of it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::context::{
    Attempt, Blocker, BlockerFailure, BlockerResult, BlockerState, ConfigError, Ctx, Host,
    SecretError, StartError,
};
use crate::failure::Failure;
use crate::handler::{Entry, Handler};
use crate::http::{HttpError, Request, Response};
use crate::logger;
use crate::next::{NextJob, Parts};
use crate::outcome::Outcome;

/// A [`Ctx`] for tests: set what the handler shall see, call it, and look at what it did.
///
/// ```
/// use hardstop_guest::{Ctx, Failure};
///
/// /// Greets in the language of the region.
/// #[hardstop_guest::job]
/// fn greet(ctx: &Ctx, name: String) -> Result<String, Failure> {
///     log::info!(attempt = ctx.attempt(); "greeting {name}");
///     ctx.progress(0.5, "half way");
///     match ctx.config("region")?.as_str() {
///         "ch" => Ok(format!("Grüezi, {name}!")),
///         _ => Ok(format!("Hello, {name}!")),
///     }
/// }
///
/// let ctx = Ctx::for_test().with_config("region", "ch").with_attempt(2);
/// assert_eq!(greet(&ctx, "Ada".to_owned()), Ok("Grüezi, Ada!".to_owned()));
/// assert_eq!(ctx.progress_reports()[0].message.as_deref(), Some("half way"));
/// assert_eq!(ctx.logs()[0].message, "greeting Ada");
/// assert_eq!(ctx.logs()[0].fields, [("attempt".to_owned(), "2".to_owned())]);
/// ```
///
/// It grants chains unless [`without_chains`](Self::without_chains) is called, and those
/// configuration keys that [`with_config`](Self::with_config) sets. It sets no limits.
pub struct TestCtx {
    ctx: Ctx,
    record: Rc<Record>,
}

/// What a test answers requests with.
type Server = Box<dyn Fn(&Request) -> Result<Response, HttpError>>;

/// What the handler did, and what it is granted.
#[derive(Default)]
pub(crate) struct Record {
    chains_denied: Cell<bool>,
    children_max: Cell<Option<usize>>,
    config: RefCell<BTreeMap<String, String>>,
    secrets: RefCell<BTreeMap<String, String>>,
    server: RefCell<Option<Server>>,
    requests: RefCell<Vec<Request>>,
    logs: RefCell<Vec<LogEntry>>,
    progress: RefCell<Vec<ProgressReport>>,
    started: RefCell<Vec<NextJob>>,
}

impl Record {
    pub(crate) fn push_log(&self, entry: LogEntry) {
        self.logs.borrow_mut().push(entry);
    }

    pub(crate) fn set_progress(&self, fraction: f32, message: Option<&str>) {
        self.progress.borrow_mut().push(ProgressReport {
            fraction,
            message: message.map(str::to_owned),
        });
    }

    pub(crate) fn start_chain(&self, job: Parts) -> Result<String, StartError> {
        if self.chains_denied.get() {
            let rule = "this test does not grant `chains`".to_owned();
            return Err(StartError::Denied(rule));
        }
        let mut started = self.started.borrow_mut();
        if let Some(max) = self.children_max.get()
            && started.len() >= max
        {
            return Err(StartError::Limit(format!(
                "this would be chain {} of the attempt: limit `children` = {max}",
                max + 1
            )));
        }
        started.push(job.into());
        Ok(test_id(started.len()))
    }

    pub(crate) fn config(&self, key: &str) -> Result<String, ConfigError> {
        let value = self.config.borrow().get(key).cloned();
        value.ok_or_else(|| ConfigError(format!("this test does not grant config key {key:?}")))
    }
}

impl Record {
    pub(crate) fn secret(&self, name: &str) -> Result<String, SecretError> {
        let value = self.secrets.borrow().get(name).cloned();
        value.ok_or_else(|| SecretError(format!("this test does not grant secret {name:?}")))
    }

    pub(crate) fn fetch(&self, request: Request) -> Result<Response, HttpError> {
        self.requests.borrow_mut().push(request.clone());
        match &*self.server.borrow() {
            Some(server) => server(&request),
            None => Err(HttpError::Denied(
                "this test does not grant HTTP".to_owned(),
            )),
        }
    }
}

/// An entry of the job's log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogEntry {
    /// How much it matters.
    pub level: log::Level,
    /// The text.
    pub message: String,
    /// The key-values of the log line.
    pub fields: Vec<(String, String)>,
}

/// A report of progress, as the handler gave it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ProgressReport {
    /// The fraction, not clamped as the host would.
    pub fraction: f32,
    /// What was said with it.
    pub message: Option<String>,
}

/// Ids of tests are all alike, but for the number at the end.
fn test_id(number: usize) -> String {
    format!("00000000-0000-7000-8000-{number:012}")
}

impl TestCtx {
    pub(crate) fn new() -> Self {
        let record = Rc::new(Record::default());
        logger::install();
        logger::record_into(&record);
        let attempt = Attempt {
            job_id: test_id(0),
            chain_id: test_id(0),
            job_type: "test".to_owned(),
            attempt: 1,
            attempts_left: 4,
            deadline: Duration::from_secs(30),
            blockers: Vec::new(),
            trace_parent: None,
        };
        Self {
            ctx: Ctx::new(attempt, Host::Recorder(Rc::clone(&record))),
            record,
        }
    }

    fn with(mut self, set: impl FnOnce(&mut Attempt)) -> Self {
        set(self.ctx.attempt_mut());
        self
    }

    /// Sets the job's id.
    #[must_use]
    pub fn with_job_id(self, id: impl Into<String>) -> Self {
        self.with(|attempt| attempt.job_id = id.into())
    }

    /// Sets the chain's id.
    #[must_use]
    pub fn with_chain_id(self, id: impl Into<String>) -> Self {
        self.with(|attempt| attempt.chain_id = id.into())
    }

    /// Sets the job type's name. Without it, `test`.
    #[must_use]
    pub fn with_job_type(self, name: impl Into<String>) -> Self {
        self.with(|attempt| attempt.job_type = name.into())
    }

    /// Sets the number of the attempt. Without it, 1.
    #[must_use]
    pub fn with_attempt(self, number: u32) -> Self {
        self.with(|attempt| attempt.attempt = number)
    }

    /// Sets how many attempts are left. Without it, 4.
    #[must_use]
    pub fn with_attempts_left(self, count: u32) -> Self {
        self.with(|attempt| attempt.attempts_left = count)
    }

    /// Sets the time to the deadline, counted from the context's making. Without it, 30 seconds.
    #[must_use]
    pub fn with_remaining(self, remaining: Duration) -> Self {
        self.with(|attempt| attempt.deadline = remaining)
    }

    /// Sets the trace parent. Without it there is none.
    #[must_use]
    pub fn with_trace_parent(self, trace_parent: impl Into<String>) -> Self {
        self.with(|attempt| attempt.trace_parent = Some(trace_parent.into()))
    }

    /// Adds a blocker that closed with this output.
    ///
    /// # Panics
    ///
    /// Where the output cannot be written as JSON.
    #[must_use]
    pub fn with_blocker(self, output: &(impl Serialize + ?Sized)) -> Self {
        let output = serde_json::to_string(output).expect("a blocker's output that is JSON");
        self.with_result(BlockerResult::Completed(output))
    }

    /// Adds a blocker that was discarded after an attempt that came to `kind`, such as
    /// `timed-out-wall`.
    #[must_use]
    pub fn with_discarded_blocker(
        self,
        kind: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        self.with_failure(BlockerState::Discarded, kind.into(), message.into())
    }

    /// Adds a blocker that was cancelled.
    #[must_use]
    pub fn with_cancelled_blocker(self, message: impl Into<String>) -> Self {
        self.with_failure(
            BlockerState::Cancelled,
            "cancelled".to_owned(),
            message.into(),
        )
    }

    /// Adds a blocker of which nothing is known any more.
    #[must_use]
    pub fn with_gone_blocker(self) -> Self {
        self.with_result(BlockerResult::Gone)
    }

    fn with_failure(self, state: BlockerState, kind: String, message: String) -> Self {
        self.with_result(BlockerResult::Failed(BlockerFailure {
            state,
            kind,
            message,
        }))
    }

    fn with_result(self, result: BlockerResult) -> Self {
        self.with(|attempt| {
            let chain_id = test_id(1_000 + attempt.blockers.len());
            attempt.blockers.push(Blocker { chain_id, result });
        })
    }

    /// Sets a configuration value.
    #[must_use]
    pub fn with_config(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.record
            .config
            .borrow_mut()
            .insert(key.into(), value.into());
        self
    }

    /// Sets a secret, or its placeholder.
    #[must_use]
    pub fn with_secret(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.record
            .secrets
            .borrow_mut()
            .insert(name.into(), value.into());
        self
    }

    /// Answers HTTP requests. Without it, they are refused.
    #[must_use]
    pub fn with_http(
        self,
        server: impl Fn(&Request) -> Result<Response, HttpError> + 'static,
    ) -> Self {
        *self.record.server.borrow_mut() = Some(Box::new(server));
        self
    }

    /// Refuses to start more chains than this, as the limit `children` does. Without it, there is no
    /// limit.
    #[must_use]
    pub fn with_children_max(self, count: usize) -> Self {
        self.record.children_max.set(Some(count));
        self
    }

    /// Refuses to start chains, as the host does for a type without the grant.
    #[must_use]
    pub fn without_chains(self) -> Self {
        self.record.chains_denied.set(true);
        self
    }

    /// Runs a handler as a component does, from JSON text: the input is read, the output written.
    /// A sample file is best tested so.
    ///
    /// ```
    /// # use hardstop_guest::{Ctx, Failure, Outcome};
    /// # #[hardstop_guest::job]
    /// # fn double(_ctx: &Ctx, number: u32) -> Result<u32, Failure> { Ok(2 * number) }
    /// let outcome = Ctx::for_test().run::<double>("21");
    /// assert_eq!(outcome, Ok(Outcome::complete(serde_json::json!(42))));
    /// ```
    pub fn run<H: Handler>(&self, input_json: &str) -> Result<Outcome<Value>, Failure> {
        Ok(match (Entry::of::<H>().run)(&self.ctx, input_json)? {
            Outcome::Complete(output) => Outcome::Complete(serde_json::from_str(&output)?),
            Outcome::ContinueWith(next) => Outcome::ContinueWith(next),
            Outcome::Snooze(delay) => Outcome::Snooze(delay),
        })
    }

    /// What the handler logged, in order. Empty where the test program has set a logger of its own
    /// before: the `log` crate allows one in a process. Lines are kept by the thread that wrote
    /// them, for the context that this thread made last.
    pub fn logs(&self) -> Vec<LogEntry> {
        self.record.logs.borrow().clone()
    }

    /// The reports of progress, in order.
    pub fn progress_reports(&self) -> Vec<ProgressReport> {
        self.record.progress.borrow().clone()
    }

    /// The HTTP requests that the handler sent, in order, those included that were refused.
    pub fn requests(&self) -> Vec<Request> {
        self.record.requests.borrow().clone()
    }

    /// The chains that the handler started, in order.
    pub fn started(&self) -> Vec<NextJob> {
        self.record.started.borrow().clone()
    }

    /// The ids that the handler got for them, in order.
    pub fn started_ids(&self) -> Vec<String> {
        (1..=self.record.started.borrow().len())
            .map(test_id)
            .collect()
    }
}

impl Deref for TestCtx {
    type Target = Ctx;

    fn deref(&self) -> &Ctx {
        &self.ctx
    }
}

impl fmt::Debug for TestCtx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestCtx")
            .field("ctx", &self.ctx)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    #[test]
    fn a_handler_sees_what_the_test_sets() {
        let ctx = Ctx::for_test()
            .with_job_id("j")
            .with_chain_id("c")
            .with_job_type("t")
            .with_attempt(3)
            .with_attempts_left(0)
            .with_remaining(Duration::ZERO)
            .with_trace_parent("00-1-2-01")
            .with_blocker(&[1, 2])
            .with_blocker("text");
        assert_eq!(
            (ctx.job_id(), ctx.chain_id(), ctx.job_type()),
            ("j", "c", "t")
        );
        assert_eq!((ctx.attempt(), ctx.attempts_left()), (3, 0));
        assert_eq!(ctx.remaining(), Duration::ZERO);
        assert_eq!(ctx.trace_parent(), Some("00-1-2-01"));
        let [numbers, text] = ctx.blockers() else {
            panic!("two blockers");
        };
        assert_eq!(numbers.output::<Vec<u32>>(), Ok(vec![1, 2]));
        assert_eq!(text.output_json(), Some("\"text\""));
        assert_ne!(numbers.chain_id(), text.chain_id());

        let failure = text.output::<u32>().expect_err("a misfit");
        assert_eq!(failure.kind, FailureKind::Fatal);
        assert!(failure.message.contains(text.chain_id()), "{failure}");
    }

    #[test]
    fn a_blocker_without_an_output_says_why() {
        let ctx = Ctx::for_test()
            .with_blocker(&7)
            .with_discarded_blocker("timed-out-wall", "stopped after 2s")
            .with_cancelled_blocker("cancelled by ada")
            .with_gone_blocker();
        let [good, discarded, cancelled, gone] = ctx.blockers() else {
            panic!("four blockers");
        };
        assert_eq!((good.output(), good.failure()), (Ok(7), None));
        for (blocker, reason) in [
            (
                discarded,
                "has no output: discarded (timed-out-wall): stopped after 2s",
            ),
            (
                cancelled,
                "has no output: cancelled (cancelled): cancelled by ada",
            ),
            (gone, "is no longer there"),
        ] {
            assert_eq!(blocker.output_json(), None);
            let failure = blocker.output::<u32>().expect_err("no output");
            assert_eq!(failure.kind, FailureKind::Fatal);
            assert!(failure.message.contains(reason), "{failure}");
            assert!(failure.message.contains(blocker.chain_id()), "{failure}");
        }
        let failure = discarded.failure().expect("a failure");
        assert_eq!(failure.state, BlockerState::Discarded);
        assert_eq!(gone.result(), &BlockerResult::Gone);
        let failure = ctx.outputs::<u32>().expect_err("the second has none");
        assert!(failure.message.contains(discarded.chain_id()), "{failure}");
        let ctx = Ctx::for_test().with_blocker(&1).with_blocker(&2);
        assert_eq!(ctx.outputs::<u32>(), Ok(vec![1, 2]));
    }

    #[test]
    fn chains_are_started_up_to_a_limit() {
        let ctx = Ctx::for_test().with_children_max(2);
        let jobs = (0..3).map(|number| NextJob::named("a", &number));
        let error = ctx.start_chains(jobs).expect_err("one too many");
        assert_eq!(
            error,
            StartError::Limit(
                "this would be chain 3 of the attempt: limit `children` = 2".to_owned()
            )
        );
        assert_eq!(ctx.started().len(), 2);
        assert_eq!(ctx.started_ids().len(), 2);
    }

    #[test]
    fn the_time_to_the_deadline_goes_down() {
        let ctx = Ctx::for_test().with_remaining(Duration::from_secs(60));
        let first = ctx.remaining();
        assert!(first <= Duration::from_secs(60));
        assert!(ctx.remaining() <= first);
    }

    #[test]
    fn started_chains_are_kept_in_order() {
        let ctx = Ctx::for_test();
        let first = ctx.start_chain(NextJob::named("a", &1)).expect("granted");
        let second = ctx.start_chain(NextJob::named("b", &2)).expect("granted");
        assert_ne!(first, second);
        assert_eq!(
            ctx.started(),
            [NextJob::named("a", &1), NextJob::named("b", &2)]
        );
    }

    #[test]
    fn refusals_are_fatal_by_question_mark() {
        fn start(ctx: &Ctx) -> Result<String, Failure> {
            Ok(ctx.start_chain(NextJob::named("a", &1))?)
        }
        fn region(ctx: &Ctx) -> Result<String, Failure> {
            Ok(ctx.config("region")?)
        }
        fn key(ctx: &Ctx) -> Result<String, Failure> {
            Ok(ctx.secret("KEY")?)
        }
        fn page(ctx: &Ctx) -> Result<String, Failure> {
            ctx.fetch(Request::get("https://a.de"))?.text()
        }
        let ctx = Ctx::for_test().without_chains();
        for failure in [start(&ctx), region(&ctx), key(&ctx), page(&ctx)] {
            assert_eq!(failure.expect_err("refused").kind, FailureKind::Fatal);
        }
        assert_eq!(ctx.started(), []);
        assert_eq!(ctx.requests().len(), 1);
    }

    #[test]
    fn logs_go_to_the_context_made_last() {
        let outer = Ctx::for_test();
        log::trace!("outer");
        {
            let inner = Ctx::for_test();
            log::warn!(size = 3, name = "x"; "inner");
            assert_eq!(
                inner.logs(),
                [LogEntry {
                    level: log::Level::Warn,
                    message: "inner".to_owned(),
                    fields: vec![
                        ("size".to_owned(), "3".to_owned()),
                        ("name".to_owned(), "x".to_owned())
                    ],
                }]
            );
        }
        log::info!("outer again");
        let messages: Vec<_> = outer
            .logs()
            .into_iter()
            .map(|entry| entry.message)
            .collect();
        assert_eq!(messages, ["outer", "outer again"]);
    }
}
