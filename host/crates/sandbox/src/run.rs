//! One attempt at one job: the sandbox's one function.

use std::sync::Arc;

use hardstop_domain::command::Command;
use hardstop_domain::{
    Blocker, BlockerEnd, Capabilities, ChainId, Failure, JobId, Limits, Lineage, OutcomeKind,
    Report, State, TypeName,
};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::account::Account;
use crate::binding::hardstop::job::types as wit;
use crate::children::Children;
use crate::command::Invocation;
use crate::determinism::Seed;
use crate::engine::Profile;
use crate::filesystem::FileTree;
use crate::guest::{self, Call, Order, Remains};
use crate::journal::Watch;
use crate::outcome;
use crate::prepare::Prepared;
use crate::queue::{News, Task};
use crate::secret::{SecretError, Secrets};
use crate::state::Grant;
use crate::stop::{Stop, StopSignal};

/// One attempt at one job.
pub struct Attempt {
    /// The job.
    pub job: JobId,
    /// Its chain.
    pub chain: ChainId,
    /// Its type.
    pub type_name: TypeName,
    /// The number of the attempt, from 1.
    pub number: u32,
    /// How many attempts are left after this one.
    pub attempts_left: u32,
    /// JSON text. The sandbox checks its size only.
    pub input: String,
    /// What its blockers came to, in the order in which they were named. Together with the input they
    /// are within the limit on input.
    pub blockers: Vec<Blocker>,
    /// Where its chain stands among the chains that handlers started.
    pub lineage: Lineage,
    /// How many chains descend from the root chain, as far as that is known.
    pub descendants: u64,
    /// W3C `traceparent` of the span that runs this attempt. Children and continuations inherit it.
    pub trace_parent: Option<String>,
    /// The ceilings. Fuel and stack must be those of the profile that the component was prepared
    /// for; memory over the operator's ceiling comes down to it.
    pub limits: Limits,
    /// What the guest may reach.
    pub capabilities: Capabilities,
    /// How a WASI command is started. Without meaning for a component with a handler.
    pub command: Command,
    /// The read-only files that the guest sees.
    pub files: FileTree,
    /// Ends the attempt from outside.
    pub stop: StopSignal,
    /// Follows log and progress as they come.
    pub watch: Option<Arc<dyn Watch>>,
}

impl Prepared {
    /// Runs one attempt in a fresh instance, and tells all about it.
    ///
    /// It never panics. The guest never outlives its wall deadline, which covers instantiation,
    /// start functions, the call, host calls and post-return. The time is counted from when a guest
    /// thread takes the attempt up, not while it waits for one of the `instances_max` slots. Dropping
    /// the future ends the guest within a tick.
    pub async fn run(&self, attempt: Attempt) -> Report {
        let (secrets, slot) = match self.enter(&attempt).await {
            Ok(entered) => entered,
            Err(report) => return report,
        };
        // What makes up the guest's order is gone from this future before it waits: it stays small.
        let (_task, report) = self.begin(attempt, secrets, slot);
        report.await.unwrap_or_else(|_| gone())
    }

    /// Its secrets and a slot for it; or why it does not begin.
    async fn enter(&self, attempt: &Attempt) -> Result<(Secrets, OwnedSemaphorePermit), Report> {
        let Attempt { limits, stop, .. } = attempt;
        let bytes = attempt.input_bytes();
        if bytes > limits.input_bytes_max {
            let blockers = attempt.blockers.len();
            let failure = outcome::input_too_large(bytes, blockers, limits.input_bytes_max);
            return Err(Report::not_started(failure));
        }
        if Profile::of(limits) != self.class.profile {
            return Err(Report::not_started(Failure::new(
                OutcomeKind::FailedRetryable,
                "the host prepared the component for other limits of `fuel` and `stack` than those \
                 of this attempt; this is a defect of the host",
            )));
        }
        let prepare = async {
            let secrets = &self.shared.config.secrets;
            let opened = secrets.open(&attempt.type_name, &attempt.capabilities);
            let secrets = opened.await?;
            Ok((secrets, self.shared.slots.clone().acquire_owned().await))
        };
        let prepared: Result<_, SecretError> = tokio::select! {
            biased;
            stop = stop.raised() => return Err(Report::not_started(outcome::stopped_before(stop))),
            prepared = prepare => prepared,
        };
        match prepared {
            Ok((secrets, Ok(slot))) => Ok((secrets, slot)),
            Ok((_, Err(_))) => Err(gone()),
            Err(error) => {
                let failure = Failure::new(OutcomeKind::FailedRetryable, error.to_string());
                Err(Report::not_started(failure))
            }
        }
    }

