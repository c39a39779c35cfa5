//! `hardstop job ...`: look at jobs, wait for them, retry and cancel them.

use std::fmt::Write as _;
use std::process::ExitCode;

use hardstop_domain::quantity::{format_size, format_us};
use hardstop_domain::{LogEntry, State, Usage};
use hardstop_store::{AttemptRecord, Due, JobDetail, JobQuery, JobSummary};

use super::args::JobCommand;
use super::{Context, chain, explain, external, output};
use crate::error::{Error, Exit};
use crate::service::{self, JobChanged};
use crate::use_case::UseCases;

pub async fn execute(context: &Context, command: JobCommand) -> Result<ExitCode, Error> {
    let service = context.service(false);
    let code = match command {
        JobCommand::List {
            type_name,
            state,
            key,
            since,
            until,
            before,
            limit,
        } => {
            let query = JobQuery {
                type_name,
                state,
                key,
                since,
                until,
                before,
                limit,
            };
            list(context, service, &query).await?
        }
        JobCommand::Explain { job } => explain::execute(context, service, job).await?,
        JobCommand::Show { job } => {
            let job = service.job(job).await?;
            context.output.one(&job, || show(&job));
            ExitCode::SUCCESS
        }
        JobCommand::Logs { job } => {
            logs(context, &service.job(job).await?);
            ExitCode::SUCCESS
        }
        JobCommand::Wait { job, timeout } => {
            print_result(context, &service.wait_job(job, timeout).await?)
        }
        JobCommand::Retry { job } => {
            changed(context, &service.retry(job).await?);
            ExitCode::SUCCESS
        }
        JobCommand::Trigger { job, force } => {
            changed(context, &service.reschedule(job, Due::Now, force).await?);
            ExitCode::SUCCESS
        }
        JobCommand::Reschedule { job, after, at } => {
            let due = match (after, at) {
                (Some(after), _) => Due::After {
                    delay_ms: u64::try_from(after.as_millis()).unwrap_or(u64::MAX),
                },
                (None, Some(at)) => Due::At(at),
                (None, None) => Due::Now,
            };
            changed(context, &service.reschedule(job, due, false).await?);
            ExitCode::SUCCESS
        }
        JobCommand::Cancel { job } => {
            changed(context, &service.cancel(job).await?);
            ExitCode::SUCCESS
        }
        JobCommand::Complete(args) => external::complete(context, service, args).await?,
        JobCommand::Fail(args) => external::fail(context, service, args).await?,
    };
    service.close().await;
    Ok(code)
}

fn changed(context: &Context, changed: &JobChanged) {
    context.output.one(changed, || {
        let JobChanged { id, was, state } = changed;
        format!("{id} was {was}, is {state}")
    });
}

