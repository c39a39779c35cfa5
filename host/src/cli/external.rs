//! `hardstop job complete` and `hardstop job fail`, and what is shown of jobs that are completed so.

use std::process::ExitCode;

use hardstop_domain::JobId;
use hardstop_store::Completion;
use serde_json::json;

use super::args::{CompleteArgs, FailArgs};
use super::{Context, output};
use crate::error::Error;
use crate::service::{Finished, StartedChain, Verdict};
use crate::use_case::UseCases;

pub async fn complete(
    context: &Context,
    service: &dyn UseCases,
    args: CompleteArgs,
) -> Result<ExitCode, Error> {
    let verdict = match (args.continue_with, args.result) {
        (Some(type_name), _) => {
            let input = output::read_input(&args.input)?;
            Verdict::Continue {
                type_name,
                input,
                blockers: args.blockers,
                on_blocker_failure: args.on_blocker_failure.into(),
            }
        }
        (None, result) => {
            let output = output::read_input(result.as_deref().unwrap_or("null"))?;
            Verdict::Complete { output }
        }
    };
    finish(context, service, (args.job, args.token), verdict).await
}

pub async fn fail(
    context: &Context,
    service: &dyn UseCases,
    args: FailArgs,
) -> Result<ExitCode, Error> {
    let details = args
        .details
        .as_deref()
        .map(output::read_input)
        .transpose()?;
    let verdict = Verdict::Fail {
        message: args.message,
        details,
    };
    finish(context, service, (args.job, args.token), verdict).await
}

async fn finish(
    context: &Context,
    service: &dyn UseCases,
    (job, token): (JobId, uuid::Uuid),
    verdict: Verdict,
) -> Result<ExitCode, Error> {
    let Finished {
        id,
        state,
        continued_to: next,
        completion,
    } = service.finish(job, token, verdict).await?;
    let printed = json!({
        "id": id,
        "state": state,
        "continued_to": next,
        "completion_token": completion.map(|completion| completion.token),
        "deadline_at": completion.and_then(|completion| completion.deadline_at),
    });
    context.output.one(&printed, || match next {
        None => format!("{job} is {state}"),
        Some(next) => format!("{job} continued with {next}\n{}", lines(completion)),
    });
    Ok(ExitCode::SUCCESS)
}

/// Says on standard error with what the jobs are completed.
pub fn tell(started: &[StartedChain]) {
    for chain in started {
        if let Some(completion) = chain.completion {
            eprintln!("{}: token {}", chain.started.chain_id, completion.token);
        }
    }
}

/// The token and the deadline, for people.
pub fn lines(completion: Option<Completion>) -> String {
    let Some(completion) = completion else {
        return String::new();
    };
    let deadline = match completion.deadline_at {
        Some(at) => at.to_string(),
        None => "begins when it is ready".to_owned(),
    };
    format!(
        "{:<10} {}\n{:<10} {deadline}\n",
        "token", completion.token, "deadline"
    )
}
