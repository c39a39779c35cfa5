//! What a guest's end means: the one place where an outcome is decided.
//!
//! In this order: whoever stopped it from outside; the limits of time; fuel and stack; a result over
//! its limit. What is left, a failure or a trap, is laid to memory where a growth had been refused
//! before, then to a refused call where there was one, and only then to the handler itself.

use hardstop_domain::quantity::format_size;
use hardstop_domain::{Failure, LimitHit, LimitName, Limits, Outcome, OutcomeKind, Report};

use crate::binding::hardstop::job::types as wit;
use crate::command;
use crate::deadline::Ended;
use crate::guest::{Remains, Returned};
use crate::import::{NewJobError, continuation};
use crate::journal::cut;
use crate::json;
use crate::stop::Stop;
use crate::trap::{self, Cause, Fault};

/// The longest message of a handler's own failure, in bytes.
const MESSAGE_BYTES_MAX: usize = 8 << 10;

/// Makes the report of an attempt.
pub(crate) fn report(mut remains: Remains, limits: &Limits) -> Report {
    let outcome = outcome(&mut remains, limits);
    let keeps_children = matches!(
        outcome,
        Outcome::Completed { .. } | Outcome::Continued { .. }
    );
    Report {
        outcome,
        usage: remains.usage,
        log: remains.said.entries,
        progress: remains.said.progress,
        children: if keeps_children {
            remains.effects.children
        } else {
            Vec::new()
        },
        refusals: remains.effects.refusals,
    }
}

fn outcome(remains: &mut Remains, limits: &Limits) -> Outcome {
    if let Some(failure) = failure(remains, limits) {
        return Outcome::Failed(failure);
    }
    let stopped = Ended::Stopped(Stop::Interrupted);
    match std::mem::replace(&mut remains.ended, stopped) {
        Ended::Returned(Ok(Returned::Ran(Ok(outcome)))) => good(outcome, remains, limits),
        Ended::Returned(Ok(Returned::Ran(Err(failure)))) => {
            let failure = failed(failure, remains, limits);
            Outcome::Failed(laid_to(failure, remains))
        }
        Ended::Returned(Ok(Returned::Exited(code))) => {
            match command::exited(code, remains, limits) {
                Outcome::Failed(failure) => Outcome::Failed(laid_to(failure, remains)),
                outcome => outcome,
            }
        }
        // Not reached: `run` was called, and everything else is a failure.
        _ => Outcome::Failed(Failure::new(OutcomeKind::Trapped, "did not run")),
    }
}

/// The failure of a guest that returned nothing: ended by an error, by a limit or from outside.
pub(crate) fn failure(remains: &Remains, limits: &Limits) -> Option<Failure> {
    match &remains.ended {
        Ended::Returned(Ok(_)) => None,
        Ended::Returned(Err(error)) => Some(fault(error, remains, limits)),
        Ended::Wall => Some(timed_out(LimitName::WallTimeout, remains, limits)),
        Ended::Cpu => Some(timed_out(LimitName::CpuTime, remains, limits)),
        Ended::Stopped(stop) => Some(stopped(*stop, remains)),
    }
}

fn good(outcome: wit::Outcome, remains: &mut Remains, limits: &Limits) -> Outcome {
    match outcome {
        wit::Outcome::Complete(output) => {
            // What is far too large is not even searched for secrets.
            let output = match output.len() as u64 > limits.output_bytes_max {
                true => output,
                false => remains.grant.secrets.redactor().json(output),
            };
            let bytes = output.len() as u64;
            remains.usage.output_bytes = bytes;
            if bytes > limits.output_bytes_max {
                let hit = hit(LimitName::Output, limits.output_bytes_max, bytes);
                return Outcome::Failed(of_limit(OutcomeKind::OutputTooLarge, "returned", hit));
            }
            match json::check(&output) {
                Ok(()) => Outcome::Completed { output },
                Err(reason) => Outcome::Failed(Failure::new(
                    OutcomeKind::FailedFatal,
                    format!("the handler's output is not JSON: {reason}"),
                )),
            }
        }
        wit::Outcome::ContinueWith(next) => {
            remains.usage.output_bytes = next.input.len() as u64;
            match continuation(next, &remains.grant, &remains.effects.children) {
                Ok(next) => Outcome::Continued { next },
                Err(error) => {
                    let mut failure = Failure::new(OutcomeKind::FailedFatal, error.to_string());
                    if let NewJobError::InputTooLarge { bytes, limit } = error {
                        failure.limit = Some(hit(LimitName::Input, limit, bytes));
                    }
                    Outcome::Failed(failure)
                }
            }
        }
        wit::Outcome::Snooze(delay_ms) => Outcome::Snoozed { delay_ms },
    }
}

