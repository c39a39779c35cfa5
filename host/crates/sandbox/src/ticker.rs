//! The clock that interrupts guests: one thread that advances the epoch of every engine.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Thread;
use std::time::Duration;

use wasmtime::Engine;

use crate::config::SandboxError;
use crate::lock::lock;

/// How many idle ticks it takes until the ticker sleeps for good. Waking it costs a system call, so
/// it should not fall asleep between two jobs of a busy host.
const IDLE_TICKS_MAX: u32 = 200;

/// How much the ticker's and the timer's threads are preferred, as a nice value. Guests that fill
/// every core must not make the clock late that stops them.
const NICE: i32 = -15;

pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

struct Shared {
    engines: Mutex<Vec<Engine>>,
    live: AtomicUsize,
    parked: AtomicBool,
    closed: AtomicBool,
    preferred: AtomicBool,
}

impl Ticker {
    pub(crate) fn start(tick: Duration) -> Result<Self, SandboxError> {
        let shared = Arc::new(Shared {
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
                    shared.run(tick);
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
    fn run(&self, tick: Duration) {
        let mut idle = 0;
        while !self.closed.load(Ordering::SeqCst) {
            if self.live.load(Ordering::SeqCst) > 0 {
                idle = 0;
            } else {
                idle += 1;
            }
            if idle > IDLE_TICKS_MAX {
                self.park();
                idle = 0;
                continue;
            }
            std::thread::sleep(tick);
            for engine in lock(&self.engines).iter() {
                engine.increment_epoch();
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
/// `CAP_SYS_NICE` may lower it.
#[cfg(target_os = "linux")]
pub(crate) fn prefer_this_thread() -> bool {
    rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE).is_ok()
}

/// Elsewhere a nice value is the whole process' own.
#[cfg(not(target_os = "linux"))]
pub(crate) fn prefer_this_thread() -> bool {
    let _ = NICE;
    false
}