    /// Starts the guest.
    fn begin(
        &self,
        attempt: Attempt,
        secrets: Secrets,
        slot: OwnedSemaphorePermit,
    ) -> (StopOnDrop, oneshot::Receiver<Report>) {
        let stop = attempt.stop;
        let job = wit::Job {
            id: attempt.job.to_string(),
            chain_id: attempt.chain.to_string(),
            type_: attempt.type_name.to_string(),
            attempt: attempt.number,
            attempts_left: attempt.attempts_left,
            deadline_ms: 0,
            input: attempt.input,
            blockers: attempt.blockers.into_iter().map(blocker).collect(),
            trace_parent: attempt.trace_parent.clone(),
        };
        let (call, invocation) = match self.is_command() {
            true => {
                let output_bytes_max = attempt.limits.output_bytes_max;
                let invocation = Invocation::new(attempt.command, job, output_bytes_max);
                (Call::Command, Some(invocation))
            }
            false => (Call::Run(job), None),
        };
        let order = Order {
            call,
            invocation,
            files: attempt.files,
            seed: attempt
                .capabilities
                .deterministic
                .then(|| Seed::new(attempt.job, attempt.number)),
            grant: Grant {
                type_name: Some(attempt.type_name),
                chain: Some(attempt.chain),
                capabilities: attempt.capabilities,
                input_bytes_max: attempt.limits.input_bytes_max,
                trace_parent: attempt.trace_parent,
                secrets,
            },
            children: Children::new(
                attempt.limits.clone(),
                Some(attempt.lineage),
                attempt.descendants,
            ),
            limits: attempt.limits,
            watch: attempt.watch,
        };
        let (task, report) = self.spawn(order, slot, outcome::report);
        stop.attach(&task.0);
        (task, report)
    }

    /// Starts a guest on the guest threads, in a slot that it has. `conclude` makes of what is left of
    /// it what the receiver gets, there too. Dropping the task ends the guest.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        order: Order,
        slot: OwnedSemaphorePermit,
        conclude: fn(Remains, &Limits) -> T,
    ) -> (StopOnDrop, oneshot::Receiver<T>) {
        let account = Arc::new(Account::default());
        let (sender, receiver) = oneshot::channel();
        let running = self.shared.ticker.hold();
        let task = self.shared.queue.spawn(account.clone(), {
            let prepared = self.clone();
            async move {
                let limits = order.limits.clone();
                let remains = guest::live(&prepared, order, &account).await;
                let concluded = conclude(remains, &limits);
                // The instance is gone; its slot goes before anybody is told.
                drop((slot, running));
                let news: News = Box::new(move || drop(sender.send(concluded)));
                news
            }
        });
        (StopOnDrop(task), receiver)
    }
}

/// The report of an attempt whose end nobody knows.
fn gone() -> Report {
    Report::not_started(Failure::new(
        OutcomeKind::FailedRetryable,
        "the host failed while it ran this attempt, or the sandbox was shut down; if the host's log \
         shows a panic, it is a defect of the host",
    ))
}

impl Attempt {
    /// What is counted against the limit on input, in bytes.
    fn input_bytes(&self) -> u64 {
        let blockers: u64 = self.blockers.iter().map(Blocker::bytes).sum();
        self.input.len() as u64 + blockers
    }
}

fn blocker(blocker: Blocker) -> wit::Blocker {
    wit::Blocker {
        chain_id: blocker.chain.to_string(),
        result: match blocker.end {
            BlockerEnd::Completed { output } => wit::BlockerResult::Completed(output),
            BlockerEnd::Failed {
                state,
                kind,
                message,
            } => wit::BlockerResult::Failed(wit::BlockerFailure {
                state: match state {
                    State::Cancelled => wit::BlockerState::Cancelled,
                    _ => wit::BlockerState::Discarded,
                },
                kind: kind.name().to_owned(),
                message,
            }),
            BlockerEnd::Gone => wit::BlockerResult::Gone,
        },
    }
}

/// Ends the guest when nobody waits for its report any more. Without effect on one that has ended.
pub(crate) struct StopOnDrop(pub(crate) Arc<Task>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop(Stop::Interrupted);
    }
}
