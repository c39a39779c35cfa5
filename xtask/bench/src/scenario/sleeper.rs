//! How much memory guests need that sleep.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use async_trait::async_trait;
use serde_json::{Map, Value};

use super::Measure;
use crate::bench::Bench;
use crate::consumption;
use crate::hand::Hand;
use crate::measure::{Figure, figure};
use crate::site::{Site, request};

/// How long each sleeps: until all of them do.
const SLEEP: &str = r#"{"ms":55000}"#;
/// How long until all are asleep at the most; less than they sleep.
const BEGIN_MAX: Duration = Duration::from_secs(50);
/// A worker is quiet where it uses less than this share of a core for so long: none of its guests is running.
const QUIET_SHARE: f64 = 0.2;
const QUIET_TIME: Duration = Duration::from_secs(1);
/// Until what a worker does at its start is over.
const SETTLE_TIME: Duration = Duration::from_secs(1);

/// Guests that are asleep in a host call, all in one worker process.
pub struct Sleepers {
    bench: Arc<Bench>,
    count: u32,
}

impl Sleepers {
    pub fn open(bench: &Arc<Bench>) -> Self {
        Self {
            bench: Arc::clone(bench),
            count: bench.args.sleepers,
        }
    }

    async fn measure(&self, site: &Site, hand: &mut Hand) -> Result<Vec<Figure>> {
        tokio::time::sleep(SETTLE_TIME).await;
        let empty = consumption::resident_bytes_of(hand.id());
        let began = Instant::now();
        site.start(vec![request("nap", SLEEP); self.count as usize])
            .await?;
        let asleep = self.wait(hand, began).await?;
        let full = consumption::resident_bytes_of(hand.id());
        let still = hand.instances().await?;
        if still < self.count.into() {
            bail!(
                "{} of {} guests woke before they were measured",
                self.count as u64 - still,
                self.count
            );
        }
        Ok(vec![
            figure("rss_mib", full / f64::from(1 << 20)),
            figure(
                "kib_per_guest",
                (full - empty) / 1_024.0 / f64::from(self.count),
            ),
            figure("all_asleep_after_ms", asleep.as_secs_f64() * 1e3),
        ])
    }

    /// Waits until all guests live and none runs. How long the first took.
    async fn wait(&self, hand: &mut Hand, began: Instant) -> Result<Duration> {
        let mut all = None;
        loop {
            let (live, cpu) = (hand.instances().await?, consumption::process(hand.id()));
            if began.elapsed() > BEGIN_MAX {
                bail!(
                    "{live} of {} guests were asleep after {BEGIN_MAX:?}: if no more can be, `hardstop doctor` names the limits \
                     of this machine",
                    self.count
                );
            }
            if live >= self.count.into() && all.is_none() {
                all = Some(began.elapsed());
            }
            let pause = match all {
                Some(_) => QUIET_TIME,
                None => QUIET_TIME / 50,
            };
            tokio::time::sleep(pause).await;
            let used = consumption::process(hand.id()).saturating_sub(cpu);
            if let Some(all) = all
                && used < QUIET_TIME.mul_f64(QUIET_SHARE)
            {
                return Ok(all);
            }
        }
    }
}

#[async_trait]
impl Measure for Sleepers {
    async fn warm_up(&mut self) -> Result<()> {
        Ok(())
    }

    async fn round(&mut self) -> Result<Vec<Figure>> {
        let site = self.bench.site().await?;
        let mut hands = Hand::start(&self.bench, &site, 1, self.count).await?;
        let mut figures = Vec::new();
        for hand in &mut hands {
            figures = self.measure(&site, hand).await?;
        }
        for hand in hands {
            hand.end().await?;
        }
        site.close().await;
        Ok(figures)
    }

    async fn finish(self: Box<Self>) -> Result<Map<String, Value>> {
        Ok(Map::new())
    }
}
