//! `hardstop dead-letter ...`: look at what ended badly, and replay it.

use std::fmt::Write as _;
use std::process::ExitCode;

use hardstop_domain::{OutcomeKind, State};
use hardstop_store::{DeadLetter, DeadLetterQuery, ReplayDetail, ReplayedJob};
use serde::Serialize;
use serde_json::json;

use super::args::{DeadLetterCommand, DeadLetterFilterArgs, ReplayArgs};
use super::{Context, job, output};
use crate::error::Error;
use crate::service::ReplayReport;
use crate::use_case::UseCases;

/// How many dead letters an export looks up at once; each is printed before the next is read.
const EXPORT_PAGE: u32 = 100;

pub async fn execute(context: &Context, command: DeadLetterCommand) -> Result<ExitCode, Error> {
    let service = context.service(false);
    match command {
        DeadLetterCommand::List {
            filter,
            before,
            limit,
        } => {
            let query = DeadLetterQuery {
                filter: filter.filter(),
                before,
                from: None,
                limit,
            };
            list(context, service, &query).await?;
        }
        DeadLetterCommand::Show { job } => {
            let detail = service.dead_letter(job).await?;
            context.output.one(&detail, || job::show(&detail));
        }
        DeadLetterCommand::Replay(args) => replay(context, service, args).await?,
        DeadLetterCommand::Replays { before, limit } => {
            let replays = service.replays(before, limit).await?;
            context.output.many(&replays, || {
                output::table(
                    ["replay", "when", "actor", "jobs", "note"],
                    replays.iter().map(|replay| {
                        [
                            replay.id.to_string(),
                            replay.created_at.to_string(),
                            replay.actor.clone(),
                            replay.jobs.to_string(),
                            one_line(replay.note.as_deref().unwrap_or("-")),
                        ]
                    }),
                )
            });
            if context.output.is_human() && replays.is_empty() {
                eprintln!("no replays");
            }
        }
        DeadLetterCommand::ReplayShow {
            replay,
            after,
            limit,
        } => {
            let detail = service.replay(replay).await?;
            let jobs = service.replayed_jobs(replay, after, limit).await?;
            show_replay(context, &detail, &jobs, limit);
        }
        DeadLetterCommand::Export { filter } => export(service, filter).await?,
    }
    service.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn list(
    context: &Context,
    service: &dyn UseCases,
    query: &DeadLetterQuery,
) -> Result<(), Error> {
    let letters = service.dead_letters(query).await?;
    context.output.many(&letters, || lines(&letters));
    if context.output.is_human() {
        match letters.last() {
            None => eprintln!("no dead letters"),
            Some(last) if letters.len() as u32 == query.limit => {
                eprintln!("older ones: --before {}", last.summary.id);
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn lines(letters: &[DeadLetter]) -> String {
    output::table(
        ["job", "type", "outcome", "attempt", "finished", "why"],
        letters.iter().map(|letter| {
            let summary = &letter.summary;
            let why = letter
                .failure
                .as_ref()
                .map_or("-", |failure| &failure.message);
            [
                summary.id.to_string(),
                summary.type_name.to_string(),
                name(summary.outcome),
                summary.attempt.to_string(),
                summary
                    .finished_at
                    .map_or("-".to_owned(), |at| at.to_string()),
                one_line(why),
            ]
        }),
    )
}

fn name(outcome: Option<OutcomeKind>) -> String {
    outcome.map_or("-".to_owned(), |outcome| outcome.to_string())
}

/// The beginning of a text, without line breaks and other controls.
fn one_line(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut line: String = text
        .chars()
        .take(SHOWN)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(SHOWN).is_some() {
        line.push_str("...");
    }
    line
}

async fn replay(context: &Context, service: &dyn UseCases, args: ReplayArgs) -> Result<(), Error> {
    let ReplayArgs {
        jobs,
        filter,
        all,
        dry_run,
        note,
        actor,
    } = args;
    let report = if !jobs.is_empty() {
        service.replay_jobs(jobs, note, actor, dry_run).await?
    } else if filter.is_everything() && !all {
        return Err(
            Error::usage("which dead letters? neither jobs nor filters were given")
                .hint("--all replays every one; --dry-run shows first what that would be"),
        );
    } else {
        service
            .replay_matching(filter.filter(), note, actor, dry_run)
            .await?
    };
    context.output.one(&report, || lines(&report.first));
    if context.output.is_human() {
        eprint!("{}", verdict(&report));
    }
    Ok(())
}

fn verdict(report: &ReplayReport) -> String {
    let jobs = match report.jobs {
        1 => "1 job".to_owned(),
        jobs => format!("{jobs} jobs"),
    };
    let mut text = String::new();
    let shown = report.first.len();
    if report.jobs > shown as u64 {
        let _ = writeln!(text, "these are the first {shown}");
    }
    match report.replay {
        _ if report.dry_run => {
            let _ = writeln!(text, "{jobs} would be replayed; nothing was changed");
        }
        Some(id) => {
            let _ = writeln!(text, "replayed {jobs}: replay {id}");
            let _ = writeln!(
                text,
                "hint: `hardstop dead-letter replay-show {id}` follows it"
            );
        }
        None => {
            let _ = writeln!(text, "nothing to replay");
        }
    }
    if report.skipped > 0 {
        let _ = writeln!(
            text,
            "{} could not be: somebody was faster, or their input is no longer kept",
            report.skipped
        );
    }
    text
}

fn show_replay(context: &Context, detail: &ReplayDetail, jobs: &[ReplayedJob], limit: u32) {
    /// As JSON: the states by name.
    #[derive(Serialize)]
    struct Shown<'a> {
        #[serde(flatten)]
        replay: &'a hardstop_store::Replay,
        states: serde_json::Map<String, serde_json::Value>,
        replayed: &'a [ReplayedJob],
    }
    let states: Vec<(&str, u64)> = detail
        .states
        .iter()
        .map(|(state, count)| (state.map_or("gone", State::name), *count))
        .collect();
    let shown = Shown {
        replay: &detail.replay,
        states: states
            .iter()
            .map(|(name, count)| ((*name).to_owned(), json!(count)))
            .collect(),
        replayed: jobs,
    };
    context.output.one(&shown, || {
        let replay = &detail.replay;
        let mut text = String::new();
        let mut field = |name: &str, value: &str| {
            let _ = writeln!(text, "{name:<8} {value}");
        };
        field("replay", &replay.id.to_string());
        field("when", &replay.created_at.to_string());
        field("actor", &replay.actor);
        if let Some(note) = &replay.note {
            field("note", note);
        }
        field("filter", &replay.filter.to_string());
        let counts: Vec<String> = states
            .iter()
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        field("now", &counts.join(", "));
        text.push('\n');
        text.push_str(&output::table(
            ["job", "type", "was", "is", "outcome"],
            jobs.iter().map(|job| {
                [
                    job.id.to_string(),
                    job.type_name
                        .as_ref()
                        .map_or("-".to_owned(), ToString::to_string),
                    job.was_outcome.to_string(),
                    job.state.map_or("gone", State::name).to_owned(),
                    name(job.outcome),
                ]
            }),
        ));
        text
    });
    if context.output.is_human()
        && jobs.len() as u32 == limit
        && let Some(last) = jobs.last()
    {
        eprintln!("younger ones: --after {}", last.id);
    }
}

async fn export(service: &dyn UseCases, filter: DeadLetterFilterArgs) -> Result<(), Error> {
    let mut query = DeadLetterQuery {
        filter: filter.filter(),
        limit: EXPORT_PAGE,
        ..DeadLetterQuery::default()
    };
    loop {
        let page = service.dead_letters(&query).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        query.before = Some(last.summary.id);
        for letter in &page {
            // Replayed or deleted meanwhile: no dead letter any more.
            if let Some(detail) = service.find_dead_letter(letter.summary.id).await? {
                output::print_line(&detail);
            }
        }
    }
}
