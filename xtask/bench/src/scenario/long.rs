//! Whether a claim takes longer after many jobs.

use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use serde_json::{Map, Value};

use super::Measure;
use super::statement::Claimer;
use crate::bench::Bench;
use crate::measure::{Figure, Samples, figure};
use crate::site::{Meter, Site, noops, rate_of};

/// Of all jobs, so many parts are started and run one after the other.
const PARTS: u32 = 20;

/// Claims and settlements of very many jobs, without a worker and a guest.
pub struct Long {
    site: Site,
    jobs: u32,
}

impl Long {
    pub async fn open(bench: &Bench) -> Result<Self> {
        Ok(Self {
            site: bench.site().await?,
            jobs: bench.args.long,
        })
    }

    /// Starts and runs a part: how long each claim took, in microseconds, and the rate.
    async fn part(&self, claimer: &mut Claimer) -> Result<(Samples, f64)> {
        let count = (self.jobs / PARTS).max(1);
        self.site.start(noops(count)).await?;
        let meter = Meter::start(&self.site).await?;
        let mut samples = Samples::default();
        let mut left = count;
        while left > 0 {
            let (claimed, time): (u32, Duration) = claimer.turn(&self.site).await?;
            if claimed == 0 {
                bail!("{left} jobs could not be claimed");
            }
            samples.0.push(time.as_secs_f64() * 1e6);
            left -= claimed;
        }
        Ok((samples, rate_of(&meter.stop(count.into()).await?)))
    }
}

#[async_trait]
impl Measure for Long {
    async fn warm_up(&mut self) -> Result<()> {
        let mut claimer = Claimer::new(&self.site).await?;
        self.part(&mut claimer).await?;
        claimer.close(&self.site).await
    }

    fn repeats(&self, _: u32) -> u32 {
        1
    }

    async fn round(&mut self) -> Result<Vec<Figure>> {
        let mut claimer = Claimer::new(&self.site).await?;
        let (first, first_rate) = self.part(&mut claimer).await?;
        for _ in 2..PARTS {
            self.part(&mut claimer).await?;
        }
        let (last, last_rate) = self.part(&mut claimer).await?;
        claimer.close(&self.site).await?;
        let mut figures = vec![
            figure("first_jobs_per_s", first_rate),
            figure("last_jobs_per_s", last_rate),
        ];
        for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
            let (first, last) = (first.percentile(share), last.percentile(share));
            figures.extend([
                figure(format!("first_claim_us_{name}"), first),
                figure(format!("last_claim_us_{name}"), last),
                figure(format!("claim_ratio_{name}"), last / first),
            ]);
        }
        Ok(figures)
    }

    async fn finish(self: Box<Self>) -> Result<Map<String, Value>> {
        self.site.close().await;
        Ok(Map::new())
    }
}
