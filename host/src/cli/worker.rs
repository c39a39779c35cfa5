//! `hardstop worker`: run jobs until told to stop.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use hardstop_store::Store;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{info, warn};

use super::Context;
use super::args::{WorkerArgs, WorkerCommandArgs};
use super::serve::door;
use crate::api::{self, Server, ServerConfig};
use crate::error::Error;
use crate::outbox::{Outbox, Signing};
use crate::service::Service;
use crate::telemetry::{Metrics, Telemetry};
use crate::worker::{Loader, Worker};

/// The exit code of a worker that was told twice to stop: 128 and SIGINT, as shells write it.
const LEFT_AT_ONCE: i32 = 130;

pub async fn execute(mut context: Context, args: WorkerCommandArgs) -> Result<ExitCode, Error> {
    apply(&mut context, args.worker)?;
    // Registered first: a signal during start-up drains too.
    let signals = Signals::new()?;
    let store = connect(&context).await?;
    let telemetry = Telemetry::start(context.config.traces.clone(), &host())?;
    let worker = worker(&context, &store, &telemetry)?;
    let (stop, stopped) = watch::channel(false);
    let mut told = stopped.clone();
    let told = async move { drop(told.wait_for(|stopped| *stopped).await) };
    let served = match args.listen.or(context.config.worker.listen) {
        Some(listen) => {
            let metrics = Arc::clone(&telemetry.metrics);
            let (server, router) = bind(&context, &store, metrics, listen).await?;
            Some(tokio::spawn(server.run(router, told)))
        }
        None => None,
    };
    let outbox = outbox(&context, &store).run(stopped);
    let work = async {
        let drained = worker.run(signals.first()).await;
        // What is served is served to the end: how a drain goes on is worth a look. And a worker that could not begin leaves
        // with its reason.
        stop.send_replace(true);
        drained
    };
    let (drained, ()) = tokio::join!(work, outbox);
    if let Some(served) = served {
        let _ = served.await;
    }
    telemetry.close().await;
    drained?;
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Puts the flags over the configuration.
pub fn apply(context: &mut Context, args: WorkerArgs) -> Result<(), Error> {
    let config = &mut context.config.worker;
    if !args.types.is_empty() {
        config.types = Some(args.types.into_iter().collect());
    }
    if let Some(concurrency) = args.concurrency {
        config.concurrency = concurrency;
    }
    if let Some(threads) = args.guest_threads {
        config.guest_threads = threads;
    }
    if let Some(timeout) = args.drain_timeout {
        config.drain_timeout = timeout;
    }
    if let Some(lease) = args.lease {
        config.lease_duration = lease;
    }
    context.config.check()
}

/// A server of what a worker tells of itself.
async fn bind(
    context: &Context,
    store: &Arc<dyn Store>,
    metrics: Arc<Metrics>,
    listen: SocketAddr,
) -> Result<(Server, Router), Error> {
    let service = Service::new(Arc::clone(store), context.config.ceiling.clone());
    let door = door(service, metrics, listen).await?;
    let server = Server::bind(ServerConfig {
        listen,
        drain_timeout: context.config.worker.drain_timeout,
    })
    .await?;
    info!(address = %server.address()?, "serving");
    Ok((server, api::alone(door)))
}

/// Opens the database, and says which one it is.
pub async fn connect(context: &Context) -> Result<Arc<dyn Store>, Error> {
    let store = context.connect(true).await?;
    store.check_schema().await?;
    info!(database = store.describe().await?, "connected");
    Ok(store)
}

/// A worker as it is configured.
pub fn worker(
    context: &Context,
    store: &Arc<dyn Store>,
    telemetry: &Telemetry,
) -> Result<Worker, Error> {
    let sandbox = context.sandbox(context.config.worker.concurrency)?;
    Ok(Worker {
        store: Arc::clone(store),
        executor: Arc::new(Loader::new(Arc::clone(store), sandbox)),
        ceiling: context.config.ceiling.clone(),
        config: context.config.worker.clone(),
        host: host(),
        telemetry: telemetry.clone(),
    })
}

/// What delivers events, as it is configured.
pub fn outbox(context: &Context, store: &Arc<dyn Store>) -> Outbox {
    let config = &context.config;
    Outbox::new(
        Arc::clone(store),
        config.events.clone(),
        Signing::new(config),
    )
}

/// This machine and process, for people.
pub fn host() -> String {
    let name = rustix::system::uname();
    format!(
        "{}:{}",
        name.nodename().to_string_lossy(),
        std::process::id()
    )
}

/// The signals that end a process.
pub struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    /// Listens from now on.
    pub fn new() -> Result<Self, Error> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Error::environment(format!("cannot listen for signals: {error}")))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one, and says which it was.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }

    /// Completes at the first signal. The second ends the process there and then: its jobs are
    /// rescued when the lease runs out.
    pub async fn first(mut self) {
        let name = self.next().await;
        info!(signal = name, "draining; a second signal leaves at once");
        tokio::spawn(async move {
            let name = self.next().await;
            warn!(signal = name, "leaving at once");
            std::process::exit(LEFT_AT_ONCE);
        });
    }
}
