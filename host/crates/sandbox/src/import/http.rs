//! `wasi:http`, as far as it goes out.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::WasiView;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, IoError};
use wasmtime_wasi_http::{Error, WasiHttpCtxView, WasiHttpView};

use crate::http::code_of;
use crate::state::State;

/// The interface, of the version that wasmtime has it in.
const TYPES: &str = "wasi:http/types@0.2.12";

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let (session, table) = self.http_session();
        WasiHttpCtxView {
            hooks: &mut session.hooks,
            table,
            ctx: &mut session.context,
        }
    }
}

/// Lets a guest ask which code an error is that it met while it read a body. wasmtime's own answer knows
/// none of them.
pub(super) fn name_errors_of_bodies(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut types = linker.instance(TYPES)?;
    types.func_wrap(
        "http-error-code",
        |mut store: StoreContextMut<'_, State>, (error,): (Resource<IoError>,)| {
            let error = store.data_mut().ctx().table.get(&error)?;
            let code = match error.downcast_ref::<Error>() {
                Some(error) => Some(code_of(error)),
                None => error.downcast_ref::<ErrorCode>().cloned(),
            };
            Ok((code,))
        },
    )
}
