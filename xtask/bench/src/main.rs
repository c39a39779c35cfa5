//! What `cargo xtask bench` runs: the store, the pipeline and the sandbox, measured side by side in
//! one run. Every figure is a median of repetitions with its spread; a run fails where a job was
//! lost or did not complete.

mod bare;
mod consumption;
mod cycle;
mod history;
mod measure;
mod page;
mod scenario;
mod stop;
mod trace;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Map, Value, json};

use scenario::Bench;

/// Measures Hardstop on this machine.
#[derive(Parser)]
#[command(name = "cargo xtask bench")]
pub struct Args {
    /// What to measure; all of it where nothing is named.
    #[arg(value_enum)]
    scenarios: Vec<Scenario>,
    /// On which database.
    #[arg(long, value_enum, default_value_t = Store::Sqlite)]
    store: Store,
    /// How many jobs a repetition starts or drains.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    jobs: u32,
    /// How many attempts run at once.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    concurrency: u32,
    /// How often each is measured, after one warm-up.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    repeat: u32,
    /// How many final jobs there are when pages are loaded, at the least.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(10_000..=10_000_000))]
    history: u32,
    /// How many jobs wait or run then.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1_000..=1_000_000))]
    backlog: u32,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t = Format::Human)]
    output: Format,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Starts, one at a time: jobs a second.
    StartSingle,
    /// Starts in batches of 100: jobs a second.
    #[value(name = "start-batch-100")]
    StartBatch100,
    /// Starts in batches of 1,000: jobs a second.
    #[value(name = "start-batch-1000")]
    StartBatch1000,
    /// Draining no-op jobs, started before: jobs a second, CPU time and memory.
    Drain,
    /// The same claims and settlements alone, in batches of 500, without a worker and a guest: jobs a second.
    Statements,
    /// An idle worker, one job: from the start call's beginning to the handler's entry, milliseconds.
    Pickup,
    /// The sandbox alone, and the bare engine beside it: microseconds a cycle.
    Sandbox,
    /// Guests that spin, in the sandbox and beside it as tasks of a tokio runtime: how late each is stopped, and
    /// what others notice.
    Stop,
    /// Every page of the dashboard and every list of the API over a long history: milliseconds a load; and the drain
    /// rate while pages are loaded. Fails where one takes over 200 ms, or the rate falls by over 5 %.
    Pages,
}

/// The databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Store {
    /// A fresh file: WAL, synchronous = NORMAL.
    Sqlite,
    /// A throw-away server with fsync and synchronous commits on, or HARDSTOP_TEST_DATABASE_URL.
    Postgres,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
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
    let folder = tempfile::Builder::new()
        .prefix("hardstop-bench-")
        .tempdir()?;
    let url = match args.store {
        Store::Sqlite => format!("sqlite://{}", folder.path().join("bench.db").display()),
        Store::Postgres => std::env::var("HARDSTOP_TEST_DATABASE_URL")
            .context("no Postgres: run this as `cargo xtask bench --store postgres`")?,
    };
    let scenarios = if args.scenarios.is_empty() {
        Scenario::value_variants().to_vec()
    } else {
        args.scenarios.clone()
    };
    let bench = Bench::new(&url, args.jobs, args.concurrency).await?;
    let mut results = Map::new();
    for scenario in scenarios {
        let name = scenario
            .to_possible_value()
            .map_or_else(String::new, |v| v.get_name().to_owned());
        eprintln!("measuring {name} ...");
        let measured = bench.measure(scenario, &args).await?;
        results.insert(name.replace('-', "_"), measured);
    }
    results.insert("machine".to_owned(), machine());
    results.insert(
        "setting".to_owned(),
        json!({
            "store": bench.describe().await?,
            "jobs": args.jobs,
            "concurrency": args.concurrency,
            "repeat": args.repeat,
        }),
    );
    bench.close().await;
    match args.output {
        Format::Json => println!("{}", serde_json::to_string_pretty(&results)?),
        Format::Human => print(&results)?,
    }
    results.get("pages").map_or(Ok(()), page::check)
}

fn machine() -> Value {
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    json!({ "cpus": cpus, "kernel": kernel.trim(), "hardstop": env!("CARGO_PKG_VERSION") })
}

fn print(results: &Map<String, Value>) -> Result<()> {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["SCENARIO", "MEASURE", "MEDIAN", "MIN", "MAX"]);
    let cell = |value: Option<&Value>| {
        value
            .and_then(Value::as_f64)
            .map_or("-".to_owned(), |value| match value {
                value if value >= 1_000.0 => format!("{value:.0}"),
                value => format!("{value:.2}"),
            })
    };
    for (scenario, measures) in results {
        if scenario == "stop" {
            continue;
        }
        let Some(measures) = measures.as_object() else {
            bail!("{scenario} is no object")
        };
        for (measure, values) in measures {
            let Some(median) = values.get("median") else {
                continue;
            };
            table.add_row([
                scenario.clone(),
                measure.clone(),
                cell(Some(median)),
                cell(values.get("min")),
                cell(values.get("max")),
            ]);
        }
    }
    for column in 2..5 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    if table.row_count() > 0 {
        println!("{table}");
    }
    if let Some(Value::Object(cases)) = results.get("stop") {
        print_stop(cases, cell);
    }
    for key in ["machine", "setting"] {
        println!("{key}: {}", results.get(key).unwrap_or(&Value::Null));
    }
    Ok(())
}

/// One line for each case and measure, the sandbox's figures beside those of the plain way.
fn print_stop(cases: &Map<String, Value>, cell: impl Fn(Option<&Value>) -> String) {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header([
        "SPINNERS",
        "MEASURE",
        "P50",
        "P99",
        "MAX",
        "TOKIO P50",
        "P99",
        "MAX",
    ]);
    let mut spinners: Vec<u64> = cases
        .keys()
        .filter_map(|case| case.strip_prefix("spinners_")?.parse().ok())
        .collect();
    spinners.sort_unstable();
    for spinners in spinners {
        let Some(measures) = cases.get(&format!("spinners_{spinners}")) else {
            continue;
        };
        let beside = cases.get(&format!("tokio_{spinners}"));
        for (measure, values) in measures.as_object().into_iter().flatten() {
            let beside = beside.and_then(|measures| measures.get(measure));
            let figures = [Some(values), beside].into_iter().flat_map(|values| {
                ["p50", "p99", "max"].map(|key| cell(values.and_then(|values| values.get(key))))
            });
            let names = [spinners.to_string(), measure.clone()];
            table.add_row(names.into_iter().chain(figures));
        }
    }
    for column in 2..8 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    println!("{table}");
}
