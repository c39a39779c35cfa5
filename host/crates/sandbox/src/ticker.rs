//! The clock that interrupts guests: one thread that advances the epoch of every engine.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

use wasmtime::Engine;

use crate::config::SandboxError;
use crate::lock::lock;

/// How many idle ticks it takes until the ticker sleeps for good. Waking it costs a system call, so
/// it should not fall asleep between two jobs of a busy host.
const IDLE_TICKS_MAX: u32 = 200;

/// How much the ticker's and the timer's threads are preferred, as a nice value. Guests that fill
/// every core must not make the clock late that stops them.
const NICE: i32 = -15;

/// Later than any time.
const NEVER: u64 = u64::MAX;

pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

struct Shared {
    origin: Instant,
    tick: Duration,
    /// The first time before the next tick at which a running guest has to stop, in nanoseconds since
    /// the origin; [`NEVER`] where there is none.
    due_ns: AtomicU64,
    engines: Mutex<Vec<Engine>>,
    live: AtomicUsize,
    parked: AtomicBool,
    closed: AtomicBool,
    preferred: AtomicBool,
}

impl Ticker {
    pub(crate) fn start(tick: Duration) -> Result<Self, SandboxError> {
        let shared = Arc::new(Shared {
            origin: Instant::now(),
            tick,
            due_ns: AtomicU64::new(NEVER),
            engines: Mutex::default(),
            live: AtomicUsize::new(0),
            parked: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            preferred: AtomicBool::new(false),
        });
        let name = "hardstop-ticker";
        let handle = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn({
                let shared = shared.clone();
                move || {
                    shared
                        .preferred
                        .store(prefer_this_thread(), Ordering::Relaxed);
                    shared.run();
                }
            })
            .map_err(|source| SandboxError::Thread { name, source })?;
        Ok(Self {
            shared,
            thread: handle.thread().clone(),
        })
    }

    /// Ticks this engine from now on.
    pub(crate) fn add(&self, engine: Engine) {
        lock(&self.shared.engines).push(engine);
    }

    /// Keeps the ticker going until the guard is dropped.
    pub(crate) fn hold(self: &Arc<Self>) -> Running {
        // Sequentially consistent, with `parked`: either this sees the ticker parked, or the ticker
        // sees this guard before it parks.
        self.shared.live.fetch_add(1, Ordering::SeqCst);
        if self.shared.parked.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Running(self.clone())
    }

    /// Ticks at `deadline` or after `cpu_time_left`, whichever comes first, if that is before the next
    /// tick may come. To be called when a guest gets a slice; it ends that slice, and every other one.
    pub(crate) fn tick_by(&self, now: Instant, deadline: Instant, cpu_time_left: Duration) {
        let left = deadline.saturating_duration_since(now).min(cpu_time_left);
        if left >= self.shared.tick {
            return;
        }
        let due_ns = (now + left - self.shared.origin).as_nanos() as u64;
        // One that comes later than what is set already is not forgotten: at the earlier tick its guest
        // gives its thread back, and asks again with the next slice.
        if due_ns < self.shared.due_ns.fetch_min(due_ns, Ordering::SeqCst) {
            self.thread.unpark();
        }
    }

    /// Whether the operating system let the thread have its priority.
    pub(crate) fn is_preferred(&self) -> bool {
        self.shared.preferred.load(Ordering::Relaxed)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

/// While it lives, the ticker ticks.
pub(crate) struct Running(Arc<Ticker>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.shared.live.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shared {
    fn run(&self) {
        let mut idle = 0;
        let mut next = Instant::now() + self.tick;
        while !self.closed.load(Ordering::SeqCst) {
            let due_ns = self.due_ns.load(Ordering::SeqCst);
            let is_early = due_ns != NEVER && self.origin + Duration::from_nanos(due_ns) < next;
            let at = match is_early {
                true => self.origin + Duration::from_nanos(due_ns),
                false => next,
            };
            let now = Instant::now();
            if now < at {
                // Ends early when there is something earlier to wake for.
                std::thread::park_timeout(at - now);
                continue;
            }
            self.due_ns.store(NEVER, Ordering::SeqCst);
            for engine in lock(&self.engines).iter() {
                engine.increment_epoch();
            }
            // By the clock, so that what waking takes does not add up; not to catch up on ticks that
            // were missed.
            next = match is_early || now > next + self.tick {
                true => now + self.tick,
                false => next + self.tick,
            };
            if self.live.load(Ordering::SeqCst) > 0 {
                idle = 0;
            } else {
                idle += 1;
            }
            if idle > IDLE_TICKS_MAX {
                self.park();
                idle = 0;
                next = Instant::now() + self.tick;
            }
        }
    }

    fn park(&self) {
        self.parked.store(true, Ordering::SeqCst);
        while self.live.load(Ordering::SeqCst) == 0 && !self.closed.load(Ordering::SeqCst) {
            std::thread::park();
        }
        self.parked.store(false, Ordering::SeqCst);
    }
}

/// Raises the calling thread's priority. Linux keeps a nice value per thread; only root or
/// `CAP_SYS_NICE` may lower it. Anybody may have the exact wake-ups that come with it: Linux lets other
/// threads' timers be 50 us late.
#[cfg(target_os = "linux")]
pub(crate) fn prefer_this_thread() -> bool {
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
    rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE).is_ok()
}

/// Elsewhere a nice value is the whole process' own.
#[cfg(not(target_os = "linux"))]
pub(crate) fn prefer_this_thread() -> bool {
    let _ = NICE;
    false
}
