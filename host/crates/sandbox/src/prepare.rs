//! From bytes to a component that can run: checks, compilation, and the imports and exports.

use std::sync::Arc;

use hardstop_domain::quantity::format_size;
use wasmtime::component::Component;
use wasmtime_wasi::p2::bindings::CommandPre;

use crate::binding::JobComponentPre;
use crate::config::SandboxError;
use crate::engine::{Class, Profile};
use crate::import::OFFERED;
use crate::sandbox::{Sandbox, Shared};
use crate::state::State;

const HANDLER: &str = "hardstop:job/handler@0.1.0";
/// What a command exports, as the beginning of the name.
const COMMAND: &str = "wasi:cli/run@0.2.";
/// How much of a parser's or compiler's message is repeated, in bytes.
const REASON_BYTES_MAX: usize = 1 << 10;

/// A component that is compiled and linked. Cheap to clone.
#[derive(Clone)]
pub struct Prepared {
    pub(crate) shared: Arc<Shared>,
    pub(crate) class: Arc<Class>,
    pub(crate) program: Program,
}

/// What a component exports to be run by. One that exports both has a handler.
#[derive(Clone)]
pub(crate) enum Program {
    Handler(JobComponentPre<State>),
    Command(CommandPre<State>),
}

impl Prepared {
    /// Whether it is a WASI command: it has no handler, and describes no types.
    pub fn is_command(&self) -> bool {
        matches!(self.program, Program::Command(_))
    }
}

/// Why a component cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// Over the limit on components.
    #[error(
        "the component is {} and the host takes up to {}; build it with `opt-level = \"s\"`, \
         `lto = true` and `strip = true`, or raise `component_bytes_max`",
        format_size(*.bytes),
        format_size(*.limit)
    )]
    TooLarge {
        /// How large it is.
        bytes: u64,
        /// How large it may be.
        limit: u64,
    },
    /// Something else than a component.
    #[error(
        "this is {what}, not a WebAssembly component; build it with \
         `cargo build --target wasm32-wasip2`, or turn a core module into a component with \
         `wasm-tools component new`"
    )]
    NotAComponent {
        /// What it is.
        what: &'static str,
    },
    /// Not valid, or not to be compiled.
    #[error("the component is not valid: {reason}; build it anew with a current toolchain")]
    Invalid {
        /// What the validator said.
        reason: String,
    },
    /// Uses what this sandbox does not offer.
    #[error(
        "the component uses a WebAssembly feature that the sandbox does not offer: {reason}; build \
         it without threads, 64-bit memory, garbage collection, exceptions and relaxed SIMD"
    )]
    Unsupported {
        /// What the validator said.
        reason: String,
    },
    /// Needs more than the pools offer.
    #[error(
        "the component needs more than this host offers: {reason}; raise the operator's ceiling \
         (`memory`), or build the component with less"
    )]
    OverCeiling {
        /// What is too much.
        reason: String,
    },
    /// Imports what is not offered, or does not export a handler.
    #[error("the component does not fit the world `hardstop:job/job-component`: {problem}")]
    WrongWorld {
        /// Which import or export, and what to do.
        problem: String,
    },
    /// The sandbox has no engine for it.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The compiler itself failed.
    #[error("the compiler failed on this component: {reason}; this is a defect, please report it")]
    Compiler {
        /// What is known of it.
        reason: String,
    },
}

impl Sandbox {
    /// Checks, compiles and links a component for a profile. Compilation runs on tokio's threads for
    /// blocking work, so this must be called within a tokio runtime.
    pub async fn prepare(&self, wasm: &[u8], profile: Profile) -> Result<Prepared, PrepareError> {
        check_header(wasm, self.shared.config.component_bytes_max)?;
        let wasm = wasm.to_vec();
        let shared = self.shared.clone();
        let compiled = tokio::task::spawn_blocking(move || {
            let class = shared.engines.class(profile)?;
            let program = compile(&wasm, &class)?;
            Ok(Prepared {
                shared,
                class,
                program,
            })
        });
        compiled.await.unwrap_or_else(|error| {
            let reason = if error.is_panic() {
                "it panicked"
            } else {
                "it was cancelled"
            };
            Err(PrepareError::Compiler {
                reason: reason.to_owned(),
            })
        })
    }
}

