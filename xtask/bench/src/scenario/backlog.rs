//! A drain beside many jobs that wait.

use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use hardstop::StartRequest;
use hardstop::service::PauseRequest;
use serde_json::{Map, Value};

use super::Measure;
use super::drain::drain;
use crate::bench::Bench;
use crate::measure::{Figure, figure};
use crate::site::{NOOP, Site, noops, rate_of, request};

/// The type of the ready jobs, which is paused.
const WAITING: &str = "nap";
/// The type of the scheduled ones.
const SCHEDULED: &str = "echo";
/// How long until the first of these is due.
const DELAY: Duration = Duration::from_secs(24 * 3_600);
/// How many jobs are blocked by one chain.
const DEPENDENTS: u32 = 3;
/// How many are started at once.
const BATCH: u32 = 10_000;

/// A drain in an empty database, and one beside as many ready, as many scheduled and as many blocked jobs.
pub struct Backlog {
    alone: Site,
    beside: Site,
    jobs: u32,
    rounds: u32,
}

impl Backlog {
    pub async fn open(bench: &Bench) -> Result<Self> {
        let (alone, beside) = (bench.site().await?, bench.site().await?);
        let count = bench.args.backlog;
        eprintln!("starting {count} ready, {count} scheduled and {count} blocked jobs ...");
        fill(&beside, count).await?;
        Ok(Self {
            alone,
            beside,
            jobs: bench.args.jobs,
            rounds: 0,
        })
    }
}

/// Starts so many ready jobs of a type that is paused, as many that are scheduled, and as many that wait for the ready ones.
async fn fill(site: &Site, count: u32) -> Result<()> {
    let pause = PauseRequest {
        type_name: Some(WAITING.to_owned()),
        note: Some("the bench keeps these from running".to_owned()),
        ..PauseRequest::default()
    };
    site.service.pause(pause).await?;
    let mut done = 0;
    while done < count {
        let batch = BATCH.min(count - done);
        let ready = vec![request(WAITING, r#"{"ms":1}"#); batch as usize];
        let ready = site.start_chains(ready).await?;
        let blocked = (0..batch).map(|n| StartRequest {
            blockers: vec![ready[(n / DEPENDENTS) as usize]],
            ..request(NOOP, "{}")
        });
        site.start_chains(blocked.collect()).await?;
        let scheduled = (0..batch).map(|n| StartRequest {
            delay: DELAY + Duration::from_secs(u64::from(done + n)),
            ..request(SCHEDULED, r#"{"text":"later"}"#)
        });
        site.start_chains(scheduled.collect()).await?;
        done += batch;
    }
    Ok(())
}

#[async_trait]
impl Measure for Backlog {
    async fn round(&mut self) -> Result<Vec<Figure>> {
        self.rounds += 1;
        let (mut alone, mut beside) = (0.0, 0.0);
        // Each is first in turn.
        for turn in 0..2 {
            match (self.rounds + turn) % 2 {
                0 => alone = rate_of(&drain(&self.alone, noops(self.jobs), &[]).await?),
                _ => beside = rate_of(&drain(&self.beside, noops(self.jobs), &[WAITING]).await?),
            }
        }
        Ok(vec![
            figure("jobs_per_s", beside),
            figure("alone_jobs_per_s", alone),
            figure("ratio", beside / alone),
        ])
    }

    async fn finish(self: Box<Self>) -> Result<Map<String, Value>> {
        self.alone.close().await;
        self.beside.close().await;
        Ok(Map::new())
    }
}
