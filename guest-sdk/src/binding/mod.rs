//! The component's side of the contract: what `wit/` says, and the plain types that the rest of
//! this crate works with.

mod http;

use std::time::Duration;

use crate::component::{self, Component};
use crate::context::{self, Attempt, ConfigError, Ctx, Host, SecretError};
use crate::failure::{self, Failure};
use crate::handler::Entry;
use crate::logger;
use crate::next::{NextJob, OnBlockerFailure, Options, Parts};
use crate::outcome::Outcome;
use crate::recorder::LogEntry;

use exported::{Job, JobType};
use wit::exports::hardstop::job::handler as exported;
use wit::hardstop::job::{chains, config, log, progress, secrets, types};

pub(crate) use http::fetch;

/// Generated from `wit/`. Calls across the boundary are unsafe by nature; nothing else in this
/// crate is.
#[allow(unsafe_code, missing_docs, clippy::all)]
pub mod wit {
    wit_bindgen::generate!({
        path: "../wit",
        world: "job-component",
        pub_export_macro: true,
        export_macro_name: "export_component",
        default_bindings_module: "hardstop_guest::wit",
    });
}

/// Exports the contract's functions for a [`Component`].
#[doc(hidden)]
#[macro_export]
macro_rules! __export_component {
    ($component:ident) => {
        $crate::wit::export_component!($component with_types_in $crate::wit);
    };
}

impl<C: Component> exported::Guest for C {
    fn describe() -> Vec<JobType> {
        logger::install();
        C::ENTRIES.iter().map(describe).collect()
    }

    fn run(job: Job) -> Result<exported::Outcome, exported::Failure> {
        logger::install();
        let (attempt, input) = attempt(job);
        let ctx = Ctx::new(attempt, Host::Imports);
        component::run(C::ENTRIES, &ctx, &input)
            .and_then(outcome)
            .map_err(failure)
    }
}

fn describe(entry: &Entry) -> JobType {
    let schemas = (entry.schemas)();
    JobType {
        name: entry.name.to_owned(),
        description: entry.description.to_owned(),
        input_schema: schemas.input,
        output_schema: schemas.output,
    }
}

/// The attempt, and the input of its job.
fn attempt(job: Job) -> (Attempt, String) {
    let blockers = job.blockers.into_iter().map(|blocker| context::Blocker {
        chain_id: blocker.chain_id,
        result: match blocker.result {
            types::BlockerResult::Completed(output) => context::BlockerResult::Completed(output),
            types::BlockerResult::Failed(failure) => {
                context::BlockerResult::Failed(context::BlockerFailure {
                    state: match failure.state {
                        types::BlockerState::Discarded => context::BlockerState::Discarded,
                        types::BlockerState::Cancelled => context::BlockerState::Cancelled,
                    },
                    kind: failure.kind,
                    message: failure.message,
                })
            }
            types::BlockerResult::Gone => context::BlockerResult::Gone,
        },
    });
    let attempt = Attempt {
        job_id: job.id,
        chain_id: job.chain_id,
        job_type: job.type_,
        attempt: job.attempt,
        attempts_left: job.attempts_left,
        deadline: Duration::from_millis(job.deadline_ms),
        blockers: blockers.collect(),
        trace_parent: job.trace_parent,
    };
    (attempt, job.input)
}

fn outcome(outcome: Outcome<String>) -> Result<exported::Outcome, Failure> {
    Ok(match outcome {
        Outcome::Complete(output) => exported::Outcome::Complete(output),
        Outcome::ContinueWith(next) => exported::Outcome::ContinueWith(next_job(next)?),
        Outcome::Snooze(delay) => exported::Outcome::Snooze(whole_ms(delay)),
    })
}

fn next_job(next: NextJob) -> Result<types::NextJob, Failure> {
    next.into_parts().map(started_job)
}

fn started_job(parts: Parts) -> types::NextJob {
    types::NextJob {
        type_: parts.job_type,
        input: parts.input,
        options: options(parts.options),
    }
}

fn options(options: Options) -> types::StartOptions {
    types::StartOptions {
        delay_ms: options.delay.map(whole_ms),
        priority: options.priority,
        blockers: options.blockers,
        on_blocker_failure: Some(match options.on_blocker_failure {
            OnBlockerFailure::Cancel => types::OnBlockerFailure::Cancel,
            OnBlockerFailure::Run => types::OnBlockerFailure::Run,
            OnBlockerFailure::Hold => types::OnBlockerFailure::Hold,
        }),
        dedup: options.dedup.map(|dedup| types::Dedup {
            key: dedup.key,
            scope: match dedup.window {
                None => types::DedupScope::Open,
                Some(window) => types::DedupScope::Any(whole_ms(window)),
            },
        }),
    }
}

fn failure(failure: Failure) -> exported::Failure {
    exported::Failure {
        kind: match failure.kind {
            failure::FailureKind::Retryable => types::FailureKind::Retryable,
            failure::FailureKind::Fatal => types::FailureKind::Fatal,
        },
        message: failure.message,
        retry_after_ms: failure.retry_after.map(whole_ms),
        details: failure.details.map(|details| details.to_string()),
    }
}

/// Rounded up, so that a short wait does not become none.
fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// Says how far the attempt has come.
pub(crate) fn set_progress(fraction: f32, message: Option<&str>) {
    progress::set(fraction, message);
}

/// Starts a chain and returns its id.
pub(crate) fn start_chain(job: Parts) -> Result<String, context::StartError> {
    chains::start(&started_job(job)).map_err(|error| match error {
        chains::StartError::Denied(rule) => context::StartError::Denied(rule),
        chains::StartError::Limit(limit) => context::StartError::Limit(limit),
        chains::StartError::Invalid(reason) => context::StartError::Invalid(reason),
    })
}

/// Reads a configuration value.
pub(crate) fn config(key: &str) -> Result<String, ConfigError> {
    config::get(key).map_err(ConfigError)
}

/// Gets a secret, or its placeholder.
pub(crate) fn secret(name: &str) -> Result<String, SecretError> {
    secrets::get(name).map_err(SecretError)
}

/// Appends an entry to the job's log.
pub(crate) fn write_log(entry: LogEntry) {
    let level = match entry.level {
        ::log::Level::Error => log::Level::Error,
        ::log::Level::Warn => log::Level::Warn,
        ::log::Level::Info => log::Level::Info,
        ::log::Level::Debug => log::Level::Debug,
        ::log::Level::Trace => log::Level::Trace,
    };
    log::log(level, &entry.message, &entry.fields);
}
