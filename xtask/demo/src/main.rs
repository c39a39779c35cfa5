//! What `cargo xtask demo` runs: real and hostile jobs side by side on a fresh SQLite database, and
//! a table of what came of each. Exit code 0 only if every outcome is the expected one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use hardstop::deploy::{self, ManifestFile};
use hardstop::service::StartRequest;
use hardstop::telemetry::Telemetry;
use hardstop::{Config, Loader, Service, Worker};
use hardstop_domain::OutcomeKind;
use hardstop_domain::quantity::format_size;
use hardstop_sandbox::Sandbox;
use hardstop_store::{ConnectOptions, JobDetail, JobQuery};
use indicatif::{ProgressBar, ProgressStyle};

/// Runs real and hostile jobs side by side and shows what came of each.
#[derive(Parser)]
#[command(name = "cargo xtask demo")]
struct Args {
    /// How many jobs of each real type to start.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    jobs: u32,
}

const EXAMPLES: [&str; 4] = ["thumbnail", "markdown", "csv-report", "unruly"];
const REAL: [&str; 3] = ["thumbnail", "markdown", "csv-report"];

/// The hostile types, what each does, and the outcome that it must come to.
const UNRULY: [(&str, &str, OutcomeKind); 8] = [
    ("spin", "loops for ever", OutcomeKind::TimedOutWall),
    ("sleep", "sleeps for ever", OutcomeKind::TimedOutWall),
    ("flood", "logs for ever", OutcomeKind::TimedOutCpu),
    ("burn", "loops, on a budget of fuel", OutcomeKind::OutOfFuel),
    ("allocate", "allocates for ever", OutcomeKind::OutOfMemory),
    ("recurse", "recurses for ever", OutcomeKind::StackOverflow),
    ("trap", "panics", OutcomeKind::Trapped),
    ("bulge", "returns far too much", OutcomeKind::OutputTooLarge),
];

fn main() -> Result<ExitCode> {
    if let Some(code) = hardstop_sandbox::compile_if_asked() {
        return Ok(code);
    }
    let args = Args::parse();
    hardstop::telemetry::init("off", false);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(demo(args.jobs))
}

