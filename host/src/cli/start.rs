//! `hardstop start`: start a chain, or a graph of them, and wait for it where asked.

use std::collections::HashSet;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use hardstop_domain::quantity::duration_ms;
use hardstop_domain::{ChainId, Dedup, DedupScope, LimitsPatch, OnBlockerFailure, Timestamp};
use hardstop_store::Started;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::args::StartArgs;
use super::{Context, external, job, output, start_lines};
use crate::error::Error;
use crate::service::{GraphBlocker, GraphRequest, StartRequest};

pub async fn execute(context: &Context, args: StartArgs) -> Result<ExitCode, Error> {
    if let Some(file) = &args.graph {
        return graph(context, file).await;
    }
    let type_name = args.type_name.unwrap_or_default();
    let request = StartRequest {
        input: output::read_input(&args.input)?,
        delay: args.after.unwrap_or_default(),
        not_before: args.at,
        priority: args.priority,
        limits: args.limits.patch(),
        trace_parent: None,
        blockers: args.blockers,
        on_blocker_failure: args.on_blocker_failure.into(),
        dedup: args.key.map(|key| dedup(key, args.key_window)),
        type_name: type_name.clone(),
    };
    let service = context.service(false).await?;
    if let Some(file) = &args.inputs {
        let code = start_lines::execute(context, &service, request, file).await?;
        service.close().await;
        return Ok(code);
    }
    let started = service
        .start_many(vec![request; args.count as usize])
        .await?;
    let code = match (args.wait, started.first()) {
        (true, Some(chain)) => {
            if context.output.is_human() {
                eprintln!("{}", sentence(chain));
            }
            let last = service.wait_chain(chain.chain_id, args.timeout).await?;
            job::print_result(context, &last)
        }
        _ => {
            let printed = external::started(&service, &type_name, &started).await?;
            context
                .output
                .many(&printed, || started.iter().map(line).collect());
            if context.output.is_human() {
                external::tell(&printed);
                for chain in started.iter().filter(|chain| chain.deduplicated) {
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

/// One chain of a graph, as its file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Node {
    name: String,
    #[serde(rename = "type")]
    type_name: String,
    #[serde(default)]
    input: Option<Box<RawValue>>,
    /// Names of this graph, or ids of chains that exist.
    #[serde(default)]
    blockers: Vec<String>,
    #[serde(default)]
    on_blocker_failure: OnBlockerFailure,
    #[serde(default, with = "duration_ms")]
    after: u64,
    #[serde(default)]
    at: Option<Timestamp>,
    #[serde(default)]
    priority: Option<i16>,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    limits: LimitsPatch,
}

async fn graph(context: &Context, file: &Path) -> Result<ExitCode, Error> {
    let text = match file.to_str() {
        Some("-") => output::read_input("-")?,
        _ => std::fs::read_to_string(file).map_err(|error| {
            Error::usage(format!("cannot read the graph {}: {error}", file.display()))
        })?,
    };
    let nodes: Vec<Node> = serde_json::from_str(&text).map_err(|error| {
        Error::usage(format!("the graph {}: {error}", file.display())).hint(
            "write a JSON list of {\"name\": ..., \"type\": ..., \"input\": ..., \"blockers\": [...]}",
        )
    })?;
    let names: Vec<String> = nodes.iter().map(|node| node.name.clone()).collect();
    let here: HashSet<&str> = names.iter().map(String::as_str).collect();
    let mut graph = Vec::with_capacity(nodes.len());
    for node in nodes {
        // What is no name of this graph may be the id of a chain that exists.
        let blockers = node.blockers.into_iter();
        let blockers = blockers.map(|blocker| match blocker.parse::<ChainId>() {
            Ok(chain) if !here.contains(blocker.as_str()) => GraphBlocker::Chain(chain),
            _ => GraphBlocker::Named(blocker),
        });
        graph.push(GraphRequest {
            start: StartRequest {
                type_name: node.type_name,
                input: node
                    .input
                    .map_or_else(|| "{}".to_owned(), |input| input.get().to_owned()),
                delay: Duration::from_millis(node.after),
                not_before: node.at,
                priority: node.priority,
                limits: node.limits,
                trace_parent: None,
                blockers: Vec::new(),
                on_blocker_failure: node.on_blocker_failure,
                dedup: node.key.map(|key| dedup(key, None)),
            },
            blockers: blockers.collect(),
            name: node.name,
        });
    }
    let service = context.service(false).await?;
    let started = service.start_graph(graph).await?;
    let printed: Vec<_> = names
        .iter()
        .zip(&started)
        .map(|(name, chain)| {
            json!({ "name": name, "chain_id": chain.chain_id, "deduplicated": chain.deduplicated })
        })
        .collect();
    context.output.many(&printed, || {
        output::table(
            ["name", "chain"],
            names
                .iter()
                .zip(&started)
                .map(|(name, chain)| [name.clone(), chain.chain_id.to_string()]),
        )
    });
    service.close().await;
    Ok(ExitCode::SUCCESS)
}
