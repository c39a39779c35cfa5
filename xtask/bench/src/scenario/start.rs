//! How fast jobs are started.

use std::time::{Duration, Instant};

use anyhow::Result;
use async_trait::async_trait;
use serde_json::{Map, Value};

use super::Measure;
use crate::bench::Bench;
use crate::database::Raw;
use crate::measure::{Figure, figure};
use crate::site::{Meter, NOOP, Site, noops, request};

/// Starts one at a time in a repetition, at the most.
const SINGLE_STARTS: u32 = 500;
/// So many starts, then as many rows, in turns.
const TURN: u32 = 50;

/// One start for each call.
pub struct Single {
    site: Site,
    rows: Raw,
    jobs: u32,
}

impl Single {
    pub async fn open(bench: &Bench) -> Result<Self> {
        // In a database of their own, so that its log is not a job's.
        let mut rows = bench.server.database().await?.connect().await?;
        rows.make_rows().await?;
        Ok(Self {
            site: bench.site().await?,
            rows,
            jobs: bench.args.jobs.min(SINGLE_STARTS),
        })
    }
}

#[async_trait]
impl Measure for Single {
    async fn round(&mut self) -> Result<Vec<Figure>> {
        let (mut starting, mut inserting) = (Duration::ZERO, Duration::ZERO);
        let mut done = 0;
        while done < self.jobs {
            let count = TURN.min(self.jobs - done);
            let began = Instant::now();
            for _ in 0..count {
                self.site.service.start(request(NOOP, "{}")).await?;
            }
            starting += began.elapsed();
            let began = Instant::now();
            for _ in 0..count {
                self.rows.insert_row("{}").await?;
            }
            inserting += began.elapsed();
            done += count;
        }
        let rate = |time: Duration| f64::from(self.jobs) / time.as_secs_f64();
        let (starts, inserts) = (rate(starting), rate(inserting));
        self.site.drain(&[]).await?;
        Ok(vec![
            figure("jobs_per_s", starts),
            figure("bare_inserts_per_s", inserts),
            figure("ratio_to_insert", starts / inserts),
        ])
    }

    async fn finish(self: Box<Self>) -> Result<Map<String, Value>> {
        self.site.close().await;
        Ok(Map::new())
    }
}

/// Many starts for each call.
pub struct Batches {
    site: Site,
    batch: u32,
    jobs: u32,
}

impl Batches {
    pub async fn open(bench: &Bench, batch: u32) -> Result<Self> {
        Ok(Self {
            site: bench.site().await?,
            batch,
            // Whole batches, and one at the least.
            jobs: bench.args.jobs.div_ceil(batch) * batch,
        })
    }
}

#[async_trait]
impl Measure for Batches {
    async fn round(&mut self) -> Result<Vec<Figure>> {
        let requests = noops(self.batch);
        let meter = Meter::start(&self.site).await?;
        for _ in 0..self.jobs / self.batch {
            self.site.service.start_many(requests.clone()).await?;
        }
        let figures = meter.stop(self.jobs.into()).await?;
        // Jobs that are left must not be measured with the next ones.
        self.site.drain(&[]).await?;
        Ok(figures)
    }

    async fn finish(self: Box<Self>) -> Result<Map<String, Value>> {
        self.site.close().await;
        Ok(Map::new())
    }
}
