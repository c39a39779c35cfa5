//! One attempt at one job: the sandbox's one function.

use std::sync::Arc;

use hardstop_domain::{
    Capabilities, ChainId, Failure, JobId, Limits, OutcomeKind, Report, TypeName,
};
use tokio::sync::oneshot;

use crate::account::Account;
use crate::binding::hardstop::job::types as wit;
use crate::engine::Profile;
use crate::guest::{self, Call, Order};
use crate::journal::Watch;
use crate::outcome;
use crate::prepare::Prepared;
use crate::queue::Task;
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
    /// W3C `traceparent` of the span that runs this attempt. Children and continuations inherit it.
    pub trace_parent: Option<String>,
    /// The ceilings. Fuel and stack must be those of the profile that the component was prepared
    /// for; memory over the operator's ceiling comes down to it.
    pub limits: Limits,
    /// What the guest may reach.
    pub capabilities: Capabilities,
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
        let Attempt { limits, stop, .. } = &attempt;
        let bytes = attempt.input.len() as u64;
        if bytes > limits.input_bytes_max {
            let failure = outcome::input_too_large(bytes, limits.input_bytes_max);
            return Report::not_started(failure);
        }
        if Profile::of(limits) != self.class.profile {
            return Report::not_started(Failure::new(
                OutcomeKind::FailedRetryable,
                "the host prepared the component for other limits of `fuel` and `stack` than those \
                 of this attempt; this is a defect of the host",
            ));
        }
        let slots = self.shared.slots.clone();
        let slot = tokio::select! {
            biased;
            stop = stop.raised() => return Report::not_started(outcome::stopped_before(stop)),
            slot = slots.acquire_owned() => slot,
        };

        let stop = attempt.stop;
        let order = Order {
            call: Call::Run(wit::Job {
                id: attempt.job.to_string(),
                chain_id: attempt.chain.to_string(),
                type_: attempt.type_name.to_string(),
                attempt: attempt.number,
                attempts_left: attempt.attempts_left,
                deadline_ms: 0,
                input: attempt.input,
                blockers: Vec::new(),
                trace_parent: attempt.trace_parent.clone(),
            }),
            grant: Grant {
                type_name: Some(attempt.type_name),
                capabilities: attempt.capabilities,
                input_bytes_max: attempt.limits.input_bytes_max,
                trace_parent: attempt.trace_parent,
            },
            limits: attempt.limits,
            watch: attempt.watch,
        };
        let account = Arc::new(Account::default());
        let (sender, receiver) = oneshot::channel();
        let running = self.shared.ticker.hold();
        let task = self.shared.queue.spawn(account.clone(), {
            let prepared = self.clone();
            async move {
                let limits = order.limits.clone();
                let remains = guest::live(&prepared, order, &account).await;
                let report = outcome::report(remains, &limits);
                // The instance is gone; its slot goes before anybody is told.
                drop((slot, running));
                let _ = sender.send(report);
            }
        });
        stop.attach(&task);
        let _abandoned = StopOnDrop(task);
        receiver.await.unwrap_or_else(|_| {
            Report::not_started(Failure::new(
                OutcomeKind::FailedRetryable,
                "the host failed while it ran this attempt, or the sandbox was shut down; if the \
                 host's log shows a panic, it is a defect of the host",
            ))
        })
    }
}

/// Ends the guest when nobody waits for its report any more. Without effect on one that has ended.
pub(crate) struct StopOnDrop(pub(crate) Arc<Task>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop(Stop::Interrupted);
    }
}
