//! Scenarios, one after the other or in turns, and what their repetitions come to.

use std::sync::Arc;

use anyhow::{Context, Result};
use hardstop::Config;
use hardstop_domain::Keep;
use hardstop_sandbox::Sandbox;
use serde_json::{Map, Value, json};

use crate::Args;
use crate::database::Server;
use crate::goal;
use crate::measure::{Measures, Samples};
use crate::scenario::{Measure, Scenario};
use crate::site::{self, Site};

/// Measures of one scenario divided by those of another, where both are measured in one run.
const RATIOS: [(&str, Part, Part); 3] = [
    (
        "drain_of_statements",
        ("drain", "jobs_per_s"),
        ("statements", "jobs_per_s"),
    ),
    (
        "drain_no_history_of_drain",
        ("drain_no_history", "jobs_per_s"),
        ("drain", "jobs_per_s"),
    ),
    (
        "drain_handlers_of_drain",
        ("drain_handlers", "jobs_per_s"),
        ("drain", "jobs_per_s"),
    ),
];
/// What the ratios are called among the results.
const RATIO_KEY: &str = "ratios";

/// A scenario and a measure of it.
type Part = (&'static str, &'static str);

/// What all scenarios share.
pub struct Bench {
    pub args: Args,
    pub server: Server,
    pub config: Config,
    pub sandbox: Sandbox,
    pub wasm: Vec<u8>,
}

impl Bench {
    /// Compiled code is kept in the folder.
    pub fn new(args: Args, server: Server, compiled: &std::path::Path) -> Result<Self> {
        let config = config(args.concurrency, compiled);
        let sandbox = Sandbox::new(config.sandbox(args.concurrency))?;
        let (_, wasm) = site::component(&config)?;
        Ok(Self {
            args,
            server,
            config,
            sandbox,
            wasm,
        })
    }

    /// A new database with everything deployed.
    pub async fn site(&self) -> Result<Site> {
        self.site_keeping(Keep::All).await
    }

    /// The same, with types of which these jobs are kept.
    pub async fn site_keeping(&self, keep: Keep) -> Result<Site> {
        let database = self.server.database().await?;
        Site::new(database, &self.config, &self.sandbox, keep).await
    }

    /// Random numbers that are the same in each run of one seed.
    pub fn random(&self) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.args.seed)
    }

    /// Measures scenarios. The results, by scenario.
    pub async fn run(self: &Arc<Self>, scenarios: &[Scenario]) -> Result<Map<String, Value>> {
        let mut results = Map::new();
        let mut all = Vec::new();
        let is_one = |a: &Scenario, b: &Scenario| a.group().is_some() && a.group() == b.group();
        for group in scenarios.chunk_by(is_one) {
            let names: Vec<String> = group.iter().map(|scenario| scenario.name()).collect();
            let names = names.join(", ");
            eprintln!("measuring {names} ...");
            let measured = self.run_group(group).await;
            for (key, measures, mut told) in
                measured.with_context(|| format!("measuring {names}"))?
            {
                told.extend(measures.to_json());
                results.insert(key.clone(), told.into());
                all.push((key, measures));
            }
        }
        let ratios = ratios(&all);
        if !ratios.is_empty() {
            results.insert(RATIO_KEY.to_owned(), ratios.into());
        }
        goal::mark(&mut results, self.server.engine);
        Ok(results)
    }

    /// Measures scenarios in turns: each repetition of one is followed by one of the next.
    async fn run_group(
        self: &Arc<Self>,
        group: &[Scenario],
    ) -> Result<Vec<(String, Measures, Map<String, Value>)>> {
        let mut open: Vec<(Scenario, Box<dyn Measure>, Measures)> = Vec::new();
        for scenario in group {
            let measure = scenario.open(self).await?;
            open.push((*scenario, measure, Measures::default()));
        }
        for (_, measure, _) in &mut open {
            measure.warm_up().await?;
        }
        for round in 0..self.args.repeat {
            for (_, measure, measures) in &mut open {
                if round < measure.repeats(self.args.repeat) {
                    measures.add(measure.round().await?);
                }
            }
        }
        let mut ended = Vec::new();
        for (scenario, measure, measures) in open {
            ended.push((scenario.key(), measures, measure.finish().await?));
        }
        Ok(ended)
    }

    /// What was measured on, and how.
    pub async fn describe(&self) -> Result<Map<String, Value>> {
        let site = self.site().await?;
        let store = site.service.describe_store().await?;
        site.close().await;
        let cpus = std::thread::available_parallelism().map_or(0, usize::from);
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let kernel = read("/proc/sys/kernel/osrelease");
        let processor = read("/proc/cpuinfo");
        let model = processor.lines().find_map(|line| {
            let (name, model) = line.split_once(':')?;
            (name.trim() == "model name").then(|| model.trim().to_owned())
        });
        let machine = json!({
            "cpus": cpus,
            "model": model,
            "kernel": kernel.trim(),
            "hardstop": env!("CARGO_PKG_VERSION"),
        });
        let args = &self.args;
        // The path of a temporary file tells nobody anything.
        let store = store.split(", /").next().unwrap_or_default();
        let setting = json!({
            "store": store,
            "engine": crate::value_name(self.server.engine),
            "sync_commit": crate::value_name(args.sync_commit),
            "jobs": args.jobs,
            "concurrency": args.concurrency,
            "repeat": args.repeat,
            "seed": args.seed,
        });
        let both = [("machine", machine), ("setting", setting)];
        Ok(both
            .map(|(key, value)| (key.to_owned(), value))
            .into_iter()
            .collect())
    }
}

/// How everything is set up that is measured.
pub fn config(concurrency: u32, compiled: &std::path::Path) -> Config {
    let mut config = Config::default();
    config.worker.concurrency = concurrency;
    config.compile.cache = Some(compiled.to_owned());
    config
}

/// The ratios of what was measured.
fn ratios(measured: &[(String, Measures)]) -> Map<String, Value> {
    let find = |(scenario, measure): Part| -> Option<&Samples> {
        let (_, measures) = measured.iter().find(|(key, _)| key == scenario)?;
        measures.get(measure)
    };
    let ratios = RATIOS.iter().filter_map(|(name, own, other)| {
        let ratio = find(*own)?.over(find(*other)?);
        Some(((*name).to_owned(), ratio.to_json()))
    });
    ratios.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::figure;

    fn measured(scenario: &str, rates: [f64; 2]) -> (String, Measures) {
        let mut measures = Measures::default();
        for rate in rates {
            measures.add([figure("jobs_per_s", rate)]);
        }
        (scenario.to_owned(), measures)
    }

    #[test]
    fn ratios_need_both_sides() {
        let drain = || measured("drain", [40.0, 60.0]);
        assert!(ratios(&[drain()]).is_empty());
        let both = ratios(&[measured("statements", [80.0, 240.0]), drain()]);
        let samples = both
            .get("drain_of_statements")
            .and_then(|it| it.get("samples"));
        assert_eq!(samples, Some(&json!([0.5, 0.25])));
    }
}
