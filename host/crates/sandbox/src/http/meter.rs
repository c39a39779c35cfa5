//! How much of its limits an attempt's requests have used, and which of them was reached first.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use hardstop_domain::{LimitHit, LimitName, Limits};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wasmtime_wasi_http::Error;

use crate::lock::lock;

/// The counts of one attempt, shared by its requests.
pub(crate) struct Meter {
    limits: Limits,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    tally: Tally,
    lookups: u64,
    open: u64,
    /// The first limit that was reached.
    hit: Option<LimitHit>,
}

/// What an attempt's requests came to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) request_bytes: u64,
    pub(crate) response_bytes: u64,
}

impl Meter {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            counts: Mutex::default(),
        })
    }

    /// What was used, and the first limit that was reached.
    pub(crate) fn read(&self) -> (Tally, Option<LimitHit>) {
        let counts = lock(&self.counts);
        (counts.tally, counts.hit)
    }

    /// Counts a request in.
    pub(super) fn request(&self) -> Result<(), Error> {
        let mut counts = lock(&self.counts);
        let asked = counts.tally.requests + 1;
        counts.check(
            LimitName::HttpRequests,
            self.limits.http_requests_max,
            asked,
        )?;
        counts.tally.requests = asked;
        Ok(())
    }

    /// Counts a request as under way, until the guest lets go of it or has read its answer.
    pub(super) fn open(self: &Arc<Self>) -> Result<Open, Error> {
        let mut counts = lock(&self.counts);
        let asked = counts.open + 1;
        counts.check(
            LimitName::HttpConnections,
            self.limits.http_connections_max,
            asked,
        )?;
        counts.open = asked;
        Ok(Open(self.clone()))
    }

    /// Counts a look-up.
    pub(super) fn lookup(&self) -> Result<(), Error> {
        let mut counts = lock(&self.counts);
        let asked = counts.lookups + 1;
        counts.check(LimitName::DnsLookups, self.limits.dns_lookups_max, asked)?;
        counts.lookups = asked;
        Ok(())
    }

    /// Counts bytes before they are sent.
    fn send(&self, bytes: usize) -> Result<(), Error> {
        let mut counts = lock(&self.counts);
        let asked = counts.tally.request_bytes.saturating_add(bytes as u64);
        let limit = self.limits.http_request_bytes_max;
        counts.check(LimitName::HttpRequestBytes, limit, asked)?;
        counts.tally.request_bytes = asked;
        Ok(())
    }

    /// Takes back what was counted and could not be sent yet.
    fn unsend(&self, bytes: usize) {
        let counts = &mut *lock(&self.counts);
        let sent = &mut counts.tally.request_bytes;
        *sent = sent.saturating_sub(bytes as u64);
    }

    /// Counts bytes that have come.
    fn receive(&self, bytes: usize) -> Result<(), Error> {
        let mut counts = lock(&self.counts);
        let total = counts.tally.response_bytes.saturating_add(bytes as u64);
        counts.tally.response_bytes = total;
        let limit = self.limits.http_response_bytes_max;
        counts.check(LimitName::HttpResponseBytes, limit, total)
    }

    /// The error of a limit on bytes, where one was reached: it is behind whatever the connection then
    /// came to.
    pub(super) fn cause(&self) -> Option<Error> {
        let hit = lock(&self.counts).hit?;
        let is_bytes = matches!(
            hit.name,
            LimitName::HttpRequestBytes | LimitName::HttpResponseBytes
        );
        is_bytes.then(|| error(&hit))
    }
}

impl Counts {
    fn check(&mut self, name: LimitName, limit: u64, used: u64) -> Result<(), Error> {
        if used <= limit {
            return Ok(());
        }
        let hit = LimitHit {
            name,
            limit,
            used,
            overrun_us: None,
        };
        self.hit.get_or_insert(hit);
        Err(error(&hit))
    }
}

/// What the guest is told: the code that comes closest.
fn error(hit: &LimitHit) -> Error {
    match hit.name {
        LimitName::HttpConnections => Error::ConnectionLimitReached,
        LimitName::HttpRequestBytes => Error::HttpRequestBodySize(Some(hit.limit)),
        LimitName::HttpResponseBytes => Error::HttpResponseBodySize(Some(hit.limit)),
        LimitName::DnsLookups => Error::DnsError {
            rcode: Some(format!("limit `{}` = {}", hit.name, hit.limit)),
            info_code: None,
        },
        _ => Error::HttpRequestDenied,
    }
}

/// A request that is under way, for as long as this lives.
pub(super) struct Open(Arc<Meter>);

impl Drop for Open {
    fn drop(&mut self) {
        lock(&self.0.counts).open -= 1;
    }
}

/// A stream whose bytes are counted, and which fails at the limit.
pub(super) struct Metered<S> {
    stream: S,
    meter: Arc<Meter>,
}

impl<S> Metered<S> {
    pub(super) fn new(stream: S, meter: Arc<Meter>) -> Self {
        Self { stream, meter }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let came = buffer.filled().len() - before;
        Poll::Ready(self.meter.receive(came).map_err(io::Error::other))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.meter.send(bytes.len()).map_err(io::Error::other)?;
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        let sent = match &written {
            Poll::Ready(Ok(sent)) => *sent,
            _ => 0,
        };
        self.meter.unsend(bytes.len() - sent);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
