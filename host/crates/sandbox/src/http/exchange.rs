//! One request and its response, on a connection of their own.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use hardstop_domain::capability::http::{HttpTarget, Scheme};
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::client::conn::http1::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::Client;
use super::body::Frames;
use super::error::{BUFFER_BYTES_MAX, of_hyper, of_io};
use super::meter::{Meter, Metered, Open};
use super::resolver::Names;
use crate::refusal::Refusals;

/// How many headers a response may have.
const HEADERS_MAX: usize = 100;
/// How long an address that does not answer is waited for, where there are others to try.
const NEXT_ADDRESS_AFTER: Duration = Duration::from_secs(3);
/// Frames that wait for the guest.
const FRAMES_AHEAD: usize = 1;

/// A request that was let through.
pub(super) struct Exchange {
    pub(super) client: Arc<Client>,
    pub(super) type_name: String,
    pub(super) target: HttpTarget,
    pub(super) options: RequestOptions,
    pub(super) names: Arc<Names>,
    pub(super) connections: Arc<Semaphore>,
    /// Goes to the guest with the response.
    pub(super) open: Option<Open>,
    pub(super) meter: Arc<Meter>,
    pub(super) refusals: Refusals,
}

type Answer = oneshot::Sender<Result<Response<WasiBody>, Error>>;
/// Both directions of a connection, with or without TLS.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Exchange {
    /// Runs to the end of the response's body, or until the guest lets go.
    pub(super) async fn run(mut self, request: Request<WasiBody>, mut answer: Answer) {
        let connections = self.connections.clone();
        let connected = tokio::select! {
            biased;
            () = answer.closed() => return,
            connected = self.connect(&connections) => connected,
        };
        let (permit, stream) = match connected {
            Ok(connected) => connected,
            Err(error) => return self.fail(answer, error),
        };
        let frames = self.transfer(stream, request, answer).await;
        // The connection is gone; its place goes before the guest sees the end of the body.
        drop(permit);
        drop(frames);
    }

    /// A place among the connections, and a connection to an address that was checked.
    async fn connect<'a>(
        &self,
        connections: &'a Semaphore,
    ) -> Result<(tokio::sync::SemaphorePermit<'a>, Box<dyn Duplex>), Error> {
        let permit = connections
            .acquire()
            .await
            .map_err(|_| Error::ConnectionTerminated)?;
        let connecting = async {
            let stream = self.dial(&self.addresses().await?).await?;
            // Requests are written whole; nothing is gained by waiting for more.
            let _ = stream.set_nodelay(true);
            let stream: Box<dyn Duplex> = match self.target.scheme {
                Scheme::Http => Box::new(stream),
                Scheme::Https => {
                    Box::new(self.client.tls.connect(&self.target.host, stream).await?)
                }
            };
            Ok::<_, Error>(stream)
        };
        let stream = within(self.options.connect_timeout, connecting)
            .await
            .ok_or(Error::ConnectionTimeout)??;
        Ok((permit, stream))
    }

    async fn dial(&self, addresses: &[SocketAddr]) -> Result<TcpStream, Error> {
        let mut last = Error::DestinationUnavailable;
        for (number, address) in addresses.iter().enumerate() {
            let is_last = number + 1 == addresses.len();
            let patience = (!is_last).then_some(NEXT_ADDRESS_AFTER);
            last = match within(patience, TcpStream::connect(address)).await {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => of_io(&error),
                None => Error::ConnectionTimeout,
            };
        }
        Err(last)
    }

    /// Sends the request and hands the response over. What is returned is the sender of the body's
    /// frames: dropping it ends the body.
    async fn transfer(
        &mut self,
        stream: Box<dyn Duplex>,
        request: Request<WasiBody>,
        mut answer: Answer,
    ) -> Option<mpsc::Sender<Result<Frame<Bytes>, Error>>> {
        let stream = TokioIo::new(Metered::new(stream, self.meter.clone()));
        let opened = Builder::new()
            .max_buf_size(BUFFER_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .handshake(stream)
            .await;
        let (mut sender, connection) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.fail(answer, of_hyper(&error));
                return None;
            }
        };
        let mut connection = Connection(Some(pin!(connection)));

        let sending = within(
            self.options.first_byte_timeout,
            sender.send_request(request),
        );
        let response = tokio::select! {
            biased;
            () = answer.closed() => return None,
            response = connection.drive(sending) => response,
        };
        let response = match response {
            Some(Ok(response)) => response,
            Some(Err(error)) => {
                self.fail(answer, self.explain(&error));
                return None;
            }
            None => {
                self.fail(answer, Error::HttpResponseTimeout);
                return None;
            }
        };
        let open = self.open.take()?;
        let (frames, receiver) = mpsc::channel(FRAMES_AHEAD);
        let (head, mut body) = response.into_parts();
        let guests = Frames::new(receiver, open).boxed_unsync();
        if answer.send(Ok(Response::from_parts(head, guests))).is_err() {
            return None;
        }
        loop {
            let reading = within(self.options.between_bytes_timeout, next_frame(&mut body));
            let frame = tokio::select! {
                biased;
                () = frames.closed() => return None,
                frame = connection.drive(reading) => frame,
            };
            let frame = match frame {
                Some(None) => return Some(frames),
                Some(Some(Ok(frame))) => Ok(frame),
                Some(Some(Err(error))) => Err(self.explain(&error)),
                None => Err(Error::ConnectionReadTimeout),
            };
            let is_last = frame.is_err();
            // While the guest takes its time over the body, it may still be sending.
            let handed_over = connection.drive(frames.send(frame)).await;
            if is_last || handed_over.is_err() {
                return Some(frames);
            }
        }
    }

    /// Ends the request, before the guest hears of it.
    fn fail(&mut self, answer: Answer, error: Error) {
        self.open = None;
        let _ = answer.send(Err(error));
    }

    /// The limit behind an error, or the error itself.
    fn explain(&self, error: &hyper::Error) -> Error {
        self.meter.cause().unwrap_or_else(|| of_hyper(error))
    }
}

/// The work of a connection, done while something that needs it is waited for.
struct Connection<'a, C>(Option<Pin<&'a mut C>>);

impl<C: Future> Connection<'_, C> {
    async fn drive<F: Future>(&mut self, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|cx| {
            if let Some(connection) = &mut self.0
                && connection.as_mut().poll(cx).is_ready()
            {
                // How it ended is told to whoever waits for it.
                self.0 = None;
            }
            work.as_mut().poll(cx)
        })
        .await
    }
}

async fn next_frame<B: Body + Unpin>(body: &mut B) -> Option<Result<Frame<B::Data>, B::Error>> {
    poll_fn(|cx| -> Poll<_> { Pin::new(&mut *body).poll_frame(cx) }).await
}

/// The output, or none where it takes longer than it may.
async fn within<F: Future>(limit: Option<Duration>, future: F) -> Option<F::Output> {
    match limit {
        Some(limit) => timeout(limit, future).await.ok(),
        None => Some(future.await),
    }
}
