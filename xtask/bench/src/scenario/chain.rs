//! Jobs that follow each other.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use async_trait::async_trait;
use serde_json::{Map, Value};

use super::Measure;
use crate::bench::Bench;
use crate::measure::{Figure, Samples, figure};
use crate::site::{Meter, Site, request};

/// Jobs in a chain.
const LENGTH: u32 = 10;
/// Chains that are run alone in a repetition.
const ALONE: u32 = 10;
/// How long a chain may take.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Chains of 10.
pub struct Chains {
    site: Site,
    chains: u32,
}

impl Chains {
    pub async fn open(bench: &Bench) -> Result<Self> {
        Ok(Self {
            site: bench.site().await?,
            chains: bench.args.jobs.div_ceil(LENGTH),
        })
    }

    /// One chain after the other on an idle worker, in milliseconds each.
    async fn alone(&self) -> Result<Samples> {
        let mut samples = Samples::default();
        let working = self.site.work()?;
        for _ in 0..ALONE {
            let began = Instant::now();
            let chain = self.site.service.start(first()).await?.chain_id;
            self.site.service.wait_chain(chain, Some(WAIT_MAX)).await?;
            samples.0.push(began.elapsed().as_secs_f64() * 1e3);
        }
        working.stop().await?;
        Ok(samples)
    }
}

/// A job that counts down.
fn first() -> hardstop::StartRequest {
    request("steps", format!("[{},0]", LENGTH - 1))
}

#[async_trait]
impl Measure for Chains {
    async fn round(&mut self) -> Result<Vec<Figure>> {
        let alone = self.alone().await?;
        let jobs = u64::from(self.chains * LENGTH);
        self.site.start(vec![first(); self.chains as usize]).await?;
        let before = self.site.tally();
        let meter = Meter::start(&self.site).await?;
        self.site.drain(&[]).await?;
        let mut figures = meter.stop(jobs).await?;
        let ran = self.site.tally() - before;
        // The ids of the jobs that follow are not known here.
        if [ran.attempts, ran.ended_well, ran.sandboxed] != [jobs; 3] {
            bail!("{jobs} jobs were to run once each, and there was {ran:?}");
        }
        self.site
            .check_completed_or_continued(jobs as usize)
            .await?;
        figures.push(figure("alone_ms", alone.percentile(0.5)));
        Ok(figures)
    }

    async fn finish(self: Box<Self>) -> Result<Map<String, Value>> {
        self.site.close().await;
        Ok(Map::new())
    }
}
