//! `hardstop chain delete`: a chain and all its jobs, gone.

use std::process::ExitCode;

use serde_json::json;

use super::Context;
use super::args::ChainDeleteArgs;
use crate::error::Error;

pub async fn execute(context: &Context, args: ChainDeleteArgs) -> Result<ExitCode, Error> {
    let service = context.service(false).await?;
    let (chains, jobs) = service.delete_chain(args.chain, args.cascade).await?;
    context
        .output
        .one(&json!({ "chains": chains, "jobs": jobs }), || {
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
            plural(jobs, "job")
        );
    }
    service.close().await;
    Ok(ExitCode::SUCCESS)
}