fn failed(failure: wit::Failure, remains: &mut Remains, limits: &Limits) -> Failure {
    let kind = match failure.kind {
        wit::FailureKind::Retryable => OutcomeKind::FailedRetryable,
        wit::FailureKind::Fatal => OutcomeKind::FailedFatal,
    };
    let redactor = remains.grant.secrets.redactor();
    let message = redactor.text(failure.message);
    let details_bytes = failure.details.as_ref().map_or(0, String::len) as u64;
    remains.usage.output_bytes = message.len() as u64 + details_bytes;
    let mut made = Failure::new(kind, cut(message, MESSAGE_BYTES_MAX));
    made.retry_after_ms = failure.retry_after_ms;
    made.details = failure.details.map(|details| {
        let dropped = |bytes: u64| {
            let bytes = format_size(bytes);
            let limit = format_size(limits.output_bytes_max);
            format!("\"details of {bytes} dropped: limit `output` = {limit}\"")
        };
        if details_bytes > limits.output_bytes_max {
            return dropped(details_bytes);
        }
        let details = redactor.json(details);
        if json::check(&details).is_ok() {
            return match details.len() as u64 {
                bytes if bytes > limits.output_bytes_max => dropped(bytes),
                _ => details,
            };
        }
        // A program that reads details should find JSON there, whatever the handler wrote. Written as
        // JSON, text can be six times as long.
        let text = serde_json::Value::String(details).to_string();
        match text.len() as u64 {
            bytes if bytes > limits.output_bytes_max => dropped(bytes),
            _ => text,
        }
    });
    made
}

fn fault(error: &wasmtime::Error, remains: &Remains, limits: &Limits) -> Failure {
    let Fault { cause, backtrace } = trap::read(error);
    let kind = cause.kind();
    let mut failure = match cause {
        Cause::Stack => {
            let stack = limits.stack_bytes_max;
            of_limit(
                kind,
                "recursed past its stack:",
                hit(LimitName::Stack, stack, stack),
            )
        }
        Cause::ShadowStack => Failure::new(
            kind,
            "overflowed the stack that it keeps in its own memory, whose size its linker fixed \
             (Rust: 1MiB)",
        ),
        Cause::Fuel => {
            let limit = limits.fuel.unwrap_or(0);
            let used = remains.usage.fuel.unwrap_or(limit);
            of_limit(kind, "used up its fuel:", hit(LimitName::Fuel, limit, used))
        }
        Cause::ResultTooLarge => {
            let (doing, bytes) = match &remains.effects.invocation {
                Some(invocation) => ("wrote", invocation.output_bytes()),
                None => ("returned more than", remains.effects.hostcall_bytes_max),
            };
            let hit = hit(LimitName::Output, limits.output_bytes_max, bytes);
            of_limit(kind, doing, hit)
        }
        Cause::Limit(name) => {
            let limit = match name {
                LimitName::HostCall => remains.effects.hostcall_bytes_max,
                name => limits.get(name).unwrap_or(0),
            };
            // How much more was asked for is known to nobody: the first one too many ended it.
            of_limit(kind, "asked for at least", hit(name, limit, limit + 1))
        }
        Cause::NoSlot(reason) => Failure::new(
            kind,
            format!("the host had no room for the guest: {reason}"),
        ),
        Cause::Trap(what) => match &remains.said.panic {
            Some(panic) => Failure::new(kind, panic.clone()),
            None => Failure::new(kind, what),
        },
    };
    failure.backtrace = backtrace;
    laid_to(failure, remains)
}

/// Lays a failure or trap to what was refused before, where something was.
fn laid_to(mut failure: Failure, remains: &Remains) -> Failure {
    use OutcomeKind::{FailedFatal, FailedRetryable, Trapped};
    if !matches!(failure.kind, FailedRetryable | FailedFatal | Trapped) {
        return failure;
    }
    if let Some(refused) = remains.effects.growth_refused {
        let hit = hit(refused.name, refused.limit, refused.asked);
        let kind = match refused.name {
            LimitName::Memory => OutcomeKind::OutOfMemory,
            _ => OutcomeKind::LimitExceeded,
        };
        let cause = of_limit(kind, "asked for", hit);
        failure.message = format!("{}; then: {}", cause.message, failure.message);
        failure.kind = cause.kind;
        failure.limit = cause.limit;
    } else if let Some(refusal) = remains.effects.refusals.first() {
        // A handler that passes the refusal on repeats it, and the lines that would grant it.
        failure.message = match failure.message.contains(&refusal.rule) {
            true => refusal.rule.clone(),
            false => format!("{}; then: {}", refusal.rule, failure.message),
        };
        failure.kind = OutcomeKind::Denied;
        failure.refusal = Some(refusal.clone());
    } else if let Some(hit) = remains.effects.http_limit {
        let cause = of_limit(failure.kind, "sent or got", hit);
        failure.message = format!("{}; then: {}", cause.message, failure.message);
        failure.limit = cause.limit;
    }
    failure
}

