//! `hardstop chain ...`: look at chains, wait for them, cancel and delete them.

use std::fmt::Write as _;
use std::process::ExitCode;

use hardstop_domain::Timestamp;
use hardstop_domain::quantity::format_us;
use hardstop_store::{ChainDetail, ChainQuery, ChainSummary, JobBlocker};

use super::args::chain::{ChainCommand, ChainDeleteArgs, ChainListArgs};
use super::{Context, job, output};
use crate::error::Error;
use crate::service::{ChainCancelled, ChainsDeleted};
use crate::use_case::UseCases;

/// How many blockers are shown to people.
const BLOCKERS_SHOWN: usize = 20;

pub async fn execute(context: &Context, command: ChainCommand) -> Result<ExitCode, Error> {
    let service = context.service(false);
    let code = match command {
        ChainCommand::List(args) => list(context, service, args).await?,
        ChainCommand::Show(args) => {
            let chain = service.chain(args.chain).await?;
            context.output.one(&chain, || show(&chain));
            ExitCode::SUCCESS
        }
        ChainCommand::Wait(args) => {
            let last = service.wait_chain(args.chain, args.timeout).await?;
            job::print_result(context, &last)
        }
        ChainCommand::Cancel(args) => {
            let cancelled = service.cancel_chain(args.chain).await?;
            context.output.one(&cancelled, || {
                let ChainCancelled { id, job, was, .. } = cancelled;
                format!("{id}: its job {job} was {was}, is cancelled")
            });
            ExitCode::SUCCESS
        }
        ChainCommand::Delete(args) => delete(context, service, args).await?,
    };
    service.close().await;
    Ok(code)
}

async fn delete(
    context: &Context,
    service: &dyn UseCases,
    args: ChainDeleteArgs,
) -> Result<ExitCode, Error> {
    let deleted = service.delete_chain(args.chain, args.cascade).await?;
    let ChainsDeleted { chains, jobs } = &deleted;
    context.output.one(&deleted, || {
        let lines: Vec<String> = chains.iter().map(ToString::to_string).collect();
        lines.join("\n")
    });
    if context.output.is_human() {
        let plural = |count: u64, word: &str| match count {
            1 => format!("1 {word}"),
            count => format!("{count} {word}s"),
        };
        eprintln!(
            "deleted {} with {}",
            plural(chains.len() as u64, "chain"),
            plural(*jobs, "job")
        );
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(
    context: &Context,
    service: &dyn UseCases,
    args: ChainListArgs,
) -> Result<ExitCode, Error> {
    let query = ChainQuery {
        type_name: args.type_name,
        state: args.state,
        key: args.key,
        since: args.since,
        until: args.until,
        before: args.before,
        limit: args.limit,
    };
    let chains = service.chains(&query).await?;
    context.output.many(&chains, || {
        output::table(
            ["chain", "type", "state", "jobs", "key", "created", "took"],
            chains.iter().map(row),
        )
    });
    if context.output.is_human() {
        match chains.last() {
            None => eprintln!("no chains"),
            Some(last) if chains.len() as u32 == query.limit => {
                eprintln!("older ones: --before {}", last.id);
            }
            Some(_) => {}
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn row(chain: &ChainSummary) -> [String; 7] {
    [
        chain.id.to_string(),
        chain.type_name.to_string(),
        chain.state.to_string(),
        chain.jobs.to_string(),
        chain.key.clone().unwrap_or_else(|| "-".to_owned()),
        chain.created_at.to_string(),
        took(Some(chain.created_at), chain.finished_at),
    ]
}

fn took(from: Option<Timestamp>, to: Option<Timestamp>) -> String {
    match (from, to) {
        (Some(from), Some(to)) => format_us(to.since(from).as_micros() as u64),
        _ => "-".to_owned(),
    }
}

fn time(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| time.to_string())
}

fn show(chain: &ChainDetail) -> String {
    let summary = &chain.summary;
    let mut text = String::new();
    let mut field = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<10} {value}");
    };
    field("chain", summary.id.to_string());
    field("type", summary.type_name.to_string());
    field("state", summary.state.to_string());
    if let Some(key) = &summary.key {
        field("key", key.clone());
    }
    if let Some(parent) = chain.parent_job {
        field("parent", parent.to_string());
    }
    if chain.lineage.depth > 0 {
        let lineage = chain.lineage;
        field(
            "root",
            format!("{} (depth {})", lineage.root, lineage.depth),
        );
    }
    if summary.priority != 0 {
        field("priority", summary.priority.to_string());
    }
    field("created", summary.created_at.to_string());
    if let Some(finished) = summary.finished_at {
        let took = took(Some(summary.created_at), Some(finished));
        field("finished", format!("{finished} (after {took})"));
    }
    if let Some(output) = &chain.output {
        field("output", job::shorten(output));
    }
    if let Some(failure) = &chain.failure {
        let _ = write!(text, "\n{}", output::failure(failure));
    }
    let jobs = chain.jobs.iter().map(|job| {
        [
            job.id.to_string(),
            job.type_name.to_string(),
            job.state.to_string(),
            job.attempt.to_string(),
            job.created_at.to_string(),
            time(job.started_at),
            took(job.started_at, job.finished_at),
        ]
    });
    let header = [
        "job", "type", "state", "attempt", "created", "started", "took",
    ];
    let _ = write!(text, "\njobs\n{}", output::table(header, jobs));
    if !chain.blockers.is_empty() {
        let _ = write!(text, "\nblockers\n{}", blockers(&chain.blockers));
    }
    if !chain.dependents.is_empty() {
        let rows = chain.dependents.iter().map(|dependent| {
            [
                dependent.job.to_string(),
                dependent.type_name.to_string(),
                dependent.state.to_string(),
                yes(dependent.awaited),
            ]
        });
        let table = output::table(["job", "type", "state", "waits"], rows);
        let _ = write!(text, "\ndependents\n{table}");
        if chain.more_dependents {
            text.push_str("and more\n");
        }
    }
    text
}

/// The chains that jobs wait for, or waited for.
pub fn blockers(blockers: &[JobBlocker]) -> String {
    let rows = blockers.iter().take(BLOCKERS_SHOWN).map(|blocker| {
        [
            blocker.position.to_string(),
            blocker.chain_id.to_string(),
            blocker
                .state
                .map_or_else(|| "not kept".to_owned(), |state| state.to_string()),
            match blocker.overridden {
                true => "overridden".to_owned(),
                false => yes(blocker.awaited),
            },
        ]
    });
    let mut text = output::table(["", "chain", "state", "awaited"], rows);
    if blockers.len() > BLOCKERS_SHOWN {
        let more = blockers.len() - BLOCKERS_SHOWN;
        let _ = writeln!(text, "and {more} more; -o json shows all");
    }
    text
}

fn yes(flag: bool) -> String {
    if flag { "yes" } else { "no" }.to_owned()
}
