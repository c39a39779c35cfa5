//! What any host may do at any time: promote due jobs, rescue the jobs of dead sessions, keep the
//! partitions ahead, and learn of new deployments.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::Shared;

/// How often the store's own upkeep runs.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(3_600);
/// The least pause between two looks for due jobs.
const DUE_PAUSE: Duration = Duration::from_millis(1);
/// How soon after a look for deployments the next may follow.
const REFRESH_PAUSE: Duration = Duration::from_millis(100);
/// How long without a wake-up until deployments are looked for all the same.
const REFRESH_INTERVAL: Duration = Duration::from_secs(5);

/// Makes due jobs ready, at their time: sleeps until the next is due, at most one poll interval.
pub async fn promote(shared: Arc<Shared>) {
    loop {
        let mut pause = shared.config.poll_interval;
        match shared.store.promote_due().await {
            Ok(promoted) => {
                if let Some(due_in) = promoted.next_due_in {
                    // Another host may be making it ready just now: no loop without a pause.
                    pause = pause.min(due_in.max(DUE_PAUSE));
                }
                if promoted.count > 0 {
                    shared.signals.claim.notify_one();
                }
            }
            Err(error) => warn!(%error, "cannot promote due jobs"),
        }
        tokio::select! {
            biased;
            () = sleep(pause) => {}
            () = shared.signals.promote.notified() => {}
        }
    }
}

/// Gives the jobs of dead sessions back, three times a lease; and keeps the store's house.
pub async fn rescue(shared: Arc<Shared>) {
    let period = shared.config.lease_duration / 3;
    let mut upkeep_at = Instant::now() + UPKEEP_INTERVAL;
    loop {
        match shared.store.rescue().await {
            Ok(rescued) => {
                for job in &rescued {
                    info!(
                        job = %job.job, session = %job.session, rescues = job.rescues,
                        state = %job.state, "rescued a job from a dead session"
                    );
                }
                for job in &rescued {
                    shared.statistics.gathered().rescued(job.type_id);
                    shared.metrics_of(job.type_id).rescued();
                }
                if !rescued.is_empty() {
                    shared.signals.claim.notify_one();
                    continue;
                }
            }
            Err(error) => warn!(%error, "cannot rescue"),
        }
        // What a process left behind that died between the end of a chain and telling who waits for it.
        if let Err(error) = shared.store.unblock().await {
            warn!(%error, "cannot tell the jobs that wait for closed chains");
        }
        if Instant::now() >= upkeep_at {
            if let Err(error) = shared.store.maintain().await {
                warn!(%error, "upkeep failed");
            }
            upkeep_at = Instant::now() + UPKEEP_INTERVAL;
        }
        // Jitter, so that many hosts do not ask at the same moment.
        sleep(period.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
    }
}

/// Learns of new deployments.
pub async fn refresh(shared: Arc<Shared>) {
    loop {
        tokio::select! {
            biased;
            () = sleep(REFRESH_INTERVAL) => {}
            () = shared.signals.refresh.notified() => {}
        }
        match shared.refresh_catalogue().await {
            Ok(()) => shared.signals.claim.notify_one(),
            Err(error) => warn!(%error, "cannot read the job types"),
        }
        sleep(REFRESH_PAUSE).await;
    }
}
