//! How fast a worker runs jobs that were started before.

use anyhow::Result;
use async_trait::async_trait;
use hardstop::StartRequest;
use hardstop_domain::Keep;
use serde_json::{Map, Value, json};

use super::Measure;
use crate::bench::Bench;
use crate::consumption::resident_bytes;
use crate::measure::{Figure, figure};
use crate::site::{Meter, Site, noops, request};

/// How many bytes a job of the mix hashes.
const HASHED_BYTES: u32 = 10 << 10;
/// How many orders a text of the mix has at the most.
const ORDERS_MAX: usize = 8;
/// How many lines an order has at the most.
const LINES_MAX: usize = 40;

/// Starts jobs, and then lets a worker run them, from its start to its end. `beside` are types whose jobs are left alone.
pub async fn drain(
    site: &Site,
    requests: Vec<StartRequest>,
    beside: &[&str],
) -> Result<Vec<Figure>> {
    let jobs = requests.len() as u64;
    let before = site.tally();
    let wanted = site.start(requests).await?;
    let meter = Meter::start(site).await?;
    site.drain(beside).await?;
    let figures = meter.stop(jobs).await?;
    site.check(before, wanted)?;
    Ok(figures)
}

/// What the jobs do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Nothing.
    Noop,
    /// Nothing, and nothing is left of them.
    NoopNotKept,
    /// One in three adds up an order, one hashes 10 KiB, and one writes orders out as a text.
    Handlers,
}

/// Jobs that are all there before the worker.
pub struct Drain {
    site: Site,
    work: Work,
    jobs: u32,
    random: fastrand::Rng,
}

impl Drain {
    pub async fn open(bench: &Bench, work: Work) -> Result<Self> {
        let keep = match work {
            Work::NoopNotKept => Keep::Failures,
            Work::Noop | Work::Handlers => Keep::All,
        };
        Ok(Self {
            site: bench.site_keeping(keep).await?,
            work,
            jobs: bench.args.jobs,
            random: bench.random(),
        })
    }

    fn requests(&mut self) -> Vec<StartRequest> {
        match self.work {
            Work::Noop | Work::NoopNotKept => noops(self.jobs),
            Work::Handlers => (0..self.jobs)
                .map(|n| handler(n, &mut self.random))
                .collect(),
        }
    }
}

#[async_trait]
impl Measure for Drain {
    async fn round(&mut self) -> Result<Vec<Figure>> {
        let requests = self.requests();
        let mut figures = drain(&self.site, requests, &[]).await?;
        figures.push(figure("rss_mib", resident_bytes() / f64::from(1 << 20)));
        match self.work {
            Work::NoopNotKept => self.site.check_none_left().await?,
            Work::Noop | Work::Handlers => self.site.check_completed(self.jobs as usize).await?,
        }
        Ok(figures)
    }

    async fn finish(self: Box<Self>) -> Result<Map<String, Value>> {
        self.site.close().await;
        Ok(Map::new())
    }
}

/// A job of the mix.
fn handler(number: u32, random: &mut fastrand::Rng) -> StartRequest {
    match number % 3 {
        0 => request("total", order(random).to_string()),
        1 => request("digest", json!([random.u32(..), HASHED_BYTES]).to_string()),
        _ => {
            let count = random.usize(1..=ORDERS_MAX);
            let orders: Vec<Value> = (0..count).map(|_| order(random)).collect();
            request("invoice", Value::from(orders).to_string())
        }
    }
}

fn order(random: &mut fastrand::Rng) -> Value {
    let count = random.usize(1..=LINES_MAX);
    let lines: Vec<[u32; 2]> = (0..count)
        .map(|_| [random.u32(1..20), random.u32(1..100_000)])
        .collect();
    json!({ "customer": format!("customer {}", random.u16(..)), "lines": lines })
}
