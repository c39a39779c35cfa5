//! Well-behaved handlers for tests and benchmarks, one for each way in which an attempt can end.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hardstop_guest::{Ctx, Failure, NextJob, Outcome, job};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// No input: `{}`.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Nothing {}

/// Does nothing.
#[job]
fn noop(_ctx: &Ctx, _input: Nothing) -> Result<(), Failure> {
    Ok(())
}

/// A value that goes in and comes out.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Text {
    text: String,
}

/// Returns its input.
#[job]
fn echo(_ctx: &Ctx, input: Text) -> Result<Text, Failure> {
    log::info!(bytes = input.text.len(); "echoing");
    Ok(input)
}

/// Returns the time at which the handler was entered, in microseconds since 1970.
#[job]
fn clock(_ctx: &Ctx, _input: Nothing) -> Result<u64, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(now.as_micros() as u64)
}

/// How long.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Span {
    ms: u64,
}

/// Sleeps.
#[job]
fn nap(ctx: &Ctx, input: Span) -> Result<u64, Failure> {
    ctx.progress(0.5, "asleep");
    std::thread::sleep(Duration::from_millis(input.ms));
    Ok(input.ms)
}

/// Computes for so long, by the guest's clock.
#[job]
fn work(_ctx: &Ctx, input: Span) -> Result<u64, Failure> {
    let until = std::time::Instant::now() + Duration::from_millis(input.ms);
    let mut rounds: u64 = 0;
    while std::time::Instant::now() < until {
        for round in 0..1_000_u64 {
            rounds = std::hint::black_box(rounds.wrapping_mul(31).wrapping_add(round));
        }
    }
    Ok(rounds)
}

/// How to fail.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Fail {
    /// Attempts before this one fail.
    until: u32,
    /// Whether they fail for good.
    #[serde(default)]
    fatal: bool,
}

/// Fails until an attempt.
#[job]
fn fail(ctx: &Ctx, input: Fail) -> Result<u32, Failure> {
    log::warn!("this is attempt {}", ctx.attempt());
    if ctx.attempt() >= input.until {
        return Ok(ctx.attempt());
    }
    let message = format!(
        "attempt {} of a job that wants {}",
        ctx.attempt(),
        input.until
    );
    if input.fatal {
        return Err(Failure::fatal(message));
    }
    Err(Failure::retryable(message).details(["why"]))
}

/// Snoozes until a moment has come, given in microseconds since 1970.
#[job]
fn snooze(_ctx: &Ctx, until_us: u64) -> Result<Outcome<u64>, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros() as u64;
    if now >= until_us {
        return Ok(Outcome::complete(now));
    }
    Ok(Outcome::snooze(Duration::from_micros(until_us - now)))
}

/// Counts down, a job a step. The chain's output is the number of steps that the last job was told.
#[job]
fn steps(_ctx: &Ctx, input: (u32, u32)) -> Result<Outcome<u32>, Failure> {
    let (left, taken) = input;
    if left == 0 {
        return Ok(Outcome::complete(taken));
    }
    Ok(Outcome::continue_with(NextJob::of::<steps>(&(
        left - 1,
        taken + 1,
    ))))
}

/// Continues with a type of this name and input, which need not exist or fit.
#[job]
fn astray(_ctx: &Ctx, input: (String, Option<u32>)) -> Result<Outcome<()>, Failure> {
    Ok(Outcome::continue_with(NextJob::named(input.0, &input.1)))
}

/// Starts so many chains of `noop`.
#[job]
fn parent(ctx: &Ctx, children: u32) -> Result<Vec<String>, Failure> {
    let mut ids = Vec::new();
    for _ in 0..children {
        ids.push(ctx.start_chain(NextJob::of::<noop>(&Nothing {}))?);
    }
    Ok(ids)
}

/// Starts a chain without the grant for it.
#[job]
fn meddler(ctx: &Ctx, _input: Nothing) -> Result<(), Failure> {
    ctx.start_chain(NextJob::of::<noop>(&Nothing {}))?;
    Ok(())
}

hardstop_guest::export!(
    noop, echo, clock, nap, work, fail, snooze, steps, astray, parent, meddler
);
