//! How this worker stands, told to the store for people to see; and whether somebody asked it to drain.

use std::sync::Arc;
use std::time::Duration;

use hardstop_store::Standing;
use tokio::time::sleep;
use tracing::debug;

use super::{Phase, Shared};

/// How often it is told, where it has changed, and looked whether somebody asked for a drain.
const INTERVAL: Duration = Duration::from_secs(2);

impl Shared {
    /// How this worker stands.
    pub(super) fn standing(&self) -> Standing {
        Standing {
            slots: self.config.concurrency,
            slots_used: u32::try_from(self.running.count()).unwrap_or(u32::MAX),
            memory_budget: self.admission.budget().bytes,
            memory_admitted: self.admission.admitted(),
            draining: *self.phase.borrow() >= Phase::Draining,
        }
    }
}

/// Tells how this worker stands, for ever. On SQLite a commit wakes every other worker, so nothing is written where
/// nothing has changed.
pub async fn tell(shared: Arc<Shared>) {
    let mut told = None;
    loop {
        let lease = shared.lease.borrow().clone();
        if let Some(lease) = lease {
            let now = (lease.session, shared.standing());
            let changed = (told != Some(now)).then_some(now.1);
            match shared.store.stand(lease.session, changed).await {
                Ok(asked) => {
                    told = Some(now);
                    if asked {
                        shared.signals.drain.notify_one();
                    }
                }
                Err(error) => debug!(%error, "cannot tell how this worker stands: trying again"),
            }
        }
        tokio::select! {
            biased;
            () = sleep(INTERVAL) => {}
            () = shared.signals.stand.notified() => {}
        }
    }
}
