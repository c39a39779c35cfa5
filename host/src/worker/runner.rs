//! One attempt: limits, component, sandbox, and what becomes of the job.

use std::sync::Arc;

use hardstop_domain::{
    Blocker, Failure, Limits, Next, Outcome, OutcomeKind, Past, Report, TypeSpec, transition,
};
use hardstop_sandbox::{Attempt, StopSignal};
use hardstop_store::{ClaimedJob, Settlement};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tracing::{debug, error, info, warn};

use super::Shared;
use super::admission::{Admitted, Place};
use super::settler::Ended;
use crate::catalogue::{Catalogue, Entry, StartError};

/// Runs one claimed job and hands its settlement on. The slot is free when this returns.
pub async fn run(
    shared: Arc<Shared>,
    mut job: ClaimedJob,
    signal: StopSignal,
    settlements: mpsc::Sender<Ended>,
    slot: OwnedSemaphorePermit,
    place: Option<Place>,
) {
    let (id, token) = (job.id, job.token);
    let (memory, no_room) = match place {
        Some(place) => admit(&shared, place, &signal).await,
        None => (None, None),
    };
    let catalogue = shared.catalogue();
    let settlement = match catalogue.by_id(job.type_id) {
        Some(entry) => {
            let spec = &entry.active.spec;
            let (report, descendants_max) = match check_job(&shared, &job, entry) {
                // The type was deployed anew since it was asked for. Given back uncounted, and not claimed again here.
                Ok(_) if no_room.is_some() => {
                    let refusal = no_room.unwrap_or_default();
                    let failure = Failure::new(OutcomeKind::Interrupted, refusal);
                    (Report::not_started(failure), 0)
                }
                Ok(limits) => {
                    let descendants_max = limits.descendants_max;
                    let report = attempt(&shared, &mut job, spec, limits.clone(), signal).await;
                    shared.warnings.consider(&spec.name, &report.usage, &limits);
                    let report = check_starts(report, &job, &catalogue, &shared);
                    (report, descendants_max)
                }
                Err(error) => {
                    let failure = Failure::new(OutcomeKind::FailedFatal, error.to_string());
                    // It starts nothing.
                    (Report::not_started(failure), 0)
                }
            };
            Some(settle(job, report, spec, descendants_max))
        }
        // Claims name types of the catalogue, and types are never removed.
        None => {
            error!(job = %id, type_id = ?job.type_id, "claimed a type that is not in the catalogue");
            None
        }
    };
    let revoked = shared.running.remove(id, token);
    if revoked {
        info!(
            job = %id, lease = %token,
            "stale attempt: the job is no longer this lease's; its effects are dropped"
        );
    } else if let Some(settlement) = settlement
        && settlements.send(settlement).await.is_err()
    {
        warn!(job = %id, "the settler has ended: the job will be rescued");
    }
    drop((memory, slot));
    shared.signals.freed.notify_one();
}

/// Waits for memory: what the attempt holds of it, or why it can have none. It has neither if it is stopped, and then ends
/// at once.
async fn admit(
    shared: &Shared,
    place: Place,
    signal: &StopSignal,
) -> (Option<OwnedSemaphorePermit>, Option<String>) {
    let queued = matches!(place, Place::Queued(..));
    let admitted = place.wait(signal).await;
    if queued {
        // Nothing was claimed meanwhile.
        shared.signals.freed.notify_one();
    }
    match admitted {
        Admitted::In(memory) => (Some(memory), None),
        Admitted::Stopped => (None, None),
        Admitted::TooLarge(refusal) => (None, Some(refusal)),
    }
}

/// The limits of the attempt; or why the job cannot run whatever is tried.
fn check_job(shared: &Shared, job: &ClaimedJob, entry: &Entry) -> Result<Limits, StartError> {
    let limits = entry.limits(&job.limits, &shared.ceiling)?;
    // Started by whoever has no schemas at hand.
    if job.unchecked {
        entry.check_input(&job.input, &limits)?;
    }
    Ok(limits)
}

