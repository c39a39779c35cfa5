//! The claimer: the only part of a worker that asks for jobs.

use std::sync::Arc;
use std::time::Duration;

use hardstop_domain::{Limits, LimitsPatch, TypeId};
use hardstop_sandbox::StopSignal;
use hardstop_store::{ClaimRequest, ClaimedJob};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::sleep;
use tracing::warn;

use super::admission::Place;
use super::session::Lease;
use super::settler::Ended;
use super::{Phase, Shared, runner};
use crate::catalogue::Entry;

/// Claims while the worker works. Ends with the drain; attempts that it started go on.
pub async fn run(shared: Arc<Shared>, settlements: mpsc::Sender<Ended>) {
    let mut failures = 0;
    loop {
        // The drain may begin at any wait, but a claim that was sent is always heard out: its jobs
        // are this worker's.
        let ready = tokio::select! {
            biased;
            () = shared.reached(Phase::Draining) => return,
            ready = lease_and_slots(&shared) => ready,
        };
        let Some((lease, mut slots)) = ready else {
            return;
        };
        let free = slots.num_permits() as u32;
        let (quotas, limited) = quotas(&shared, free);
        let mut claimed = 0;
        if !quotas.is_empty() {
            let token = lease.next_token();
            let request = ClaimRequest {
                token,
                quotas,
                total: free,
            };
            let cancels = shared.running.cancels();
            match shared.store.claim(&request).await {
                Ok(jobs) => {
                    failures = 0;
                    claimed = jobs.len() as u32;
                    // Held while the attempts are noted: whoever takes the lease away stops them after.
                    let now = shared.lease.borrow();
                    if now.as_ref().is_some_and(|now| Arc::ptr_eq(now, &lease)) {
                        for job in jobs {
                            let Some(slot) = slots.split(1) else { break };
                            let (handle, signal) = StopSignal::pair();
                            shared.running.add(job.id, job.token, job.type_id, handle);
                            let place = place(&shared, &job);
                            let run = runner::run(
                                Arc::clone(&shared),
                                job,
                                signal,
                                settlements.clone(),
                                slot,
                                place,
                            );
                            tokio::spawn(run);
                        }
                        // Between the claim's commit and now, a cancel found nothing here to stop.
                        if claimed > 0 && shared.running.cancels() != cancels {
                            shared.signals.heartbeat.notify_one();
                        }
                    } else {
                        // The answer was long on its way, and others may have been given the jobs.
                        warn!(
                            claimed,
                            "the lease ended before the claim was answered: not run"
                        );
                        lease.lose_claim(token);
                        shared.signals.heartbeat.notify_one();
                    }
                }
                Err(error) => {
                    failures += 1;
                    lease.lose_claim(token);
                    let pause = backoff(failures);
                    warn!(%error, ?pause, "claim failed");
                    // A session that has ended is found by its heartbeat.
                    shared.signals.heartbeat.notify_one();
                    drop(slots);
                    tokio::select! {
                        biased;
                        () = shared.reached(Phase::Draining) => return,
                        () = sleep(pause) => continue,
                    }
                }
            }
        }
        drop(slots);
        if claimed == free {
            continue;
        }
        // Fewer than asked for: nothing else was ready. Whatever becomes ready from now on wakes.
        tokio::select! {
            biased;
            () = shared.reached(Phase::Draining) => return,
            () = shared.signals.claim.notified() => {}
            () = shared.signals.freed.notified(), if limited => {}
            () = sleep(shared.config.poll_interval) => {}
        }
    }
}

/// Waits until the session may claim and a slot is free, then takes every free slot.
async fn lease_and_slots(shared: &Shared) -> Option<(Arc<Lease>, OwnedSemaphorePermit)> {
    let mut slots = Arc::clone(&shared.slots).acquire_owned().await.ok()?;
    let mut watch = shared.lease.subscribe();
    let lease = watch.wait_for(Option::is_some).await.ok()?.clone()?;
    let more = shared.slots.available_permits() as u32;
    // Only this task takes slots while the worker works, so what is free stays free.
    if let Ok(more) = Arc::clone(&shared.slots).try_acquire_many_owned(more) {
        slots.merge(more);
    }
    Some((lease, slots))
}

/// How many jobs of each type to ask for, and whether any type was asked for less than there is
/// room for: then its end, too, is a reason to claim.
fn quotas(shared: &Shared, free: u32) -> (Vec<(TypeId, u32)>, bool) {
    let running = shared.running.count_by_type();
    let catalogue = shared.catalogue();
    let types: Vec<(&Arc<Entry>, Limits)> = catalogue
        .entries()
        .filter_map(|entry| Some((entry, claimable(shared, entry)?)))
        .collect();
    let by_memory = shared
        .admission
        .quotas(&types.iter().map(|(_, limits)| limits).collect::<Vec<_>>());
    let mut limited = false;
    let mut quotas = Vec::new();
    for ((entry, _), by_memory) in types.iter().zip(by_memory) {
        let id = entry.active.id;
        let quota = match shared.config.quotas.get(&entry.active.spec.name) {
            Some(quota) => quota.saturating_sub(running.get(&id).copied().unwrap_or(0)),
            None => free,
        };
        let quota = quota.min(by_memory).min(free);
        limited |= quota < free;
        if quota > 0 {
            quotas.push((id, quota));
        }
    }
    (quotas, limited)
}

/// The limits of a type's jobs, if this worker runs them.
fn claimable(shared: &Shared, entry: &Entry) -> Option<Limits> {
    let spec = &entry.active.spec;
    // An external type is run by nobody.
    spec.component?;
    let types = shared.config.types.as_ref();
    if types.is_some_and(|types| !types.contains(&spec.name)) {
        return None;
    }
    if entry.active.quarantine.is_some() {
        return None;
    }
    // Every attempt must fit: one that does not would be claimed again and again.
    if shared.no_room(entry).is_some() {
        return None;
    }
    let in_force = entry.in_force();
    in_force
        .limits(&LimitsPatch::default(), false, &shared.ceiling)
        .ok()
}

/// Where a job that was just claimed stands among those that want memory. None for one that cannot run anyway.
fn place(shared: &Shared, job: &ClaimedJob) -> Option<Place> {
    let catalogue = shared.catalogue();
    let entry = catalogue.by_id(job.type_id)?;
    let version = entry.version_of(job.id);
    let limits = version.limits(&job.limits, job.larger_memory, &shared.ceiling);
    Some(shared.admission.enter(&limits.ok()?))
}

/// From a tenth of a second to five, doubling, with jitter so that many hosts do not return at once.
fn backoff(failures: u32) -> Duration {
    let bound = Duration::from_millis(100 << failures.min(6)).min(Duration::from_secs(5));
    bound.mul_f64(0.5 + fastrand::f64() / 2.0)
}
