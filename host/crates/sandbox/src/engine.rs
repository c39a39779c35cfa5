//! wasmtime's engines: one per profile, made when first asked for, kept for good.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use hardstop_domain::Limits;
use hardstop_domain::quantity::format_size;
use wasmtime::component::Linker;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig,
    WasmBacktraceDetails,
};

use crate::backtrace::FRAMES_COLLECTED;
use crate::config::{SandboxConfig, SandboxError};
use crate::import;
use crate::lock::lock;
use crate::state::State;
use crate::ticker::Ticker;

/// What the host's own calls may use of a guest's stack, on top of the guest's limit: host functions
/// run on the stack of the guest that calls them.
const HOST_STACK_BYTES: usize = 1 << 20;
/// How many elements a table may have. Tables count as memory; this only sizes the pool's slots.
const TABLE_ELEMENTS_MAX: usize = 1 << 20;
/// How many tables and core instances one component may have. CPython comes with 108 instances.
const TABLES_PER_COMPONENT: u32 = 16;
const CORE_INSTANCES_PER_COMPONENT: u32 = 128;
/// What all idle slots together may keep resident, in bytes.
const KEEP_RESIDENT_BYTES_MAX: usize = 512 << 20;
/// How much of a stack is written over at its end, in bytes, where stacks are cleared; the rest is given back. The handlers of
/// the bench use less than 8 KiB of it, by the page faults of a drain with less: most of what Rust keeps on a stack is in the
/// guest's memory.
const STACK_KEEP_RESIDENT_BYTES: usize = 32 << 10;

/// What wasmtime fixes for an engine and its compiled code. All other limits are set per attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Profile {
    /// Whether the code counts fuel. Counting makes it slower by up to a factor of 2.5.
    pub metered: bool,
    /// Bytes of the WebAssembly stack.
    pub stack_bytes_max: u64,
}

impl Profile {
    /// The profile that these limits need.
    pub fn of(limits: &Limits) -> Self {
        Self {
            metered: limits.fuel.is_some(),
            stack_bytes_max: limits.stack_bytes_max,
        }
    }
}

/// An engine, and all that can be imported by its components.
pub(crate) struct Class {
    pub(crate) profile: Profile,
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<State>,
}

/// The engines of one sandbox.
pub(crate) struct Engines {
    config: SandboxConfig,
    ticker: Arc<Ticker>,
    classes: Mutex<Vec<Arc<Class>>>,
}

impl Engines {
    pub(crate) fn new(config: SandboxConfig, ticker: Arc<Ticker>) -> Self {
        Self {
            config,
            ticker,
            classes: Mutex::default(),
        }
    }

    /// The engine of a profile. Takes milliseconds the first time: it maps the pool.
    pub(crate) fn class(&self, profile: Profile) -> Result<Arc<Class>, SandboxError> {
        let mut classes = lock(&self.classes);
        if let Some(class) = classes.iter().find(|class| class.profile == profile) {
            return Ok(class.clone());
        }
        let stack_bytes_max = profile.stack_bytes_max;
        if !(64 << 10..=16 << 20).contains(&stack_bytes_max) {
            return Err(SandboxError::Stack { stack_bytes_max });
        }
        let max = self.config.profiles_max();
        if classes.len() >= max {
            let in_use: Vec<String> = classes
                .iter()
                .map(|class| describe(class.profile))
                .collect();
            return Err(SandboxError::Profiles {
                stack_bytes_max,
                max,
                instances_max: self.config.instances_max,
                in_use: in_use.join(", "),
            });
        }
        let failed = |error: wasmtime::Error| SandboxError::Engine {
            instances_max: self.config.instances_max,
            reason: error.root_cause().to_string(),
        };
        let engine = runner(&self.config, profile).map_err(failed)?;
        let mut linker = Linker::new(&engine);
        import::link(&mut linker).map_err(failed)?;
        self.ticker.add(engine.clone());
        let class = Arc::new(Class {
            profile,
            engine,
            linker,
        });
        classes.push(class.clone());
        Ok(class)
    }

    /// How many instances and memories are in use in the pools of all engines.
    pub(crate) fn occupancy(&self) -> (u64, u64) {
        let classes = lock(&self.classes);
        let pools = classes
            .iter()
            .filter_map(|class| class.engine.pooling_allocator_metrics());
        pools.fold((0, 0), |(instances, memories), pool| {
            let own = pool.component_instances();
            (instances + own, memories + pool.memories() as u64)
        })
    }

    /// The profiles in use, for people.
    pub(crate) fn in_use(&self) -> Vec<String> {
        lock(&self.classes)
            .iter()
            .map(|class| describe(class.profile))
            .collect()
    }
}

fn describe(profile: Profile) -> String {
    let metered = if profile.metered { " with fuel" } else { "" };
    format!("{}{metered}", format_size(profile.stack_bytes_max))
}

/// The engine of a child that compiles. It runs nothing, so it has no pool.
pub(crate) fn compiler(profile: Profile) -> wasmtime::Result<Engine> {
    let mut config = configuration(profile);
    // One thread: time and memory are the same for each try, and the limits on them mean something.
    config.parallel_compilation(false);
    Engine::new(&config)
}

/// What code is compiled for: the same in the host and in its children, so that what one makes the other runs.
fn configuration(profile: Profile) -> Config {
    let stack = profile.stack_bytes_max as usize;
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .consume_fuel(profile.metered)
        // Concurrency within a component (WASI 0.3) is not offered, and its bookkeeping costs half
        // of a short job's time.
        .concurrency_support(false)
        .max_wasm_stack(stack)
        .async_stack_size(stack + HOST_STACK_BYTES)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        // What is not offered is refused when a component is prepared.
        .gc_support(false)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .wasm_stack_switching(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        .wasm_multi_memory(true);
    config
}

/// The engine that runs guests. It cannot compile: whatever the host runs has been through a child.
fn runner(sandbox: &SandboxConfig, profile: Profile) -> wasmtime::Result<Engine> {
    let mut config = configuration(profile);
    config
        .enable_compiler(false)
        .async_stack_zeroing(sandbox.clear_stacks)
        .wasm_backtrace_max_frames(NonZeroUsize::new(FRAMES_COLLECTED))
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(sandbox)));
    Engine::new(&config)
}

fn pool(sandbox: &SandboxConfig) -> PoolingAllocationConfig {
    let slots = sandbox.instances_max;
    let memories = sandbox.memories_per_component();
    // Without the page-map scan, keeping pages means clearing all of them at each reuse, which is
    // slower than giving them back.
    let keep = match PoolingAllocationConfig::is_pagemap_scan_available() {
        true => (KEEP_RESIDENT_BYTES_MAX / slots as usize).clamp(64 << 10, 1 << 20),
        false => 0,
    };
    let mut pool = PoolingAllocationConfig::new();
    // The totals are such that no number of greedy components can use up a neighbour's slots.
    pool.total_component_instances(slots)
        .total_core_instances(slots * CORE_INSTANCES_PER_COMPONENT)
        .total_memories(slots * memories)
        .total_tables(slots * TABLES_PER_COMPONENT)
        .total_stacks(slots)
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(memories)
        .max_memories_per_module(memories)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .max_tables_per_module(TABLES_PER_COMPONENT)
        .max_memory_size(sandbox.ceiling.memory_bytes_max as usize)
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_unused_warm_slots(slots)
        .linear_memory_keep_resident(keep)
        .table_keep_resident(keep.min(64 << 10))
        .async_stack_keep_resident(STACK_KEEP_RESIDENT_BYTES)
        .pagemap_scan(Enabled::Auto);
    pool
}
