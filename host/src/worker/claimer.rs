//! The claimer: the only part of a worker that asks for jobs.

use std::sync::Arc;
use std::time::Duration;

use hardstop_domain::{Limits, LimitsPatch, TypeId};
use hardstop_sandbox::StopSignal;
use hardstop_store::{ClaimRequest, ClaimedJob, StoreError};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use super::pace::wanted;
use super::session::Lease;
use super::settler::{Ended, release};
use super::slot::Waiting;
use super::{Phase, Shared};
use crate::catalogue::Entry;

/// A job that was claimed ahead and has waited for so long is given back: what the slots run takes longer than was to be
/// expected, and another host may have a free one.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Claims while the worker works. At its end it gives back what no slot has taken up; attempts that have begun go on.
pub async fn run(shared: Arc<Shared>, ended: mpsc::Sender<Box<Ended>>) {
    let mut failures = 0;
    // Whether a claim may find something: the last one was answered in full, or there is news since.
    let mut more = true;
    // Whether the last one asked for less of a type than there are slots for.
    let mut limited = false;
    loop {
        // The drain may begin at any wait, but a claim that was sent is always heard out: its jobs
        // are this worker's.
        let lease = tokio::select! {
            biased;
            () = shared.reached(Phase::Draining) => break,
            lease = lease(&shared) => lease,
        };
        let Some(lease) = lease else { break };
        let now = Instant::now();
        if let Some(before) = now.checked_sub(WAIT_MAX) {
            give_back(&shared, shared.slots.take_back(Some(before)), &ended);
        }
        if more {
            let request;
            (request, limited) = plan(&shared, &lease, now);
            if let Some(request) = request {
                match claim(&shared, &lease, &request).await {
                    Ok(claimed) => {
                        failures = 0;
                        more = claimed.count == request.total;
                        shared.slots.push(claimed.jobs, &shared, &ended);
                        if more {
                            continue;
                        }
                    }
                    Err(error) => {
                        failures += 1;
                        let pause = backoff(failures);
                        warn!(%error, ?pause, "claim failed");
                        tokio::select! {
                            biased;
                            () = shared.reached(Phase::Draining) => break,
                            () = sleep(pause) => continue,
                        }
                    }
                }
            }
        }
        let pause = match shared.slots.room().waiting {
            0 => shared.config.poll_interval,
            _ => shared.config.poll_interval.min(WAIT_MAX),
        };
        tokio::select! {
            biased;
            () = shared.reached(Phase::Draining) => break,
            () = shared.signals.claim.notified() => more = true,
            () = shared.slots.freed(), if more || limited => more = true,
            () = sleep(pause) => more = true,
        }
    }
    give_back(&shared, shared.slots.take_back(None), &ended);
}

/// Waits until the session may claim.
async fn lease(shared: &Shared) -> Option<Arc<Lease>> {
    let mut watch = shared.lease.subscribe();
    watch.wait_for(Option::is_some).await.ok()?.clone()
}

/// What came of a claim.
struct Claimed {
    /// How many jobs it leased.
    count: u32,
    /// Those that may run.
    jobs: Vec<Waiting>,
}

async fn claim(
    shared: &Shared,
    lease: &Arc<Lease>,
    request: &ClaimRequest,
) -> Result<Claimed, StoreError> {
    let cancels = shared.running.cancels();
    let began = Instant::now();
    let jobs = match shared.store.claim(request).await {
        Ok(jobs) => jobs,
        Err(error) => {
            lease.lose_claim(request.token);
            // A session that has ended is found by its heartbeat.
            shared.signals.heartbeat.notify_one();
            return Err(error);
        }
    };
    let since = Instant::now();
    let count = jobs.len() as u32;
    let metrics = &shared.telemetry.metrics.worker;
    metrics.claims.inc();
    metrics.claimed.inc_by(u64::from(count));
    let input_bytes = jobs.iter().map(|job| job.input.len()).sum();
    shared
        .pace
        .note_claim(since - began, jobs.len(), input_bytes);
    // Held while the attempts are noted: whoever takes the lease away stops them after.
    let now = shared.lease.borrow();
    if !now.as_ref().is_some_and(|now| Arc::ptr_eq(now, lease)) {
        // The answer was long on its way, and others may have been given the jobs.
        warn!(
            claimed = count,
            "the lease ended before the claim was answered: not run"
        );
        lease.lose_claim(request.token);
        shared.signals.heartbeat.notify_one();
        let jobs = Vec::new();
        return Ok(Claimed { count, jobs });
    }
    let note = |job: ClaimedJob| {
        let (handle, stop) = StopSignal::pair();
        shared.running.add(job.id, job.token, job.type_id, handle);
        Waiting { job, stop, since }
    };
    let jobs = jobs.into_iter().map(note).collect();
    // Between the claim's commit and now, a cancel found nothing here to stop.
    if count > 0 && shared.running.cancels() != cancels {
        shared.signals.heartbeat.notify_one();
    }
    Ok(Claimed { count, jobs })
}

