//! Jobs that misbehave, each in its own way, to show how the host ends them and that nothing else
//! on the machine notices.
//!
//! [`std::hint::black_box`] stands wherever an optimiser might see that the work is for nothing.

use std::hint::black_box;
use std::time::Duration;

use hardstop_guest::{Ctx, Failure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Nothing is needed: `{}`.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {}

/// How much to return.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BulgeInput {
    /// Bytes of output. Without it, a MiB.
    #[serde(default = "a_mebibyte")]
    #[schemars(range(max = 33_554_432))]
    pub bytes: usize,
}

fn a_mebibyte() -> usize {
    1 << 20
}

/// Computes for ever. Ends timed-out-wall where the wall deadline comes first, timed-out-cpu where
/// the CPU limit does.
#[hardstop_guest::job]
pub fn spin(_ctx: &Ctx, _input: Input) -> Result<(), Failure> {
    compute()
}

/// Computes for ever, and its type has a fuel limit: ends out-of-fuel, after the same instruction
/// each time.
#[hardstop_guest::job]
pub fn burn(_ctx: &Ctx, _input: Input) -> Result<(), Failure> {
    compute()
}

fn compute() -> ! {
    let mut number: u64 = 1;
    loop {
        // The generator of Knuth, The Art of Computer Programming, volume 2, 3.3.4.
        number = black_box(
            number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407),
        );
    }
}

/// Takes memory without end, and writes to all of it. Ends out-of-memory.
#[hardstop_guest::job]
pub fn allocate(ctx: &Ctx, _input: Input) -> Result<(), Failure> {
    const BLOCK_BYTES: usize = 1 << 20;
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    loop {
        blocks.push(black_box(vec![0xA5; BLOCK_BYTES]));
        // The fraction is not known, since there is no end.
        ctx.progress(0.0, format!("{} MiB", blocks.len()).as_str());
    }
}

/// Calls itself without end. Ends stack-overflow.
#[hardstop_guest::job]
pub fn recurse(_ctx: &Ctx, _input: Input) -> Result<u64, Failure> {
    Ok(descend(0))
}

/// The result is used after the call returns, so the call is no tail call and each level keeps its
/// frame.
#[inline(never)]
#[allow(unconditional_recursion)]
fn descend(depth: u64) -> u64 {
    let below = descend(black_box(depth + 1));
    black_box(below) ^ depth
}

/// Panics. Ends trapped, with the message in the log.
#[hardstop_guest::job]
pub fn trap(ctx: &Ctx, _input: Input) -> Result<(), Failure> {
    panic!("unruly: attempt {} panics on purpose", ctx.attempt());
}

/// Sleeps for ever, using no CPU. Ends timed-out-wall.
#[hardstop_guest::job]
pub fn sleep(_ctx: &Ctx, _input: Input) -> Result<(), Failure> {
    loop {
        std::thread::sleep(Duration::from_secs(3_600));
    }
}

/// Writes to the log without end. What goes past the log limit is dropped; ends timed-out-cpu.
#[hardstop_guest::job]
pub fn flood(_ctx: &Ctx, _input: Input) -> Result<(), Failure> {
    let mut line: u64 = 0;
    loop {
        line += 1;
        log::info!(line; "the water rises");
    }
}

/// Returns more than its type may. Ends output-too-large.
#[hardstop_guest::job]
pub fn bulge(_ctx: &Ctx, input: BulgeInput) -> Result<String, Failure> {
    Ok("x".repeat(input.bytes))
}

hardstop_guest::export!(spin, burn, allocate, recurse, trap, sleep, flood, bulge);

#[cfg(test)]
mod tests {
    //! Natively only those can be run that end. The others are for the host's tests, which end
    //! them.

    use super::*;
    use hardstop_guest::{FailureKind, Handler, Outcome};

    #[test]
    fn bulge_returns_as_much_as_is_asked() {
        let length = |input: &str| match Ctx::for_test().run::<bulge>(input) {
            Ok(Outcome::Complete(output)) => output.as_str().expect("a text").len(),
            other => panic!("{other:?}"),
        };
        assert_eq!(length("{}"), 1 << 20);
        assert_eq!(length("{\"bytes\": 7}"), 7);
    }

    #[test]
    #[should_panic(expected = "attempt 3 panics on purpose")]
    fn trap_panics() {
        let _ = trap(&Ctx::for_test().with_attempt(3), Input {});
    }

    #[test]
    fn an_input_that_does_not_fit_never_reaches_the_handler() {
        let failure = Ctx::for_test()
            .run::<spin>("{\"until\": 3}")
            .expect_err("a misfit");
        assert_eq!(failure.kind, FailureKind::Fatal);
        assert!(
            failure.message.contains("unknown field `until`"),
            "{failure}"
        );
    }

    #[test]
    fn the_sample_input_fits_every_type() {
        let sample = include_str!("../samples/input.json");
        serde_json::from_str::<Input>(sample).expect("an input");
        serde_json::from_str::<BulgeInput>(sample).expect("an input");
    }

    #[test]
    fn the_names_are_those_of_the_manifest() {
        let manifest = include_str!("../job.toml");
        for name in [
            spin::NAME,
            burn::NAME,
            allocate::NAME,
            recurse::NAME,
            trap::NAME,
            sleep::NAME,
            flood::NAME,
            bulge::NAME,
        ] {
            assert!(manifest.contains(&format!("[types.{name}]")), "{name}");
        }
    }
}
