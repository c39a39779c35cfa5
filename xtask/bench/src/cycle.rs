//! The cycle of an attempt (store, instance, call, teardown) in the sandbox and in the bare engine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, bail};
use hardstop_domain::{JobId, Limits, Lineage, Usage};
use hardstop_sandbox::{Attempt, Prepared, Profile, Sandbox, SandboxConfig, StopSignal};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::bare::{Bare, Settings};
use crate::measure::Samples;

/// Cycles in a repetition, one after the other.
const CYCLES: u32 = 2_000;
/// The same where all threads are busy with them.
const BUSY_CYCLES: u32 = 20_000;
/// How many attempts are on their way at once then.
const BUSY_CALLERS: u32 = 32;

/// The sandbox and the bare engine, with the same settings.
struct Pair {
    prepared: Prepared,
    bare: Arc<Bare>,
    threads: u32,
}

/// Measures with native stacks cleared after each guest, as by default, and without.
pub async fn measure(config: SandboxConfig, wasm: &[u8], repeat: u32) -> Result<Value> {
    let mut pairs = Vec::new();
    for (prefix, clear_stacks) in [("", true), ("uncleared_", false)] {
        let config = SandboxConfig {
            clear_stacks,
            ..config.clone()
        };
        pairs.push((prefix, Pair::new(config, wasm).await?));
    }
    let mut measured: BTreeMap<String, Samples> = BTreeMap::new();
    for round in 0..=repeat {
        for (prefix, pair) in &pairs {
            for (name, value) in pair.round().await? {
                let samples = measured.entry(format!("{prefix}{name}")).or_default();
                // The first is to warm up.
                if round > 0 {
                    samples.0.push(value);
                }
            }
        }
    }
    Ok(measured
        .into_iter()
        .map(|(name, samples)| (name, samples.to_json()))
        .collect::<Map<_, _>>()
        .into())
}

impl Pair {
    async fn new(config: SandboxConfig, wasm: &[u8]) -> Result<Self> {
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
        })
    }

    async fn round(&self) -> Result<[(&'static str, f64); 8]> {
        let (cycle, attempt) = self.one_by_one().await?;
        let (busy, busy_cpu) = self.busy().await?;
        let bare = self.bare(1, CYCLES)?;
        let bare_busy = self.bare(self.threads, BUSY_CYCLES)?;
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
        for _ in 0..CYCLES {
            attempt_us += noop(&self.prepared).await?.wall_us;
        }
        let cycles = f64::from(CYCLES);
        Ok((
            began.elapsed().as_secs_f64() * 1e6 / cycles,
            attempt_us as f64 / cycles,
        ))
    }

    /// Many attempts at once: microseconds of a guest thread for each, with its way there and its report; and of
    /// these the CPU time of the attempt itself, from instantiation to teardown.
    async fn busy(&self) -> Result<(f64, f64)> {
        let began = Instant::now();
        let callers: Vec<_> = (0..BUSY_CALLERS)
            .map(|_| {
                let prepared = self.prepared.clone();
                tokio::spawn(async move {
                    let mut cpu_us = 0;
                    for _ in 0..BUSY_CYCLES / BUSY_CALLERS {
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
        let cycles = f64::from(BUSY_CYCLES / BUSY_CALLERS * BUSY_CALLERS);
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
