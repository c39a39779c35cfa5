//! The claims and settlements of a drain alone: nothing runs, and each job is said to have completed.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use async_trait::async_trait;
use hardstop_domain::{Keep, LeaseToken, Next, OutcomeKind, SessionId, TypeId, Usage};
use hardstop_store::{ClaimRequest, ClaimedJob, Settled, Settlement};
use serde_json::{Map, Value};

use super::Measure;
use crate::bench::Bench;
use crate::measure::Figure;
use crate::site::{Meter, NOOP, Site, noops};

/// How many are claimed and settled at once.
const BATCH: u32 = 500;
/// How long the session is trusted that holds the jobs.
const LEASE: Duration = Duration::from_secs(24 * 3_600);

/// Claims and settles, in turns.
pub struct Claimer {
    session: SessionId,
    type_id: TypeId,
    batches: u32,
}

impl Claimer {
    /// Of jobs that do nothing.
    pub async fn new(site: &Site) -> Result<Self> {
        Ok(Self {
            session: site.store.open_session("bench", LEASE, None).await?,
            type_id: site.type_id(NOOP).await?,
            batches: 0,
        })
    }

    /// Claims a batch and completes it. How many jobs there were, and how long the claim took.
    pub async fn turn(&mut self, site: &Site) -> Result<(u32, Duration)> {
        self.batches += 1;
        let request = ClaimRequest {
            token: LeaseToken::new(self.session, self.batches),
            quotas: vec![(self.type_id, BATCH)],
            total: BATCH,
        };
        let began = Instant::now();
        let claimed = site.store.claim(&request).await?;
        let time = began.elapsed();
        if !claimed.is_empty() {
            let settlements: Vec<Settlement> = claimed.iter().map(completed).collect();
            let settled = site.store.settle(&settlements).await?;
            if let Some(bad) = settled.iter().find(|it| **it != Settled::Written) {
                bail!("a settlement was not written: {bad:?}");
            }
        }
        Ok((claimed.len() as u32, time))
    }

    /// Ends the session.
    pub async fn close(self, site: &Site) -> Result<()> {
        site.store.close_session(self.session).await?;
        Ok(())
    }
}

/// What a no-op job comes to.
fn completed(job: &ClaimedJob) -> Settlement {
    Settlement {
        job: job.id,
        token: job.token,
        next: Next::Complete {
            output: "null".to_owned(),
        },
        outcome: OutcomeKind::Completed,
        failure: None,
        usage: Usage::default(),
        deployment: None,
        log: Vec::new(),
        progress: None,
        children: Vec::new(),
        lineage: job.lineage,
        descendants_max: 0,
        keep: Keep::All,
    }
}

/// As many jobs as a drain has.
pub struct Statements {
    site: Site,
    jobs: u32,
}

impl Statements {
    pub async fn open(bench: &Bench) -> Result<Self> {
        Ok(Self {
            site: bench.site().await?,
            jobs: bench.args.jobs,
        })
    }
}

#[async_trait]
impl Measure for Statements {
    async fn round(&mut self) -> Result<Vec<Figure>> {
        self.site.start(noops(self.jobs)).await?;
        let mut claimer = Claimer::new(&self.site).await?;
        let meter = Meter::start(&self.site).await?;
        let mut left = self.jobs;
        while left > 0 {
            let (count, _) = claimer.turn(&self.site).await?;
            if count == 0 {
                bail!("{left} jobs could not be claimed");
            }
            left -= count;
        }
        let figures = meter.stop(self.jobs.into()).await?;
        claimer.close(&self.site).await?;
        self.site.check_completed(self.jobs as usize).await?;
        Ok(figures)
    }

    async fn finish(self: Box<Self>) -> Result<Map<String, Value>> {
        self.site.close().await;
        Ok(Map::new())
    }
}
