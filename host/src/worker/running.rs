//! The jobs that this process holds, and how to stop their attempts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hardstop_domain::{JobId, LeaseToken, TypeId};
use hardstop_sandbox::{Stop, StopHandle};

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
    /// The lease is gone: whatever the attempt comes to, nothing of it is written.
    revoked: bool,
}

impl Running {
    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a claimed job. Called when a claim has returned.
    pub fn add(&self, job: JobId, token: LeaseToken, type_id: TypeId, stop: StopHandle) {
        let attempt = Attempt {
            type_id,
            stop,
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
    /// what the database said is held under the leases `asked`. An attempt under another was noted after the question, and is
    /// left alone; under one of these it was committed before, for a claim is noted when all of it is.
    pub fn reconcile(&self, held: &[(JobId, LeaseToken)], asked: &[LeaseToken]) -> Vec<JobId> {
        let held: HashSet<&(JobId, LeaseToken)> = held.iter().collect();
        let asked: HashSet<&LeaseToken> = asked.iter().collect();
        let mut stopped = Vec::new();
        for (key, attempt) in &mut self.attempts().by_key {
            if asked.contains(&key.1) && !attempt.revoked && !held.contains(key) {
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
    use uuid::Uuid;

    fn job(n: u128) -> JobId {
        JobId(Uuid::from_u128(n))
    }

    #[test]
    fn only_what_is_no_longer_held_is_revoked_and_only_if_it_was_asked_for() {
        let running = Running::default();
        let [token, later] = [1, 2].map(|batch| LeaseToken::new(SessionId(1), batch));
        for n in 1..=3 {
            running.add(job(n), token, TypeId(1), StopSignal::pair().0);
        }
        assert_eq!(running.leases(), [token; 3]);
        assert_eq!(
            running.reconcile(&[], &[later]),
            [],
            "noted after the question"
        );
        let after = [token];
        let mut stopped = running.reconcile(&[(job(2), token)], &after);
        stopped.sort();
        assert_eq!(stopped, [job(1), job(3)]);
        assert_eq!(
            running.reconcile(&[(job(2), token)], &after),
            [],
            "each is revoked once"
        );
        assert!(running.remove(job(1), token));
        assert!(!running.remove(job(2), token));
        assert_eq!(running.count(), 1);
    }
}
