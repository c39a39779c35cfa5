//! One attempt: limits, component, sandbox, and what becomes of the job.

use std::sync::Arc;
use std::time::Duration;

use hardstop_domain::{
    Failure, NewChain, NewJob, Next, Outcome, OutcomeKind, Report, TypeSpec, transition,
};
use hardstop_sandbox::{Attempt, Profile, StopSignal};
use hardstop_store::{ClaimedJob, Settlement};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tracing::{debug, error, info, warn};

use super::Shared;
use super::loader::LoadError;
use crate::catalogue::Catalogue;

/// Runs one claimed job and hands its settlement on. The slot is free when this returns.
pub async fn run(
    shared: Arc<Shared>,
    job: ClaimedJob,
    signal: StopSignal,
    settlements: mpsc::Sender<Settlement>,
    slot: OwnedSemaphorePermit,
) {
    let (id, token) = (job.id, job.token);
    let catalogue = shared.catalogue();
    let settlement = match catalogue.by_id(job.type_id) {
        Some(entry) => {
            let report = attempt(&shared, &job, &entry.active.spec, signal).await;
            let report = check_starts(report, &job, &catalogue, &shared);
            Some(settle(job, report, &entry.active.spec))
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
    drop(slot);
    shared.signals.freed.notify_one();
}

async fn attempt(shared: &Shared, job: &ClaimedJob, spec: &TypeSpec, signal: StopSignal) -> Report {
    let fatal =
        |message: String| Report::not_started(Failure::new(OutcomeKind::FailedFatal, message));
    let limits = match spec.limits.for_job(&shared.ceiling, &job.limits) {
        Ok(limits) => limits,
        Err(error) => return fatal(error.to_string()),
    };
    let profile = Profile::of(&limits);
    let prepared = match shared.loader.load(spec.component, profile).await {
        Ok(prepared) => prepared,
        Err(error @ LoadError::Unusable(..)) => {
            return Report::not_started(Failure::new(
                OutcomeKind::FailedRetryable,
                error.to_string(),
            ));
        }
        Err(error @ LoadError::Away(..)) => {
            // Given back uncounted, after a breath so that it does not come back at once.
            tokio::time::sleep(Duration::from_secs(1)).await;
            return Report::not_started(Failure::new(OutcomeKind::Interrupted, error.to_string()));
        }
    };
    prepared
        .run(Attempt {
            job: job.id,
            chain: job.chain_id,
            type_name: spec.name.clone(),
            number: job.attempt,
            attempts_left: spec.retry.attempts_max.saturating_sub(job.attempt),
            input: job.input.clone(),
            trace_parent: job.trace_parent.clone(),
            limits,
            capabilities: spec.capabilities.clone(),
            stop: signal,
            watch: None,
        })
        .await
}

/// A continuation or child that could not be started is a failure of the job that named it.
fn check_starts(
    mut report: Report,
    job: &ClaimedJob,
    catalogue: &Catalogue,
    shared: &Shared,
) -> Report {
    let check = |what: &str, start: &NewJob| {
        catalogue
            .check_start(start, &shared.ceiling)
            .map_err(|error| format!("{what} `{}`: {error}", start.type_name))
    };
    let mut result = Ok(());
    if let Outcome::Continued { next } = &mut report.outcome {
        next.trace_parent.clone_from(&job.trace_parent);
        result = check("continues with", next);
    }
    for NewChain { first, .. } in &mut report.children {
        first.trace_parent.clone_from(&job.trace_parent);
        first.priority.get_or_insert(job.priority);
        result = result.and_then(|()| check("starts a chain of", first));
    }
    if let Err(message) = result {
        report.outcome = Outcome::Failed(Failure::new(OutcomeKind::FailedFatal, message));
        report.children.clear();
    }
    report
}

fn settle(job: ClaimedJob, report: Report, spec: &TypeSpec) -> Settlement {
    let next = transition(&report.outcome, job.attempt, &spec.retry, fastrand::f64());
    if let Some(failure) = report.outcome.failure() {
        let then = match &next {
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
        debug!(job = %job.id, r#type = %spec.name, outcome = %report.outcome.kind(), "attempt ended");
    }
    Settlement {
        job: job.id,
        token: job.token,
        next,
        outcome: report.outcome.kind(),
        failure: report.outcome.failure().cloned(),
        usage: report.usage,
        log: report.log,
        progress: report.progress,
        children: report.children,
        lineage: job.lineage,
        descendants_max: u64::MAX,
    }
}
