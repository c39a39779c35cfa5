//! `hardstop pause`, `resume` and `pauses`.

use std::process::ExitCode;

use hardstop_store::Pause;
use serde_json::json;

use super::args::{PauseArgs, PauseTarget};
use super::{Context, output};
use crate::error::Error;
use crate::service::PauseRequest;

pub async fn pause(context: &Context, args: PauseArgs) -> Result<ExitCode, Error> {
    let service = context.service(false);
    let pause = service
        .pause(PauseRequest {
            type_name: args.target.type_name,
            time: args.time,
            until: args.until,
            actor: args.actor,
            note: args.note,
        })
        .await?;
    context.output.one(&pause, || {
        format!("paused {} {}\n", what(&pause), end(&pause))
    });
    service.close().await;
    Ok(ExitCode::SUCCESS)
}

pub async fn resume(context: &Context, target: PauseTarget) -> Result<ExitCode, Error> {
    let service = context.service(false);
    service.resume(target.type_name.as_deref()).await?;
    let resumed = json!({ "type": target.type_name, "resumed": true });
    context.output.one(&resumed, || {
        format!(
            "resumed {}\n",
            target.type_name.as_deref().unwrap_or("everything")
        )
    });
    service.close().await;
    Ok(ExitCode::SUCCESS)
}

pub async fn list(context: &Context) -> Result<ExitCode, Error> {
    let service = context.service(false);
    let pauses = service.pauses().await?;
    context.output.many(&pauses, || {
        output::table(
            ["paused", "until", "since", "by", "note"],
            pauses.iter().map(|pause| {
                [
                    what(pause),
                    end(pause),
                    pause.paused_at.to_string(),
                    pause.actor.clone(),
                    pause.note.clone().unwrap_or_default(),
                ]
            }),
        )
    });
    if pauses.is_empty() && context.output.is_human() {
        eprintln!("nothing is paused");
    }
    service.close().await;
    Ok(ExitCode::SUCCESS)
}

fn what(pause: &Pause) -> String {
    match &pause.type_name {
        Some(name) => name.to_string(),
        None => "everything".to_owned(),
    }
}

fn end(pause: &Pause) -> String {
    match pause.until {
        Some(until) => format!("until {until}"),
        None => "until it is resumed".to_owned(),
    }
}
