//! Admission by memory: which claimed jobs may run now, and how many more to claim.
//!
//! Jobs are let in strictly in turn: while one waits for room, none behind it runs and none is claimed, so many small
//! ones cannot keep a large one out for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hardstop_domain::Limits;
use hardstop_sandbox::StopSignal;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::memory::{Budget, UNIT_BYTES, need};

/// The memory that guests of this worker may be granted at once.
pub struct Admission {
    budget: Budget,
    units: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

/// A claimed job's place among those that want to run.
pub enum Place {
    /// It may run.
    In(OwnedSemaphorePermit),
    /// It waits for so many units.
    Queued(u32, Waiting),
    /// There will never be room for it here.
    TooLarge(String),
}

/// Counts one that waits, while it lives.
pub struct Waiting(Arc<AtomicUsize>, Arc<Semaphore>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Admission {
    /// With room for all of a budget.
    pub fn new(budget: Budget) -> Self {
        let units = budget.units() as usize;
        Self {
            budget,
            units: Arc::new(Semaphore::new(units)),
            waiting: Arc::default(),
        }
    }

    /// How much there is.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// How many bytes guests are granted now.
    pub fn admitted(&self) -> u64 {
        let free = self.units.available_permits() as u64;
        u64::from(self.budget.units()).saturating_sub(free) * UNIT_BYTES
    }

    /// Takes a place for a guest of these limits, behind all who have one.
    pub fn enter(&self, limits: &Limits) -> Place {
        if let Some(refusal) = self.budget.refusal(limits) {
            return Place::TooLarge(refusal);
        }
        let units = need(limits);
        if !self.someone_waits()
            && let Ok(permit) = Arc::clone(&self.units).try_acquire_many_owned(units)
        {
            return Place::In(permit);
        }
        self.waiting.fetch_add(1, Ordering::SeqCst);
        Place::Queued(
            units,
            Waiting(Arc::clone(&self.waiting), Arc::clone(&self.units)),
        )
    }

    /// How many jobs of each of these limits to claim: none while somebody waits or, unless room is `soon` made, the
    /// smallest does not fit; and else as many as fit, but at least one. So one that does not fit now gets its turn, too.
    pub fn quotas(&self, limits: &[&Limits], soon: bool) -> Vec<u32> {
        let room = self.units.available_permits() as u64;
        let least = limits.iter().map(|limits| need(limits)).min();
        let fits = least.is_some_and(|least| soon || u64::from(least) <= room);
        if self.someone_waits() || !fits {
            return vec![0; limits.len()];
        }
        let fit = |limits: &&Limits| (room / u64::from(need(limits))).max(1);
        limits
            .iter()
            .map(fit)
            .map(|count| u32::try_from(count).unwrap_or(u32::MAX))
            .collect()
    }

    fn someone_waits(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }
}

/// How the wait for room ended.
pub enum Admitted {
    /// It may run as long as it holds this.
    In(OwnedSemaphorePermit),
    /// It was stopped before there was room.
    Stopped,
    /// There will never be room for it here.
    TooLarge(String),
}

impl Place {
    /// Waits for room.
    pub async fn wait(self, stop: &StopSignal) -> Admitted {
        let (units, waiting) = match self {
            Self::In(permit) => return Admitted::In(permit),
            Self::TooLarge(refusal) => return Admitted::TooLarge(refusal),
            Self::Queued(units, waiting) => (units, waiting),
        };
        // First come, first served.
        let room = Arc::clone(&waiting.1).acquire_many_owned(units);
        tokio::select! {
            biased;
            _ = stop.raised() => Admitted::Stopped,
            room = room => room.map_or(Admitted::Stopped, Admitted::In),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::OVERHEAD_BYTES;
    use hardstop_sandbox::Stop;

    fn limits(mib: u64) -> Limits {
        Limits {
            memory_bytes_max: (mib << 20) - OVERHEAD_BYTES,
            ..Limits::default()
        }
    }

    fn admission(mib: u64) -> Admission {
        Admission::new(Budget::new(Some(mib << 20)))
    }

    #[track_caller]
    fn admitted(place: Place) -> OwnedSemaphorePermit {
        match place {
            Place::In(permit) => permit,
            Place::Queued(..) => panic!("queued"),
            Place::TooLarge(refusal) => panic!("{refusal}"),
        }
    }

    #[test]
    fn as_many_are_claimed_as_fit() {
        let admission = admission(100);
        let (small, large) = (limits(10), limits(100));
        let both = [&small, &large];
        assert_eq!(admission.quotas(&both, false), [10, 1]);
        let held: Vec<_> = (0..9).map(|_| admitted(admission.enter(&small))).collect();
        assert_eq!(
            admission.quotas(&both, false),
            [1, 1],
            "the large one gets its turn"
        );
        assert_eq!(
            admission.quotas(&[&large], false),
            [0],
            "and is not claimed to wait alone"
        );
        let last = admitted(admission.enter(&small));
        assert_eq!(admission.quotas(&both, false), [0, 0]);
        assert_eq!(
            admission.quotas(&both, true),
            [1, 1],
            "what runs ends in a moment"
        );
        drop((held, last));
        assert_eq!(admission.quotas(&both, false), [10, 1]);
        assert!(matches!(admission.enter(&limits(101)), Place::TooLarge(_)));
    }

    #[tokio::test]
    async fn a_large_one_is_not_overtaken() {
        let admission = admission(100);
        let (small, large) = (limits(10), limits(100));
        let never = StopSignal::never();
        let running = admitted(admission.enter(&small));
        let first = admission.enter(&large);
        assert_eq!(
            admission.quotas(&[&small], false),
            [0],
            "nothing is claimed while one waits"
        );
        let second = admission.enter(&small);
        assert!(
            matches!(second, Place::Queued(..)),
            "there is room, but not its turn"
        );
        let first = tokio::spawn(async move { first.wait(&StopSignal::never()).await });
        // It is in the queue once all units are spoken for.
        while admission.units.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let second = tokio::spawn(async move { second.wait(&StopSignal::never()).await });
        drop(running);
        let Admitted::In(held) = first.await.expect("ends") else {
            panic!("not admitted");
        };
        assert!(!second.is_finished());
        drop(held);
        assert!(matches!(second.await.expect("ends"), Admitted::In(_)));
        assert_eq!(admission.quotas(&[&small], false), [10]);
        assert!(matches!(
            admission.enter(&small).wait(&never).await,
            Admitted::In(_)
        ));
    }

    #[tokio::test]
    async fn one_that_waits_can_be_stopped() {
        let admission = admission(100);
        let running = admitted(admission.enter(&limits(100)));
        let place = admission.enter(&limits(10));
        let (handle, signal) = StopSignal::pair();
        handle.stop(Stop::Cancelled);
        assert!(matches!(place.wait(&signal).await, Admitted::Stopped));
        drop(running);
        assert_eq!(
            admission.quotas(&[&limits(10)], false),
            [10],
            "it left no trace"
        );
    }
}
