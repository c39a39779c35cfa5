//! External jobs past their deadline: discarded by whichever worker looks first.

use std::sync::Arc;

use tokio::time::sleep;
use tracing::{info, warn};

use super::Shared;

/// Discards external jobs at their deadline: sleeps until the next one, at most one poll interval.
pub async fn expire(shared: Arc<Shared>) {
    loop {
        let mut pause = shared.config.poll_interval;
        match shared.store.expire_external().await {
            Ok(expired) => {
                if let Some(due_in) = expired.next_due_in {
                    pause = pause.min(due_in);
                }
                if expired.count > 0 {
                    info!(
                        jobs = expired.count,
                        "discarded external jobs past their deadline"
                    );
                }
            }
            Err(error) => warn!(%error, "cannot look for external jobs past their deadline"),
        }
        sleep(pause).await;
    }
}
