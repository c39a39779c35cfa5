//! Hostile handlers as a compiler makes them: through the standard library and the SDK, with all that
//! these do beside.
//!
//! [`std::hint::black_box`] stands wherever an optimiser might see that the work is for nothing.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use hardstop_guest::{Ctx, Failure, NextJob, job};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Any input will do.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Anything {}

/// Fills a map with small things, and never lets go of one.
#[job]
fn hoard(_ctx: &Ctx, _input: Anything) -> Result<(), Failure> {
    let mut hoard = BTreeMap::new();
    for number in 0_u64.. {
        hoard.insert(number, black_box(vec![1_u8; 40]));
    }
    Ok(())
}

/// Calls itself for ever, with a frame of a kilobyte.
#[job]
fn descend(_ctx: &Ctx, _input: Anything) -> Result<u64, Failure> {
    Ok(deeper(0))
}

#[inline(never)]
#[allow(unconditional_recursion)]
fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 128]);
    deeper(depth + 1) ^ frame[depth as usize % 128]
}

/// Builds a chain of boxes so long that dropping it recurses past the stack.
#[job]
fn unwind(_ctx: &Ctx, _input: Anything) -> Result<(), Failure> {
    struct Link(#[allow(dead_code)] Option<Box<Link>>);
    let mut chain = Link(None);
    for _ in 0..200_000 {
        chain = Link(Some(Box::new(chain)));
    }
    drop(black_box(chain));
    Ok(())
}

/// Prints for ever.
#[job]
fn print(_ctx: &Ctx, _input: Anything) -> Result<(), Failure> {
    for line in 0_u64.. {
        println!("{line}: the water rises");
    }
    Ok(())
}

/// Prints to standard error for ever, without an end of line.
#[job]
fn complain(_ctx: &Ctx, _input: Anything) -> Result<(), Failure> {
    loop {
        eprint!("again and again and ");
    }
}

/// Sleeps for no time, for ever.
#[job]
fn nod(_ctx: &Ctx, _input: Anything) -> Result<(), Failure> {
    loop {
        std::thread::sleep(Duration::ZERO);
        std::thread::sleep(Duration::from_nanos(1));
    }
}

/// Starts chains for ever, and does not listen.
#[job]
fn litter(ctx: &Ctx, _input: Anything) -> Result<(), Failure> {
    loop {
        let _ = ctx.start_chain(NextJob::named("litter", &Anything {}));
    }
}

/// Ends the program instead of returning.
#[job]
fn leave(_ctx: &Ctx, _input: Anything) -> Result<(), Failure> {
    std::process::exit(7)
}

/// Aborts.
#[job]
fn abort(_ctx: &Ctx, _input: Anything) -> Result<(), Failure> {
    std::process::abort()
}

/// Panics, and panics again while it is cleaned up.
#[job]
fn collapse(_ctx: &Ctx, _input: Anything) -> Result<(), Failure> {
    struct Trap;
    impl Drop for Trap {
        fn drop(&mut self) {
            panic!("the second time");
        }
    }
    let _trap = Trap;
    panic!("the first time")
}

/// Looks at the clock for ever.
#[job]
fn watch(_ctx: &Ctx, _input: Anything) -> Result<(), Failure> {
    loop {
        black_box(Instant::now());
    }
}

/// Returns a text of 4 MiB.
#[job]
fn balloon(_ctx: &Ctx, _input: Anything) -> Result<String, Failure> {
    Ok("x".repeat(4 << 20))
}

/// Looks for files, arguments and an environment, and fails with what it found.
#[job]
fn trespass(_ctx: &Ctx, _input: Anything) -> Result<(), Failure> {
    let files = [
        "/etc/passwd",
        "/",
        ".",
        "../../etc/passwd",
        "/proc/self/environ",
    ];
    let read = files
        .iter()
        .filter(|path| {
            let has_entries = |mut folder: std::fs::ReadDir| folder.next().is_some();
            std::fs::read(path).is_ok() || std::fs::read_dir(path).is_ok_and(has_entries)
        })
        .count();
    let written = std::fs::write("/tmp/rogue", "was here").is_ok();
    let variables = std::env::vars().count();
    let arguments = std::env::args().count();
    Err(Failure::fatal(format!(
        "{read} files read, written: {written}, {variables} variables, {arguments} arguments"
    )))
}

/// Opens a connection past the host.
#[job]
fn dial(_ctx: &Ctx, _input: Anything) -> Result<(), Failure> {
    TcpStream::connect("127.0.0.1:1")?;
    Ok(())
}

hardstop_guest::export!(
    hoard, descend, unwind, print, complain, nod, litter, leave, abort, collapse, watch, balloon,
    trespass, dial
);
