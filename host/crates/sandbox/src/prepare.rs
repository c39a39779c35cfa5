//! From bytes to a component that can run: checks, compilation, and the imports and exports.

use std::sync::Arc;

use hardstop_domain::quantity::format_size;
use wasmtime::component::Component;
use wasmtime_wasi::p2::bindings::CommandPre;

use crate::adapt::is_core_module;
use crate::binding::JobComponentPre;
use crate::cache::EntryId;
use crate::compile::{CompileConfig, CompileError, CompileLimit};
use crate::config::SandboxError;
use crate::engine::{Class, Profile};
use crate::import::OFFERED;
use crate::sandbox::{Sandbox, Shared};
use crate::state::State;
use crate::structure::{Outline, OutlineError, StructureError, StructureLimits, outline};

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

/// Which of them it exports.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Handler,
    Command,
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
    /// A core module that no component can be made of.
    #[error("{reason}")]
    NotAdapted {
        /// Why, and what to do.
        reason: String,
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
    /// Made of more than the host takes, such as functions or instances.
    #[error(transparent)]
    Structure(#[from] StructureError),
    /// Imports what is not offered, or does not export a handler.
    #[error("the component does not fit the world `hardstop:job/job-component`: {problem}")]
    WrongWorld {
        /// Which import or export, and what to do.
        problem: String,
    },
    /// The sandbox has no engine for it.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// Compiling it would take too much.
    #[error(
        "limit `{}` = {value}: compiling the component takes more; split its largest functions, build it with \
         `opt-level = \"s\"`, or raise `{}` in the table [compile] of hardstop.toml",
        .limit.name(),
        .limit.key()
    )]
    CompileLimit {
        /// Which limit.
        limit: CompileLimit,
        /// Its value.
        value: String,
    },
    /// The compiler itself failed.
    #[error(
        "the component could not be compiled: {reason}; this is a defect of the host or of its surroundings"
    )]
    Compiler {
        /// What is known of it.
        reason: String,
    },
}

impl Sandbox {
    /// Makes a component of a core module for WASI preview 1 that is a command, in the child that compiles, under the same
    /// limits. Anything else is handed back as it is, for [`Sandbox::prepare`] to look at.
    pub async fn adapt(&self, wasm: Vec<u8>) -> Result<Vec<u8>, PrepareError> {
        let limit = self.shared.config.component_bytes_max;
        let bytes = wasm.len() as u64;
        if !is_core_module(&wasm) {
            return Ok(wasm);
        }
        if bytes > limit {
            return Err(PrepareError::TooLarge { bytes, limit });
        }
        let adapted = self.shared.compiler.adapt(wasm.into()).await;
        adapted.map_err(|error| match error {
            CompileError::Refused(reason) => PrepareError::NotAdapted {
                reason: plain(&reason),
            },
            error => not_compiled(error, &self.shared.config.compile),
        })
    }

    /// Checks, compiles and links a component for a profile. Nothing is compiled before its size, structure,
    /// imports and exports have been looked at; compilation happens in a child process, unless the
    /// cache has the code. To be called within a tokio runtime that drives I/O and time.
    pub async fn prepare(&self, wasm: &[u8], profile: Profile) -> Result<Prepared, PrepareError> {
        check_header(wasm, self.shared.config.component_bytes_max)?;
        let wasm: Arc<[u8]> = wasm.into();
        let shared = self.shared.clone();
        let looked = blocking({
            let (shared, wasm) = (shared.clone(), wasm.clone());
            move || {
                let kind = check_outline(&wasm, &shared.config.structure)?;
                let class = shared.engines.class(profile)?;
                let entry = EntryId::of(&wasm, &class);
                let cached = shared.cache.as_ref().and_then(|cache| cache.read(&entry));
                // An entry of another processor's is none of ours.
                let cached = cached.and_then(|code| link(&code, &class, kind).ok());
                Ok((class, kind, entry, cached))
            }
        });
        let (class, kind, entry, cached) = looked.await?;
        let program = match cached {
            Some(program) => program,
            None => {
                let code = shared.compiler.compile(wasm, profile).await;
                let code = code.map_err(|error| not_compiled(error, &shared.config.compile))?;
                let (shared, class) = (shared.clone(), class.clone());
                blocking(move || {
                    let program = link(&code, &class, kind)?;
                    if let Some(cache) = &shared.cache {
                        cache.write(&entry, &code);
                    }
                    Ok(program)
                })
                .await?
            }
        };
        Ok(Prepared {
            shared,
            class,
            program,
        })
    }
}

