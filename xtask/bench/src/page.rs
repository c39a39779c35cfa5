//! Every page of the dashboard and every list of the API over a long history, served as `hardstop serve` does; and what
//! loading them costs a worker beside them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use hardstop::Service;
use hardstop::api::{self, Deployer, Door, Server, ServerConfig};
use hardstop::telemetry::Telemetry;
use hardstop_domain::State;
use hardstop_store::{ChainQuery, JobQuery};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};

use crate::bench::Bench;
use crate::history::{History, PAUSED, RARE};
use crate::measure::{Figure, figure};
use crate::scenario::Measure;
use crate::site::{Site, noops};
use crate::tally::Tally;

/// What the median load of each may take at the most, in milliseconds.
const LOAD_MS_MAX: f64 = 200.0;
/// What of the drain rate must be left while pages are loaded.
const DRAIN_RATIO_MIN: f64 = 0.95;
/// How often a page is loaded while a worker drains.
const LOAD_INTERVAL: Duration = Duration::from_secs(1);
/// How many jobs are drained each time, at the most: some seconds' worth.
const DRAINED: u32 = 100_000;
/// So many times as many as other scenarios drain.
const DRAIN_FACTOR: u32 = 10;
/// How many are started at once for it.
const STARTED: u32 = 10_000;
/// The measures of the drain.
const DRAIN_ALONE: &str = "drain_jobs_per_s";
const DRAIN_LOADED: &str = "drain_with_pages_jobs_per_s";
const DRAIN_RATIO: &str = "drain_ratio";

/// A history, a server over it, and what can be asked of that.
pub struct Pages {
    site: Site,
    server: SocketAddr,
    addresses: Vec<String>,
    stop: watch::Sender<bool>,
    serving: tokio::task::JoinHandle<()>,
    written: (u32, u32),
    drained: u32,
    rounds: u32,
}

impl Pages {
    /// Writes the history.
    pub async fn open(bench: &Bench) -> Result<Self> {
        let site = bench.site().await?;
        let (history, backlog) = (bench.args.history, bench.args.backlog);
        eprintln!("writing a history of {history} final and {backlog} live jobs ...");
        let began = Instant::now();
        let mut writer = History::new(&site.store, &site.service).await?;
        let written = writer.write(history, backlog).await?;
        let (done, live) = written;
        eprintln!(
            "wrote {done} final and {live} live jobs in {:.0?}",
            began.elapsed()
        );
        let (stop, stopped) = watch::channel(false);
        let (server, serving) = serve(&site, stopped).await?;
        Ok(Self {
            addresses: addresses(&site.service).await?,
            site,
            server,
            stop,
            serving,
            written,
            drained: bench.args.jobs.saturating_mul(DRAIN_FACTOR).min(DRAINED),
            rounds: 0,
        })
    }

    /// Drain rates, without and with pages that are loaded; one after the other, each first in turn: what is left of one is
    /// there for both.
    async fn drains(&mut self) -> Result<[f64; 2]> {
        self.rounds += 1;
        let mut rates = [0.0; 2];
        for turn in 0..2 {
            let with_pages = (self.rounds + turn).is_multiple_of(2);
            let pages = with_pages.then_some((self.server, self.addresses.as_slice()));
            rates[usize::from(with_pages)] = drain(&self.site, self.drained, pages).await?;
        }
        Ok(rates)
    }
}

#[async_trait]
impl Measure for Pages {
    async fn round(&mut self) -> Result<Vec<Figure>> {
        let mut figures = Vec::new();
        for address in &self.addresses {
            let began = Instant::now();
            load(self.server, address).await?;
            figures.push(figure(address, began.elapsed().as_secs_f64() * 1e3));
        }
        let [alone, loaded] = self.drains().await?;
        figures.extend([
            figure(DRAIN_ALONE, alone),
            figure(DRAIN_LOADED, loaded),
            figure(DRAIN_RATIO, loaded / alone),
        ]);
        Ok(figures)
    }

    async fn finish(self: Box<Self>) -> Result<Map<String, Value>> {
        self.stop.send_replace(true);
        self.serving.await?;
        self.site.close().await;
        let (done, live) = self.written;
        let history = json!({ "final": done, "live": live });
        Ok([("history".to_owned(), history)].into_iter().collect())
    }
}

