//! What one attempt has used, shared between its task, the run queue and whoever may stop it.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::stop::Stop;

#[derive(Debug, Default)]
pub(crate) struct Account {
    cpu_ns: AtomicU64,
    /// The thread's CPU clock when the current slice began, or was last charged.
    charged_ns: AtomicU64,
    /// Set once, when the attempt begins.
    deadline: OnceLock<Instant>,
    stop: AtomicU8,
    /// Whether the guest gave its thread back at a tick, since the last look.
    yielded: AtomicBool,
    /// Whether the guest's last poll ended in a wait for the host.
    waiting: AtomicBool,
}

impl Account {
    pub(crate) fn begin(&self, deadline: Instant) {
        // A second call cannot happen: an account belongs to one attempt.
        let _ = self.deadline.set(deadline);
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline.get().copied()
    }

    pub(crate) fn cpu_time(&self) -> Duration {
        Duration::from_nanos(self.cpu_ns.load(Ordering::Relaxed))
    }

    /// Whether it has had a slice.
    pub(crate) fn has_run(&self) -> bool {
        self.cpu_ns.load(Ordering::Relaxed) > 0
    }

    /// From here on, the calling thread works for this attempt.
    pub(crate) fn begin_slice(&self) {
        self.charged_ns
            .store(ThreadClock::now_roughly(), Ordering::Relaxed);
    }

    /// Charges what the calling thread has used since the slice began or was last charged.
    pub(crate) fn charge_slice(&self) {
        let now = ThreadClock::now();
        let since = self.charged_ns.swap(now, Ordering::Relaxed);
        self.charge(Duration::from_nanos(now.saturating_sub(since)));
    }

    /// Charges CPU time that was measured elsewhere.
    pub(crate) fn charge(&self, time: Duration) {
        self.cpu_ns
            .fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    }

    /// Asks the attempt to end. The first word stands.
    pub(crate) fn stop(&self, stop: Stop) {
        let _ = self
            .stop
            .compare_exchange(0, stop.code(), Ordering::SeqCst, Ordering::SeqCst);
    }

    pub(crate) fn stopped(&self) -> Option<Stop> {
        Stop::from_code(self.stop.load(Ordering::SeqCst))
    }

    /// Whether the attempt should be polled before all others.
    pub(crate) fn is_urgent(&self) -> bool {
        self.stop.load(Ordering::SeqCst) != 0
    }

    /// Notes that the guest gives its thread back at a tick.
    pub(crate) fn note_yield(&self) {
        self.yielded.store(true, Ordering::Relaxed);
    }

    /// Whether the poll that just ended did so at a tick; if not, the guest waits for the host.
    pub(crate) fn take_yield(&self) -> bool {
        let yielded = self.yielded.swap(false, Ordering::Relaxed);
        self.waiting.store(!yielded, Ordering::Relaxed);
        yielded
    }

    /// Whether the guest was waiting for the host when it last gave its thread back.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// CPU time of the calling thread, in nanoseconds.
///
/// The clock is a system call, unlike the others, and on a virtual machine takes as long as a tenth of a short
/// attempt.
struct ThreadClock;

/// How old a reading may be to be carried on by the wall clock. A thread that lost its core since then
/// has used up to this much less than the sum says.
const CARRY_MAX: Duration = Duration::from_micros(20);

thread_local! {
    static LAST_READING: Cell<Option<(u64, Instant)>> = const { Cell::new(None) };
}

impl ThreadClock {
    fn now() -> u64 {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        let ns = time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64;
        LAST_READING.set(Some((ns, Instant::now())));
        ns
    }

    /// The same to within [`CARRY_MAX`], at less cost right after a reading.
    fn now_roughly() -> u64 {
        match LAST_READING.get().map(|(ns, at)| (ns, at.elapsed())) {
            Some((ns, age)) if age < CARRY_MAX => ns + age.as_nanos() as u64,
            _ => Self::now(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is charged for so many slices, each of at least so much CPU time, with a sleep after each.
    fn charged(slices: u32, slice: Duration, sleep: Duration) -> Duration {
        let account = Account::default();
        for _ in 0..slices {
            account.begin_slice();
            let began = ThreadClock::now();
            while ThreadClock::now() < began + slice.as_nanos() as u64 {}
            account.charge_slice();
            std::thread::sleep(sleep);
        }
        let charged = account.cpu_time();
        assert!(charged >= (slice - CARRY_MAX) * slices, "{charged:?}");
        charged
    }

    #[test]
    fn what_a_thread_uses_is_charged_but_for_what_it_slept() {
        // Longer than a reading is carried on.
        let charged = charged(10, Duration::from_millis(1), CARRY_MAX * 100);
        assert!(charged < Duration::from_millis(100), "{charged:?}");
    }

    #[test]
    fn a_slice_right_after_another_lacks_next_to_nothing() {
        charged(100, Duration::from_micros(200), Duration::ZERO);
    }
}
