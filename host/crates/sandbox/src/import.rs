//! What a guest may call: the host's side of `hardstop:job`, and WASI.

mod chains;
mod config;
mod filesystem;
mod http;
mod log;
mod progress;
mod secrets;

pub(crate) use chains::{NewJobError, continuation};

use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi::p2::bindings::{filesystem as files, sockets};
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView as _};

use crate::binding::JobComponent;
use crate::state::State;

/// The interfaces that a component may import, as prefixes of their names.
pub(crate) const OFFERED: [&str; 14] = [
    "hardstop:job/types@",
    "hardstop:job/log@",
    "hardstop:job/progress@",
    "hardstop:job/chains@",
    "hardstop:job/config@",
    "hardstop:job/secrets@",
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:http/outgoing-handler@",
    "wasi:http/types@",
    "wasi:io/",
    "wasi:random/",
    "wasi:sockets/",
];

/// Links all that can be imported.
///
/// `wasi:filesystem` and `wasi:sockets` are linked because standard libraries import them whether or
/// not a program uses them. The files are a tree of the sandbox's own, never the host's; sockets and name
/// look-ups are refused before the operating system is asked for anything, and each try is recorded as a
/// refusal.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    JobComponent::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;

    // Once more, with getters that take note: they are called at each call of the interface.
    linker.allow_shadowing(true);
    files::types::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    files::preopens::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    sockets::tcp_create_socket::add_to_linker::<State, WasiSockets>(linker, |state| {
        state.refuse_network();
        state.sockets()
    })?;
    sockets::udp_create_socket::add_to_linker::<State, WasiSockets>(linker, |state| {
        state.refuse_network();
        state.sockets()
    })?;
    sockets::ip_name_lookup::add_to_linker::<State, WasiSockets>(linker, |state| {
        state.refuse_network();
        state.sockets()
    })?;
    http::name_errors_of_bodies(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}

impl crate::binding::hardstop::job::types::Host for State {}
