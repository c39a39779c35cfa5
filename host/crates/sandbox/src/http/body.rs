//! A response's body on the guest's side: frames from a channel.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::sync::mpsc;
use wasmtime_wasi_http::Error;

use super::meter::Open;

/// What the exchange has read, one frame at a time.
pub(super) struct Frames {
    frames: mpsc::Receiver<Result<Frame<Bytes>, Error>>,
    /// The request is under way until its last frame is read, or this is dropped.
    open: Option<Open>,
}

impl Frames {
    pub(super) fn new(frames: mpsc::Receiver<Result<Frame<Bytes>, Error>>, open: Open) -> Self {
        Self {
            frames,
            open: Some(open),
        }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(self.frames.poll_recv(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.open = None;
        }
        Poll::Ready(frame)
    }
}
