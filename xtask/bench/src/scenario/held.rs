//! Steady work while somebody else holds a transaction open.

use std::time::{Duration, Instant};

use anyhow::Result;
use async_trait::async_trait;
use serde_json::{Map, Value};

use super::Measure;
use crate::bench::Bench;
use crate::measure::{Figure, figure};
use crate::site::{Site, noops};
use crate::tally::Tally;

/// How many jobs are started at once, where there are to be so many; and again where fewer are left.
const BATCH: u32 = 5_000;
/// How often to look.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// Repetitions at the most.
const REPEATS_MAX: u32 = 3;

/// Two databases with the same work; in one of them a transaction is open.
pub struct Held {
    alone: Site,
    beside: Site,
    window: Duration,
    batch: u32,
    rounds: u32,
}

impl Held {
    pub async fn open(bench: &Bench) -> Result<Self> {
        Ok(Self {
            alone: bench.site().await?,
            beside: bench.site().await?,
            window: Duration::from_secs(bench.args.held.into()),
            batch: bench.args.jobs.min(BATCH),
            rounds: 0,
        })
    }

    async fn held(&self) -> Result<f64> {
        let mut other = self.beside.raw().await?;
        other.hold().await?;
        let rate = sustain(&self.beside, self.batch, self.window).await;
        other.let_go().await?;
        rate
    }
}

/// Starts and runs jobs for so long. The rate of the last half of it, in jobs a second.
async fn sustain(site: &Site, batch: u32, window: Duration) -> Result<f64> {
    let before = site.tally();
    let working = site.work()?;
    let mut wanted = Tally::default();
    let (mut half, began) = (None, Instant::now());
    while began.elapsed() < window {
        if half.is_none() && began.elapsed() >= window / 2 {
            half = Some((site.tally(), Instant::now()));
        }
        match site.unfinished(&[]).await? {
            left if left < batch.into() => wanted = wanted + site.start(noops(batch)).await?,
            _ => tokio::time::sleep(LOOK_INTERVAL).await,
        }
    }
    let (then, since) = half.unwrap_or((before, began));
    let ran = (site.tally() - then).attempts;
    let rate = ran as f64 / since.elapsed().as_secs_f64();
    site.wait_until_empty(&[], || site.tally()).await?;
    working.stop().await?;
    site.check(before, wanted)?;
    Ok(rate)
}

#[async_trait]
impl Measure for Held {
    async fn warm_up(&mut self) -> Result<()> {
        for site in [&self.alone, &self.beside] {
            sustain(site, self.batch, Duration::from_secs(1)).await?;
        }
        Ok(())
    }

    fn repeats(&self, asked: u32) -> u32 {
        asked.min(REPEATS_MAX)
    }

    async fn round(&mut self) -> Result<Vec<Figure>> {
        self.rounds += 1;
        let (mut alone, mut held) = (0.0, 0.0);
        // Each is first in turn.
        for turn in 0..2 {
            match (self.rounds + turn) % 2 {
                0 => alone = sustain(&self.alone, self.batch, self.window).await?,
                _ => held = self.held().await?,
            }
        }
        Ok(vec![
            figure("jobs_per_s", held),
            figure("alone_jobs_per_s", alone),
            figure("ratio", held / alone),
        ])
    }

    async fn finish(self: Box<Self>) -> Result<Map<String, Value>> {
        self.alone.close().await;
        self.beside.close().await;
        Ok(Map::new())
    }
}