/// Gives jobs back that no slot has taken up.
fn give_back(shared: &Shared, jobs: Vec<Waiting>, ended: &mpsc::Sender<Box<Ended>>) {
    if !jobs.is_empty() {
        debug!(jobs = jobs.len(), "giving back what was claimed ahead");
    }
    for Waiting { job, .. } in jobs {
        let revoked = shared.running.remove(job.id, job.token);
        if revoked {
            continue;
        }
        let settlement = release(
            job.id,
            job.token,
            "claimed ahead by a worker that had no slot for it in time",
        );
        // Where the settler is behind, the heartbeat gives it back, or the end of the session: a drain waits for this.
        if ended.try_send(Ended::bare(settlement)).is_err() {
            let key = (job.id, job.token);
            shared.abandoned().insert(key, Instant::now());
        }
    }
}

/// What to claim now, if anything; and whether less is asked for of any type than there are slots for: then the end of a
/// job, too, is a reason to claim.
fn plan(shared: &Shared, lease: &Lease, now: Instant) -> (Option<ClaimRequest>, bool) {
    let room = shared.slots.room();
    let ahead = shared.pace.ahead(now);
    shared.slots.set_low(ahead / 2);
    let total = wanted(room, ahead);
    if total == 0 {
        return (None, true);
    }
    let (quotas, limited) = quotas(shared, total, ahead);
    let request = (!quotas.is_empty()).then(|| ClaimRequest {
        token: lease.next_token(),
        quotas,
        total,
    });
    (request, limited)
}

/// How many jobs of each type to ask for, of so many in all and so many ahead of the slots.
fn quotas(shared: &Shared, total: u32, ahead: u32) -> (Vec<(TypeId, u32)>, bool) {
    let running = shared.running.count_by_type();
    let catalogue = shared.catalogue();
    let types: Vec<(&Arc<Entry>, Limits)> = catalogue
        .entries()
        .filter_map(|entry| Some((entry, claimable(shared, entry)?)))
        .collect();
    let by_memory = shared.admission.quotas(
        &types.iter().map(|(_, limits)| limits).collect::<Vec<_>>(),
        ahead > 0,
    );
    // Slots that long jobs may have: those of short ones are free in a moment.
    let is_short = |id| ahead > 0 && shared.pace.is_short(id);
    let long: u32 = running
        .iter()
        .filter(|(id, _)| !is_short(**id))
        .map(|(_, count)| count)
        .sum();
    let for_long = shared.slots.max().saturating_sub(long);
    let mut limited = false;
    let mut quotas = Vec::new();
    for ((entry, _), by_memory) in types.iter().zip(by_memory) {
        let id = entry.active.id;
        let room = match is_short(id) {
            true => total.min(by_memory.saturating_add(ahead)),
            false => total.min(by_memory).min(for_long),
        };
        let quota = match shared.config.quotas.get(&entry.active.spec.name) {
            Some(quota) => room.min(quota.saturating_sub(running.get(&id).copied().unwrap_or(0))),
            None => room,
        };
        limited |= quota < total;
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

/// From a tenth of a second to five, doubling, with jitter so that many hosts do not return at once.
fn backoff(failures: u32) -> Duration {
    let bound = Duration::from_millis(100 << failures.min(6)).min(Duration::from_secs(5));
    bound.mul_f64(0.5 + fastrand::f64() / 2.0)
}