async fn attempt(
    shared: &Shared,
    job: &mut ClaimedJob,
    spec: &TypeSpec,
    limits: Limits,
    signal: StopSignal,
) -> Report {
    let Some(component) = spec.component else {
        return Report::not_started(Failure::new(
            OutcomeKind::FailedFatal,
            format!("type `{}` has no component", spec.name),
        ));
    };
    let attempt = Attempt {
        job: job.id,
        chain: job.chain_id,
        type_name: spec.name.clone(),
        number: job.attempt,
        attempts_left: spec.retry.attempts_left(job.attempt),
        input: std::mem::take(&mut job.input),
        blockers: std::mem::take(&mut job.blockers)
            .into_iter()
            .map(|it| Blocker::new(it.chain_id, it.state, it.output, it.failure))
            .collect(),
        lineage: job.lineage,
        descendants: job.descendants,
        trace_parent: job.trace_parent.clone(),
        limits,
        capabilities: spec.capabilities.clone(),
        stop: signal,
        watch: None,
    };
    shared.executor.execute(component, attempt).await
}

/// A continuation or child that could not be started is a failure of the job that named it.
fn check_starts(
    mut report: Report,
    job: &ClaimedJob,
    catalogue: &Catalogue,
    shared: &Shared,
) -> Report {
    let ceiling = &shared.ceiling;
    let mut result = Ok(());
    if let Outcome::Continued { next } = &mut report.outcome {
        next.trace_parent.clone_from(&job.trace_parent);
        result = catalogue
            .check_start(next, ceiling)
            .map_err(|error| format!("continues with `{}`: {error}", next.type_name));
    }
    for child in &mut report.children {
        let first = &mut child.first;
        first.trace_parent.clone_from(&job.trace_parent);
        first.priority.get_or_insert(job.priority);
        first.parent = Some(job.id);
        result = result.and_then(|()| {
            catalogue
                .check_chain(child, ceiling)
                .map_err(|error| format!("starts a chain of `{}`: {error}", child.first.type_name))
        });
    }
    if let Err(message) = result {
        report.outcome = Outcome::Failed(Failure::new(OutcomeKind::FailedFatal, message));
        report.children.clear();
    }
    report
}

fn settle(job: ClaimedJob, report: Report, spec: &TypeSpec, descendants_max: u64) -> Ended {
    let past = Past {
        attempt: job.attempt,
        snoozes: job.snoozes,
        snoozed_ms: job.snoozed_ms,
    };
    let decide = |outcome| transition(outcome, past, &spec.retry, &spec.snooze, fastrand::f64());
    let overtaken = (!report.children.is_empty()).then(|| {
        let failure = Failure::new(OutcomeKind::FailedRetryable, "overtaken");
        decide(Outcome::Failed(failure)).next
    });
    let decision = decide(report.outcome);
    if let Some(failure) = &decision.failure {
        let then = match &decision.next {
            Next::Retry { delay_ms } => format!("next attempt in {delay_ms} ms"),
            Next::Release => "given back, not counted".to_owned(),
            Next::Discard => "discarded".to_owned(),
            other => format!("{other:?}"),
        };
        info!(
            job = %job.id, r#type = %spec.name, attempt = job.attempt, outcome = %failure.kind,
            then, "{}", failure.message
        );
    } else {
        debug!(job = %job.id, r#type = %spec.name, outcome = %decision.outcome, "attempt ended");
    }
    let settlement = Settlement {
        job: job.id,
        token: job.token,
        next: decision.next,
        outcome: decision.outcome,
        failure: decision.failure,
        usage: report.usage,
        log: report.log,
        progress: report.progress,
        children: report.children,
        lineage: job.lineage,
        descendants_max,
    };
    Ended {
        settlement,
        overtaken,
    }
}
