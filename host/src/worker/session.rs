//! The session: one registration, one heartbeat, however many jobs run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hardstop_domain::{LeaseToken, SessionId};
use hardstop_sandbox::Stop;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{info, warn};

use super::Shared;

/// A session that this worker may claim under.
pub struct Lease {
    /// The session.
    pub session: SessionId,
    batches: AtomicU32,
}

impl Lease {
    /// A lease under a session just opened.
    pub fn new(session: SessionId) -> Self {
        Self {
            session,
            batches: AtomicU32::new(0),
        }
    }

    /// A token that no claim has had.
    pub fn next_token(&self) -> LeaseToken {
        LeaseToken::new(self.session, self.batches.fetch_add(1, Ordering::Relaxed))
    }
}

/// Renews the lease for ever.
///
/// The lease is trusted from the moment that a successful heartbeat was *sent*, for its duration
/// less a quarter. When that has passed without another, guests are stopped before anybody else can
/// have been given their jobs, and nothing is claimed until the database answers again.
pub async fn renew(shared: Arc<Shared>, host: String, session: SessionId) {
    let lease_duration = shared.config.lease_duration;
    let trust = lease_duration - lease_duration / 4;
    let period = lease_duration / 3;
    let mut lease = Arc::new(Lease::new(session));
    // The first lease was published by whoever opened the session.
    if let Some(published) = shared.lease.borrow().clone() {
        lease = published;
    }
    let mut trusted_until = Instant::now() + trust;
    let mut pause = period;
    loop {
        tokio::select! {
            () = sleep(pause) => {}
            () = shared.signals.heartbeat.notified() => {}
        }
        let sent_at = Instant::now();
        let give_up_at = trusted_until.max(sent_at + Duration::from_secs(1));
        match timeout_at(give_up_at, shared.store.heartbeat(lease.session)).await {
            Ok(Ok(heartbeat)) if heartbeat.alive => {
                for job in shared
                    .running
                    .reconcile(&heartbeat.held, sent_at.into_std())
                {
                    info!(%job, "stopped: this worker no longer holds it (cancelled or rescued)");
                }
                trusted_until = sent_at + trust;
                pause = period;
                publish(&shared, &lease);
                continue;
            }
            Ok(Ok(_)) => {
                let revoked = shared.running.revoke_all();
                shared.lease.send_replace(None);
                warn!(session = %lease.session, revoked, "the session was ended by a rescue: opening another");
                let opened_at = Instant::now();
                match shared.store.open_session(&host, lease_duration).await {
                    Ok(session) => {
                        lease = Arc::new(Lease::new(session));
                        trusted_until = opened_at + trust;
                        pause = period;
                        info!(%session, "session opened");
                        publish(&shared, &lease);
                        continue;
                    }
                    Err(error) => warn!(%error, "cannot open a session"),
                }
            }
            Ok(Err(error)) => warn!(%error, session = %lease.session, "heartbeat failed"),
            Err(_) => warn!(session = %lease.session, "the database does not answer heartbeats"),
        }
        let now = Instant::now();
        if now >= trusted_until && shared.lease.borrow().is_some() {
            shared.lease.send_replace(None);
            let stopped = shared.running.stop_all(Stop::Interrupted);
            warn!(
                stopped,
                "the lease may run out: stopped every guest, claiming nothing"
            );
        }
        // Close enough to the end of trust to act before it, and never faster than ten a second.
        pause = (period / 4)
            .min(trusted_until.saturating_duration_since(now))
            .clamp(Duration::from_millis(100), Duration::from_secs(1));
    }
}

fn publish(shared: &Shared, lease: &Arc<Lease>) {
    let known = shared
        .lease
        .borrow()
        .as_ref()
        .is_some_and(|now| Arc::ptr_eq(now, lease));
    if !known {
        shared.lease.send_replace(Some(Arc::clone(lease)));
        shared.signals.claim.notify_one();
    }
}
