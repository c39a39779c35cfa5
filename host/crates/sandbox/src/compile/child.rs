//! The child: gives up what it does not need, then compiles or adapts.

use std::io::{Read, Write};
use std::process::ExitCode;

use nix::sched::CloneFlags;
use rustix::process::{Resource, Rlimit, nice, setrlimit};

use super::COMMAND;
use super::order::{ISOLATED, NOT_ISOLATED, Order, Reply, Task};
use crate::adapt::adapt;
use crate::engine;

/// Files that the child may have open: its streams, and what the standard library opens for a moment.
const FILES_MAX: u64 = 16;
/// How much lower its priority is than the host's: jobs that run go first.
const NICE: i32 = 5;

/// Compiles, if this program was started to do that: its arguments are `compile` and an order. A program that
/// uses a [`Sandbox`](crate::Sandbox) calls this first in `main`, before it starts a thread or opens anything, and exits with
/// the code that it gets; or it names another program that does, in
/// [`CompileConfig::program`](crate::CompileConfig::program).
pub fn compile_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != COMMAND {
        return None;
    }
    let order: Order = arguments.next()?.to_str()?.parse().ok()?;
    Some(match obey(&order) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The host shows the end of it.
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    })
}

fn obey(order: &Order) -> std::io::Result<()> {
    close_inherited()?;
    let isolated = leave_network();
    limit(order)?;
    let mut wasm = Vec::new();
    std::io::stdin()
        .lock()
        .take(order.wasm_bytes_max)
        .read_to_end(&mut wasm)?;
    let made = match order.task {
        // The outer messages name the place, the innermost the reason.
        Task::Compile => engine::compiler(order.profile)
            .and_then(|engine| engine.precompile_component(&wasm))
            .map_err(|error| error.root_cause().to_string()),
        Task::Adapt => adapt(wasm).map_err(|error| error.to_string()),
    };
    let (reply, bytes) = match made {
        Ok(made) => (Reply::Made, made),
        Err(reason) if is_out_of_memory(&reason) => (Reply::OutOfMemory, Vec::new()),
        Err(reason) => (Reply::Refused, reason.into_bytes()),
    };
    let mut out = std::io::stdout().lock();
    let isolated = if isolated { ISOLATED } else { NOT_ISOLATED };
    out.write_all(&[reply as u8, isolated])?;
    out.write_all(&bytes)?;
    out.flush()
}

fn is_out_of_memory(reason: &str) -> bool {
    let reason = reason.to_lowercase();
    reason.contains("out of memory") || reason.contains("cannot allocate memory")
}

/// Closes whatever the host's own parent left open in it. What the host opens is never inherited.
fn close_inherited() -> std::io::Result<()> {
    let open: Vec<i32> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2)
        .collect();
    for number in open {
        // The folder that was just read is among them, and closed already.
        let _ = nix::unistd::close(number);
    }
    Ok(())
}

/// Goes where there is no network. Kernels and containers may forbid it.
fn leave_network() -> bool {
    let alone = CloneFlags::CLONE_NEWNET;
    [CloneFlags::CLONE_NEWUSER | alone, alone]
        .into_iter()
        .any(|flags| nix::sched::unshare(flags).is_ok())
}

/// The limits that the kernel holds. Should the host die first, its pipes end too, and all that is left of the child's
/// life is its time on a CPU.
fn limit(order: &Order) -> std::io::Result<()> {
    // The signal that nobody can catch follows the one that tells why.
    let cpu = (order.cpu_seconds, order.cpu_seconds + 1);
    for (resource, (soft, hard)) in [
        (Resource::Cpu, cpu),
        (Resource::As, (order.memory_bytes, order.memory_bytes)),
        (Resource::Core, (0, 0)),
        (Resource::Nofile, (FILES_MAX, FILES_MAX)),
        (Resource::Fsize, (0, 0)),
    ] {
        let rlimit = Rlimit {
            current: Some(soft),
            maximum: Some(hard),
        };
        setrlimit(resource, rlimit)?;
    }
    // As it is where the operator forbids even that.
    let _ = nice(NICE);
    Ok(())
}
