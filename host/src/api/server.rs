//! Connections: accepted, limited, and ended in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tracing::{debug, info, warn};

use crate::error::Error;

/// How many connections are open at once. Others wait to be accepted.
const CONNECTIONS_MAX: usize = 1_024;
/// How long a client may take for the head of a request, and how long an idle connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// The most bytes of the head of a request.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// How long to wait after a connection could not be accepted, such as for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where and how to serve.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// How long requests may go on after the end was asked for.
    pub drain_timeout: Duration,
}

/// A server that listens already.
pub struct Server {
    listener: TcpListener,
    config: ServerConfig,
}

impl Server {
    /// Listens.
    pub async fn bind(config: ServerConfig) -> Result<Self, Error> {
        let listener = TcpListener::bind(config.listen).await.map_err(|error| {
            Error::environment(format!("cannot listen on {}: {error}", config.listen))
                .hint("--listen names another address; port 0 takes any that is free")
        })?;
        Ok(Self { listener, config })
    }

    /// Where it listens: with the port that it got, where port 0 was asked for.
    pub fn address(&self) -> Result<SocketAddr, Error> {
        self.listener
            .local_addr()
            .map_err(|error| Error::environment(format!("the listener has no address: {error}")))
    }

    /// Serves until `shutdown` completes; then accepts no more, and lets what is being answered come to its end, up to
    /// the drain's limit.
    pub async fn run(self, router: Router, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        let service = TowerToHyperService::new(router);
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let graceful = GracefulShutdown::new();
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_BYTES_MAX);
        loop {
            let accepted = async {
                let slot = Arc::clone(&slots).acquire_owned().await;
                (slot, self.listener.accept().await)
            };
            let (slot, accepted) = tokio::select! {
                biased;
                () = &mut shutdown => break,
                accepted = accepted => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            // Small answers are sent at once.
            let _ = stream.set_nodelay(true);
            let connection = builder.serve_connection(TokioIo::new(stream), service.clone());
            let connection = graceful.watch(connection);
            tokio::spawn(async move {
                let _slot = slot;
                if let Err(error) = connection.await {
                    debug!(%peer, %error, "a connection broke off");
                }
            });
        }
        drop(self.listener);
        let open = graceful.count();
        info!(connections = open, "serving no more");
        if tokio::time::timeout(self.config.drain_timeout, graceful.shutdown())
            .await
            .is_err()
        {
            warn!("the drain limit has passed: left connections open");
        }
    }
}
