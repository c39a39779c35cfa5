//! Writes handlers for Hardstop: plain functions from an input to an output, which the host runs as
//! a WebAssembly component, under limits, each attempt in an instance of its own.
//!
//! A handler, whole:
//!
//! ```
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! struct Greeting { name: String }
//!
//! /// Greets somebody.
//! #[hardstop_guest::job]
//! fn greet(ctx: &hardstop_guest::Ctx, input: Greeting) -> Result<String, hardstop_guest::Failure> {
//!     log::info!(attempt = ctx.attempt(); "greeting {}", input.name);
//!     Ok(format!("Hello, {}!", input.name))
//! }
//!
//! hardstop_guest::export!(greet);
//! ```
//!
//! # What a handler may be
//!
//! [`job`] stands on a function of two arguments, `ctx:` [`&Ctx`](Ctx) and the input, that returns
//! `Result<Output,` [`Failure`]`>`. The input derives `serde::Deserialize` and
//! `schemars::JsonSchema`, the output `serde::Serialize` and `schemars::JsonSchema`; the host gets
//! both schemas. An output completes the job. A handler that may also continue its chain with
//! another job, or ask to run later, returns an [`Outcome`] of its output.
//!
//! * `?` on any [`std::error::Error`] makes a retryable failure; [`Failure::fatal`] makes one that
//!   is not tried again.
//! * An input that does not deserialize is a fatal failure that says where.
//! * A panic goes to the job's log and traps: the attempt came to `trapped`.
//! * `log` lines go to the job's log, from `debug` upwards, with their key-values as fields. So do
//!   standard output and standard error.
//!
//! # Build
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib", "rlib"]   # the component, and the library that tests link
//! ```
//!
//! `cargo build --release --target wasm32-wasip2` yields a component. `export!` stands once in the
//! crate and names every handler of it.
//!
//! # Test
//!
//! A handler is a function, so a test calls it, natively, with [`Ctx::for_test`]:
//!
//! ```
//! # use hardstop_guest::{Ctx, Failure};
//! # #[hardstop_guest::job]
//! # fn greet(_ctx: &Ctx, name: String) -> Result<String, Failure> { Ok(format!("Hello, {name}!")) }
//! assert_eq!(greet(&Ctx::for_test(), "Ada".to_owned()), Ok("Hello, Ada!".to_owned()));
//! ```

// So that what `#[job]` writes, which names this crate from outside, also compiles inside it.
extern crate self as hardstop_guest;

#[cfg(target_family = "wasm")]
mod binding;
mod component;
mod context;
mod failure;
mod handler;
pub mod http;
mod logger;
mod next;
mod outcome;
mod payload;
mod recorder;

pub use context::{
    Blocker, BlockerFailure, BlockerResult, BlockerState, ConfigError, Ctx, SecretError, StartError,
};
pub use failure::{Failure, FailureKind};
pub use handler::Handler;
pub use next::{NextJob, OnBlockerFailure};
pub use outcome::{HandlerResult, IntoOutcome, Outcome};
pub use recorder::{LogEntry, ProgressReport, TestCtx};

/// Makes a function the handler of a job type.
///
/// * `name`: the job type's name, 1 to 64 of `a-z`, `0-9`, `-`, `_` and `.`, beginning with a
///   letter. Without it, the function's name with `-` for `_`.
/// * `description`: a paragraph for people. Without it, the first of the doc comment.
///
/// ```
/// use hardstop_guest::{Ctx, Failure, Handler};
///
/// /// Sends the bills that are due.
/// ///
/// /// This is not part of the description.
/// #[hardstop_guest::job(name = "billing.send")]
/// fn send_bills(_ctx: &Ctx, _month: u8) -> Result<(), Failure> {
///     Ok(())
/// }
///
/// assert_eq!(send_bills::NAME, "billing.send");
/// assert_eq!(send_bills::DESCRIPTION, "Sends the bills that are due.");
/// ```
///
/// The function stays callable as it is. Beside it stands a type of the same name that implements
/// [`Handler`]; a module of that name in the same scope would clash with it.
pub use hardstop_guest_macros::job;

#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub use binding::wit;
#[doc(hidden)]
pub use component::{Component, check_names};
#[doc(hidden)]
pub use handler::{Entry, Schemas};
