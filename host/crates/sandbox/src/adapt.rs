//! Core modules for WASI preview 1, made components.

use std::panic::{AssertUnwindSafe, catch_unwind};

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as PREVIEW1, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
};
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

use crate::prepare::plain;

/// How a core module begins.
const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";
/// What a command exports as its beginning.
const START: &str = "_start";

/// Why a core module cannot be made a component.
#[derive(Debug, thiserror::Error)]
pub enum AdaptError {
    /// Not for WASI at all.
    #[error(
        "this is a core WebAssembly module that uses nothing of WASI: build a component with `cargo build \
         --target wasm32-wasip2` (Rust), or a WASI command for wasm32-wasip1 or wasm32-wasip2"
    )]
    NotWasi,
    /// Wants something that no host has.
    #[error(
        "this core WebAssembly module imports `{import}`, which is not of `{PREVIEW1}`: build it for \
         wasm32-wasip1 or wasm32-wasip2, without functions of a host of its own"
    )]
    Import {
        /// `module.name`.
        import: String,
    },
    /// A library.
    #[error(
        "this WASI preview 1 module exports no function `{START}`: it is a library (a reactor), and nothing \
         says what to run; build a program with a `main` function, or a handler with the guest SDK for \
         wasm32-wasip2"
    )]
    Reactor,
    /// Not a good module.
    #[error(
        "this WASI preview 1 module cannot be made a component: {reason}; build it anew with a current toolchain"
    )]
    Invalid {
        /// What is wrong with it.
        reason: String,
    },
}

/// Makes a component of a core module for WASI preview 1 that is a command. Anything else than a core module is
/// handed back as it is, for [`Sandbox::prepare`](crate::Sandbox::prepare) to look at.
///
/// Hosts do it in a child, whose limits hold for what strangers hand in: [`Sandbox::adapt`](crate::Sandbox::adapt). The
/// result depends on the module and on this version of the host alone: the same bytes for the same bytes.
pub fn adapt(wasm: Vec<u8>) -> Result<Vec<u8>, AdaptError> {
    if !is_core_module(&wasm) {
        return Ok(wasm);
    }
    check(&wasm)?;
    // The encoder was written for what compilers make; whoever deploys may have made something else.
    let encoded = catch_unwind(AssertUnwindSafe(|| encode(&wasm)));
    let reason = match encoded {
        Ok(Ok(component)) => return Ok(component),
        Ok(Err(reason)) => reason,
        Err(_) => "the encoder panicked; this is a defect, please report it".to_owned(),
    };
    Err(invalid(&reason))
}

/// Whether these bytes begin as a core module does.
pub(crate) fn is_core_module(wasm: &[u8]) -> bool {
    wasm.starts_with(CORE_MODULE)
}

fn encode(wasm: &[u8]) -> Result<Vec<u8>, String> {
    ComponentEncoder::default()
        .validate(true)
        .module(wasm)
        .and_then(|encoder| encoder.adapter(PREVIEW1, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER))
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| format!("{error:#}"))
}

/// Whether a module is a command for WASI preview 1.
fn check(wasm: &[u8]) -> Result<(), AdaptError> {
    let bad = |error: wasmparser::BinaryReaderError| invalid(&error.to_string());
    let (mut uses_wasi, mut has_start) = (false, false);
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.map_err(bad)? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import.map_err(bad)?;
                    if import.module != PREVIEW1 {
                        let import = format!("{}.{}", import.module, import.name);
                        return Err(AdaptError::Import {
                            import: plain(&import),
                        });
                    }
                    uses_wasi = true;
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    has_start |= export.map_err(bad)?.name == START;
                }
            }
            // Code comes after both.
            Payload::CodeSectionStart { .. } => break,
            _ => {}
        }
    }
    match (uses_wasi, has_start) {
        (false, _) => Err(AdaptError::NotWasi),
        (true, false) => Err(AdaptError::Reactor),
        (true, true) => Ok(()),
    }
}

fn invalid(reason: &str) -> AdaptError {
    AdaptError::Invalid {
        reason: plain(reason),
    }
}
