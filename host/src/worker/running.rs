//! The jobs that this process holds, and how to stop their attempts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hardstop_domain::{JobId, LeaseToken, TypeId};
use hardstop_sandbox::{Stop, StopHandle};
use tokio::time::Instant;

/// The attempts that run in this process.
#[derive(Default)]
pub struct Running {
    attempts: Mutex<Attempts>,
    /// How often this worker was told that a running job was cancelled, whosever it was.
    cancels: AtomicU64,
}

#[derive(Default)]
struct Attempts {
    /// In order, so that a simulated worker does the same every time.
    by_key: BTreeMap<(JobId, LeaseToken), Attempt>,
    /// How many there are of each type.
    by_type: HashMap<TypeId, u32>,
}

struct Attempt {
    type_id: TypeId,
    stop: StopHandle,
    since: Instant,
    /// The lease is gone: whatever the attempt comes to, nothing of it is written.
    revoked: bool,
}

impl Running {
    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a claimed job. Called as soon as a claim returns, with the time of that.
    pub fn add(
        &self,
        job: JobId,
        token: LeaseToken,
        type_id: TypeId,
        since: Instant,
        stop: StopHandle,
    ) {
        let attempt = Attempt {
            type_id,
            stop,
            since,
            revoked: false,
        };
        let mut attempts = self.attempts();
        attempts.by_key.insert((job, token), attempt);
        *attempts.by_type.entry(type_id).or_default() += 1;
    }

    /// Forgets a job whose attempt has ended. Returns whether its lease had been revoked.
    pub fn remove(&self, job: JobId, token: LeaseToken) -> bool {
        let mut attempts = self.attempts();
        let Some(attempt) = attempts.by_key.remove(&(job, token)) else {
            return false;
        };
        if let Some(count) = attempts.by_type.get_mut(&attempt.type_id) {
            *count -= 1;
        }
        attempt.revoked
    }

    /// Notes that a running job was cancelled. Returns whether it may be one of these.
    pub fn hear_cancel(&self) -> bool {
        // In this order, and the claimer adds before it looks: one of the two sees what the other did.
        self.cancels.fetch_add(1, Ordering::SeqCst);
        self.count() > 0
    }

    /// How many cancels were heard of. Where it has changed since a claim was sent, the claim's jobs may be meant.
    pub fn cancels(&self) -> u64 {
        self.cancels.load(Ordering::SeqCst)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.attempts().by_key.len()
    }

    /// The lease of each.
    pub fn leases(&self) -> Vec<LeaseToken> {
        self.attempts().by_key.keys().map(|key| key.1).collect()
    }

    /// How many there are of each type.
    pub fn count_by_type(&self) -> HashMap<TypeId, u32> {
        self.attempts().by_type.clone()
    }

    /// Stops every attempt. Returns how many there were.
    pub fn stop_all(&self, stop: Stop) -> usize {
        let attempts = self.attempts();
        for attempt in attempts.by_key.values() {
            attempt.stop.stop(stop);
        }
        attempts.by_key.len()
    }

    /// Stops every attempt, and lets nothing of them be written: the session is dead.
    pub fn revoke_all(&self) -> usize {
        let mut attempts = self.attempts();
        for attempt in attempts.by_key.values_mut() {
            attempt.revoked = true;
            attempt.stop.stop(Stop::Cancelled);
        }
        attempts.by_key.len()
    }

    /// Stops the attempts that the session no longer holds: they were cancelled or rescued. `held` is
    /// what the database said to a question sent at `asked_at`; an attempt that was noted later may
    /// not have been in the answer yet and is left alone. One noted at that very moment was claimed before.
    pub fn reconcile(&self, held: &[(JobId, LeaseToken)], asked_at: Instant) -> Vec<JobId> {
        let held: HashSet<&(JobId, LeaseToken)> = held.iter().collect();
        let mut stopped = Vec::new();
        for (key, attempt) in &mut self.attempts().by_key {
            if attempt.since <= asked_at && !attempt.revoked && !held.contains(key) {
                attempt.revoked = true;
                attempt.stop.stop(Stop::Cancelled);
                stopped.push(key.0);
            }
        }
        stopped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hardstop_domain::SessionId;
    use hardstop_sandbox::StopSignal;
    use std::time::Duration;
    use uuid::Uuid;

    fn job(n: u128) -> JobId {
        JobId(Uuid::from_u128(n))
    }

    #[test]
    fn only_what_is_no_longer_held_is_revoked_and_only_if_it_was_there_when_asked() {
        let running = Running::default();
        let token = LeaseToken::new(SessionId(1), 1);
        let before = Instant::now() - Duration::from_millis(1);
        for n in 1..=3 {
            let stop = StopSignal::pair().0;
            running.add(job(n), token, TypeId(1), Instant::now(), stop);
        }
        assert_eq!(
            running.reconcile(&[], before),
            [],
            "noted after the question"
        );
        let after = Instant::now();
        let mut stopped = running.reconcile(&[(job(2), token)], after);
        stopped.sort();
        assert_eq!(stopped, [job(1), job(3)]);
        assert_eq!(
            running.reconcile(&[(job(2), token)], after),
            [],
            "each is revoked once"
        );
        assert!(running.remove(job(1), token));
        assert!(!running.remove(job(2), token));
        assert_eq!(running.count(), 1);
    }
}
