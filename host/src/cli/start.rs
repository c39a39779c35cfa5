//! `hardstop start`: start a chain, and wait for it where asked.

use std::process::ExitCode;

use serde_json::json;

use super::args::StartArgs;
use super::{Context, job, output};
use crate::error::Error;
use crate::service::StartRequest;

pub async fn execute(context: &Context, args: StartArgs) -> Result<ExitCode, Error> {
    let request = StartRequest {
        type_name: args.type_name.clone(),
        input: output::read_input(&args.input)?,
        delay: args.after.unwrap_or_default(),
        priority: args.priority,
        limits: args.limits.patch(),
        trace_parent: None,
    };
    let service = context.service(false).await?;
    let ids = service
        .start_many(vec![request; args.count as usize])
        .await?;
    let code = if let (true, Some(id)) = (args.wait, ids.first()) {
        if context.output.is_human() {
            eprintln!("started {id}");
        }
        let last = service.wait_chain(*id, args.timeout).await?;
        job::print_result(context, &last)
    } else {
        let printed: Vec<_> = ids.iter().map(|id| json!({ "chain_id": id })).collect();
        context.output.many(&printed, || {
            ids.iter().map(|id| format!("{id}\n")).collect()
        });
        ExitCode::SUCCESS
    };
    service.close().await;
    Ok(code)
}
