//! A drain on a database that is some way off.

use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use serde_json::{Map, Value};

use super::Measure;
use super::drain::drain;
use crate::bench::Bench;
use crate::measure::{Figure, figure};
use crate::proxy;
use crate::site::{Site, noops, rate_of};

/// Each way: 1 ms there and back.
const DELAY: Duration = Duration::from_micros(500);

/// The same database by three ways.
pub struct Distant {
    /// Directly.
    local: Site,
    /// Through the proxy, without delay: what the proxy costs.
    proxied: Site,
    /// Through the proxy, delayed.
    distant: Site,
    jobs: u32,
}

impl Distant {
    pub async fn open(bench: &Bench) -> Result<Self> {
        let local = bench.site().await?;
        let over = |delay| proxy::start(&local.database().url, delay);
        let proxied = local.by(over(Duration::ZERO)?).await?;
        let distant = local.by(over(DELAY)?).await?;
        Ok(Self {
            local,
            proxied,
            distant,
            jobs: bench.args.jobs,
        })
    }
}

#[async_trait]
impl Measure for Distant {
    async fn round(&mut self) -> Result<Vec<Figure>> {
        let mut rates = [0.0; 3];
        let sites = [&self.local, &self.proxied, &self.distant];
        for (site, rate) in sites.into_iter().zip(&mut rates) {
            *rate = rate_of(&drain(site, noops(self.jobs), &[]).await?);
        }
        let [local, proxied, distant] = rates;
        Ok(vec![
            figure("jobs_per_s", distant),
            figure("local_jobs_per_s", local),
            figure("proxied_jobs_per_s", proxied),
            figure("ratio", distant / local),
            figure("ratio_to_proxied", distant / proxied),
        ])
    }

    async fn finish(self: Box<Self>) -> Result<Map<String, Value>> {
        for site in [self.distant, self.proxied, self.local] {
            site.close().await;
        }
        Ok(Map::new())
    }
}
