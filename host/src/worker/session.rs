//! The session: one registration, one heartbeat, however many jobs run.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hardstop_domain::{JobId, LeaseToken, SessionId};
use hardstop_sandbox::Stop;
use hardstop_store::Settlement;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};

use super::running::Running;
use super::settler::release;
use super::{Abandoned, Shared};

/// The least time between two heartbeats. On SQLite each is a commit that wakes every other worker
/// of the file, which then asks what it still holds: without a pause they would wake each other for
/// ever.
const HEARTBEAT_PAUSE: Duration = Duration::from_millis(100);

/// How long a lost claim is remembered of which the session holds nothing. It may still be on its way to the database;
/// but the database ends every statement after seconds, and it is long over by then.
const LOST_CLAIM_KEPT: Duration = Duration::from_secs(600);

/// Why a job is given back that the session holds and nobody here knows of.
const UNKNOWN_END: &str =
    "the database's answer to the claim was lost, or the settlement could not be written";

/// A session that this worker may claim under.
pub struct Lease {
    /// The session.
    pub session: SessionId,
    batches: AtomicU32,
    /// Claims whose reply never came. What they leased runs nowhere, whether they were committed or
    /// not, and must be given back.
    lost_claims: Mutex<HashMap<LeaseToken, Instant>>,
}

impl Lease {
    /// A lease under a session just opened.
    pub fn new(session: SessionId) -> Self {
        Self {
            session,
            batches: AtomicU32::new(0),
            lost_claims: Mutex::default(),
        }
    }

    /// Notes a claim that ended with an error.
    pub fn lose_claim(&self, token: LeaseToken) {
        self.lost_claims().insert(token, Instant::now());
    }

    fn lost_claims(&self) -> MutexGuard<'_, HashMap<LeaseToken, Instant>> {
        self.lost_claims
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The leases under which the session may hold something that matters here. Those of a session before are no business of
    /// this one: a rescue sees to them.
    fn in_use(&self, running: &Running, abandoned: &Abandoned) -> Vec<LeaseToken> {
        let mut leases: Vec<LeaseToken> = running.leases();
        leases.extend(self.lost_claims().keys());
        leases.extend(abandoned.keys().map(|key| key.1));
        leases.retain(|lease| lease.session() == self.session);
        leases.sort_unstable();
        leases.dedup();
        leases
    }

    /// What the session holds and nobody here runs or settles: it is to be given back.
    fn orphans(&self, held: &[(JobId, LeaseToken)], abandoned: &Abandoned) -> Vec<Settlement> {
        let lost = self.lost_claims();
        held.iter()
            .filter(|key| lost.contains_key(&key.1) || abandoned.contains_key(key))
            .map(|(job, token)| release(*job, *token, UNKNOWN_END))
            .collect()
    }

    /// Forgets claims that were lost long ago and of which the session holds nothing.
    fn forget_claims(&self, held: &[(JobId, LeaseToken)], now: Instant) {
        let held: HashSet<LeaseToken> = held.iter().map(|key| key.1).collect();
        self.lost_claims().retain(|token, lost_at| {
            held.contains(token) || now.saturating_duration_since(*lost_at) < LOST_CLAIM_KEPT
        });
    }

    /// A token that no claim has had.
    pub fn next_token(&self) -> LeaseToken {
        LeaseToken::new(self.session, self.batches.fetch_add(1, Ordering::Relaxed))
    }
}

