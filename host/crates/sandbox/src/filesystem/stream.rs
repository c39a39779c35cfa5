//! Files as streams.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use rustix::io::Errno;
use tokio::task::JoinHandle;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

use super::tree::{IO_BYTES_MAX, Node};

fn failed(error: impl Into<io::Error>) -> StreamError {
    let error: io::Error = error.into();
    StreamError::LastOperationFailed(wasmtime::Error::new(error))
}

/// Reads a file from some place on.
pub(crate) struct Reader {
    node: Arc<Node>,
    position: u64,
    state: Reading,
}

enum Reading {
    Idle,
    Begun(JoinHandle<io::Result<Vec<u8>>>),
    Read(Bytes),
    Failed(io::Error),
    Ended,
}

impl Reader {
    pub(crate) fn new(node: Arc<Node>, position: u64) -> Self {
        Self {
            node,
            position,
            state: Reading::Idle,
        }
    }

    fn end(&mut self, read: Result<io::Result<Bytes>, tokio::task::JoinError>) {
        self.state = match read.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(bytes) if bytes.is_empty() => Reading::Ended,
            Ok(bytes) => {
                self.position += bytes.len() as u64;
                Reading::Read(bytes)
            }
            Err(error) => Reading::Failed(error),
        };
    }
}

#[async_trait]
impl Pollable for Reader {
    async fn ready(&mut self) {
        if matches!(self.state, Reading::Idle) {
            let file = match &*self.node {
                Node::File(file) => file,
                Node::Baked(file) => {
                    let bytes = file.read(self.position, IO_BYTES_MAX as u64);
                    self.end(Ok(Ok(bytes)));
                    return;
                }
                Node::Dir(_) => {
                    self.state = Reading::Failed(Errno::ISDIR.into());
                    return;
                }
            };
            // Bytes that are being written are read as they will be.
            file.volume.settle().await;
            self.state = Reading::Begun(file.begin_read(self.position, IO_BYTES_MAX as u64));
        }
        if let Reading::Begun(task) = &mut self.state {
            let read = task.await.map(|read| read.map(Bytes::from));
            self.end(read);
        }
    }
}

#[async_trait]
impl InputStream for Reader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        match std::mem::replace(&mut self.state, Reading::Idle) {
            Reading::Read(mut bytes) => {
                let part = bytes.split_to(size.min(bytes.len()));
                if !bytes.is_empty() {
                    self.state = Reading::Read(bytes);
                }
                Ok(part)
            }
            Reading::Failed(error) => Err(failed(error)),
            Reading::Ended => {
                self.state = Reading::Ended;
                Err(StreamError::Closed)
            }
            // Nothing yet: whoever wants it waits until there is.
            state => {
                self.state = state;
                Ok(Bytes::new())
            }
        }
    }
}

/// Writes a file from some place on, or at its end.
pub(crate) struct Writer {
    node: Arc<Node>,
    /// None: at the end, wherever that is.
    position: Option<u64>,
    /// What of the last write found no room.
    refused: Option<Errno>,
}

impl Writer {
    pub(crate) fn new(node: Arc<Node>, position: Option<u64>) -> Self {
        Self {
            node,
            position,
            refused: None,
        }
    }
}

#[async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {
        if let Ok(file) = self.node.file() {
            file.volume.settle().await;
        }
    }
}

impl OutputStream for Writer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let file = self.node.file().map_err(failed)?;
        if file.volume.is_busy() {
            return Err(StreamError::trap(
                "write not permitted: check_write gave no leave",
            ));
        }
        let offset = self.position.unwrap_or_else(|| file.length());
        let (pieces, done) = file.plan_write(offset, &bytes).map_err(failed)?;
        if let Some(position) = &mut self.position {
            *position += done as u64;
        }
        if done < bytes.len() {
            self.refused = Some(Errno::NOSPC);
        }
        file.volume.begin(pieces);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let file = self.node.file().map_err(failed)?;
        if file.volume.is_busy() {
            return Ok(0);
        }
        if let Some(error) = file.volume.take_error() {
            return Err(failed(error));
        }
        match self.refused.take() {
            Some(error) => Err(failed(error)),
            None => Ok(IO_BYTES_MAX),
        }
    }
}
