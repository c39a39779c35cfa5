//! When a guest began and when it last ran, as seen by the host functions that it calls.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hardstop_domain::LogEntry;
use hardstop_domain::outcome::Progress;
use hardstop_sandbox::Watch;

/// Times of one attempt, in nanoseconds since `origin`; 0 is never.
pub struct Trace {
    origin: Instant,
    started_ns: AtomicU64,
    begun_ns: AtomicU64,
    alive_ns: AtomicU64,
}

impl Trace {
    /// Nothing has happened yet.
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
            started_ns: AtomicU64::new(0),
            begun_ns: AtomicU64::new(0),
            alive_ns: AtomicU64::new(0),
        }
    }

    fn now(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }

    fn at(&self, ns: &AtomicU64) -> Option<Instant> {
        match ns.load(Ordering::Relaxed) {
            0 => None,
            ns => Some(self.origin + Duration::from_nanos(ns)),
        }
    }

    /// The attempt's clock starts.
    pub fn note_started(&self) {
        self.started_ns.store(self.now(), Ordering::Relaxed);
    }

    /// The handler has been entered.
    pub fn note_begun(&self) {
        self.begun_ns.store(self.now(), Ordering::Relaxed);
    }

    /// The guest runs.
    pub fn note_alive(&self) {
        self.alive_ns.store(self.now(), Ordering::Relaxed);
    }

    /// When the attempt's clock started: what its deadline is counted from.
    pub fn started(&self) -> Option<Instant> {
        self.at(&self.started_ns)
    }

    /// When the handler was entered.
    pub fn begun(&self) -> Option<Instant> {
        self.at(&self.begun_ns)
    }

    /// When the guest last ran, as far as it told.
    pub fn alive(&self) -> Option<Instant> {
        self.at(&self.alive_ns)
    }
}

impl Watch for Trace {
    fn log(&self, entry: &LogEntry) {
        // Entries are timed from the attempt's start.
        let started = self.now().saturating_sub(entry.at_us * 1_000);
        self.started_ns.store(started.max(1), Ordering::Relaxed);
        self.note_begun();
    }

    fn progress(&self, _: &Progress) {
        self.note_alive();
    }
}
