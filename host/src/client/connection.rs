//! Requests over a connection: connected, encrypted where the address says so, and kept for the next one.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Bytes;
use http::header::{self, HeaderValue};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

use super::address::Address;
use crate::error::Error;
use crate::tls;

/// How long a look-up, a connection and a handshake may take together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
const USER_AGENT: &str = concat!("hardstop/", env!("CARGO_PKG_VERSION"));

pub(super) type Sender = SendRequest<Full<Bytes>>;

/// What sends requests to one server.
pub(super) struct Connection {
    pub(super) address: Address,
    token: Option<HeaderValue>,
    /// The one of the request before, once its answer was read.
    idle: Mutex<Option<Sender>>,
    tls: OnceLock<Result<Arc<ClientConfig>, String>>,
}

/// An answer's head, and what sends the next request once its body was read.
pub(super) struct Answer {
    pub(super) response: Response<Incoming>,
    sender: Sender,
}

impl Connection {
    pub(super) fn new(address: Address, token: Option<HeaderValue>) -> Self {
        Self {
            address,
            token,
            idle: Mutex::new(None),
            tls: OnceLock::new(),
        }
    }

    /// Sends a request, and waits for the head of the answer.
    pub(super) async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<Answer, Error> {
        let host = HeaderValue::from_str(self.address.authority.as_str());
        let host = host.map_err(|error| Error::usage(format!("--server: {error}")))?;
        let headers = request.headers_mut();
        headers.insert(header::HOST, host);
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        if let Some(token) = &self.token {
            headers.insert(header::AUTHORIZATION, token.clone());
        }
        if let Some(mut sender) = self.idle.lock().await.take() {
            // The server may have closed it meanwhile: then nothing of the request was sent, and it is given back.
            if sender.ready().await.is_ok() {
                match sender.try_send_request(request).await {
                    Ok(response) => return Ok(Answer { response, sender }),
                    Err(mut error) => match error.take_message() {
                        Some(given_back) => request = given_back,
                        None => return Err(self.broken(error.error())),
                    },
                }
            }
        }
        self.send_anew(request).await
    }

    async fn send_anew(&self, request: Request<Full<Bytes>>) -> Result<Answer, Error> {
        let connect = tokio::time::timeout(CONNECT_TIMEOUT, self.connect());
        let connected = connect.await.unwrap_or_else(|_| {
            let seconds = CONNECT_TIMEOUT.as_secs();
            Err(self.unreachable(&format!("no connection within {seconds} s")))
        });
        let mut sender = connected?;
        let response = sender.send_request(request).await;
        let response = response.map_err(|error| self.broken(&error))?;
        Ok(Answer { response, sender })
    }

    /// Keeps the connection of an answer whose body was read.
    pub(super) async fn keep(&self, sender: Sender) {
        *self.idle.lock().await = Some(sender);
    }

    async fn connect(&self) -> Result<Sender, Error> {
        let place = (self.address.host(), self.address.port());
        let stream = TcpStream::connect(place).await;
        let stream = stream.map_err(|error| self.unreachable(&error.to_string()))?;
        // Requests are small, and one waits for the other.
        let _ = stream.set_nodelay(true);
        if !self.address.is_tls {
            return self.shake_hands(TokioIo::new(stream)).await;
        }
        let config = self.tls.get_or_init(tls::config).clone();
        let config = config.map_err(Error::environment)?;
        let name = ServerName::try_from(self.address.host().to_owned());
        let name = name.map_err(|error| Error::usage(format!("--server: {error}")))?;
        let stream = TlsConnector::from(config).connect(name, stream).await;
        let stream = stream.map_err(|error| {
            Error::environment(format!("cannot speak TLS with {}: {error}", self.address)).hint(
                "its certificate must be from an authority that this system trusts; \
                 SSL_CERT_FILE names a file of others",
            )
        })?;
        self.shake_hands(TokioIo::new(stream)).await
    }

    async fn shake_hands(
        &self,
        io: impl hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    ) -> Result<Sender, Error> {
        let shaken = http1::handshake(io).await;
        let (sender, connection) = shaken.map_err(|error| self.broken(&error))?;
        // Ends with the last sender. What breaks it is told to whoever waits for an answer.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    fn unreachable(&self, reason: &str) -> Error {
        Error::environment(format!(
            "cannot reach the server {}: {reason}",
            self.address
        ))
        .hint("does `hardstop serve` run there, and does --server (or HARDSTOP_SERVER) name it?")
    }

    fn broken(&self, error: &hyper::Error) -> Error {
        Error::environment(format!(
            "the connection to {} broke off: {error}",
            self.address
        ))
        .hint(super::LOOK)
    }
}

impl Answer {
    /// The parts: what has the body, and what is kept once that was read.
    pub(super) fn split(self) -> (Response<Incoming>, Sender) {
        (self.response, self.sender)
    }
}
