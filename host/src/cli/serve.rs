//! `hardstop serve`: the HTTP API, and a worker beside it, until told to stop.
//!
//! Both are in one process because that is what one machine needs: whoever starts a job over the API expects that it
//! runs. Guests have threads of their own, so neither makes the other late. More machines run `hardstop worker`, and
//! one that is to serve only is started with `--no-worker`.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::sync::watch;
use tracing::info;

use super::Context;
use super::args::ServeArgs;
use super::worker::{self, Signals};
use crate::api::{self, Deployer, Door, Server, ServerConfig};
use crate::error::Error;
use crate::outbox::Signing;
use crate::service::Service;
use crate::telemetry::{Metrics, Telemetry};

/// How many guests describe themselves at once when deployments are verified.
const DEPLOY_INSTANCES: u32 = 4;

pub async fn execute(mut context: Context, args: ServeArgs) -> Result<ExitCode, Error> {
    worker::apply(&mut context, args.worker)?;
    // Registered first: a signal during start-up drains too.
    let signals = Signals::new()?;
    let store = worker::connect(&context).await?;
    let telemetry = Telemetry::start(context.config.traces.clone(), &worker::host())?;
    let worker = match args.no_worker {
        true => None,
        false => Some(worker::worker(&context, &store, &telemetry)?),
    };
    let service = Service::new(Arc::clone(&store), context.config.ceiling.clone());
    let service = service.signing(Signing::new(&context.config));
    let door = door(service.clone(), Arc::clone(&telemetry.metrics), args.listen).await?;
    let deployer = Deployer::new(context.sandbox(DEPLOY_INSTANCES)?, context.config.clone());
    let server = Server::bind(ServerConfig {
        listen: args.listen,
        drain_timeout: context.config.worker.drain_timeout,
    })
    .await?;
    // Listen first, then look.
    let listener = store.listen().await?;
    let following = service.clone();
    let follower = tokio::spawn(async move { following.follow_deployments(listener).await });
    info!(address = %server.address()?, "serving");

    let (stop, stopped) = watch::channel(false);
    let told_by_signal = stop.clone();
    tokio::spawn(async move {
        signals.first().await;
        told_by_signal.send_replace(true);
    });
    let told = || {
        let mut stopped = stopped.clone();
        async move { drop(stopped.wait_for(|stopped| *stopped).await) }
    };
    let router = api::router(door, deployer, stopped.clone())?;
    let outbox = worker::outbox(&context, &store).run(stopped.clone());
    let serve = async { tokio::join!(server.run(router, told()), outbox) };
    match worker {
        None => drop(serve.await),
        Some(worker) => {
            let work = async {
                let drained = worker.run(told()).await;
                match &drained {
                    Ok(drained) if drained.asked => {
                        info!("the worker has drained; the server goes on");
                    }
                    // A server beside a worker that could not begin would start jobs that nobody runs.
                    _ => {
                        stop.send_replace(true);
                    }
                }
                drained
            };
            let (drained, _) = tokio::join!(work, serve);
            drained?;
        }
    }
    telemetry.close().await;
    follower.abort();
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

/// What stands before everything that is served on an address. Fails where others could reach it and there is no token to
/// ask them for.
pub async fn door(
    service: Service,
    metrics: Arc<Metrics>,
    listen: SocketAddr,
) -> Result<Door, Error> {
    let is_loopback = listen.ip().is_loopback();
    if !is_loopback && service.usable_tokens().await? == 0 {
        return Err(Error::usage(format!(
            "{listen} can be reached from other machines, and there is no token to ask them for"
        ))
        .hint(
            "make one with `hardstop token create NAME --scope admin`, or listen on a loopback \
             address such as 127.0.0.1:8080",
        ));
    }
    Ok(Door {
        service,
        is_loopback,
        metrics,
    })
}
