//! Compilation, in a process of its own.
//!
//! Some code takes a compiler minutes and gigabytes, and no scan finds all of it. So the host compiles nothing
//! itself: it starts its own program once more, as a child that gives up everything but its three standard streams, puts
//! hard limits on itself, reads a component and writes machine code. The worst component costs one child.
//!
//! ```text
//! host:  Compiler::compile ──(component on stdin)──> child: compile_if_asked
//!        Compiler::adapt   ──(core module on stdin)─>
//!                          <──(Reply on stdout)────
//! ```

mod child;
mod order;
mod parent;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use hardstop_domain::quantity::{format_duration_ms, format_size};

use crate::config::SandboxError;

pub use child::compile_if_asked;
pub(crate) use parent::Compiler;

/// The argument by which a program is asked to compile. The order follows it.
pub(crate) const COMMAND: &str = "compile";

/// Where and under which limits components are compiled.
#[derive(Debug, Clone)]
pub struct CompileConfig {
    /// The program that compiles when its arguments are `compile` and an order: one whose `main` begins with
    /// [`compile_if_asked`].
    pub program: PathBuf,
    /// Time on a CPU, in whole seconds.
    pub cpu_time: Duration,
    /// Address space of the child, in bytes: its own program, the component, and all that the compiler holds.
    pub memory_bytes_max: u64,
    /// Wall-clock time.
    pub wall_timeout: Duration,
    /// Machine code of one component, in bytes.
    pub output_bytes_max: u64,
    /// Where compiled code is kept; none keeps it nowhere.
    pub cache: Option<PathBuf>,
    /// How much compiled code is kept, in bytes.
    pub cache_bytes_max: u64,
}

impl Default for CompileConfig {
    /// This very program; 60 s of CPU, 4 GiB, 5 minutes, 256 MiB of code; no cache.
    fn default() -> Self {
        Self {
            // What runs now, even if another version has been put in its place on disk since.
            program: "/proc/self/exe".into(),
            cpu_time: Duration::from_secs(60),
            memory_bytes_max: 4 << 30,
            wall_timeout: Duration::from_secs(300),
            output_bytes_max: 256 << 20,
            cache: None,
            cache_bytes_max: 1 << 30,
        }
    }
}

impl CompileConfig {
    /// Whether the values make sense.
    pub fn check(&self) -> Result<(), SandboxError> {
        let bad =
            |name, value: String, range: String| Err(SandboxError::Config { name, value, range });
        let duration = |duration: Duration| format_duration_ms(duration.as_millis() as u64);
        let seconds = Duration::from_secs;
        if !(seconds(1)..=seconds(3_600)).contains(&self.cpu_time)
            || self.cpu_time.subsec_nanos() > 0
        {
            return bad(
                "compile.cpu_time",
                duration(self.cpu_time),
                "1s to 1h, in whole seconds".into(),
            );
        }
        if !(seconds(1)..=seconds(86_400)).contains(&self.wall_timeout) {
            return bad(
                "compile.wall_timeout",
                duration(self.wall_timeout),
                "1s to 1d".into(),
            );
        }
        for (name, bytes, least, most) in [
            ("compile.memory", self.memory_bytes_max, 512 << 20, 1 << 40),
            ("compile.output", self.output_bytes_max, 1 << 20, 4 << 30),
            ("compile.cache_size", self.cache_bytes_max, 1 << 20, 1 << 50),
        ] {
            if !(least..=most).contains(&bytes) {
                let range = format!("{} to {}", format_size(least), format_size(most));
                return bad(name, format_size(bytes), range);
            }
        }
        Ok(())
    }

    fn arguments(&self, order: &order::Order) -> [OsString; 2] {
        [COMMAND.into(), order.to_string().into()]
    }
}

/// A limit of compilation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompileLimit {
    /// Time on a CPU.
    Time,
    /// Memory.
    Memory,
    /// Wall-clock time.
    Wall,
    /// Size of the machine code.
    Output,
}

impl CompileLimit {
    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Time => "compile_time",
            Self::Memory => "compile_memory",
            Self::Wall => "compile_wall",
            Self::Output => "compile_output",
        }
    }

    /// Its key in the table `[compile]` of `hardstop.toml`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Time => "cpu_time",
            Self::Memory => "memory",
            Self::Wall => "wall_timeout",
            Self::Output => "output",
        }
    }

    pub(crate) fn value(self, config: &CompileConfig) -> String {
        match self {
            Self::Time => format_duration_ms(config.cpu_time.as_millis() as u64),
            Self::Memory => format_size(config.memory_bytes_max),
            Self::Wall => format_duration_ms(config.wall_timeout.as_millis() as u64),
            Self::Output => format_size(config.output_bytes_max),
        }
    }
}

/// Why a component was not compiled.
#[derive(Debug)]
pub(crate) enum CompileError {
    /// The compiler or validator refused it, and said this.
    Refused(String),
    /// The child went past a limit.
    Over(CompileLimit),
    /// The child could not be started, or ended in a way that is no component's doing.
    Failed(String),
}