/// Does something on tokio's threads for work that blocks.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PrepareError> + Send + 'static,
) -> Result<T, PrepareError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            let reason = if error.is_panic() {
                "the host panicked"
            } else {
                "the host shuts down"
            };
            Err(PrepareError::Compiler {
                reason: reason.to_owned(),
            })
        })
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

fn check_outline(wasm: &[u8], limits: &StructureLimits) -> Result<Kind, PrepareError> {
    match outline(wasm, limits) {
        Ok(outline) => check_world(&outline),
        Err(OutlineError::Over(error)) => Err(error.into()),
        Err(OutlineError::Malformed(error)) => Err(refused(error.message())),
        Err(error @ OutlineError::HigherOrder) => Err(PrepareError::Unsupported {
            reason: error.to_string(),
        }),
    }
}

fn not_compiled(error: CompileError, config: &CompileConfig) -> PrepareError {
    match error {
        CompileError::Refused(reason) => refused(&reason),
        CompileError::Over(limit) => PrepareError::CompileLimit {
            limit,
            value: limit.value(config),
        },
        CompileError::Failed(reason) => PrepareError::Compiler {
            reason: plain(&reason),
        },
    }
}

/// Makes compiled code ready to be instantiated.
fn link(code: &[u8], class: &Class, kind: Kind) -> Result<Program, PrepareError> {
    // SAFETY: wasmtime runs what it is given here as machine code. These are bytes in the memory of this process
    // which nobody else can change, and they are what its compiler wrote for an engine of the same configuration: they
    // came out of a child of this program through a pipe, or out of the cache, where a keyed digest over
    // all of them was checked after they had been read. wasmtime checks version, configuration and processor.
    #[allow(unsafe_code)]
    let component = unsafe { Component::deserialize(&class.engine, code) };
    let component = component.map_err(|error| refused(&error.root_cause().to_string()))?;
    let instance = class.linker.instantiate_pre(&component).map_err(unfit)?;
    match kind {
        Kind::Handler => JobComponentPre::new(instance).map(Program::Handler),
        Kind::Command => CommandPre::new(instance).map(Program::Command),
    }
    .map_err(unfit)
}

/// What the validator or compiler refused, by what it says: its errors carry no codes.
fn refused(reason: &str) -> PrepareError {
    let reason = plain(reason);
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

/// An import that nothing could ever satisfy is refused, whatever the manifest asks for. One that only a capability
/// opens is fine: without the grant, its calls are refused.
fn check_world(outline: &Outline) -> Result<Kind, PrepareError> {
    let wrong = |problem| Err(PrepareError::WrongWorld { problem });
    for name in &outline.imports {
        if OFFERED.iter().any(|offered| name.starts_with(offered)) {
            continue;
        }
        let remedy = match name {
            _ if name.starts_with("wasi:http/") => {
                "a job sends requests (`wasi:http/outgoing-handler`) and receives none"
            }
            _ if name.starts_with("hardstop:job/") => {
                "build it against this host's version of the SDK"
            }
            _ => "a job may import `hardstop:job` and WASI 0.2 (clocks, random, io, cli, http)",
        };
        return wrong(format!(
            "it imports `{}`, which the host does not offer; {remedy}",
            plain(name)
        ));
    }
    let exports = || outline.exports.iter();
    if exports().any(|name| name == HANDLER) {
        return Ok(Kind::Handler);
    }
    if exports().any(|name| name.starts_with(COMMAND)) {
        return Ok(Kind::Command);
    }
    let found: Vec<String> = exports().take(16).map(|name| plain(name)).collect();
    let found = match found.is_empty() {
        true => "nothing".to_owned(),
        false => format!("`{}`", found.join("`, `")),
    };
    wrong(format!(
        "it exports {found}, but neither `{HANDLER}` nor `wasi:cli/run`; write handlers with the guest SDK, \
         which exports the one, or a program with a `main` function, which exports the other"
    ))
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
