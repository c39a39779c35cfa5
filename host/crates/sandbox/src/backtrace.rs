//! Where a guest was: frames that people can read.

use std::fmt::{self, Write};
use std::time::{Duration, Instant};

use wasmtime::{FrameInfo, StoreContextMut, WasmBacktrace};

use crate::state::State;

/// How many frames wasmtime collects. More than are shown, so that a recursion can be told from a
/// few nested calls.
pub(crate) const FRAMES_COLLECTED: usize = 64;
/// How many frames are shown.
const FRAMES_SHOWN: usize = 24;
/// The longest function name shown, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// How long before the wall deadline, and how much CPU time before that limit, the guest's stack is
/// looked at. At the deadline itself the guest may stand in the run queue, where there is no stack
/// to be read from outside.
const WALL_WINDOW: Duration = Duration::from_millis(50);
const CPU_WINDOW: Duration = Duration::from_millis(4);
/// A stack can be deep and the walk long, so there is not one at each tick.
const WALL_INTERVAL: Duration = Duration::from_millis(3);

/// The guest's stack at one of the last ticks before a limit of time.
pub(crate) struct Snapshot {
    deadline: Instant,
    cpu_time_max: Duration,
    at: Option<Instant>,
    backtrace: Option<WasmBacktrace>,
}

impl Snapshot {
    pub(crate) fn new(deadline: Instant, cpu_time_max: Duration) -> Self {
        Self {
            deadline,
            cpu_time_max,
            at: None,
            backtrace: None,
        }
    }

    /// Called at every tick, from within the guest.
    pub(crate) fn consider(mut store: StoreContextMut<'_, State>) {
        let now = Instant::now();
        let state = store.data();
        let snapshot = &state.snapshot;
        let near_wall = snapshot.deadline.saturating_duration_since(now) < WALL_WINDOW
            && snapshot
                .at
                .is_none_or(|at| now.duration_since(at) >= WALL_INTERVAL);
        // The account lacks the slice that is about to end, which is a tick or so.
        let near_cpu = state.account.cpu_time() + CPU_WINDOW > snapshot.cpu_time_max;
        if near_wall || near_cpu {
            let backtrace = WasmBacktrace::force_capture(&store);
            let snapshot = &mut store.data_mut().snapshot;
            snapshot.at = Some(now);
            snapshot.backtrace = Some(backtrace);
        }
    }

    /// The frames of the last look.
    pub(crate) fn frames(&self) -> Vec<String> {
        self.backtrace.as_ref().map(frames).unwrap_or_default()
    }
}

/// The frames, innermost first.
pub(crate) fn frames(backtrace: &WasmBacktrace) -> Vec<String> {
    let all = backtrace.frames();
    let mut shown: Vec<String> = all.iter().take(FRAMES_SHOWN).map(frame).collect();
    if all.len() > FRAMES_SHOWN {
        shown.push("... more frames".to_owned());
    }
    shown
}

/// Whether a few functions fill the whole stack that was collected.
pub(crate) fn is_recursion(backtrace: &WasmBacktrace) -> bool {
    let all = backtrace.frames();
    let mut functions: Vec<u32> = all.iter().map(FrameInfo::func_index).collect();
    functions.sort_unstable();
    functions.dedup();
    all.len() >= FRAMES_COLLECTED && functions.len() <= FRAMES_COLLECTED / 4
}

fn frame(frame: &FrameInfo) -> String {
    match frame.func_name() {
        Some(name) => demangle(name),
        None => {
            let index = frame.func_index();
            match frame.module_offset() {
                Some(offset) => format!("function {index} at offset {offset:#x}"),
                None => format!("function {index}"),
            }
        }
    }
}

/// The name as it stands in the source, without the hash that Rust appends.
///
/// The guest chose the name, and a mangled one can stand for a text of any length, so what comes of it
/// is bounded while it is written. Names of C++ are left as they are: their back-references would have
/// to be bounded inside the demangler, and the one there is does not.
fn demangle(name: &str) -> String {
    let mut text = Bounded(String::new());
    match rustc_demangle::try_demangle(name) {
        // An error means that the text is full.
        Ok(rust) => drop(write!(text, "{rust:#}")),
        Err(_) => drop(text.write_str(name)),
    }
    text.0
}

/// Takes up to [`NAME_BYTES_MAX`], then fails.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = NAME_BYTES_MAX - self.0.len();
        self.0.push_str(&text[..text.floor_char_boundary(room)]);
        if text.len() > room {
            return Err(fmt::Error);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_in_the_source() {
        assert_eq!(
            demangle("_ZN6unruly4trap17h0123456789abcdefE"),
            "unruly::trap"
        );
        assert_eq!(demangle("_Z3fooi"), "_Z3fooi");
        assert_eq!(demangle("main"), "main");
    }

    #[test]
    fn a_name_is_bounded_whatever_it_stands_for() {
        assert_eq!(demangle(&"x".repeat(10_000)).len(), NAME_BYTES_MAX);
        let long = format!("_ZN{0}{1}17h0123456789abcdefE", 5_000, "y".repeat(5_000));
        assert_eq!(demangle(&long).len(), NAME_BYTES_MAX);
    }
}
