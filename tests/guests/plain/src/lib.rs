//! Well-behaved handlers for tests and benchmarks, one for each way in which an attempt can end.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hardstop_guest::{Ctx, Failure, NextJob, OnBlockerFailure, Outcome, StartError, job};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

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

/// So many rounds of the same computation.
fn compute(rounds: u64) -> u64 {
    (0..rounds).fold(1, |number, round| {
        std::hint::black_box(number.wrapping_mul(31).wrapping_add(round))
    })
}

/// Tells that it has begun, and computes so many rounds.
#[job]
fn burn(_ctx: &Ctx, rounds: u64) -> Result<u64, Failure> {
    log::info!("begun");
    Ok(compute(rounds))
}

/// Tells that it has begun, and computes for ever; reports progress after each so many rounds, and so
/// shows when it last ran.
#[job]
fn spin(ctx: &Ctx, rounds: u64) -> Result<u64, Failure> {
    log::info!("begun");
    loop {
        std::hint::black_box(compute(rounds));
        ctx.progress(0.0, None);
    }
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

/// Starts a chain of `echo` for each text, and one that fails where a text is empty; continues with
/// `sum`, which waits for all of them.
#[job]
fn gather(ctx: &Ctx, texts: Vec<String>) -> Result<Outcome<()>, Failure> {
    let parts = ctx.start_chains(texts.iter().map(|text| match text.as_str() {
        "" => NextJob::of::<fail>(&Fail {
            until: 9,
            fatal: true,
        }),
        _ => NextJob::of::<echo>(&Text { text: text.clone() }),
    }))?;
    let next = NextJob::of::<sum>(&Nothing {})
        .blocked_by(parts)
        .on_blocker_failure(OnBlockerFailure::Run);
    Ok(Outcome::continue_with(next))
}

/// What a gathered job made of its blockers.
#[derive(Serialize, JsonSchema)]
struct Sum {
    /// Their texts, in order.
    texts: Vec<String>,
    /// The length of all texts together.
    bytes: usize,
    /// Of those that failed: how, and their ids.
    failed: Vec<(String, String)>,
}

/// Adds up what its blockers came to, chains of `echo` or others.
#[job]
fn sum(ctx: &Ctx, _input: Nothing) -> Result<Sum, Failure> {
    let mut sum = Sum {
        texts: Vec::new(),
        bytes: 0,
        failed: Vec::new(),
    };
    for blocker in ctx.blockers() {
        match blocker.failure() {
            Some(failure) => {
                let chain = blocker.chain_id().to_owned();
                sum.failed.push((failure.to_string(), chain));
            }
            None => {
                let text = blocker.output::<Text>()?.text;
                sum.bytes += text.len();
                sum.texts.push(text);
            }
        }
    }
    Ok(sum)
}

/// What came of starting chains until one was refused.
#[derive(Serialize, JsonSchema)]
struct Refused {
    /// Those that were started.
    started: Vec<String>,
    /// The refusal.
    refusal: String,
}

/// Starts chains of a type until one is refused, and completes with the refusal.
fn start_until_refused(ctx: &Ctx, job: impl Fn() -> NextJob) -> Result<Refused, Failure> {
    let mut started = Vec::new();
    loop {
        match ctx.start_chain(job()) {
            Ok(id) => started.push(id),
            Err(StartError::Limit(refusal)) => return Ok(Refused { started, refusal }),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Starts chains of `noop` until one is refused.
#[job]
fn spawner(ctx: &Ctx, _input: Nothing) -> Result<Refused, Failure> {
    start_until_refused(ctx, || NextJob::of::<noop>(&Nothing {}))
}

/// Starts chains of its own kind until one is refused.
#[job]
fn brood(ctx: &Ctx, _input: Nothing) -> Result<Refused, Failure> {
    start_until_refused(ctx, || NextJob::of::<brood>(&Nothing {}))
}

/// The same, under other limits.
#[job]
fn swarm(ctx: &Ctx, _input: Nothing) -> Result<Refused, Failure> {
    start_until_refused(ctx, || NextJob::of::<swarm>(&Nothing {}))
}

/// Snoozes for ever.
#[job]
fn dozer(_ctx: &Ctx, input: Span) -> Result<Outcome<()>, Failure> {
    Ok(Outcome::snooze(Duration::from_millis(input.ms)))
}

/// Continues with `noop` under a key, which a continuation may not have.
#[job]
fn keyed(_ctx: &Ctx, key: String) -> Result<Outcome<()>, Failure> {
    Ok(Outcome::continue_with(
        NextJob::of::<noop>(&Nothing {}).key(key),
    ))
}

/// Starts a chain of `nap` under a key, so often, and continues with one that waits for all of them.
#[job]
fn once(ctx: &Ctx, input: (String, u32)) -> Result<Outcome<()>, Failure> {
    let (key, count) = input;
    let parts = ctx
        .start_chains((0..count).map(|_| NextJob::of::<nap>(&Span { ms: 50 }).key(key.clone())))?;
    Ok(Outcome::continue_with(
        NextJob::of::<noop>(&Nothing {}).blocked_by(parts),
    ))
}

/// An order as somebody else's system sends it: lines with a number of pieces and a price in cents.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Order {
    customer: String,
    lines: Vec<(u64, u64)>,
}

/// Adds up an order, in cents.
#[job]
fn total(_ctx: &Ctx, input: Order) -> Result<u64, Failure> {
    Ok(input
        .lines
        .iter()
        .map(|(pieces, price)| pieces * price)
        .sum())
}

/// The SHA-256 of so many bytes that follow from a number, as hexadecimal digits.
#[job]
fn digest(_ctx: &Ctx, input: (u64, u64)) -> Result<String, Failure> {
    let (start, bytes) = input;
    let mut number = start;
    let mut hash = Sha256::new();
    for _ in 0..bytes.div_ceil(8) {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        hash.update(number.to_le_bytes());
    }
    let digits = hash.finalize();
    Ok(digits.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Writes orders out as a text: a line for each, and their sum.
#[job]
fn invoice(_ctx: &Ctx, orders: Vec<Order>) -> Result<String, Failure> {
    let mut text = String::new();
    let mut all = 0;
    for order in &orders {
        let sum: u64 = order
            .lines
            .iter()
            .map(|(pieces, price)| pieces * price)
            .sum();
        all += sum;
        let (lines, customer) = (order.lines.len(), &order.customer);
        text += &format!(
            "{customer:<24} {lines:>4} lines {:>8}.{:02}\n",
            sum / 100,
            sum % 100
        );
    }
    Ok(text + &format!("{:<35} {:>8}.{:02}\n", "total", all / 100, all % 100))
}

hardstop_guest::export!(
    noop, echo, clock, nap, work, fail, snooze, steps, astray, parent, meddler, gather, sum,
    spawner, brood, swarm, dozer, keyed, once, burn, spin, total, digest, invoice
);
