//! A job that waits for many chains.

use std::time::Duration;

use anyhow::{Context, Result};
use async_trait::async_trait;
use hardstop_domain::JobId;
use serde_json::{Map, Value};

use super::Measure;
use crate::bench::Bench;
use crate::measure::{Figure, figure};
use crate::site::{Meter, NOOP, Site, noops, request};
use crate::tally::Tally;

/// Chains that it waits for, where there are to be so many jobs.
const BLOCKERS: u32 = 1_000;
/// How long all of it may take.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// A job that waits for 1,000 chains.
pub struct FanIn {
    site: Site,
    blockers: u32,
}

impl FanIn {
    pub async fn open(bench: &Bench) -> Result<Self> {
        Ok(Self {
            site: bench.site().await?,
            blockers: bench.args.jobs.min(BLOCKERS),
        })
    }
}

#[async_trait]
impl Measure for FanIn {
    async fn round(&mut self) -> Result<Vec<Figure>> {
        let before = self.site.tally();
        let chains = self.site.start_chains(noops(self.blockers)).await?;
        let mut last = request(NOOP, "{}");
        last.blockers = chains.clone();
        let last = self.site.service.start(last).await?.chain_id;
        let jobs = chains.iter().chain([&last]).map(|chain| JobId(chain.0));
        let wanted = Tally::once(jobs);
        let meter = Meter::start(&self.site).await?;
        let working = self.site.work()?;
        let ended = self.site.service.wait_chain(last, Some(WAIT_MAX)).await?;
        let mut figures = meter.stop(u64::from(self.blockers) + 1).await?;
        working.stop().await?;
        self.site.check(before, wanted)?;
        // By the database's clock.
        let newest = self.site.newest(self.blockers as usize + 1).await?;
        let others = newest.iter().filter(|job| job.chain_id != last);
        let closed = others.filter_map(|job| job.finished_at).max();
        let closed = closed.context("no blocker is final")?;
        let began = ended.summary.started_at.context("the job did not begin")?;
        let release_ms = (began.0 - closed.0) as f64 / 1e3;
        figures.push(figure("release_ms", release_ms));
        Ok(figures)
    }

    async fn finish(self: Box<Self>) -> Result<Map<String, Value>> {
        self.site.close().await;
        Ok(Map::new())
    }
}
