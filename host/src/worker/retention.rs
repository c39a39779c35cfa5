//! Forgets final jobs that are older than they are kept for. Any number of hosts do it beside each other: one
//! at a time comes to something.

use std::sync::Arc;
use std::time::Duration;

use hardstop_store::Retention;
use tokio::time::sleep;
use tracing::{debug, info, warn};

use super::Shared;

/// How often to look at the most and at the least.
const INTERVAL_MAX: Duration = Duration::from_secs(300);
const INTERVAL_MIN: Duration = Duration::from_secs(1);
/// Between two steps, so that what waits for the database comes in between.
const STEP_PAUSE: Duration = Duration::from_millis(20);

/// Steps until there is no more, and looks again as often as the shortest retention calls for.
pub async fn retain(shared: Arc<Shared>) {
    let retention = shared.config.retention;
    let Some(interval) = interval(&retention) else {
        return;
    };
    loop {
        // Jitter, so that many hosts do not ask at the same moment.
        sleep(interval.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
        let (mut jobs, mut partitions) = (0, 0);
        loop {
            match shared.store.retain(&retention).await {
                Ok(step) => {
                    jobs += step.jobs;
                    partitions += step.partitions;
                    if !step.more {
                        break;
                    }
                }
                Err(error) => {
                    warn!(%error, "cannot forget old jobs");
                    break;
                }
            }
            sleep(STEP_PAUSE).await;
        }
        match partitions {
            0 if jobs == 0 => {}
            0 => debug!(jobs, "forgot old jobs"),
            _ => info!(jobs, partitions, "forgot old jobs"),
        }
    }
}

/// None where everything is kept for ever.
fn interval(retention: &Retention) -> Option<Duration> {
    [
        retention.completed,
        retention.discarded,
        retention.cancelled,
    ]
    .into_iter()
    .flatten()
    .min()
    .map(|shortest| shortest.clamp(INTERVAL_MIN, INTERVAL_MAX))
}
