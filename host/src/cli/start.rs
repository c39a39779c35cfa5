//! `hardstop start`: start a chain, or a graph of them, and wait for it where asked.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use hardstop_domain::{Dedup, DedupScope};
use hardstop_store::Started;

use super::args::StartArgs;
use super::{Context, external, job, output, start_lines};
use crate::error::Error;
use crate::service::{ChainStart, StartRequest, gone_where_missing};

pub async fn execute(context: &Context, args: StartArgs) -> Result<ExitCode, Error> {
    if let Some(file) = &args.graph {
        return graph(context, file).await;
    }
    let request = StartRequest {
        input: output::read_input(&args.input)?,
        delay: args.after.unwrap_or_default(),
        not_before: args.at,
        priority: args.priority,
        limits: args.limits.patch(),
        trace_parent: args.trace_parent,
        blockers: args.blockers,
        on_blocker_failure: args.on_blocker_failure.into(),
        dedup: args.key.map(|key| dedup(key, args.key_window)),
        type_name: args.type_name.unwrap_or_default(),
    };
    let service = context.service(false);
    if let Some(file) = &args.inputs {
        let code = start_lines::execute(context, service, request, file).await?;
        service.close().await;
        return Ok(code);
    }
    let printed = service
        .start_chains(vec![request; args.count as usize])
        .await?;
    let code = match (args.wait, printed.first()) {
        (true, Some(chain)) => {
            if context.output.is_human() {
                eprintln!("{}", sentence(&chain.started));
            }
            let chain = chain.started.chain_id;
            let last = service.wait_chain(chain, args.timeout).await;
            let last =
                last.map_err(|error| gone_where_missing(error, &format!("chain {chain}")))?;
            job::print_result(context, &last)
        }
        _ => {
            let started = || printed.iter().map(|chain| &chain.started);
            context
                .output
                .many(&printed, || started().map(line).collect());
            if context.output.is_human() {
                external::tell(&printed);
                for chain in started().filter(|chain| chain.deduplicated) {
                    eprintln!("{}", sentence(chain));
                }
            }
            ExitCode::SUCCESS
        }
    };
    service.close().await;
    Ok(code)
}

fn line(started: &Started) -> String {
    format!("{}\n", started.chain_id)
}

fn sentence(started: &Started) -> String {
    match started.deduplicated {
        true => format!("not started: {} has the key", started.chain_id),
        false => format!("started {}", started.chain_id),
    }
}

fn dedup(key: String, window: Option<Duration>) -> Dedup {
    let scope = match window {
        None => DedupScope::Open,
        Some(window) => DedupScope::Any {
            window_ms: u64::try_from(window.as_millis()).unwrap_or(u64::MAX),
        },
    };
    Dedup { key, scope }
}

async fn graph(context: &Context, file: &Path) -> Result<ExitCode, Error> {
    let text = match file.to_str() {
        Some("-") => output::read_input("-")?,
        _ => std::fs::read_to_string(file).map_err(|error| {
            Error::usage(format!("cannot read the graph {}: {error}", file.display()))
        })?,
    };
    let chains: Vec<ChainStart> = serde_json::from_str(&text).map_err(|error| {
        Error::usage(format!("the graph {}: {error}", file.display())).hint(
            "write a JSON list of {\"name\": ..., \"type\": ..., \"input\": ..., \"blockers\": [...]}",
        )
    })?;
    let service = context.service(false);
    let printed = service.start_graph(chains).await?;
    context.output.many(&printed, || {
        output::table(
            ["name", "chain"],
            printed
                .iter()
                .map(|node| [node.name.clone(), node.started.chain_id.to_string()]),
        )
    });
    service.close().await;
    Ok(ExitCode::SUCCESS)
}
