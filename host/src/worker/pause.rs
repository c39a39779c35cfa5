//! Ends pauses at their time, so that idle workers take up the work at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{info, warn};

use super::Shared;

/// How soon after a look the next may follow.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// Sleeps until the next pause is over, at most one poll interval.
pub async fn end(shared: Arc<Shared>) {
    loop {
        let mut pause = shared.config.poll_interval;
        match shared.store.end_pauses().await {
            Ok(ended) => {
                if let Some(due_in) = ended.next_due_in {
                    pause = pause.min(due_in);
                }
                if ended.count > 0 {
                    info!(count = ended.count, "pauses are over");
                    shared.signals.claim.notify_one();
                }
            }
            Err(error) => warn!(%error, "cannot end pauses"),
        }
        sleep(LOOK_PAUSE).await;
        tokio::select! {
            () = sleep(pause.saturating_sub(LOOK_PAUSE)) => {}
            () = shared.signals.pause.notified() => {}
        }
    }
}
