//! The bare engine, to measure the sandbox against: wasmtime with its best settings, and none of the
//! limits, accounts and reports that the sandbox adds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use hardstop_domain::JobId;
use uuid::Uuid;
use wasmtime::component::{Component, HasSelf, Linker, ResourceTable};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
    UpdateDeadline,
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::trace::Trace;
use binding::hardstop::job;
use binding::{JobComponent, JobComponentPre};

mod binding {
    // The derives that the macro expands to implement wasmtime's unsafe `Lower` and `Lift`.
    #![allow(missing_docs, unsafe_code)]

    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "job-component",
        exports: { default: async },
    });
}

/// How long a guest runs before it yields.
pub const TICK: Duration = Duration::from_millis(1);

/// What can be chosen of the engine.
pub struct Settings {
    /// How many instances there can be.
    pub slots: u32,
    /// Whether native stacks are cleared after each guest.
    pub clear_stacks: bool,
}

/// An engine, the component, and a thread that ticks.
pub struct Bare {
    engine: Engine,
    component: JobComponentPre<State>,
    closed: Arc<AtomicBool>,
}

/// The data of a store.
struct State {
    table: ResourceTable,
    wasi: Option<WasiCtx>,
    trace: Option<Arc<Trace>>,
}

impl Bare {
    /// Compiles the component for an engine with these settings.
    pub fn new(wasm: &[u8], settings: Settings) -> Result<Self> {
        let slots = settings.slots;
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(slots)
            .total_core_instances(slots * 16)
            .total_memories(slots)
            .total_tables(slots * 4)
            .total_stacks(slots)
            .max_memory_size(128 << 20)
            .max_unused_warm_slots(slots)
            .linear_memory_keep_resident(1 << 20)
            .table_keep_resident(64 << 10)
            .async_stack_keep_resident(32 << 10)
            .pagemap_scan(Enabled::Auto);
        let mut config = Config::new();
        config
            .epoch_interruption(true)
            .concurrency_support(false)
            .async_stack_size(2 << 20)
            .async_stack_zeroing(settings.clear_stacks)
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config).map_err(of_wasmtime)?;
        let component = Component::new(&engine, wasm).map_err(of_wasmtime)?;
        let mut linker = Linker::new(&engine);
        JobComponent::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)
            .map_err(of_wasmtime)?;
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(of_wasmtime)?;
        let instance = linker.instantiate_pre(&component).map_err(of_wasmtime)?;
        let component = JobComponentPre::new(instance).map_err(of_wasmtime)?;
        let closed = Arc::new(AtomicBool::new(false));
        std::thread::spawn({
            let (engine, closed) = (engine.clone(), closed.clone());
            move || {
                while !closed.load(Ordering::Relaxed) {
                    std::thread::sleep(TICK);
                    engine.increment_epoch();
                }
            }
        });
        Ok(Self {
            engine,
            component,
            closed,
        })
    }

    /// One job: store, instance, call, teardown.
    pub async fn run(&self, type_name: &str, input: &str, trace: Option<Arc<Trace>>) -> Result<()> {
        let mut store = Store::new(
            &self.engine,
            State {
                table: ResourceTable::new(),
                wasi: None,
                trace,
            },
        );
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));
        let component = self
            .component
            .instantiate_async(&mut store)
            .await
            .map_err(of_wasmtime)?;
        let id = JobId(Uuid::now_v7()).to_string();
        let job = job::types::Job {
            id: id.clone(),
            chain_id: id,
            type_: type_name.to_owned(),
            attempt: 1,
            attempts_left: 0,
            deadline_ms: 30_000,
            input: input.to_owned(),
            blockers: Vec::new(),
            trace_parent: None,
        };
        let returned = component.hardstop_job_handler().call_run(store, &job).await;
        match returned.map_err(of_wasmtime)? {
            Ok(_) => Ok(()),
            Err(failure) => bail!("{type_name} failed: {}", failure.message),
        }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}

fn of_wasmtime(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:#}").context("the bare engine")
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: self.wasi.get_or_insert_with(|| WasiCtx::builder().build()),
            table: &mut self.table,
        }
    }
}

impl job::types::Host for State {}

impl job::log::Host for State {
    fn log(&mut self, _: job::log::Level, _: String, _: Vec<(String, String)>) {
        if let Some(trace) = &self.trace {
            trace.note_begun();
        }
    }
}

impl job::progress::Host for State {
    fn set(&mut self, _: f32, _: Option<String>) {
        if let Some(trace) = &self.trace {
            trace.note_alive();
        }
    }
}

impl job::config::Host for State {
    fn get(&mut self, _: String) -> Result<String, String> {
        Err(NOT_OFFERED.to_owned())
    }
}

impl job::secrets::Host for State {
    fn get(&mut self, _: String) -> Result<String, String> {
        Err(NOT_OFFERED.to_owned())
    }
}

impl job::chains::Host for State {
    fn start(&mut self, _: job::types::NextJob) -> Result<String, job::chains::StartError> {
        Err(job::chains::StartError::Invalid(NOT_OFFERED.to_owned()))
    }
}

const NOT_OFFERED: &str = "the bare engine does not offer it";
