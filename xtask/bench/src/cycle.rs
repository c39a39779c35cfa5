//! The cycle of an attempt (store, instance, call, teardown) in the sandbox and in the bare engine.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, bail};
use async_trait::async_trait;
use hardstop_domain::{JobId, Limits, Lineage, Usage};
use hardstop_sandbox::{Attempt, Prepared, Profile, Sandbox, SandboxConfig, StopSignal};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::bare::{Bare, Settings};
use crate::bench::Bench;
use crate::measure::{Figure, figure};
use crate::scenario::Measure;

/// Cycles in a repetition, one after the other; fewer where there are to be fewer jobs.
const CYCLES: u32 = 2_000;
/// So many times as many where all threads are busy with them.
const BUSY_FACTOR: u32 = 10;
/// How many attempts are on their way at once then.
const BUSY_CALLERS: u32 = 32;

/// The sandbox and the bare engine, with the same settings.
struct Pair {
    prepared: Prepared,
    bare: Arc<Bare>,
    threads: u32,
    cycles: u32,
}

/// With native stacks cleared after each guest, as by default, and without.
pub struct Cycle(Vec<(&'static str, Pair)>);

impl Cycle {
    /// With the sandbox's usual settings.
    pub async fn open(bench: &Bench) -> Result<Self> {
        let mut pairs = Vec::new();
        for (prefix, clear_stacks) in [("", true), ("uncleared_", false)] {
            let config = SandboxConfig {
                clear_stacks,
                ..bench.config.sandbox(bench.args.concurrency)
            };
            pairs.push((prefix, Pair::new(config, bench).await?));
        }
        Ok(Self(pairs))
    }
}

#[async_trait]
impl Measure for Cycle {
    async fn round(&mut self) -> Result<Vec<Figure>> {
        let mut figures = Vec::new();
        for (prefix, pair) in &self.0 {
            let values = pair.round().await?;
            figures.extend(values.map(|(name, value)| figure(format!("{prefix}{name}"), value)));
        }
        Ok(figures)
    }

    async fn finish(self: Box<Self>) -> Result<Map<String, Value>> {
        Ok(Map::new())
    }
}

impl Pair {
    async fn new(config: SandboxConfig, bench: &Bench) -> Result<Self> {
        let wasm = &bench.wasm;
        let (slots, clear_stacks) = (config.instances_max, config.clear_stacks);
        let threads = config.guest_threads as u32;
        let sandbox = Sandbox::new(config)?;
        let profile = Profile::of(&Limits::default());
        Ok(Self {
            prepared: sandbox.prepare(wasm, profile).await?,
            bare: Arc::new(Bare::new(
                wasm,
                Settings {
                    slots,
                    clear_stacks,
                },
            )?),
            threads,
            cycles: bench.args.jobs.min(CYCLES),
        })
    }

    async fn round(&self) -> Result<[(&'static str, f64); 8]> {
        let (cycle, attempt) = self.one_by_one().await?;
        let (busy, busy_cpu) = self.busy().await?;
        let bare = self.bare(1, self.cycles)?;
        let bare_busy = self.bare(self.threads, self.cycles * BUSY_FACTOR)?;
        Ok([
            ("cycle_us", cycle),
            ("attempt_us", attempt),
            ("busy_us", busy),
            ("busy_cpu_us", busy_cpu),
            ("bare_us", bare),
            ("bare_busy_us", bare_busy),
            ("ratio", busy_cpu / bare_busy),
            ("whole_ratio", busy / bare_busy),
        ])
    }

    /// One attempt after the other: microseconds from call to report, and of these the ones that the
    /// attempt itself took, from instantiation to teardown.
    async fn one_by_one(&self) -> Result<(f64, f64)> {
        let began = Instant::now();
        let mut attempt_us = 0;
        for _ in 0..self.cycles {
            attempt_us += noop(&self.prepared).await?.wall_us;
        }
        let cycles = f64::from(self.cycles);
        Ok((
            began.elapsed().as_secs_f64() * 1e6 / cycles,
            attempt_us as f64 / cycles,
        ))
    }

    /// Many attempts at once: microseconds of a guest thread for each, with its way there and its report; and of
    /// these the CPU time of the attempt itself, from instantiation to teardown.
    async fn busy(&self) -> Result<(f64, f64)> {
        let each = (self.cycles * BUSY_FACTOR).div_ceil(BUSY_CALLERS);
        let began = Instant::now();
        let callers: Vec<_> = (0..BUSY_CALLERS)
            .map(|_| {
                let prepared = self.prepared.clone();
                tokio::spawn(async move {
                    let mut cpu_us = 0;
                    for _ in 0..each {
                        cpu_us += noop(&prepared).await?.cpu_us;
                    }
                    anyhow::Ok(cpu_us)
                })
            })
            .collect();
        let mut cpu_us = 0;
        for caller in callers {
            cpu_us += caller.await??;
        }
        let cycles = f64::from(each * BUSY_CALLERS);
        Ok((
            began.elapsed().as_secs_f64() * 1e6 * f64::from(self.threads) / cycles,
            cpu_us as f64 / cycles,
        ))
    }

    /// The same cycle in the bare engine, in a loop on so many threads: microseconds of a thread for each.
    fn bare(&self, threads: u32, cycles: u32) -> Result<f64> {
        let began = Instant::now();
        let loops: Vec<_> = (0..threads)
            .map(|_| {
                let bare = Arc::clone(&self.bare);
                std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
                    runtime.block_on(async {
                        for _ in 0..cycles / threads {
                            bare.run("noop", "{}", None).await?;
                        }
                        anyhow::Ok(())
                    })
                })
            })
            .collect();
        for running in loops {
            match running.join() {
                Ok(result) => result?,
                Err(_) => bail!("a thread of the bare engine panicked"),
            }
        }
        let cycles = f64::from(cycles / threads * threads);
        Ok(began.elapsed().as_secs_f64() * 1e6 * f64::from(threads) / cycles)
    }
}

/// One no-op attempt, and what it used.
async fn noop(prepared: &Prepared) -> Result<Usage> {
    let report = prepared.run(attempt("noop", "{}")?).await;
    match report.outcome.failure() {
        None => Ok(report.usage),
        Some(failure) => bail!("the no-op handler failed: {}", failure.message),
    }
}

/// An attempt at a job of a type, with this input and nothing else.
pub fn attempt(type_name: &str, input: &str) -> Result<Attempt> {
    let id = JobId(Uuid::now_v7());
    Ok(Attempt {
        job: id,
        chain: id.into(),
        type_name: type_name.parse()?,
        number: 1,
        attempts_left: 0,
        input: input.to_owned(),
        blockers: Vec::new(),
        lineage: Lineage::root(id.into()),
        descendants: 0,
        trace_parent: None,
        limits: Limits::default(),
        capabilities: Default::default(),
        command: Default::default(),
        files: Default::default(),
        stop: StopSignal::never(),
        watch: None,
    })
}
