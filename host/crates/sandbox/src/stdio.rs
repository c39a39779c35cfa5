//! A guest's standard output and standard error, wherever they lead.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::journal::{Journal, Stream};
use crate::lock::lock;

/// How much a guest may write in one call, in bytes.
const WRITE_BYTES_MAX: usize = 64 << 10;

/// Takes what a guest writes, at once. An error ends the guest.
pub(crate) trait Sink: Clone + Send + Sync + Unpin + 'static {
    type Error: Error + Send + Sync + 'static;

    fn take(&self, bytes: &[u8]) -> Result<(), Self::Error>;
}

/// One of the two streams. Always ready.
#[derive(Clone)]
pub(crate) struct Outlet<S>(pub(crate) S);

/// Into the log. What is over the log's budget is dropped, not held back.
#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) journal: Arc<Mutex<Journal>>,
    pub(crate) stream: Stream,
}

impl Sink for Log {
    type Error = Infallible;

    fn take(&self, bytes: &[u8]) -> Result<(), Infallible> {
        lock(&self.journal).write(self.stream, bytes);
        Ok(())
    }
}

impl<S> IsTerminal for Outlet<S> {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl<S: Sink> StdoutStream for Outlet<S> {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl<S: Sink> Pollable for Outlet<S> {
    async fn ready(&mut self) {}
}

impl<S: Sink> OutputStream for Outlet<S> {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let taken = self.0.take(&bytes);
        taken.map_err(|error| StreamError::Trap(wasmtime::Error::new(error)))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

impl<S: Sink> AsyncWrite for Outlet<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let taken = self.0.take(bytes).map_err(io::Error::other);
        Poll::Ready(taken.map(|()| bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
