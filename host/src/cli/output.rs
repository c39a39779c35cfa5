//! Printing: data as JSON or for people, and the parts of reports that several commands show.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Read as _};

use comfy_table::{ContentArrangement, Table, presets};
use hardstop_domain::profile::{Distribution, Near};
use hardstop_domain::quantity::{format_duration_ms, format_size, format_us};
use hardstop_domain::{Digest, External, Failure, LimitName, Limits, LogEntry, Usage};
use serde::Serialize;

use super::args::Format;
use crate::error::Error;

/// How this call prints.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    format: Format,
}

impl Output {
    pub fn new(format: Format) -> Self {
        Self { format }
    }

    /// The format that was asked for.
    pub fn format(self) -> Format {
        self.format
    }

    /// Whether people read it.
    pub fn is_human(self) -> bool {
        self.format == Format::Human
    }

    /// Prints one thing.
    pub fn one(self, value: &impl Serialize, human: impl FnOnce() -> String) {
        match self.format {
            Format::Human => print(&human()),
            Format::Json => print(&pretty(value)),
            Format::Jsonl => print(&line(value)),
        }
    }

    /// Prints several things.
    pub fn many<T: Serialize>(self, values: &[T], human: impl FnOnce() -> String) {
        match self.format {
            Format::Human => print(&human()),
            Format::Json => print(&pretty(&values)),
            Format::Jsonl => values.iter().for_each(|value| print(&line(value))),
        }
    }
}

/// Prints a line to standard output. A reader that has gone away, such as `head`, ends the process
/// quietly, as it does for other commands.
pub fn print(text: &str) {
    use std::io::Write as _;
    let mut stdout = std::io::stdout().lock();
    if writeln!(stdout, "{}", text.trim_end_matches('\n'))
        .and_then(|()| stdout.flush())
        .is_err()
    {
        std::process::exit(0);
    }
}

/// Prints a thing as one line of JSON, whatever the format.
pub fn print_line(value: &impl Serialize) {
    print(&line(value));
}

/// A thing as indented JSON.
pub fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
}

fn line(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
}

/// What runs a type and within what, in four columns: component, wall time, CPU time, memory. An external type
/// has a deadline for all that.
pub fn implementation(
    component: Option<Digest>,
    external: Option<External>,
    limits: &Limits,
) -> [String; 4] {
    match (component, external) {
        (_, Some(external)) => [
            format!("external, {}", format_duration_ms(external.deadline_ms)),
            "-".to_owned(),
            "-".to_owned(),
            "-".to_owned(),
        ],
        (component, None) => [
            component.map_or("-".to_owned(), |digest| digest.short()),
            format_duration_ms(limits.wall_timeout_ms),
            format_duration_ms(limits.cpu_time_ms),
            format_size(limits.memory_bytes_max),
        ],
    }
}

/// A plain table: no borders, two blanks between columns, so that it can be cut and read anywhere.
pub fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.map(str::to_uppercase));
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
        .lines()
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect()
}

/// JSON text, indented where it parses.
pub fn indent_json(text: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) => pretty(&value),
        Err(_) => text.to_owned(),
    }
}

/// A failure: message, limit, backtrace, details, and the lines that would grant what was refused.
pub fn failure(failure: &Failure) -> String {
    let mut text = format!("{}: {}\n", failure.kind, failure.message);
    if let Some(hit) = &failure.limit {
        let _ = write!(
            text,
            "  limit {} = {}, used {}",
            hit.name,
            hit.name.format(hit.limit),
            hit.name.format(hit.used)
        );
        if let Some(overrun) = hit.overrun_us {
            let _ = write!(text, ", ended {} past it", format_us(overrun));
        }
        text.push('\n');
    }
    if let Some(refusal) = &failure.refusal {
        text.push_str("  these manifest lines would grant it:\n");
        for line in refusal.grant.lines() {
            let _ = writeln!(text, "    {line}");
        }
    }
    if let Some(details) = &failure.details {
        let _ = writeln!(text, "  details: {details}");
    }
    if !failure.backtrace.is_empty() {
        text.push_str("  backtrace:\n");
        for (index, frame) in failure.backtrace.iter().enumerate() {
            let _ = writeln!(text, "    {index:>2}: {frame}");
        }
    }
    text
}

