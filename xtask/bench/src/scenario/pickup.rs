//! How long a job waits for its handler.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use async_trait::async_trait;
use serde_json::{Map, Value};
use tokio::time::MissedTickBehavior;

use super::Measure;
use super::drain::drain;
use crate::bench::Bench;
use crate::measure::{Figure, Samples, figure};
use crate::site::{Site, noops, rate_of, request};

/// Pickups in a repetition.
pub const PICKUPS: u32 = 100;
/// How long a job may take.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Until most jobs have run, and the worker is idle again.
const PAUSE: Duration = Duration::from_millis(25);

/// How often jobs are started in a second to load a worker.
const FEEDS_PER_S: u32 = 100;
/// Of the rate at which the worker drains.
const LOAD: f64 = 0.5;

/// Starts one job after the other, so many. Each returns the time at which its handler was entered: how long that was after the
/// start call began, in milliseconds.
pub async fn pickups(site: &Site, count: u32) -> Result<Samples> {
    let mut samples = Samples::default();
    for _ in 0..count {
        let began = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros() as u64;
        let chain = site.service.start(request("clock", "{}")).await?;
        // To look for its end meanwhile would be in its way.
        tokio::time::sleep(PAUSE).await;
        let waiting = site.service.wait_chain(chain.chain_id, Some(WAIT_MAX));
        let output = waiting.await?.output.context("the clock job failed")?;
        let entered: u64 = output
            .parse()
            .context("the clock job did not return a time")?;
        samples.0.push(entered.saturating_sub(began) as f64 / 1e3);
    }
    Ok(samples)
}

/// Median and 99th percentile.
pub fn percentiles(samples: &Samples) -> [Figure; 2] {
    [("p50_ms", 0.5), ("p99_ms", 0.99)].map(|(name, share)| figure(name, samples.percentile(share)))
}

/// On an idle worker.
pub struct Pickup {
    site: Site,
    count: u32,
}

impl Pickup {
    pub async fn open(bench: &Bench) -> Result<Self> {
        Ok(Self {
            site: bench.site().await?,
            count: bench.args.jobs.min(PICKUPS),
        })
    }
}

#[async_trait]
impl Measure for Pickup {
    async fn round(&mut self) -> Result<Vec<Figure>> {
        let working = self.site.work()?;
        // The worker's own beginning is not to be measured.
        pickups(&self.site, 1).await?;
        let samples = pickups(&self.site, self.count).await?;
        working.stop().await?;
        Ok(percentiles(&samples).into())
    }

    async fn finish(self: Box<Self>) -> Result<Map<String, Value>> {
        self.site.close().await;
        Ok(Map::new())
    }
}

/// On a worker that is half busy: jobs that do nothing are started at half of the rate at which it drains them.
pub struct Loaded {
    site: Arc<Site>,
    count: u32,
    jobs: u32,
    /// Jobs a second; measured to warm up.
    drain_rate: f64,
}

impl Loaded {
    pub async fn open(bench: &Bench) -> Result<Self> {
        Ok(Self {
            site: Arc::new(bench.site().await?),
            count: bench.args.jobs.min(PICKUPS),
            jobs: bench.args.jobs,
            drain_rate: 0.0,
        })
    }
}

#[async_trait]
impl Measure for Loaded {
    async fn warm_up(&mut self) -> Result<()> {
        // The first drain is slower than those that come.
        for _ in 0..2 {
            let figures = drain(&self.site, noops(self.jobs), &[]).await?;
            self.drain_rate = rate_of(&figures);
        }
        Ok(())
    }

    async fn round(&mut self) -> Result<Vec<Figure>> {
        let working = self.site.work()?;
        pickups(&self.site, 1).await?;
        let over = Arc::new(AtomicBool::new(false));
        let batch = self.drain_rate * LOAD / f64::from(FEEDS_PER_S);
        let feeding = feed(
            Arc::clone(&self.site),
            batch.ceil() as u32,
            Arc::clone(&over),
        );
        let (feeding, began) = (tokio::spawn(feeding), Instant::now());
        let samples = pickups(&self.site, self.count).await?;
        over.store(true, Ordering::Relaxed);
        let fed = feeding.await??;
        let rate = f64::from(fed) / began.elapsed().as_secs_f64();
        self.site
            .wait_until_empty(&[], || self.site.tally())
            .await?;
        working.stop().await?;
        let mut figures = Vec::from(percentiles(&samples));
        figures.push(figure("load_jobs_per_s", rate));
        figures.push(figure("load_share", rate / self.drain_rate));
        Ok(figures)
    }

    async fn finish(self: Box<Self>) -> Result<Map<String, Value>> {
        self.site.close().await;
        Ok(Map::new())
    }
}

/// Starts jobs at a steady rate until it is over. How many.
async fn feed(site: Arc<Site>, batch: u32, over: Arc<AtomicBool>) -> Result<u32> {
    let mut interval = tokio::time::interval(Duration::from_secs(1) / FEEDS_PER_S);
    // A start that takes long must not be followed by a heap of them.
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut fed = 0;
    while !over.load(Ordering::Relaxed) {
        interval.tick().await;
        site.service.start_many(noops(batch)).await?;
        fed += batch;
    }
    Ok(fed)
}
