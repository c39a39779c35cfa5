//! How late a stop is, and what the others notice of guests that spin: the sandbox, and beside it the
//! plain way, in which guests are tasks of the host's own tokio runtime under `tokio::time::timeout`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use hardstop_domain::{Limits, OutcomeKind};
use hardstop_sandbox::{Prepared, Profile, Sandbox, SandboxConfig};
use serde_json::{Map, Value, json};

use crate::bare::{Bare, Settings};
use crate::bench::Bench;
use crate::cycle::attempt;
use crate::measure::{Figure, Samples};
use crate::scenario::Measure;
use crate::trace::Trace;

/// How many guests spin, and in how many rounds that is measured: few guests make few samples.
const CASES: [(u64, u32); 4] = [(1, 24), (2, 16), (64, 2), (1_000, 1)];
/// Slots for the spinners and for the job that arrives among them.
const SLOTS: u32 = 1_100;
/// From the first deadline of a case to its last, in milliseconds.
const STAGGER_MS: u64 = 1_000;
/// How much guests compute between two calls of the host: about 10 us.
const ROUNDS: u64 = 10_000;
/// How often the heartbeat beats.
const BEAT: Duration = Duration::from_millis(10);
/// How long after one job has ended the next one arrives.
const PAUSE: Duration = Duration::from_millis(10);

/// One way to run guests.
enum Way {
    Sandbox(Prepared),
    Tokio(Bare),
}

/// What was measured of one case, in milliseconds.
#[derive(Default)]
struct Figures {
    /// From the deadline to the last sign of life.
    overrun: Samples,
    /// From the deadline until the slot is free, as seen by who waits for it.
    slot_free: Samples,
    /// From the start of a short job to the entry of its handler.
    start_delay: Samples,
    /// From there to its report.
    run_time: Samples,
    /// How late a task of the host's runtime was.
    heartbeat: Samples,
}

/// All cases in both ways, and what was measured of each.
pub struct Stops {
    ways: Vec<(&'static str, Arc<Way>)>,
    /// What takes a millisecond to compute.
    short: u64,
    /// Guests and rounds of a case at the most.
    jobs: u32,
    measured: BTreeMap<String, Figures>,
}

impl Stops {
    /// With the sandbox's usual settings, and more slots.
    pub async fn open(bench: &Bench) -> Result<Self> {
        let config = bench.config.sandbox(bench.args.concurrency);
        let settings = Settings {
            slots: SLOTS,
            clear_stacks: config.clear_stacks,
        };
        let sandbox = Sandbox::new(SandboxConfig {
            instances_max: SLOTS,
            ..config
        })?;
        let prepared = sandbox
            .prepare(&bench.wasm, Profile::of(&Limits::default()))
            .await?;
        let bare = Way::Tokio(Bare::new(&bench.wasm, settings)?);
        // Measured while nothing else runs.
        let short = rounds_per_ms(&bare).await?;
        Ok(Self {
            ways: vec![
                ("spinners", Arc::new(Way::Sandbox(prepared))),
                ("tokio", Arc::new(bare)),
            ],
            short,
            jobs: bench.args.jobs,
            measured: BTreeMap::new(),
        })
    }
}

#[async_trait]
impl Measure for Stops {
    /// Adds to what is told at the end: percentiles are of all repetitions together.
    async fn round(&mut self) -> Result<Vec<Figure>> {
        let most = u64::from(self.jobs);
        for (spinners, rounds) in CASES.into_iter().filter(|(it, _)| *it <= most) {
            for (name, way) in &self.ways {
                let figures = self.measured.entry(format!("{name}_{spinners}"));
                let figures = figures.or_default();
                for _ in 0..rounds.min(self.jobs) {
                    round(way, spinners, self.short, figures).await?;
                }
            }
        }
        Ok(Vec::new())
    }