/// Renews the lease for ever. `opened_at` is when the session's opening was sent.
///
/// The lease is trusted from the moment that a successful heartbeat was *sent*, for its duration
/// less a quarter. When that has passed without another, guests are stopped before anybody else can
/// have been given their jobs, and nothing is claimed until the database answers again. Whatever this
/// loop waits for, it stops them in time.
///
/// `lease` is the published one: it was opened, at `opened_at`, before anything could be claimed under it.
pub async fn renew(shared: Arc<Shared>, host: String, mut lease: Arc<Lease>, opened_at: Instant) {
    let lease_duration = shared.config.lease_duration;
    let trust = lease_duration - lease_duration / 4;
    let period = lease_duration / 3;
    let mut trusted_until = opened_at + trust;
    let mut sent_at = opened_at;
    let mut pause = period.saturating_sub(opened_at.elapsed());
    loop {
        let pausing = async {
            tokio::select! {
                biased;
                () = sleep(pause) => {}
                () = shared.signals.heartbeat.notified() => {
                    sleep_until(sent_at + HEARTBEAT_PAUSE).await;
                }
            }
        };
        trusting(&shared, trusted_until, pausing).await;
        sent_at = Instant::now();
        // The store bounds the wait. Ended from here, the call would leave its connection to a pool
        // that waits for it without a bound.
        let leases = lease.in_use(&shared.running, &shared.abandoned());
        let beat = shared.store.heartbeat(lease.session, &leases);
        match trusting(&shared, trusted_until, beat).await {
            Ok(heartbeat) if heartbeat.alive => {
                for job in shared.running.reconcile(&heartbeat.held, &leases) {
                    info!(%job, "stopped: this worker no longer holds it (cancelled or rescued)");
                }
                let orphans = lease.orphans(&heartbeat.held, &shared.abandoned());
                give_back(&shared, orphans);
                lease.forget_claims(&heartbeat.held, Instant::now());
                forget_abandoned(&mut shared.abandoned(), &heartbeat.held, sent_at);
                trusted_until = sent_at + trust;
                // An answer that was long on its way says little about now: ask again.
                pause = match Instant::now() < trusted_until {
                    true => {
                        publish(&shared, &lease);
                        // From when it was sent: a slow answer leaves less time for the next.
                        (sent_at + period).saturating_duration_since(Instant::now())
                    }
                    false => Duration::ZERO,
                };
                continue;
            }
            Ok(_) => {
                // In this order: a claim that is answered now finds that the lease is gone.
                shared.lease.send_replace(None);
                let revoked = shared.running.revoke_all();
                warn!(session = %lease.session, revoked, "the session was ended by a rescue: opening another");
                let opened_at = Instant::now();
                let types = shared.config.types();
                let opened = shared
                    .store
                    .open_session(&host, lease_duration, types.as_deref());
                match opened.await {
                    Ok(session) => {
                        lease = Arc::new(Lease::new(session));
                        trusted_until = opened_at + trust;
                        info!(%session, "session opened");
                        // One whose opening took so long is asked for first.
                        pause = match Instant::now() < trusted_until {
                            true => {
                                publish(&shared, &lease);
                                period
                            }
                            false => Duration::ZERO,
                        };
                        continue;
                    }
                    Err(error) => warn!(%error, "cannot open a session"),
                }
            }
            Err(error) => warn!(%error, session = %lease.session, "heartbeat failed"),
        }
        // Never faster than ten a second.
        pause = (period / 4).clamp(Duration::from_millis(100), Duration::from_secs(1));
    }
}

/// Waits for something. Should trust in the lease end before it, every guest is stopped at that
/// moment, and the wait goes on.
async fn trusting<T>(shared: &Shared, trusted_until: Instant, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        // Trust that has ended is acted upon, also where the answer is there by now.
        biased;
        () = sleep_until(trusted_until), if shared.lease.borrow().is_some() => {}
        done = &mut work => return done,
    }
    // In this order: a claim that is answered now finds that the lease is gone.
    shared.lease.send_replace(None);
    let stopped = shared.running.stop_all(Stop::Interrupted);
    warn!(
        stopped,
        "the lease may run out: stopped every guest, claiming nothing"
    );
    work.await
}

/// Forgets abandoned jobs that the session no longer holds: a token is never used again. `held` is what the database
/// said to a question sent at `asked_at`; a job that was abandoned later may have been claimed later, too.
fn forget_abandoned(abandoned: &mut Abandoned, held: &[(JobId, LeaseToken)], asked_at: Instant) {
    let held: HashSet<&(JobId, LeaseToken)> = held.iter().collect();
    abandoned.retain(|key, since| held.contains(key) || *since >= asked_at);
}