/// Fails where a load took too long, or loads cost a worker too much.
pub fn check(measures: &Value) -> Result<()> {
    let median = |value: &Value| value.get("median").and_then(Value::as_f64);
    let measures = measures.as_object().context("the measures are no object")?;
    let loads = measures.iter().filter(|(name, _)| name.starts_with('/'));
    let slow = loads.filter_map(|(name, value)| {
        let ms = median(value).filter(|ms| *ms > LOAD_MS_MAX)?;
        Some(format!("{name}: {ms:.0} ms"))
    });
    let slow: Vec<String> = slow.collect();
    if !slow.is_empty() {
        bail!("loads over {LOAD_MS_MAX} ms:\n{}", slow.join("\n"));
    }
    match measures.get(DRAIN_RATIO).and_then(median) {
        Some(ratio) if ratio < DRAIN_RATIO_MIN => bail!(
            "loading a page once a second left {ratio:.3} of the drain rate, under {DRAIN_RATIO_MIN}"
        ),
        _ => Ok(()),
    }
}

/// Serves the pages and the API, on a free port of this machine, until told to stop.
async fn serve(
    site: &Site,
    stopped: watch::Receiver<bool>,
) -> Result<(SocketAddr, tokio::task::JoinHandle<()>)> {
    let server = Server::bind(ServerConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        drain_timeout: site.config.worker.drain_timeout,
    })
    .await?;
    let address = server.address()?;
    let deployer = Deployer::new(site.sandbox.clone(), site.config.clone());
    let service = Service::new(Arc::clone(&site.store), site.config.ceiling.clone());
    let door = Door {
        service,
        is_loopback: true,
        metrics: Telemetry::start(None, "")?.metrics,
    };
    let router = api::router(door, deployer, stopped.clone())?;
    let serving = tokio::spawn(async move {
        let mut stopped = stopped;
        let stop = async move { drop(stopped.wait_for(|stopped| *stopped).await) };
        server.run(router, stop).await;
    });
    Ok((address, serving))
}