    async fn warm_up(&mut self) -> Result<()> {
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<Map<String, Value>> {
        let measured = self.measured.iter();
        Ok(measured
            .map(|(case, figures)| (case.clone(), figures.to_json()))
            .collect())
    }
}

impl Figures {
    fn to_json(&self) -> Value {
        let spread = |samples: &Samples| {
            json!({
                "p50": samples.percentile(0.5),
                "p99": samples.percentile(0.99),
                "max": samples.percentile(1.0),
                "samples": samples.0.len(),
            })
        };
        json!({
            "overrun_ms": spread(&self.overrun),
            "slot_free_ms": spread(&self.slot_free),
            "start_delay_ms": spread(&self.start_delay),
            "run_time_ms": spread(&self.run_time),
            "heartbeat_ms": spread(&self.heartbeat),
        })
    }
}

/// Starts the spinners, lets short jobs arrive until the last one is gone, and notes all of it.
async fn round(way: &Arc<Way>, spinners: u64, short: u64, figures: &mut Figures) -> Result<()> {
    // Until all have begun and a while beyond: each may first have some turns.
    let first_ms = 300 + 5 * spinners;
    let begun_before = Instant::now();
    let traces: Vec<Arc<Trace>> = (0..spinners).map(|_| Arc::new(Trace::new())).collect();
    let running: Vec<_> = (0..)
        .zip(&traces)
        .map(|(n, trace)| {
            let timeout = Duration::from_millis(first_ms + n * STAGGER_MS / spinners);
            let (way, trace) = (way.clone(), trace.clone());
            tokio::spawn(async move {
                let gone = way.spin(timeout, &trace).await?;
                let deadline = trace.started().context("no start")? + timeout;
                let alive = trace.alive().unwrap_or(deadline);
                let past = |at: Instant| at.saturating_duration_since(deadline).as_secs_f64() * 1e3;
                anyhow::Ok((past(alive), past(gone)))
            })
        })
        .collect();
    while traces.iter().any(|trace| trace.begun().is_none()) {
        if begun_before.elapsed() > Duration::from_millis(first_ms * 20) {
            bail!("not all of {spinners} guests began");
        }
        tokio::time::sleep(PAUSE).await;
    }
    let over = Arc::new(AtomicBool::new(false));
    let heartbeat = tokio::spawn(beat(over.clone()));
    let arriving = tokio::spawn(arrive(way.clone(), short, over.clone()));
    for spinner in running {
        let (overrun, slot_free) = spinner.await??;
        figures.overrun.0.push(overrun);
        figures.slot_free.0.push(slot_free);
    }
    over.store(true, Ordering::Relaxed);
    figures.heartbeat.0.extend(heartbeat.await?);
    for (delay, time) in arriving.await?? {
        figures.start_delay.0.push(delay);
        figures.run_time.0.push(time);
    }
    Ok(())
}

/// A task of the host's runtime that wants to run at fixed times: how late it was each time.
async fn beat(over: Arc<AtomicBool>) -> Vec<f64> {
    let mut late = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let due = Instant::now() + BEAT;
        tokio::time::sleep_until(due.into()).await;
        late.push(due.elapsed().as_secs_f64() * 1e3);
    }
    late
}

/// Short jobs, one after the other: how long until each began, and how long it then took.
async fn arrive(way: Arc<Way>, short: u64, over: Arc<AtomicBool>) -> Result<Vec<(f64, f64)>> {
    let mut seen = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let trace = Arc::new(Trace::new());
        let arrived = Instant::now();
        way.burn(short, &trace).await?;
        let ended = Instant::now();
        let begun = trace.begun().context("no beginning")?;
        seen.push((
            (begun - arrived).as_secs_f64() * 1e3,
            (ended - begun).as_secs_f64() * 1e3,
        ));
        tokio::time::sleep(PAUSE).await;
    }
    Ok(seen)
}

/// How many rounds take a millisecond: the fastest of some tries.
async fn rounds_per_ms(way: &Way) -> Result<u64> {
    let rounds = 1_000_000;
    let mut fastest = f64::INFINITY;
    for _ in 0..10 {
        let trace = Arc::new(Trace::new());
        way.burn(rounds, &trace).await?;
        let begun = trace.begun().context("no beginning")?;
        fastest = fastest.min(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok((rounds as f64 / fastest) as u64)
}

impl Way {
    /// Runs a guest that spins until it is stopped at its deadline, and tells when it was gone.
    async fn spin(&self, timeout: Duration, trace: &Arc<Trace>) -> Result<Instant> {
        let input = ROUNDS.to_string();
        match self {
            Self::Sandbox(prepared) => {
                let mut attempt = attempt("spin", &input)?;
                attempt.limits.wall_timeout_ms = timeout.as_millis() as u64;
                attempt.limits.cpu_time_ms = 3_600_000;
                attempt.limits.progress_per_s_max = u64::MAX;
                attempt.watch = Some(trace.clone());
                let report = prepared.run(attempt).await;
                let gone = Instant::now();
                match report.outcome.kind() {
                    OutcomeKind::TimedOutWall => Ok(gone),
                    _ => bail!("the spinning guest ended otherwise: {:?}", report.outcome),
                }
            }
            Self::Tokio(bare) => {
                trace.note_started();
                let running = bare.run("spin", &input, Some(trace.clone()));
                match tokio::time::timeout(timeout, running).await {
                    Err(_) => Ok(Instant::now()),
                    Ok(ended) => bail!("the spinning guest ended by itself: {ended:?}"),
                }
            }
        }
    }

    /// Runs a guest that computes so many rounds.
    async fn burn(&self, rounds: u64, trace: &Arc<Trace>) -> Result<()> {
        let input = rounds.to_string();
        match self {
            Self::Sandbox(prepared) => {
                let mut attempt = attempt("burn", &input)?;
                attempt.watch = Some(trace.clone());
                let report = prepared.run(attempt).await;
                match report.outcome.failure() {
                    None => Ok(()),
                    Some(failure) => bail!("the short job failed: {}", failure.message),
                }
            }
            Self::Tokio(bare) => bare.run("burn", &input, Some(trace.clone())).await,
        }
    }
}