fn check_header(wasm: &[u8], limit: u64) -> Result<(), PrepareError> {
    let bytes = wasm.len() as u64;
    if bytes > limit {
        return Err(PrepareError::TooLarge { bytes, limit });
    }
    let what = match wasm {
        [] => "an empty file",
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => "a core WebAssembly module",
        [0, b'a', b's', b'm', _, 0, 1, 0, ..] => return Ok(()),
        [0, b'a', b's', b'm', _, _, _, _, ..] => "WebAssembly of an unknown version",
        [0, b'a', b's', b'm', ..] => "a truncated WebAssembly file",
        [b'(', ..] => "WebAssembly text",
        _ => "not WebAssembly",
    };
    Err(PrepareError::NotAComponent { what })
}

fn compile(wasm: &[u8], class: &Class) -> Result<Program, PrepareError> {
    let component = Component::from_binary(&class.engine, wasm).map_err(refused)?;
    let is_command = check_world(&component)?;
    let instance = class.linker.instantiate_pre(&component).map_err(unfit)?;
    if is_command {
        return CommandPre::new(instance)
            .map(Program::Command)
            .map_err(unfit);
    }
    JobComponentPre::new(instance)
        .map(Program::Handler)
        .map_err(unfit)
}

/// What the validator or compiler refused, by what it says: its errors carry no codes.
fn refused(error: wasmtime::Error) -> PrepareError {
    // The outer messages name the place, the innermost the reason.
    let reason = plain(&error.root_cause().to_string());
    let has = |texts: &[&str]| texts.iter().any(|text| reason.contains(text));
    if has(&["unexpected end", "unexpected EOF", "out of bounds (bound"]) {
        PrepareError::NotAComponent {
            what: "a truncated component",
        }
    } else if has(&["exceeds the", "exceeds limit of", "exceed the limit"]) {
        PrepareError::OverCeiling { reason }
    } else if has(&[
        "not enabled",
        "must be enabled",
        "requires the",
        "not supported",
        "proposal",
    ]) {
        PrepareError::Unsupported { reason }
    } else {
        PrepareError::Invalid { reason }
    }
}

/// Whether all that it imports is offered, and whether it is a command rather than a handler.
fn check_world(component: &Component) -> Result<bool, PrepareError> {
    let engine = component.engine();
    let ty = component.component_type();
    let wrong = |problem| Err(PrepareError::WrongWorld { problem });
    for (name, _) in ty.imports(engine) {
        if OFFERED.iter().any(|offered| name.starts_with(offered)) {
            continue;
        }
        let remedy = match name {
            _ if name.starts_with("wasi:http/") => "this version grants no HTTP",
            _ if name.starts_with("hardstop:job/") => {
                "build it against this host's version of the SDK"
            }
            _ => "a job may import `hardstop:job` and WASI 0.2 (clocks, random, io, cli)",
        };
        return wrong(format!(
            "it imports `{name}`, which the host does not offer; {remedy}"
        ));
    }
    let exports = || ty.exports(engine).map(|(name, _)| name);
    let has_handler = exports().any(|name| name == HANDLER);
    let is_command = !has_handler && exports().any(|name| name.starts_with(COMMAND));
    if !has_handler && !is_command {
        let exports: Vec<&str> = exports().take(16).collect();
        let found = match exports.is_empty() {
            true => "nothing".to_owned(),
            false => format!("`{}`", exports.join("`, `")),
        };
        return wrong(format!(
            "it exports {found}, but neither `{HANDLER}` nor `wasi:cli/run`; write handlers with the \
             guest SDK, which exports the one, or a program with a `main` function, which exports the other"
        ));
    }
    Ok(is_command)
}

/// Names fit, types do not.
fn unfit(error: wasmtime::Error) -> PrepareError {
    let chain: Vec<String> = error
        .chain()
        .map(|cause| plain(&cause.to_string()))
        .collect();
    PrepareError::WrongWorld {
        problem: format!(
            "{}; build it against this host's version of the interfaces",
            crate::journal::cut(chain.join(": "), REASON_BYTES_MAX)
        ),
    }
}

/// One line, cut.
pub(crate) fn plain(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    crate::journal::cut(line, REASON_BYTES_MAX)
}
