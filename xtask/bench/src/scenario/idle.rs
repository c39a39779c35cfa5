//! What a worker costs that has nothing to do.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::Measure;
use crate::bench::Bench;
use crate::consumption;
use crate::database::Raw;
use crate::hand::Hand;
use crate::measure::{Figure, Samples, figure};
use crate::site::Site;

/// Until what a worker does at its start is over.
const SETTLE_TIME: Duration = Duration::from_secs(2);
/// How much of a statement is told.
const STATEMENT_CHARS: usize = 160;

/// An idle worker, in a process of its own.
pub struct Idle {
    site: Site,
    raw: Raw,
    hands: Vec<Hand>,
    window: Duration,
    /// Whether statements are counted.
    counted: bool,
    /// How often each was run in a second.
    statements: BTreeMap<String, Samples>,
    rounds: u32,
}

impl Idle {
    pub async fn open(bench: &Bench) -> Result<Self> {
        let site = bench.site().await?;
        let mut raw = site.raw().await?;
        let counted = raw.count_statements().await?;
        let hands = Hand::start(bench, &site, 1, bench.args.concurrency).await?;
        Ok(Self {
            site,
            raw,
            hands,
            window: Duration::from_secs(bench.args.window.into()),
            counted,
            statements: BTreeMap::new(),
            rounds: 0,
        })
    }
}

#[async_trait]
impl Measure for Idle {
    async fn warm_up(&mut self) -> Result<()> {
        tokio::time::sleep(SETTLE_TIME).await;
        Ok(())
    }

    async fn round(&mut self) -> Result<Vec<Figure>> {
        self.rounds += 1;
        let worker = self.hands.iter().map(Hand::id).next().unwrap_or_default();
        let transactions = self.raw.transactions().await?;
        if self.counted {
            self.raw.forget_statements().await?;
        }
        let (cpu, postgres) = (consumption::process(worker), consumption::postgres());
        let (reads, began) = (consumption::read_calls(worker), Instant::now());
        tokio::time::sleep(self.window).await;
        let seconds = began.elapsed().as_secs_f64();
        let percent = |now: Duration, before: Duration| {
            now.saturating_sub(before).as_secs_f64() / seconds * 100.0
        };
        let cpu = percent(consumption::process(worker), cpu);
        let mut figures = vec![figure("cpu_percent", cpu)];
        match (transactions, self.raw.transactions().await?) {
            (Some(before), Some(now)) => {
                let postgres = percent(consumption::postgres(), postgres);
                figures.push(figure("postgres_cpu_percent", postgres));
                figures.push(figure("transactions_per_s", (now - before) / seconds));
            }
            _ => {
                let reads = (consumption::read_calls(worker) - reads) / seconds;
                figures.push(figure("read_calls_per_s", reads));
            }
        }
        if self.counted {
            let statements = self.raw.statements().await?;
            let all: f64 = statements.iter().map(|(_, calls)| calls).sum();
            figures.push(figure("statements_per_s", all / seconds));
            for (text, calls) in statements {
                let samples = self.statements.entry(shown(&text)).or_default();
                samples.0.push(calls / seconds);
            }
        }
        Ok(figures)
    }

    async fn finish(self: Box<Self>) -> Result<Map<String, Value>> {
        for hand in self.hands {
            hand.end().await?;
        }
        self.site.close().await;
        // A statement that was not run in every repetition was run less often than its samples say.
        let rate =
            |samples: &Samples| samples.0.iter().sum::<f64>() / f64::from(self.rounds.max(1));
        let told = self.statements.iter();
        let mut told: Vec<(&String, f64)> = told.map(|(text, it)| (text, rate(it))).collect();
        told.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        let told: Vec<Value> = told
            .into_iter()
            .map(|(text, per_s)| json!({ "statement": text, "per_s": per_s }))
            .collect();
        let told = self.counted.then(|| ("statements".to_owned(), told.into()));
        Ok(told.into_iter().collect())
    }
}

/// A statement in one line, without its comments, and cut.
fn shown(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| line.split("--").next().unwrap_or(line));
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    let text = words.join(" ");
    match text.char_indices().nth(STATEMENT_CHARS) {
        Some((at, _)) => format!("{} ...", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_told_in_one_line() {
        let text = "-- What is due.\nSELECT id  -- its key\nFROM job";
        assert_eq!(shown(text), "SELECT id FROM job");
        assert_eq!(shown(&"é".repeat(200)).chars().count(), STATEMENT_CHARS + 4);
    }
}
