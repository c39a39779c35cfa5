//! `hardstop doctor`: look for what would keep Hardstop from working here.

use std::process::ExitCode;

use serde::Serialize;

use super::{Context, output};
use crate::error::{Error, Exit};
use crate::service::{quarantine_hint, quarantine_text};

/// One thing that was looked at.
#[derive(Serialize)]
struct Check {
    check: &'static str,
    status: Status,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Note,
    Fail,
}

impl Check {
    fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self {
            check,
            status: Status::Ok,
            detail: detail.into(),
            hint: None,
        }
    }

    fn note(check: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            check,
            status: Status::Note,
            detail: detail.into(),
            hint: Some(hint.into()),
        }
    }

    fn fail(check: &'static str, error: Error) -> Self {
        Self {
            check,
            status: Status::Fail,
            detail: error.message,
            hint: error.hint,
        }
    }
}

pub async fn execute(context: &Context) -> Result<ExitCode, Error> {
    let mut checks = vec![Check::ok("version", env!("CARGO_PKG_VERSION"))];
    sandbox(context, &mut checks);
    database(context, &mut checks).await;
    if std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
        checks.push(Check::note(
            "environment",
            "RUST_BACKTRACE is set: each trap of a guest then costs about 10 us more",
            "unset it for workers",
        ));
    }
    context.output.many(&checks, || {
        output::table(
            ["", "check", "found"],
            checks.iter().map(|check| {
                let mark = match check.status {
                    Status::Ok => "ok",
                    Status::Note => "note",
                    Status::Fail => "FAIL",
                };
                let hint = check
                    .hint
                    .as_ref()
                    .map_or(String::new(), |hint| format!("\nhint: {hint}"));
                [
                    mark.to_owned(),
                    check.check.to_owned(),
                    format!("{}{hint}", check.detail),
                ]
            }),
        )
    });
    let failed = checks.iter().any(|check| check.status == Status::Fail);
    Ok(if failed {
        ExitCode::from(Exit::Environment as u8)
    } else {
        ExitCode::SUCCESS
    })
}

fn sandbox(context: &Context, checks: &mut Vec<Check>) {
    match context.sandbox(context.config.worker.concurrency) {
        Ok(sandbox) => {
            for (name, fact) in sandbox.facts() {
                checks.push(Check::ok("sandbox", format!("{name}: {fact}")));
            }
        }
        Err(error) => checks.push(Check::fail("sandbox", error)),
    }
}

async fn database(context: &Context, checks: &mut Vec<Check>) {
    let store = match context.connect(false).await {
        Ok(store) => store,
        Err(error) => return checks.push(Check::fail("database", error)),
    };
    match store.describe().await {
        Ok(text) => checks.push(Check::ok("database", text)),
        Err(error) => return checks.push(Check::fail("database", error.into())),
    }
    if let Err(error) = store.check_schema().await {
        return checks.push(Check::fail("schema", error.into()));
    }
    checks.push(Check::ok("schema", "up to date"));
    match store.quarantines().await {
        Ok(quarantines) => {
            for quarantine in quarantines {
                checks.push(Check::note(
                    "quarantine",
                    quarantine_text(&quarantine),
                    quarantine_hint(&quarantine.type_name),
                ));
            }
        }
        Err(error) => checks.push(Check::fail("database", error.into())),
    }
    match (store.types().await, store.sessions().await) {
        (Ok(types), Ok(sessions)) => {
            checks.push(if types.is_empty() {
                Check::note("types", "none is deployed", "`hardstop deploy` adds some")
            } else {
                Check::ok("types", format!("{} deployed", types.len()))
            });
            checks.push(if sessions.iter().any(|session| !session.expired) {
                Check::ok("workers", format!("{} registered", sessions.len()))
            } else {
                Check::note("workers", "none runs", "`hardstop worker` starts one")
            });
        }
        (Err(error), _) | (_, Err(error)) => checks.push(Check::fail("database", error.into())),
    }
    store.close().await;
}
