//! What `cargo xtask bench` runs: the store, the pipeline and the sandbox, measured side by side in
//! one run. Every figure is a median of repetitions with its spread; a run fails where a job was
//! lost, ran twice, ran outside the sandbox or did not complete.

mod bare;
mod bench;
mod consumption;
mod cycle;
mod database;
mod goal;
mod hand;
mod history;
mod measure;
mod page;
mod plot;
mod proxy;
mod report;
mod scenario;
mod site;
mod stop;
mod table;
mod tally;
mod trace;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use serde_json::{Map, Value};

use bench::Bench;
use database::{Engine, Server, SyncCommit};
use scenario::Scenario;
use table::Form;

/// Where the figures of a report are kept.
const KEPT: &str = "target/bench.json";

/// Measures Hardstop on this machine.
#[derive(Debug, Clone, Parser)]
#[command(name = "cargo xtask bench")]
pub struct Args {
    /// What to measure; where nothing is named, all that does not take minutes.
    #[arg(value_enum)]
    scenarios: Vec<Scenario>,
    /// On which database.
    #[arg(long, value_enum, default_value_t = Engine::Sqlite)]
    store: Engine,
    /// Whether Postgres waits for the disk at each commit.
    #[arg(long, value_enum, default_value_t = SyncCommit::On)]
    sync_commit: SyncCommit,
    /// How many jobs a repetition starts or drains.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    jobs: u32,
    /// How many attempts run at once.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    concurrency: u32,
    /// How often each is measured, after one warm-up.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    repeat: u32,
    /// What random choices are derived from: the same again for the same number.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many final jobs there are when pages are loaded, at the least.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(10_000..=10_000_000))]
    history: u32,
    /// How many jobs wait or run beside the work, of each kind.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1_000..=1_000_000))]
    backlog: u32,
    /// For how many seconds a transaction is held open.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    held: u32,
    /// How many jobs there are in all where claims are timed after very many.
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u32).range(20..=100_000_000))]
    long: u32,
    /// How many guests sleep at once.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    sleepers: u32,
    /// For how many seconds an idle worker is watched.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    window: u32,
    /// Measure on SQLite and on Postgres, with synchronous commits on and off, and write tables and plots into docs/BENCHMARKS.md.
    #[arg(long, conflicts_with_all = ["store", "sync_commit", "output"])]
    report: bool,
    /// With --report: the figures of this file rather than new ones; what `-o json` printed, or the file that a report named.
    #[arg(long, requires = "report", value_name = "FILE")]
    from: Option<PathBuf>,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t = Format::Human)]
    output: Format,
    /// Be a worker on this database, for another process of this program.
    #[arg(long, hide = true, requires = "compiled")]
    hand: Option<String>,
    /// Where that finds compiled code.
    #[arg(long, hide = true)]
    compiled: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
    /// Tables for a document.
    Markdown,
}

fn main() -> Result<ExitCode> {
    if let Some(code) = hardstop_sandbox::compile_if_asked() {
        return Ok(code);
    }
    let args = Args::parse();
    hardstop::telemetry::init("error", false);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(args))?;
    Ok(ExitCode::SUCCESS)
}

async fn run(args: Args) -> Result<()> {
    if let (Some(url), Some(compiled)) = (&args.hand, &args.compiled) {
        return hand::work(url, args.concurrency, compiled).await;
    }
    if args.report {
        return write_report(&args).await;
    }
    let output = args.output;
    let results = measure(args).await?;
    show(&results, output)?;
    results.get("pages").map_or(Ok(()), page::check)
}

/// Measures for the document, or reads what was measured, and writes it.
async fn write_report(args: &Args) -> Result<()> {
    let runs = match &args.from {
        Some(path) => report::read(path)?,
        None => measure_all(args).await?,
    };
    for path in report::write(&runs)? {
        eprintln!("wrote {}", path.display());
    }
    Ok(())
}

