//! Posting to a receiver: an address that was checked, one connection, no redirects, and nothing read of the answer but its
//! status.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use hardstop_domain::EventUrl;
use hardstop_domain::capability::address::{AddressRule, not_public};
use hardstop_domain::capability::http::{Host, Scheme};
use http::header::{HOST, HeaderValue};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::tls;

/// The most bytes of the head of an answer.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Posts events.
pub(super) struct Sender {
    allow_private: Vec<AddressRule>,
    timeout: Duration,
    tls: OnceLock<Result<Arc<ClientConfig>, String>>,
}

/// Why there is no answer. Sentences of this host's own: what a receiver wrote is never in them.
pub(super) enum Unsent {
    /// It may be otherwise later.
    Failed(String),
    /// It may not be sent there.
    Refused(String),
}

impl Sender {
    pub(super) fn new(allow_private: Vec<AddressRule>, timeout: Duration) -> Self {
        Self {
            allow_private,
            timeout,
            tls: OnceLock::new(),
        }
    }

    /// Posts a request, and answers with the status.
    pub(super) async fn post(
        &self,
        url: &EventUrl,
        request: Request<Full<Bytes>>,
    ) -> Result<u16, Unsent> {
        let exchange = tokio::time::timeout(self.timeout, self.exchange(url, request));
        exchange.await.unwrap_or_else(|_| {
            Err(Unsent::Failed(format!(
                "it did not answer within {:?}",
                self.timeout
            )))
        })
    }

    async fn exchange(
        &self,
        url: &EventUrl,
        mut request: Request<Full<Bytes>>,
    ) -> Result<u16, Unsent> {
        let origin = url.target.origin();
        let (_, authority) = origin.split_once("://").unwrap_or_default();
        let host = HeaderValue::from_str(authority)
            .map_err(|_| Unsent::Refused("its host cannot be written".to_owned()))?;
        request.headers_mut().insert(HOST, host);
        let addresses = self.addresses(url).await?;
        let stream = TcpStream::connect(addresses.as_slice()).await;
        let stream = stream.map_err(|error| failed("cannot connect", &error))?;
        // Requests are written whole; nothing is gained by waiting for more.
        let _ = stream.set_nodelay(true);
        let response = match url.target.scheme {
            Scheme::Http => send(TokioIo::new(stream), request).await?,
            Scheme::Https => {
                let config = self.tls.get_or_init(tls::config).clone();
                let config = config.map_err(Unsent::Failed)?;
                let name = match &url.target.host {
                    Host::Address(address) => ServerName::from(*address),
                    Host::Name(name) => ServerName::try_from(name.clone())
                        .map_err(|error| Unsent::Refused(error.to_string()))?,
                };
                let stream = TlsConnector::from(config).connect(name, stream).await;
                let stream = stream.map_err(|error| failed("cannot speak TLS", &error))?;
                send(TokioIo::new(stream), request).await?
            }
        };
        // The connection goes with the response, whose body nobody reads.
        Ok(response.status().as_u16())
    }

    /// The addresses to connect to. Every one is checked, and one that may not be reached stands against all of them.
    async fn addresses(&self, url: &EventUrl) -> Result<Vec<SocketAddr>, Unsent> {
        let port = url.target.port;
        let addresses: Vec<IpAddr> = match &url.target.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => {
                let found = tokio::net::lookup_host((name.as_str(), port)).await;
                let found = found.map_err(|error| failed("cannot look up its name", &error))?;
                found.map(|address| address.ip()).collect()
            }
        };
        if addresses.is_empty() {
            return Err(Unsent::Failed("its name has no address".to_owned()));
        }
        for address in &addresses {
            let mut allowed = self.allow_private.iter();
            if let Some(what) = not_public(*address)
                && !allowed.any(|rule| rule.covers(*address, port))
            {
                let place = SocketAddr::new(address.to_canonical(), port);
                return Err(Unsent::Refused(format!(
                    "its address {place} is refused, because it is {what}; to allow it: [events] allow_private = \
                     [\"{place}\"]"
                )));
            }
        }
        let to = |address: IpAddr| SocketAddr::new(address.to_canonical(), port);
        Ok(addresses.into_iter().map(to).collect())
    }
}

async fn send(
    io: impl hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, Unsent> {
    let broken = |error: hyper::Error| failed("the connection broke off", &error);
    let shaken = http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(io)
        .await;
    let (mut sender, connection) = shaken.map_err(broken)?;
    let exchange = async move { sender.send_request(request).await };
    // Dropped with this future: no connection outlives its delivery.
    let mut exchange = std::pin::pin!(exchange);
    let mut connection = std::pin::pin!(connection);
    let mut open = true;
    loop {
        tokio::select! {
            biased;
            response = &mut exchange => return response.map_err(broken),
            ended = &mut connection, if open => {
                open = false;
                if let Err(error) = ended {
                    return Err(broken(error));
                }
            }
        }
    }
}

fn failed(what: &str, error: &dyn std::error::Error) -> Unsent {
    Unsent::Failed(format!("{what}: {error}"))
}