/// Beside the heartbeats, which must not wait for it.
fn give_back(shared: &Arc<Shared>, orphans: Vec<Settlement>) {
    if orphans.is_empty() {
        return;
    }
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        // What fails now is still held at the next heartbeat.
        match shared.store.settle(&orphans).await {
            Ok(_) => info!(jobs = orphans.len(), "gave back jobs that nobody runs"),
            Err(error) => warn!(%error, "cannot give back jobs that nobody runs"),
        }
    });
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

#[cfg(test)]
mod tests {
    use super::*;
    use hardstop_domain::Next;
    use uuid::Uuid;

    #[test]
    fn only_what_nobody_runs_is_given_back() {
        let lease = Lease::new(SessionId(3));
        let (first, second) = (lease.next_token(), lease.next_token());
        assert_ne!(first, second, "one token, one claim");
        let held = [
            (JobId(Uuid::from_u128(1)), first),
            (JobId(Uuid::from_u128(2)), second),
        ];
        let mut abandoned = Abandoned::new();
        assert!(lease.orphans(&held, &abandoned).is_empty());
        lease.lose_claim(second);
        let orphans = lease.orphans(&held, &abandoned);
        assert_eq!(orphans.len(), 1);
        assert_eq!((orphans[0].job, orphans[0].token), held[1]);
        assert_eq!(orphans[0].next, Next::Release);
        abandoned.insert(held[0], Instant::now());
        assert_eq!(lease.orphans(&held, &abandoned).len(), 2);
    }

    #[test]
    fn every_lease_is_asked_for_once_under_which_something_may_be_held() {
        let lease = Lease::new(SessionId(3));
        let leases: Vec<LeaseToken> = (0..4).map(|_| lease.next_token()).collect();
        let running = Running::default();
        assert!(lease.in_use(&running, &Abandoned::new()).is_empty());
        for (number, token) in [(1, leases[2]), (2, leases[2]), (3, leases[0])] {
            let (stop, _) = hardstop_sandbox::StopSignal::pair();
            let job = JobId(Uuid::from_u128(number));
            running.add(job, token, hardstop_domain::TypeId(1), stop);
        }
        let (stop, _) = hardstop_sandbox::StopSignal::pair();
        let before = LeaseToken::new(SessionId(2), 7);
        running.add(
            JobId(Uuid::from_u128(5)),
            before,
            hardstop_domain::TypeId(1),
            stop,
        );
        lease.lose_claim(leases[1]);
        let abandoned = (JobId(Uuid::from_u128(4)), leases[3]);
        let abandoned = Abandoned::from([(abandoned, Instant::now())]);
        assert_eq!(lease.in_use(&running, &abandoned), leases);
    }

    #[test]
    fn a_lost_claim_is_forgotten_when_it_is_over_and_nothing_of_it_is_held() {
        let lease = Lease::new(SessionId(3));
        let (holding, other) = (lease.next_token(), lease.next_token());
        let held = [(JobId(Uuid::from_u128(1)), holding)];
        lease.lose_claim(holding);
        lease.lose_claim(other);
        lease.forget_claims(&held, Instant::now());
        assert_eq!(lease.lost_claims().len(), 2, "it may be on its way");
        lease.forget_claims(&held, Instant::now() + LOST_CLAIM_KEPT);
        let left: Vec<_> = lease.lost_claims().keys().copied().collect();
        assert_eq!(left, [holding]);
        lease.forget_claims(&[], Instant::now() + LOST_CLAIM_KEPT);
        assert!(lease.lost_claims().is_empty());
    }

    #[test]
    fn an_abandoned_job_is_forgotten_when_it_is_no_longer_held() {
        let token = LeaseToken::new(SessionId(3), 1);
        let [held, settled, later] = [1, 2, 3].map(|n| (JobId(Uuid::from_u128(n)), token));
        let asked_at = Instant::now();
        let before = asked_at - Duration::from_millis(1);
        let mut abandoned = Abandoned::from([(held, before), (settled, before), (later, asked_at)]);
        forget_abandoned(&mut abandoned, &[held], asked_at);
        let mut left: Vec<_> = abandoned.keys().copied().collect();
        left.sort();
        assert_eq!(
            left,
            [held, later],
            "what is not in the answer may be newer"
        );
        forget_abandoned(&mut abandoned, &[], asked_at + Duration::from_millis(1));
        assert!(abandoned.is_empty());
    }
}
