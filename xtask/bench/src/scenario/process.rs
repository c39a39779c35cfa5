//! A drain by 1, 2 and 4 worker processes.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use hardstop::service::PauseRequest;
use serde_json::{Map, Value};

use super::Measure;
use crate::bench::Bench;
use crate::hand::Hand;
use crate::measure::{Figure, figure};
use crate::site::{Meter, Site, noops, rate_of};
use crate::tally::Tally;

/// How many there are.
const PROCESSES: [u32; 3] = [1, 2, 4];
/// How often to look whether sessions have ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// Workers of their own beside this process, which only looks.
pub struct Processes {
    site: Site,
    bench: Arc<Bench>,
}

impl Processes {
    pub async fn open(bench: &Arc<Bench>) -> Result<Self> {
        Ok(Self {
            site: bench.site().await?,
            bench: Arc::clone(bench),
        })
    }

    /// The rate of so many, in jobs a second.
    async fn drain(&self, count: u32) -> Result<f64> {
        let (site, args) = (&self.site, &self.bench.args);
        // All of them are there before they may claim.
        site.service.pause(PauseRequest::default()).await?;
        let wanted = site.start(noops(args.jobs)).await?;
        let mut hands = Hand::start(&self.bench, site, count, args.concurrency).await?;
        let meter = Meter::start(site).await?;
        site.service.resume(None).await?;
        site.wait_until_empty(&[], || ()).await?;
        let rate = rate_of(&meter.stop(args.jobs.into()).await?);
        let mut ran = Tally::default();
        for hand in &mut hands {
            ran = ran + hand.tally().await?;
        }
        for hand in hands {
            hand.end().await?;
        }
        while !site.service.sessions().await?.is_empty() {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        if let Some(fault) = ran.fault(wanted) {
            bail!("{count} processes: {fault}");
        }
        site.check_completed(args.jobs as usize).await?;
        Ok(rate)
    }
}

#[async_trait]
impl Measure for Processes {
    async fn round(&mut self) -> Result<Vec<Figure>> {
        let mut figures = Vec::new();
        let mut one = f64::NAN;
        for count in PROCESSES {
            let rate = self.drain(count).await?;
            figures.push(figure(format!("of_{count}_jobs_per_s"), rate));
            match count {
                1 => one = rate,
                _ => figures.push(figure(format!("ratio_of_{count}"), rate / one)),
            }
        }
        Ok(figures)
    }

    async fn finish(self: Box<Self>) -> Result<Map<String, Value>> {
        self.site.close().await;
        Ok(Map::new())
    }
}
