//! The sandbox: engines, the clock that interrupts guests, and the threads that guests run on.

use std::sync::Arc;

use hardstop_domain::quantity::format_size;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use wasmtime::PoolingAllocationConfig;

use crate::cache::Cache;
use crate::compile::Compiler;
use crate::config::{SandboxConfig, SandboxError};
use crate::engine::Engines;
use crate::http::Client;
use crate::queue::Queue;
use crate::ticker::{Ticker, prefer_this_thread};

/// Where guests run. Cheap to clone; the last clone ends the threads.
///
/// Guests have threads of their own, apart from the runtime that calls in: whatever they do, they
/// delay no heartbeat and no request there.
#[derive(Clone)]
pub struct Sandbox {
    pub(crate) shared: Arc<Shared>,
}

/// What is in use of the pools.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// Instances of components.
    pub instances: u64,
    /// Linear memories.
    pub memories: u64,
}

pub(crate) struct Shared {
    pub(crate) config: SandboxConfig,
    pub(crate) engines: Arc<Engines>,
    pub(crate) compiler: Compiler,
    /// Compiled code of this and earlier hosts.
    pub(crate) cache: Option<Cache>,
    pub(crate) ticker: Arc<Ticker>,
    pub(crate) queue: Arc<Queue>,
    /// As many permits as the pools have slots.
    pub(crate) slots: Arc<Semaphore>,
    /// Sends guests' requests, on threads of its own.
    pub(crate) client: Arc<Client>,
    /// Drives the timers of guests that wait. Its one thread runs no guest.
    timer: Option<Runtime>,
}

impl Sandbox {
    /// Starts the threads. Engines are made when a component is prepared.
    pub fn new(config: SandboxConfig) -> Result<Self, SandboxError> {
        config.check()?;
        if let Some(maps_max) = max_map_count() {
            config.check_maps(maps_max)?;
        }
        let compile = &config.compile;
        let cache = compile
            .cache
            .as_ref()
            .map(|folder| Cache::open(folder, compile.cache_bytes_max, compile.output_bytes_max));
        let cache = cache.transpose()?;
        let ticker = Arc::new(Ticker::start(config.tick)?);
        let timer = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("hardstop-timer")
            .on_thread_start(|| {
                prefer_this_thread();
            })
            .enable_time()
            .build()
            .map_err(|source| SandboxError::Thread {
                name: "hardstop-timer",
                source,
            })?;
        // From here on, dropping `shared` ends what has been started.
        let shared = Shared {
            engines: Arc::new(Engines::new(config.clone(), ticker.clone())),
            compiler: Compiler::new(config.compile.clone(), config.component_bytes_max),
            cache,
            ticker,
            queue: Queue::new(config.guest_threads, config.tick),
            slots: Arc::new(Semaphore::new(config.instances_max as usize)),
            client: Arc::new(Client::new(&config.http)?),
            timer: Some(timer),
            config,
        };
        shared.start_guest_threads()?;
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// How many instances and memories are in use in the pools.
    pub fn occupancy(&self) -> Occupancy {
        let (instances, memories) = self.shared.engines.occupancy();
        Occupancy {
            instances,
            memories,
        }
    }

    /// What an operator may want to know of this machine, as names and values.
    pub fn facts(&self) -> Vec<(String, String)> {
        let config = &self.shared.config;
        let yes_no = |yes: bool| if yes { "yes" } else { "no" };
        let slots = u64::from(config.instances_max);
        let memories = config.memories_per_component();
        let maps = max_map_count().map_or("unknown".to_owned(), |count| {
            format!("{count} (enough for {slots} guests)")
        });
        [
            ("guest threads", config.guest_threads.to_string()),
            ("attempts at once", slots.to_string()),
            ("memories per component", memories.to_string()),
            (
                "memory ceiling",
                format_size(config.ceiling.memory_bytes_max),
            ),
            (
                "compiled code",
                config.compile.cache.as_ref().map_or_else(
                    || "not kept".to_owned(),
                    |folder| folder.display().to_string(),
                ),
            ),
            ("tick", format!("{:?}", config.tick)),
            (
                "clock thread preferred",
                yes_no(self.shared.ticker.is_preferred()).to_owned(),
            ),
            (
                "page-map scan",
                yes_no(PoolingAllocationConfig::is_pagemap_scan_available()).to_owned(),
            ),
            ("vm.max_map_count", maps),
            (
                "engines",
                format!(
                    "{} of {}",
                    self.shared.engines.in_use().len(),
                    config.profiles_max()
                ),
            ),
            (
                "stack limits in use",
                self.shared.engines.in_use().join(", "),
            ),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

impl Shared {
    fn start_guest_threads(&self) -> Result<(), SandboxError> {
        let name = "hardstop-guest";
        for _ in 0..self.config.guest_threads {
            let queue = self.queue.clone();
            let timer = self.timer.as_ref().map(|runtime| runtime.handle().clone());
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || {
                    // WASI's clocks make tokio timers; this is where they find their driver.
                    let _entered = timer.as_ref().map(|handle| handle.enter());
                    queue.work();
                })
                .map_err(|source| SandboxError::Thread { name, source })?;
        }
        Ok(())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(timer) = self.timer.take() {
            // Waiting for it is not allowed where an async runtime drops the sandbox.
            timer.shutdown_background();
        }
    }
}

fn max_map_count() -> Option<u64> {
    std::fs::read_to_string("/proc/sys/vm/max_map_count")
        .ok()?
        .trim()
        .parse()
        .ok()
}
