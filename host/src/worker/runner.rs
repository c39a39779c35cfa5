//! One attempt: limits, component, sandbox, and what becomes of the job.

use std::panic::AssertUnwindSafe;
use std::pin::pin;

use futures::FutureExt as _;
use hardstop_domain::{
    Blocker, Failure, LargerMemory, Limits, Next, Outcome, OutcomeKind, Past, Report, Transition,
    transition,
};
use hardstop_sandbox::{Attempt, FileTree, StopSignal};
use hardstop_store::{ClaimedJob, Settlement};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::Shared;
use super::admission::{Admitted, Place};
use super::health::{Sign, fault_text};
use super::settler::{Ended, Note};
use super::slot::Waiting;
use crate::catalogue::{Catalogue, Entry, StartError, Version};

/// The failure of an attempt in which the host panicked.
const PANICKED: &str = "the host panicked while it ran this attempt; this is a defect of the host, and its log shows where";

/// Runs one claimed job and hands its settlement on.
pub async fn run(shared: &Shared, waiting: Waiting, settlements: &mpsc::Sender<Box<Ended>>) {
    let Waiting { mut job, stop, .. } = waiting;
    let (id, token) = (job.id, job.token);
    let (seen, began) = (shared.statistics.claimed(&job), Instant::now());
    let catalogue = shared.catalogue();
    // What it holds of the memory, until its settlement has been handed on.
    let mut memory = None;
    let settlement = match catalogue.by_id(job.type_id) {
        Some(entry) => {
            let version = entry.version_of(job.id);
            let traced = shared.telemetry.tracer.as_ref().map(|tracer| {
                let traced = tracer.place(&job, &version.spec.name);
                // Whatever it starts and sends comes under this attempt.
                job.trace_parent = Some(traced.trace_parent());
                traced
            });
            // A job whose task panicked would be held for as long as the session lives. It counts as an attempt: one
            // that panics each time must come to an end.
            let report = {
                let report = pin!(report(
                    shared,
                    &mut job,
                    &catalogue,
                    entry,
                    version,
                    &mut memory,
                    stop,
                ));
                AssertUnwindSafe(report).catch_unwind().await
            };
            let (report, descendants_max) = report.unwrap_or_else(|_| {
                error!(job = %id, lease = %token, "the host panicked while it ran this job: the attempt fails");
                not_started(OutcomeKind::FailedRetryable, PANICKED)
            });
            let note = Note {
                sign: None,
                seen: Some(seen),
                traced: traced.map(|traced| (traced, began.elapsed())),
            };
            Some(settle(job, report, version, descendants_max, note))
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
}

/// What the attempt came to, and how many descendants its root chain may have.
async fn report(
    shared: &Shared,
    job: &mut ClaimedJob,
    catalogue: &Catalogue,
    entry: &Entry,
    version: Version<'_>,
    memory: &mut Option<OwnedSemaphorePermit>,
    signal: StopSignal,
) -> (Report, u64) {
    let limits = match check_job(shared, job, entry, version) {
        Ok(limits) => limits,
        Err(error) => return not_started(OutcomeKind::FailedFatal, error.to_string()),
    };
    match admit(shared, &limits, &signal).await {
        Admitted::In(permit) => *memory = Some(permit),
        // The attempt ends at once.
        Admitted::Stopped => {}
        // The type was deployed anew since it was asked for. Given back uncounted, and not claimed again here.
        Admitted::TooLarge(refusal) => return not_started(OutcomeKind::Interrupted, refusal),
    }
    let mut report = attempt(shared, job, version, limits.clone(), signal).await;
    if version
        .larger_memory(&job.limits, job.larger_memory)
        .is_some()
    {
        report.usage.detail.larger_memory = limits.memory_bytes_max;
    }
    let name = &version.spec.name;
    shared.warnings.consider(name, &report.usage, &limits);
    let report = check_starts(report, job, catalogue, shared);
    (report, limits.descendants_max)
}

/// The report of an attempt that never began, and starts nothing.
fn not_started(kind: OutcomeKind, message: impl Into<String>) -> (Report, u64) {
    (Report::not_started(Failure::new(kind, message)), 0)
}

/// Waits for memory.
async fn admit(shared: &Shared, limits: &Limits, signal: &StopSignal) -> Admitted {
    let place = shared.admission.enter(limits);
    let queued = matches!(place, Place::Queued(..));
    let began = Instant::now();
    let admitted = place.wait(signal).await;
    if queued {
        let waited = began.elapsed().as_secs_f64();
        shared
            .telemetry
            .metrics
            .worker
            .admission_wait
            .observe(waited);
        // Nothing was claimed meanwhile.
        shared.slots.tell_freed();
    }
    admitted
}

/// The limits of the attempt; or why the job cannot run whatever is tried.
fn check_job(
    shared: &Shared,
    job: &ClaimedJob,
    entry: &Entry,
    version: Version<'_>,
) -> Result<Limits, StartError> {
    let limits = version.limits(&job.limits, job.larger_memory, &shared.ceiling)?;
    // Started by whoever has no schemas at hand.
    if job.unchecked {
        entry.check_input(&job.input, &limits)?;
    }
    Ok(limits)
}

async fn attempt(
    shared: &Shared,
    job: &mut ClaimedJob,
    version: Version<'_>,
    limits: Limits,
    signal: StopSignal,
) -> Report {
    let spec = version.spec;
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
        command: spec.command.clone().unwrap_or_default(),
        files: FileTree::default(),
        stop: signal,
        watch: Some(shared.live.voice(job.id, job.token)),
    };
    shared
        .executor
        .execute(component, &spec.files, attempt)
        .await
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

/// What the attempt says of its component. Nothing where no guest was begun, where it was stopped from outside, and
/// where its start lowered limits: whoever starts jobs could make any component look bad.
fn sign(job: &ClaimedJob, version: Version<'_>, decision: &Transition) -> Option<Sign> {
    let kind = decision.outcome;
    // What the larger memory is there for is no fault yet.
    let is_fault = kind.is_fault() && decision.next != Next::RetryLarger;
    let failure = decision.failure.as_ref().filter(|_| is_fault);
    let fault = failure.map(fault_text);
    (kind.tells_of_handler() && job.limits.is_empty()).then_some(Sign {
        type_id: job.type_id,
        type_name: version.spec.name.clone(),
        component: version.spec.component?,
        deployment: version.deployment,
        policy: version.spec.quarantine,
        claimed_at: job.claimed_at,
        fault,
    })
}

fn settle(
    job: ClaimedJob,
    report: Report,
    version: Version<'_>,
    descendants_max: u64,
    note: Note,
) -> Box<Ended> {
    let spec = version.spec;
    let past = Past {
        attempt: job.attempt,
        snoozes: job.snoozes,
        snoozed_ms: job.snoozed_ms,
        larger_memory: match spec.retry.larger_memory_of(&job.limits) {
            None => LargerMemory::None,
            Some(_) if job.larger_memory => LargerMemory::Had,
            Some(_) => LargerMemory::Offered,
        },
    };
    let has_begun = report.has_begun();
    let decide = |outcome| transition(outcome, past, &spec.retry, &spec.snooze, fastrand::f64());
    let overtaken = (!report.children.is_empty()).then(|| {
        let failure = Failure::new(OutcomeKind::FailedRetryable, "overtaken");
        decide(Outcome::Failed(failure)).next
    });
    let decision = decide(report.outcome);
    let sign = sign(&job, version, &decision).filter(|_| has_begun);
    let trace = note.traced.as_ref().map(|(traced, _)| traced.id());
    if let Some(failure) = &decision.failure {
        let then = match &decision.next {
            Next::Retry { delay_ms } => format!("next attempt in {delay_ms} ms"),
            Next::RetryLarger => "next attempt at once, with the larger memory".to_owned(),
            Next::Release => "given back, not counted".to_owned(),
            Next::Discard => "discarded".to_owned(),
            other => format!("{other:?}"),
        };
        info!(
            job = %job.id, chain = %job.chain_id, r#type = %spec.name, attempt = job.attempt,
            trace, outcome = %failure.kind, then, "{}", failure.message
        );
    } else {
        debug!(
            job = %job.id, chain = %job.chain_id, r#type = %spec.name, attempt = job.attempt,
            trace, outcome = %decision.outcome, "attempt ended"
        );
    }
    let settlement = Settlement {
        job: job.id,
        token: job.token,
        next: decision.next,
        outcome: decision.outcome,
        failure: decision.failure,
        usage: report.usage,
        deployment: has_begun.then_some(version.deployment),
        log: report.log,
        progress: report.progress,
        children: report.children,
        lineage: job.lineage,
        descendants_max,
        keep: spec.keep,
    };
    Box::new(Ended {
        settlement,
        overtaken,
        note: Note { sign, ..note },
    })
}
