//! Fires schedules at their time. Every host does; the database lets each time be fired once.

use std::sync::Arc;
use std::time::Duration;

use hardstop_store::FireCheck;
use tokio::time::sleep;
use tracing::{info, warn};

use super::Shared;
use crate::catalogue::Catalogue;

/// How soon after a look the next may follow.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// Sleeps until the next schedule is due, at most one poll interval.
pub async fn fire(shared: Arc<Shared>) {
    let check = check(&shared);
    loop {
        let mut pause = shared.config.poll_interval;
        match shared.store.fire_due(&check).await {
            Ok(fired) => {
                if let Some(due_in) = fired.next_due_in {
                    pause = pause.min(due_in);
                }
                for (schedule, chain) in &fired.started {
                    info!(%schedule, %chain, "a schedule started a chain");
                }
                for (schedule, reason) in &fired.failed {
                    warn!(%schedule, reason, "a schedule could not start its chain");
                }
                if !fired.started.is_empty() {
                    shared.signals.claim.notify_one();
                }
            }
            Err(error) => warn!(%error, "cannot fire schedules"),
        }
        sleep(LOOK_PAUSE).await;
        tokio::select! {
            () = sleep(pause.saturating_sub(LOOK_PAUSE)) => {}
            () = shared.signals.schedule.notified() => {}
        }
    }
}

/// Whether an input fits its type as the database has it now, which may be newer than what this worker
/// has heard of.
fn check(shared: &Arc<Shared>) -> FireCheck {
    let shared = Arc::clone(shared);
    Arc::new(move |active, job| {
        Catalogue::new(vec![active.clone()], &shared.catalogue())
            .check_start(job, &shared.ceiling)
            .map_err(|error| error.to_string())
    })
}
