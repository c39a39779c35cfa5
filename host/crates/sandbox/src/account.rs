//! What one attempt has used, shared between its task, the run queue and whoever may stop it.

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

    /// From here on, the calling thread works for this attempt.
    pub(crate) fn begin_slice(&self) {
        self.charged_ns
            .store(thread_cpu_time_ns(), Ordering::Relaxed);
    }

    /// Charges what the calling thread has used since the slice began or was last charged.
    pub(crate) fn charge_slice(&self) {
        let now = thread_cpu_time_ns();
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

/// CPU time of the calling thread. A system call, unlike the other clocks.
fn thread_cpu_time_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