async fn list(
    context: &Context,
    service: &dyn UseCases,
    query: &JobQuery,
) -> Result<ExitCode, Error> {
    let jobs = service.jobs(query).await?;
    context.output.many(&jobs, || {
        output::table(
            [
                "job", "type", "state", "outcome", "attempt", "created", "took",
            ],
            jobs.iter().map(row),
        )
    });
    if context.output.is_human() {
        match jobs.last() {
            None => eprintln!("no jobs"),
            Some(last) if jobs.len() as u32 == query.limit => {
                eprintln!("older ones: --before {}", last.id);
            }
            Some(_) => {}
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn row(job: &JobSummary) -> [String; 7] {
    let took = match (job.started_at, job.finished_at) {
        (Some(started), Some(finished)) => format_us(finished.since(started).as_micros() as u64),
        _ => "-".to_owned(),
    };
    [
        job.id.to_string(),
        job.type_name.to_string(),
        job.state.to_string(),
        job.outcome
            .map_or("-".to_owned(), |outcome| outcome.to_string()),
        job.attempt.to_string(),
        job.created_at.to_string(),
        took,
    ]
}

/// Whether the attempt that made the job final is none of its attempt records, which are those of
/// attempts that did not end well.
fn ended_well(state: State) -> bool {
    matches!(state, State::Completed | State::Continued)
}

/// The result of a job that is final: its output on standard output, or its failure on standard
/// error and exit code 1.
pub fn print_result(context: &Context, job: &JobDetail) -> ExitCode {
    let succeeded = ended_well(job.summary.state);
    if !context.output.is_human() {
        context.output.one(job, String::new);
    } else if let Some(next) = job.continued_to {
        eprintln!("{} continued with {next}", job.summary.id);
    } else if let Some(output) = &job.output {
        output::print(&output::indent_json(output));
    } else {
        eprintln!("{} is {}", job.summary.id, job.summary.state);
        if let Some(failure) = &job.failure {
            eprint!("{}", output::failure(failure));
        }
        eprintln!("hint: `hardstop job show {}` tells more", job.summary.id);
    }
    if succeeded {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(Exit::Failed as u8)
    }
}

/// A job in full, for people.
pub fn show(job: &JobDetail) -> String {
    let summary = &job.summary;
    let mut text = String::new();
    let mut field = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<10} {value}");
    };
    field("job", summary.id.to_string());
    if summary.chain_id != summary.id.into() {
        field("chain", summary.chain_id.to_string());
    }
    field("type", summary.type_name.to_string());
    if let Some(key) = &job.key {
        field("key", key.clone());
    }
    if let Some(parent) = job.parent_job {
        field("parent", parent.to_string());
    }
    if job.lineage.depth > 0 {
        field(
            "root",
            format!("{} (depth {})", job.lineage.root, job.lineage.depth),
        );
    }
    field(
        "state",
        match summary.outcome {
            Some(outcome) if outcome.name() != summary.state.name() => {
                format!("{} ({outcome})", summary.state)
            }
            _ => summary.state.to_string(),
        },
    );
    let mut counts = vec![format!("attempt {}", summary.attempt)];
    if summary.rescues > 0 {
        counts.push(format!("rescues {}", summary.rescues));
    }
    if summary.snoozes > 0 {
        counts.push(format!("snoozes {}", summary.snoozes));
    }
    field("attempts", counts.join(", "));
    if summary.priority != 0 {
        field("priority", summary.priority.to_string());
    }
    field("created", summary.created_at.to_string());
    match (summary.started_at, summary.finished_at) {
        (Some(started), Some(finished)) => {
            field("started", started.to_string());
            let took = format_us(finished.since(started).as_micros() as u64);
            field("finished", format!("{finished} (after {took})"));
        }
        (Some(started), None) => field("started", started.to_string()),
        (None, _) => field("due", summary.due_at.to_string()),
    }
    if let Some(deadline) = job.deadline_at {
        field("deadline", deadline.to_string());
    }
    if let Some(token) = job.completion_token {
        field("token", token.to_string());
    }
    if let Some(next) = job.continued_to {
        field("continued", next.to_string());
    }
    if let Some(usage) = &job.usage {
        field("usage", usage_line(usage));
    }
    if let Some(progress) = &job.progress {
        let message = progress.message.as_deref().unwrap_or_default();
        let percent = progress.fraction * 100.0;
        field("progress", format!("{percent:.0}% {message}"));
    }
    field("input", shorten(&job.input));
    if let Some(output) = &job.output {
        field("output", shorten(output));
    }
    if let Some(failure) = &job.failure {
        let _ = write!(text, "\n{}", output::failure(failure));
    }
    if !job.blockers.is_empty() {
        let _ = write!(text, "\nblockers\n{}", chain::blockers(&job.blockers));
    }
    // A discarded job's last attempt is its final word, which was just shown.
    let last_run = job.attempts.last().map(|attempt| attempt.run);
    for attempt in &job.attempts {
        let is_final_word = Some(attempt.run) == last_run && job.failure == attempt.failure;
        let _ = write!(text, "\n{}", attempt_text(attempt, is_final_word));
    }
    let goes_on = summary.state == State::Running;
    if (ended_well(summary.state) || goes_on) && !job.log.is_empty() {
        text.push_str("\nlog\n");
        push_log(&mut text, &job.log);
    }
    text
}

fn attempt_text(attempt: &AttemptRecord, is_final_word: bool) -> String {
    let mut text = format!(
        "run {} (attempt {}) on {}, {}\n",
        attempt.run, attempt.attempt, attempt.host, attempt.started_at
    );
    match &attempt.failure {
        Some(failure) if !is_final_word => text.push_str(&output::failure(failure)),
        Some(_) => {}
        None => {
            let _ = writeln!(text, "{}", attempt.outcome);
        }
    }
    if let Some(usage) = &attempt.usage {
        let _ = writeln!(text, "  usage: {}", usage_line(usage));
    }
    if let Some(progress) = &attempt.progress {
        let message = progress.message.as_deref().unwrap_or_default();
        let _ = writeln!(
            text,
            "  progress: {:.0}% {message}",
            progress.fraction * 100.0
        );
    }
    if !attempt.log.is_empty() {
        text.push_str("  log:\n");
        push_log(&mut text, &attempt.log);
    }
    text
}

fn push_log(text: &mut String, log: &[LogEntry]) {
    for entry in log {
        let _ = writeln!(text, "  {}", output::log_line(entry));
    }
}

fn usage_line(usage: &Usage) -> String {
    let mut text = format!(
        "wall {}, cpu {}, memory {}",
        format_us(usage.wall_us),
        format_us(usage.cpu_us),
        format_size(usage.memory_bytes_peak)
    );
    if let Some(fuel) = usage.fuel {
        let _ = write!(text, ", fuel {fuel}");
    }
    if usage.detail.http_requests > 0 {
        let _ = write!(
            text,
            ", {} HTTP requests ({} out, {} in)",
            usage.detail.http_requests,
            format_size(usage.detail.http_request_bytes),
            format_size(usage.detail.http_response_bytes)
        );
    }
    if usage.log_bytes_dropped > 0 {
        let _ = write!(
            text,
            ", {} of log dropped",
            format_size(usage.log_bytes_dropped)
        );
    }
    text
}

/// JSON text, cut where it is long.
pub fn shorten(json: &str) -> String {
    const SHOWN: usize = 400;
    // As it is shown elsewhere, however whoever sent it has written it.
    let json = match serde_json::from_str::<serde_json::Value>(json) {
        Ok(value) => value.to_string(),
        Err(_) => json.to_owned(),
    };
    if json.len() <= SHOWN {
        return json;
    }
    let cut: String = json.chars().take(SHOWN).collect();
    format!(
        "{cut}... ({}; -o json shows all)",
        format_size(json.len() as u64)
    )
}

fn logs(context: &Context, job: &JobDetail) {
    let lines = service::logs(job);
    context.output.many(&lines, || {
        lines
            .iter()
            .map(|line| output::log_line(&line.entry) + "\n")
            .collect()
    });
    let dropped: u64 = job
        .attempts
        .iter()
        .filter_map(|attempt| attempt.usage)
        .chain(job.usage.filter(|_| ended_well(job.summary.state)))
        .map(|usage| usage.log_bytes_dropped)
        .sum();
    if context.output.is_human() {
        if lines.is_empty() {
            eprintln!("no log");
        }
        if dropped > 0 {
            eprintln!(
                "{} more were dropped, over the limit `log`",
                format_size(dropped)
            );
        }
    }
}