/// One log entry as a line.
pub fn log_line(entry: &LogEntry) -> String {
    let mut text = format!(
        "{:>10} {:<5} {}",
        format_us(entry.at_us),
        entry.level.name(),
        entry.message
    );
    for (name, value) in &entry.fields {
        let _ = write!(text, " {name}={value}");
    }
    text
}

/// What was used, against its limits. `children` is how many chains the attempt starts.
pub fn usage(usage: &Usage, limits: &Limits, input_bytes: u64, children: u64) -> String {
    let rows = LimitName::ALL.into_iter().filter_map(|name| {
        let used = match name {
            LimitName::Input => input_bytes,
            LimitName::Children => children,
            // Most handlers send no request, and need no rows about them.
            LimitName::HttpRequests
            | LimitName::HttpRequestBytes
            | LimitName::HttpResponseBytes
                if usage.detail.http_requests == 0 =>
            {
                return None;
            }
            name => usage.of(name)?,
        };
        let limit = limits.get(name)?;
        let top = limit.saturating_mul(name.scale());
        let share = if top == 0 {
            0.0
        } else {
            used as f64 / top as f64
        };
        Some([
            name.key().to_owned(),
            bar(share),
            name.format_used(used),
            format!("of {}", name.format(limit)),
            format!("{:.1}%", share * 100.0),
        ])
    });
    let mut text = table(["limit", "", "used", "", ""], rows);
    if usage.detail.log_lines_dropped > 0 {
        let _ = writeln!(
            text,
            "log: {} more entries of {} were dropped",
            usage.detail.log_lines_dropped,
            format_size(usage.log_bytes_dropped)
        );
    }
    if usage.detail.progress_dropped > 0 {
        let _ = writeln!(
            text,
            "progress: {} reports over the limit `progress_rate` were not passed on",
            usage.detail.progress_dropped
        );
    }
    text
}

/// How use is distributed over attempts, against the limits.
pub fn distributions(rows: &[Distribution], limits: &Limits) -> String {
    let rows = rows.iter().map(|row| {
        let name = row.name;
        let of = |value: Option<u64>| value.map_or_else(String::new, |value| name.format(value));
        [
            name.key().to_owned(),
            name.format_used(row.min),
            name.format_used(row.p50),
            name.format_used(row.p90),
            name.format_used(row.p99),
            name.format_used(row.max),
            of(limits.get(name)),
            of(row.suggested),
        ]
    });
    table(
        [
            "limit",
            "min",
            "p50",
            "p90",
            "p99",
            "max",
            "is",
            "suggested",
        ],
        rows,
    )
}

/// A line for each limit that an attempt came near.
pub fn near(near: &[Near]) -> String {
    let mut text = String::new();
    for Near {
        name,
        limit,
        percent,
    } in near
    {
        let limit = name.format(*limit);
        let _ = writeln!(text, "warning: used {percent}% of limit `{name}` = {limit}");
    }
    text
}

fn bar(share: f64) -> String {
    const WIDTH: usize = 20;
    let filled = ((share * WIDTH as f64).ceil() as usize).min(WIDTH);
    format!("{}{}", "#".repeat(filled), ".".repeat(WIDTH - filled))
}

/// An input argument: JSON text, `@FILE`, or `-` for standard input.
pub fn read_input(argument: &str) -> Result<String, Error> {
    let read = if argument == "-" {
        if std::io::stdin().is_terminal() {
            eprintln!("reading the input from the terminal; Ctrl-D ends it");
        }
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map(|_| text)
            .map_err(|e| ("-", e))
    } else if let Some(path) = argument.strip_prefix('@') {
        std::fs::read_to_string(path).map_err(|e| (path, e))
    } else {
        return Ok(argument.to_owned());
    };
    read.map_err(|(path, error)| Error::usage(format!("cannot read the input {path}: {error}")))
}
