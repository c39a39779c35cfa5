//! What a failed request is to the guest: the codes of `wasi:http`.

use std::io;

use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;

/// How large the head of a response may be, in bytes, and how much of a message is held at once.
pub(super) const BUFFER_BYTES_MAX: usize = 64 << 10;

/// A connection that could not be made, or broke.
pub(super) fn of_io(error: &io::Error) -> Error {
    use io::ErrorKind::{
        AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkUnreachable, TimedOut,
    };
    match error.kind() {
        ConnectionRefused => Error::ConnectionRefused,
        TimedOut => Error::ConnectionTimeout,
        HostUnreachable | NetworkUnreachable | AddrNotAvailable => Error::DestinationUnavailable,
        _ => Error::ConnectionTerminated,
    }
}

/// A message that could not be sent or read.
pub(super) fn of_hyper(error: &hyper::Error) -> Error {
    if error.is_parse_too_large() {
        return Error::HttpResponseHeaderSectionSize(u32::try_from(BUFFER_BYTES_MAX).ok());
    }
    if error.is_incomplete_message() {
        return Error::HttpResponseIncomplete;
    }
    if error.is_canceled() || error.is_closed() {
        return Error::ConnectionTerminated;
    }
    let cause = std::error::Error::source(error).and_then(|it| it.downcast_ref::<io::Error>());
    match cause {
        Some(cause) => of_io(cause),
        None => Error::HttpProtocolError,
    }
}

/// The code of an error that can end a body.
pub(crate) fn code_of(error: &Error) -> ErrorCode {
    match error {
        Error::HttpRequestBodySize(bytes) => ErrorCode::HttpRequestBodySize(*bytes),
        Error::HttpResponseBodySize(bytes) => ErrorCode::HttpResponseBodySize(*bytes),
        Error::HttpResponseHeaderSectionSize(bytes) => {
            ErrorCode::HttpResponseTrailerSectionSize(*bytes)
        }
        Error::HttpResponseIncomplete => ErrorCode::HttpResponseIncomplete,
        Error::ConnectionReadTimeout => ErrorCode::ConnectionReadTimeout,
        Error::ConnectionTerminated => ErrorCode::ConnectionTerminated,
        Error::HttpProtocolError => ErrorCode::HttpProtocolError,
        other => ErrorCode::InternalError(Some(other.to_string())),
    }
}
