//! `hardstop audit ...`: what was changed, and by whom.

use std::process::ExitCode;

use hardstop_store::AUDIT_LIMIT_MAX;
use serde_json::Value;

use super::args::AuditCommand;
use super::{Context, output};
use crate::error::Error;
use crate::service::json_lines;

pub async fn execute(context: &Context, command: AuditCommand) -> Result<ExitCode, Error> {
    let service = context.service(false);
    match command {
        AuditCommand::List {
            filter,
            before,
            limit,
        } => {
            let records = service.audit(&filter.query(before, limit)).await?;
            context.output.many(&records, || {
                output::table(
                    ["at", "who", "what", "subject", "before", "after"],
                    records.iter().map(|record| {
                        [
                            record.at.to_string(),
                            record.actor.clone(),
                            record.action.name().to_owned(),
                            record.subject.clone(),
                            beginning(record.before.as_ref()),
                            beginning(record.after.as_ref()),
                        ]
                    }),
                )
            });
            if context.output.is_human() {
                match records.last() {
                    None => eprintln!("nothing was changed"),
                    Some(last) if records.len() as u32 == limit => {
                        eprintln!("older ones: --before {}", last.id);
                    }
                    Some(_) => {}
                }
            }
        }
        AuditCommand::Export { filter } => {
            let mut query = filter.query(None, AUDIT_LIMIT_MAX);
            loop {
                let page = service.audit(&query).await?;
                let Some(last) = page.last() else {
                    break;
                };
                query.before = Some(last.id);
                output::print(&json_lines(&page));
            }
        }
    }
    service.close().await;
    Ok(ExitCode::SUCCESS)
}

/// The beginning of what was or is, on a line.
fn beginning(value: Option<&Value>) -> String {
    const SHOWN: usize = 40;
    let Some(value) = value else {
        return "-".to_owned();
    };
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
