//! `hardstop job complete` and `hardstop job fail`, and what is shown of jobs that are completed so.

use std::process::ExitCode;

use hardstop_domain::{JobId, State};
use hardstop_store::Completion;
use serde_json::json;

use super::args::{CompleteArgs, FailArgs};
use super::{Context, output};
use crate::error::Error;
use crate::service::{Service, StartedChain, Verdict};

pub async fn complete(
    context: &Context,
    service: &Service,
    args: CompleteArgs,
) -> Result<ExitCode, Error> {
    let (verdict, state) = match (args.continue_with, args.result) {
        (Some(type_name), _) => {
            let input = output::read_input(&args.input)?;
            let verdict = Verdict::Continue {
                type_name,
                input,
                blockers: args.blockers,
                on_blocker_failure: args.on_blocker_failure.into(),
            };
            (verdict, State::Continued)
        }
        (None, result) => {
            let output = output::read_input(result.as_deref().unwrap_or("null"))?;
            (Verdict::Complete { output }, State::Completed)
        }
    };
    finish(context, service, (args.job, args.token), verdict, state).await
}

pub async fn fail(context: &Context, service: &Service, args: FailArgs) -> Result<ExitCode, Error> {
    let details = args
        .details
        .as_deref()
        .map(output::read_input)
        .transpose()?;
    let verdict = Verdict::Fail {
        message: args.message,
        details,
    };
    finish(
        context,
        service,
        (args.job, args.token),
        verdict,
        State::Discarded,
    )
    .await
}

async fn finish(
    context: &Context,
    service: &Service,
    (job, token): (JobId, uuid::Uuid),
    verdict: Verdict,
    state: State,
) -> Result<ExitCode, Error> {
    let next = service.complete_external(job, token, verdict).await?;
    let completion = match next {
        Some(next) => service.completion(next).await?,
        None => None,
    };
    let printed = json!({
        "id": job,
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