/// A run on each database. They are kept in a file, too, from which the document can be written again.
async fn measure_all(args: &Args) -> Result<Vec<report::Run>> {
    let mut runs = Vec::new();
    for (store, sync_commit) in [
        (Engine::Sqlite, SyncCommit::On),
        (Engine::Postgres, SyncCommit::On),
        (Engine::Postgres, SyncCommit::Off),
    ] {
        let mut args = args.clone();
        (args.store, args.sync_commit) = (store, sync_commit);
        let mut scenarios = chosen(&args, Skipping::Refused)?;
        if sync_commit == SyncCommit::Off {
            scenarios.retain(|scenario| scenario.commits());
        }
        if scenarios.is_empty() {
            continue;
        }
        eprintln!("{}", value_name(store));
        args.scenarios = scenarios;
        runs.push(measure(args).await?);
        // What was measured is there, whatever becomes of the rest.
        std::fs::write(KEPT, serde_json::to_string_pretty(&runs)?).context(KEPT)?;
    }
    eprintln!("the figures are in {KEPT}: --report --from {KEPT} writes them again");
    Ok(runs)
}

/// Measures what is asked for.
async fn measure(args: Args) -> Result<Map<String, Value>> {
    let scenarios = chosen(&args, Skipping::Nothing)?;
    let folder = tempfile::Builder::new()
        .prefix("hardstop-bench-")
        .tempdir()?;
    let server = Server::new(args.store, args.sync_commit, folder.path())?;
    let bench = Bench::new(args, server, &folder.path().join("compiled"))?;
    let bench = Arc::new(bench);
    let measured = async {
        let mut results = bench.run(&scenarios).await?;
        results.extend(bench.describe().await?);
        Ok(results)
    };
    let measured = measured.await;
    bench.server.clean().await?;
    measured
}

/// What becomes of scenarios that are named and cannot be measured on the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Skipping {
    Refused,
    Nothing,
}

/// The scenarios that are named, or those that are measured where none is.
fn chosen(args: &Args, skipping: Skipping) -> Result<Vec<Scenario>> {
    let is_offered = |scenario: &Scenario| scenario.refusal(args.store).is_none();
    if args.scenarios.is_empty() {
        let all = Scenario::value_variants().iter().copied();
        return Ok(all.filter(|it| !it.is_long() && is_offered(it)).collect());
    }
    if skipping == Skipping::Refused {
        let named = args.scenarios.iter().copied();
        return Ok(named.filter(is_offered).collect());
    }
    for scenario in &args.scenarios {
        if let Some(refusal) = scenario.refusal(args.store) {
            bail!("{}: {refusal}", scenario.name());
        }
    }
    Ok(args.scenarios.clone())
}

/// A value as it is written on the command line.
pub fn value_name(value: impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

fn show(results: &Map<String, Value>, output: Format) -> Result<()> {
    let form = match output {
        Format::Json => {
            println!("{}", serde_json::to_string_pretty(results)?);
            return Ok(());
        }
        Format::Human => Form::Plain,
        Format::Markdown => Form::Markdown,
    };
    let tables = [
        table::figures(results, form),
        table::stops(results, form),
        table::statements(results, form),
    ];
    for table in tables.into_iter().flatten() {
        println!("{table}");
    }
    for key in ["machine", "setting"] {
        println!("{key}: {}", results.get(key).unwrap_or(&Value::Null));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Args {
        Args::parse_from(["bench"].into_iter().chain(line.split_whitespace()))
    }

    #[test]
    fn scenarios_have_names_of_their_own() {
        let names: Vec<String> = Scenario::value_variants()
            .iter()
            .map(|it| it.key())
            .collect();
        let mut sorted = names.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(names.len(), sorted.len());
        assert!(names.contains(&"start_batch_1000".to_owned()), "{names:?}");
    }

    #[test]
    fn what_takes_minutes_is_measured_where_it_is_named() -> Result<()> {
        let chosen = |line| chosen(&args(line), Skipping::Nothing);
        assert!(!chosen("")?.contains(&Scenario::Pages));
        assert_eq!(chosen("pages")?, [Scenario::Pages]);
        Ok(())
    }

    #[test]
    fn what_a_database_cannot_do_is_refused_where_it_is_named() -> Result<()> {
        let refused = chosen(&args("distant drain"), Skipping::Nothing);
        let text = refused.err().map(|error| error.to_string());
        assert!(text.is_some_and(|text| text.starts_with("distant: ")));
        assert!(!chosen(&args(""), Skipping::Nothing)?.contains(&Scenario::Distant));
        let left = chosen(&args("distant drain"), Skipping::Refused)?;
        assert_eq!(left, [Scenario::Drain]);
        let postgres = chosen(&args("distant --store postgres"), Skipping::Nothing)?;
        assert_eq!(postgres, [Scenario::Distant]);
        Ok(())
    }
}
