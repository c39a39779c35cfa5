//! `hardstop session ...`: the workers that are registered.

use std::process::ExitCode;

use hardstop_domain::SessionId;
use hardstop_domain::quantity::format_size;
use hardstop_store::Session;

use super::args::SessionCommand;
use super::{Context, output};
use crate::error::Error;

pub async fn execute(context: &Context, command: SessionCommand) -> Result<ExitCode, Error> {
    let service = context.service(false);
    match command {
        SessionCommand::List => {
            let sessions = service.sessions().await?;
            context.output.many(&sessions, || {
                output::table(
                    [
                        "session", "host", "lease", "running", "slots", "memory", "since",
                    ],
                    sessions.iter().map(|session| {
                        [
                            session.id.to_string(),
                            session.host.clone(),
                            lease(session),
                            session.running.to_string(),
                            of(session.slots_used, session.slots, |it| it.to_string()),
                            of(session.memory_admitted, session.memory_budget, format_size),
                            session.started_at.to_string(),
                        ]
                    }),
                )
            });
            if context.output.is_human() && sessions.is_empty() {
                eprintln!("no workers: `hardstop worker` is one");
            }
        }
        SessionCommand::Drain { session } => {
            let session = service.drain_session(SessionId(session)).await?;
            context.output.one(&session, || {
                format!(
                    "session {} ({}) is to drain: it finishes what it runs, and claims nothing new\n",
                    session.id, session.host
                )
            });
        }
    }
    service.close().await;
    Ok(ExitCode::SUCCESS)
}

/// How it stands with its lease, and whether it drains.
fn lease(session: &Session) -> String {
    let lease = match session.expired {
        true => "lost",
        false => "held",
    };
    match (session.draining, session.drain_asked_at) {
        (true, _) => format!("{lease}, draining"),
        (false, Some(_)) => format!("{lease}, asked to drain"),
        (false, None) => lease.to_owned(),
    }
}

/// So much of so much, where it was told.
fn of<T>(used: Option<T>, all: Option<T>, shown: impl Fn(T) -> String) -> String {
    match (used, all) {
        (Some(used), Some(all)) => format!("{} of {}", shown(used), shown(all)),
        _ => String::new(),
    }
}