/// Loads something, whole.
async fn load(server: SocketAddr, address: &str) -> Result<()> {
    let mut stream = TcpStream::connect(server).await?;
    let request = format!("GET {address} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let status = answer.get(9..12).unwrap_or_default();
    if !matches!(status, b"200" | b"303") {
        let begin = String::from_utf8_lossy(&answer[..answer.len().min(2_000)]).into_owned();
        bail!("{address}: {begin}");
    }
    Ok(())
}

/// Lets a worker run jobs that do nothing. The rate, in jobs a second.
async fn drain(site: &Site, jobs: u32, pages: Option<(SocketAddr, &[String])>) -> Result<f64> {
    let before = site.tally();
    let mut wanted = Tally::default();
    let mut left = jobs;
    while left > 0 {
        let batch = left.min(STARTED);
        wanted = wanted + site.start(noops(batch)).await?;
        left -= batch;
    }
    let (stop, stopped) = oneshot::channel::<()>();
    let loader = pages.map(|(server, addresses)| {
        let addresses = addresses.to_vec();
        tokio::spawn(async move {
            let mut interval = tokio::time::interval(LOAD_INTERVAL);
            let mut stopped = stopped;
            for address in addresses.iter().cycle() {
                tokio::select! {
                    _ = &mut stopped => break,
                    _ = interval.tick() => load(server, address).await?,
                }
            }
            anyhow::Ok(())
        })
    });
    let began = Instant::now();
    site.drain(&[PAUSED]).await?;
    let rate = f64::from(jobs) / began.elapsed().as_secs_f64();
    if let Some(loader) = loader {
        let _ = stop.send(());
        loader.await??;
    }
    site.check(before, wanted)?;
    Ok(rate)
}

/// Every page and every list, by all that they can be filtered by, and one of each thing that there is.
async fn addresses(service: &Service) -> Result<Vec<String>> {
    let mut all: Vec<String> = [
        "/",
        "/types",
        "/deployments",
        "/schedules",
        "/schedules/nightly-7",
        "/workers",
        "/tokens",
        "/login",
        "/search?q=noop",
        "/audit",
        "/audit?actor=operator-3",
        "/audit?action=roll-back",
        "/audit?subject=nobody",
        "/api/v1/audit",
        "/api/v1/audit?actor=nobody",
        "/api/v1/components",
        "/api/v1/deployments",
        "/api/v1/pauses",
        "/api/v1/replays",
        "/api/v1/schedules",
        "/api/v1/schedules/nightly-7",
        "/api/v1/sessions",
        "/api/v1/tokens",
        "/api/v1/types",
    ]
    .map(str::to_owned)
    .into();
    let types = ["noop", "echo", "fail", "work", "steps", PAUSED, "burn"];
    for name in types {
        all.push(format!("/types/{name}"));
        all.push(format!("/types/{name}/start"));
        all.push(format!("/api/v1/types/{name}"));
        all.push(format!("/api/v1/types/{name}/history"));
    }
    for prefix in ["", "/api/v1"] {
        all.extend(lists(prefix, &types));
    }
    all.extend(things(service).await?);
    Ok(all)
}

/// The lists of jobs, chains and dead letters, filtered in every way.
fn lists(prefix: &str, types: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    for list in ["jobs", "chains"] {
        let states = State::ALL.into_iter();
        let states = states.filter(|state| list == "jobs" || *state != State::Continued);
        for state in [None].into_iter().chain(states.map(Some)) {
            let state = state.map_or_else(String::new, |state| format!("state={state}"));
            all.push(format!("{prefix}/{list}?{state}"));
            let of_type = types.iter();
            all.extend(of_type.map(|name| format!("{prefix}/{list}?{state}&type={name}")));
        }
        all.push(format!("{prefix}/{list}?type=steps&key=key-1"));
        all.push(format!("{prefix}/{list}?type=steps&key=no-such-key"));
    }
    let rare = RARE.replace(' ', "%20");
    let texts = ["refused", rare.as_str(), "nobody%20ever%20said%20this"];
    for text in texts {
        for more in ["", "&type=fail", "&type=noop", "&state=cancelled"] {
            all.push(format!("{prefix}/dead-letters?message={text}{more}"));
            if prefix.is_empty() {
                all.push(format!("/jobs?error={text}{more}"));
            }
        }
    }
    for filter in [
        "",
        "state=cancelled",
        "type=fail",
        "type=noop",
        "outcome=trapped",
        "outcome=denied",
        "type=echo&outcome=trapped",
    ] {
        all.push(format!("{prefix}/dead-letters?{filter}"));
    }
    match prefix {
        "" => all.extend(["/jobs?since=15m", "/jobs?until=1m"].map(str::to_owned)),
        _ => {
            for list in ["jobs", "chains", "dead-letters"] {
                let since = "2026-01-01T00:00:00Z";
                all.push(format!("{prefix}/{list}?since={since}&limit=500"));
                all.push(format!("{prefix}/{list}?until={since}"));
            }
        }
    }
    all
}

/// One of each thing.
async fn things(service: &Service) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for state in State::ALL {
        let query = JobQuery {
            state: Some(state),
            limit: 1,
            ..JobQuery::default()
        };
        let jobs = service.jobs(&query).await?;
        let job = jobs.first();
        let job = job.with_context(|| format!("the history has no job that is {state}"))?;
        all.push(format!("/jobs/{}", job.id));
        all.push(format!("/chains/{}", job.chain_id));
        all.push(format!("/api/v1/chains/{}", job.chain_id));
        for part in ["", "/attempts", "/explain", "/logs"] {
            all.push(format!("/api/v1/jobs/{}{part}", job.id));
        }
        if matches!(state, State::Discarded | State::Cancelled) {
            all.push(format!("/api/v1/dead-letters/{}", job.id));
        }
    }
    let steps = ChainQuery {
        type_name: Some("steps".parse()?),
        limit: 1,
        ..ChainQuery::default()
    };
    for chain in service.chains(&steps).await? {
        all.push(format!("/chains/{}", chain.id));
    }
    for deployment in service.deployments(1).await? {
        let id = deployment.id;
        all.push(format!("/deployments/{id}"));
        all.push(format!("/api/v1/deployments/{id}"));
        all.push(format!("/api/v1/deployments/{id}/diff"));
    }
    for replay in service.replays(None, 1).await? {
        all.push(format!("/replays/{}", replay.id));
        all.push(format!("/api/v1/replays/{}", replay.id));
        all.push(format!("/api/v1/replays/{}/jobs", replay.id));
    }
    for component in service.components().await? {
        all.push(format!("/api/v1/components/{}", component.digest));
    }
    Ok(all)
}
