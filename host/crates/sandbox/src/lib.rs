//! Runs one attempt at one job in a fresh WebAssembly instance, under hard limits.
//!
//! ```text
//! Sandbox::new(config) -> adapt(bytes) -> prepare(bytes, profile) -> Prepared::run(attempt) -> Report
//! ```
//!
//! All of wasmtime is in this crate and nothing of the database. What holds for every attempt:
//!
//! * It has a store and an instance of its own. Nothing survives it but its [`Report`].
//! * All guest code runs under one wall deadline and one limit of CPU time: start functions,
//!   `realloc` and post-return as well as the handler. At the deadline the guest's stack is dropped.
//! * Guests run on threads of their own, from a run queue that serves those past their deadline
//!   first. The caller's runtime runs none of them.
//! * Whatever a guest can make the host hold (log, output, children, handles, arguments of calls) has
//!   a limit.
//!
//! One thing a deadline cannot cut: a single bulk instruction (`memory.fill`, `memory.copy`) or host
//! call runs to its end. The limits on memory and on the size of a call bound how long that is: 5 to
//! 13 ms for 64 MiB.
//!
//! [`Report`]: hardstop_domain::Report

mod account;
mod adapt;
mod backtrace;
mod binding;
mod cache;
mod children;
mod command;
mod compile;
mod config;
mod deadline;
mod describe;
mod determinism;
mod engine;
mod filesystem;
mod guest;
mod http;
mod import;
mod journal;
mod json;
mod limiter;
mod lock;
mod outcome;
mod prepare;
mod queue;
mod redaction;
mod refusal;
mod run;
mod sandbox;
mod secret;
mod state;
mod stdio;
mod stop;
mod structure;
mod ticker;
mod trap;

pub use adapt::{AdaptError, adapt};
pub use cache::CacheError;
pub use children::CHILDREN_BYTES_MAX;
pub use compile::{CompileConfig, CompileLimit, compile_if_asked};
pub use config::{INSTANCES_MAX, PROFILES_MAX, SandboxConfig, SandboxError};
pub use describe::{
    DESCRIPTION_BYTES_MAX, DescribeError, SCHEMA_BYTES_MAX, TYPES_MAX, TypeDescription,
};
pub use engine::Profile;
pub use filesystem::FileTree;
pub use http::{HttpConfig, Resolve, Resolving, SystemResolver};
pub use journal::Watch;
pub use outcome::stopped_before;
pub use prepare::{PrepareError, Prepared};
pub use run::Attempt;
pub use sandbox::{Occupancy, Sandbox};
pub use secret::{Revealing, SecretConfig, SecretSource, SecretValue, SecretValueError};
pub use stop::{Stop, StopHandle, StopSignal};
pub use structure::{Part, StructureError, StructureLimits};