fn timed_out(name: LimitName, remains: &Remains, limits: &Limits) -> Failure {
    let usage = &remains.usage;
    let (kind, limit_ms, used_us, overrun_us) = match name {
        LimitName::CpuTime => {
            let overrun_us = usage
                .cpu_us
                .saturating_sub(limits.cpu_time_ms.saturating_mul(1_000));
            (
                OutcomeKind::TimedOutCpu,
                limits.cpu_time_ms,
                usage.cpu_us,
                overrun_us,
            )
        }
        _ => (
            OutcomeKind::TimedOutWall,
            limits.wall_timeout_ms,
            usage.wall_us,
            remains.late_us,
        ),
    };
    let mut hit = hit(name, limit_ms, used_us / 1_000);
    hit.overrun_us = Some(overrun_us);
    let mut failure = of_limit(kind, "stopped after", hit);
    if remains.effects.waiting {
        failure
            .message
            .push_str("; it was waiting for the host (a sleep or a poll)");
    } else {
        failure.backtrace = remains.effects.frames.clone();
    }
    failure
}

fn stopped(stop: Stop, remains: &Remains) -> Failure {
    let mut failure = match stop {
        Stop::Cancelled => Failure::new(OutcomeKind::Cancelled, "cancelled while it ran"),
        Stop::Interrupted => Failure::new(
            OutcomeKind::Interrupted,
            "interrupted by the host's shutdown",
        ),
    };
    if !remains.effects.waiting {
        failure.backtrace = remains.effects.frames.clone();
    }
    failure
}

pub(crate) fn hit(name: LimitName, limit: u64, used: u64) -> LimitHit {
    LimitHit {
        name,
        limit,
        used,
        overrun_us: None,
    }
}

/// The failure of a limit: `{doing} {used} of ...: limit {name} = {limit}`.
pub(crate) fn of_limit(kind: OutcomeKind, doing: &str, hit: LimitHit) -> Failure {
    let name = hit.name;
    let limit = name.format(hit.limit);
    let used = name.format(hit.used);
    let message = match name {
        LimitName::WallTimeout => format!("{doing} {used} of wall time: limit `{name}` = {limit}"),
        LimitName::CpuTime => format!("{doing} {used} on the CPU: limit `{name}` = {limit}"),
        LimitName::Fuel | LimitName::Stack => format!("{doing} limit `{name}` = {limit}"),
        LimitName::HttpRequests => {
            format!("sent HTTP request {used} of the attempt: limit `{name}` = {limit}")
        }
        LimitName::HttpConnections => {
            format!("had {used} HTTP requests under way at once: limit `{name}` = {limit}")
        }
        LimitName::HttpRequestBytes => {
            format!("sent {used} in HTTP requests: limit `{name}` = {limit}")
        }
        LimitName::HttpResponseBytes => {
            format!("got {used} in HTTP responses: limit `{name}` = {limit}")
        }
        LimitName::DnsLookups => {
            format!("had host name {used} looked up: limit `{name}` = {limit}")
        }
        _ => {
            let what = name.key().replace('_', " ");
            format!("{doing} {used} of {what}: limit `{name}` = {limit}")
        }
    };
    let mut failure = Failure::new(kind, message);
    failure.limit = Some(hit);
    failure
}

/// The failure of an attempt whose input, with what its blockers came to, is over its limit: no guest
/// was started.
pub(crate) fn input_too_large(bytes: u64, blockers: usize, limit: u64) -> Failure {
    let hit = hit(LimitName::Input, limit, bytes);
    let mut failure = of_limit(OutcomeKind::FailedFatal, "was started with", hit);
    if blockers > 0 {
        failure.message = format!(
            "was started with {} of input, the results of its blockers ({blockers}) included: limit \
             `input` = {}",
            format_size(bytes),
            format_size(limit)
        );
    }
    failure
}

/// The failure of an attempt that was stopped before it began.
pub fn stopped_before(stop: Stop) -> Failure {
    match stop {
        Stop::Cancelled => Failure::new(OutcomeKind::Cancelled, "cancelled before it ran"),
        Stop::Interrupted => Failure::new(
            OutcomeKind::Interrupted,
            "interrupted by the host's shutdown before it ran",
        ),
    }
}