async fn demo(jobs: u32) -> Result<ExitCode> {
    let examples = PathBuf::from("jobs-examples");
    // Kept, so that what ran can be looked at.
    let folder = tempfile::Builder::new()
        .prefix("hardstop-demo-")
        .tempdir()?
        .keep();
    let database = format!("sqlite://{}", folder.join("demo.db").display());
    let config = Config {
        database_url: database.clone(),
        ..Config::default()
    };
    let store = hardstop_store::connect(
        &config.database_url,
        &ConnectOptions {
            create: true,
            ..ConnectOptions::default()
        },
    )
    .await?;
    let service = Service::new(Arc::clone(&store), config.ceiling.clone());
    println!(
        "database: {} at {database}",
        service.describe_store().await?
    );

    let sandbox = Sandbox::new(config.sandbox(config.worker.concurrency))?;
    deploy_examples(&examples, &sandbox, &config, &service).await?;

    let mut requests = Vec::new();
    for name in REAL {
        let input = std::fs::read_to_string(examples.join(name).join("samples/input.json"))
            .with_context(|| format!("cannot read the sample input of {name}"))?;
        requests.extend((0..jobs).map(|_| request(name, &input)));
    }
    requests.extend(UNRULY.iter().map(|(name, _, _)| request(name, "{}")));
    let chains = service.start_many(requests).await?;
    println!(
        "started {} real jobs and {} hostile ones; {} at once on {} threads",
        jobs as usize * REAL.len(),
        UNRULY.len(),
        config.worker.concurrency,
        config.worker.guest_threads
    );

    let worker = Worker {
        store: Arc::clone(&store),
        executor: Arc::new(Loader::new(Arc::clone(&store), sandbox)),
        ceiling: config.ceiling.clone(),
        config: config.worker.clone(),
        host: "demo".to_owned(),
        telemetry: Telemetry::start(None, "")?,
    };
    worker.run(watch(&service, chains.len())).await?;

    let mut by_type: BTreeMap<String, Vec<JobDetail>> = BTreeMap::new();
    for started in &chains {
        let job = service.job(started.chain_id.into()).await?;
        by_type
            .entry(job.summary.type_name.to_string())
            .or_default()
            .push(job);
    }
    let good = report(&by_type);
    let stopped = by_type.get("trap").and_then(|jobs| jobs.first());
    try_next(&database, stopped);
    service.close().await;
    println!(
        "{}",
        if good {
            "every outcome is the expected one"
        } else {
            "NOT every outcome is the expected one"
        }
    );
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn request(name: &str, input: &str) -> StartRequest {
    StartRequest {
        type_name: name.to_owned(),
        input: input.to_owned(),
        ..StartRequest::default()
    }
}

async fn deploy_examples(
    examples: &Path,
    sandbox: &Sandbox,
    config: &Config,
    service: &Service,
) -> Result<()> {
    for name in EXAMPLES {
        let file = ManifestFile::read(&examples.join(name))?;
        let bytes = file
            .read_component(config.component_bytes_max)?
            .unwrap_or_default();
        let size = bytes.len() as u64;
        let deployment = deploy::verify(&file, Some(bytes), sandbox, config).await?;
        let deployed = service.deploy(deployment).await?;
        let types: Vec<&str> = deployed
            .types
            .iter()
            .map(|(_, name)| name.as_str())
            .collect();
        println!(
            "deployed {name} ({}): {}",
            format_size(size),
            types.join(", ")
        );
    }
    Ok(())
}

/// Shows how many jobs are final, until all are.
async fn watch(service: &Service, total: usize) {
    let bar = ProgressBar::new(total as u64).with_style(
        ProgressStyle::with_template("{elapsed_precise} {bar:40} {pos}/{len} jobs")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    loop {
        let done = count_final(service).await.unwrap_or(0);
        bar.set_position(done as u64);
        if done >= total {
            bar.finish();
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn count_final(service: &Service) -> Result<usize> {
    let mut query = JobQuery {
        limit: 1_000,
        ..JobQuery::default()
    };
    let mut done = 0;
    loop {
        let page = service.jobs(&query).await?;
        done += page.iter().filter(|job| job.state.is_final()).count();
        match page.last() {
            Some(last) if page.len() == query.limit as usize => query.before = Some(last.id),
            _ => return Ok(done),
        }
    }
}

/// Prints the tables. Returns whether every outcome is the expected one.
fn report(by_type: &BTreeMap<String, Vec<JobDetail>>) -> bool {
    let mut good = true;
    let mut table = new_table(&[
        "TYPE",
        "JOBS",
        "OUTCOME",
        "MEDIAN RUN TIME",
        "PEAK MEMORY",
        "",
    ]);
    for (name, jobs) in by_type {
        let hostile = UNRULY.iter().find(|(hostile, ..)| hostile == name);
        let expected = hostile.map_or(OutcomeKind::Completed, |(_, _, expected)| *expected);
        let as_expected = jobs.iter().all(|job| job.summary.outcome == Some(expected));
        good &= as_expected;
        table.add_row([
            name.clone(),
            jobs.len().to_string(),
            outcomes(jobs),
            median(jobs).map_or("-".to_owned(), |us| format!("{:.1} ms", us as f64 / 1e3)),
            jobs.iter()
                .filter_map(|job| job.usage)
                .map(|usage| usage.memory_bytes_peak)
                .max()
                .map_or("-".to_owned(), format_size),
            if as_expected {
                String::new()
            } else {
                format!("EXPECTED {expected}")
            },
        ]);
    }
    for column in [1, 3, 4] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    println!("\n{}\n", trimmed(&table));

    let mut table = new_table(&[
        "STOPPED",
        "WHAT IT DOES",
        "OUTCOME",
        "LIMIT",
        "STOPPED PAST IT BY",
    ]);
    for (name, what, _) in UNRULY {
        for job in by_type.get(name).into_iter().flatten() {
            let hit = job.failure.as_ref().and_then(|failure| failure.limit);
            table.add_row([
                name.to_owned(),
                what.to_owned(),
                job.summary
                    .outcome
                    .map_or("-".to_owned(), |outcome| outcome.to_string()),
                hit.map_or("-".to_owned(), |hit| {
                    format!("{} {}", hit.name, hit.name.format(hit.limit))
                }),
                match hit {
                    Some(hit) => hit
                        .overrun_us
                        .map_or("refused at the limit".to_owned(), |us| {
                            format!("{:.1} ms", us as f64 / 1e3)
                        }),
                    None => "ended by itself".to_owned(),
                },
            ]);
        }
    }
    println!("{}\n", trimmed(&table));
    good
}

fn new_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    table
}

fn trimmed(table: &Table) -> String {
    table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

fn outcomes(jobs: &[JobDetail]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for job in jobs {
        let outcome = job
            .summary
            .outcome
            .map_or("none".to_owned(), |outcome| outcome.to_string());
        *counts.entry(outcome).or_default() += 1;
    }
    let several = counts.len() > 1;
    counts
        .into_iter()
        .map(|(name, count)| {
            if several {
                format!("{count} {name}")
            } else {
                name
            }
        })
        .collect::<Vec<_>>()
        .join(", ")
}

fn median(jobs: &[JobDetail]) -> Option<u64> {
    let mut times: Vec<u64> = jobs
        .iter()
        .filter_map(|job| job.usage)
        .map(|usage| usage.wall_us)
        .collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

fn try_next(database: &str, stopped: Option<&JobDetail>) {
    let hardstop = std::env::current_exe()
        .ok()
        .and_then(|demo| demo.parent().map(|folder| folder.join("hardstop")))
        .map_or("hardstop".to_owned(), |path| {
            let here = std::env::current_dir().unwrap_or_default();
            path.strip_prefix(here)
                .unwrap_or(&path)
                .display()
                .to_string()
        });
    println!("Try next:");
    println!(
        "  {hardstop} run jobs-examples/markdown --input @jobs-examples/markdown/samples/input.json"
    );
    println!("  {hardstop} run jobs-examples/unruly --type spin --wall-timeout 200ms");
    if let Some(job) = stopped {
        println!(
            "  {hardstop} job show {} --database-url {database}",
            job.summary.id
        );
    }
    println!();
}
