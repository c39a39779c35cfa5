//! `hardstop run --repeat N`: the same attempt again and again, and what it used each time.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::pin::pin;
use std::process::ExitCode;

use hardstop_domain::profile::{Distribution, distributions};
use hardstop_domain::{Failure, Limits, OutcomeKind, Report, TypeName};
use hardstop_sandbox::StopSignal;
use serde::Serialize;

use super::super::{Context, output};
use crate::error::{Error, Exit};

/// What is printed in JSON.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(rename = "type")]
    type_name: &'a TypeName,
    /// How many attempts ended in which way.
    outcomes: BTreeMap<OutcomeKind, u32>,
    /// The first attempt that ended badly.
    first_failure: Option<&'a Failure>,
    /// Durations in microseconds, the suggested ones in milliseconds.
    usage: &'a [Distribution],
    limits: &'a Limits,
}

/// Runs it until it has run so often or somebody interrupts it. Exits with 1 where an attempt ended badly.
pub async fn execute<R: Future<Output = Report>>(
    context: &Context,
    type_name: &TypeName,
    count: u32,
    limits: &Limits,
    mut attempt: impl FnMut(StopSignal) -> R,
) -> Result<ExitCode, Error> {
    // One listener for all runs: Ctrl-C between two of them counts, too. Dropping a run ends its guest.
    let mut interrupt = pin!(tokio::signal::ctrl_c());
    let mut outcomes = BTreeMap::new();
    let mut first_failure = None;
    let mut used = Vec::new();
    for _ in 0..count {
        let report = tokio::select! {
            biased;
            _ = &mut interrupt => break,
            report = attempt(StopSignal::never()) => report,
        };
        let kind = report.outcome.kind();
        *outcomes.entry(kind).or_insert(0) += 1;
        used.push(report.usage);
        if first_failure.is_none() {
            first_failure = report.outcome.failure().cloned();
        }
    }
    let usage = distributions(&used);
    let printed = Printed {
        type_name,
        outcomes,
        first_failure: first_failure.as_ref(),
        usage: &usage,
        limits,
    };
    context.output.one(&printed, || {
        let mut text = format!("{} of {count} runs of `{type_name}`\n", used.len());
        for (kind, count) in &printed.outcomes {
            let _ = writeln!(text, "{count:>9} {kind}");
        }
        text.push('\n');
        text.push_str(&output::distributions(&usage, limits));
        text
    });
    if context.output.is_human()
        && let Some(failure) = &first_failure
    {
        eprint!("the first failure: {}", output::failure(failure));
    }
    Ok(match first_failure {
        Some(_) => ExitCode::from(Exit::Failed as u8),
        None => ExitCode::SUCCESS,
    })
}
