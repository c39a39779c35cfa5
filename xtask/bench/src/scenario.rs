//! What is measured, and how.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use hardstop::deploy::{self, ManifestFile};
use hardstop::service::StartRequest;
use hardstop::telemetry::Telemetry;
use hardstop::{Config, Loader, Service, Worker};
use hardstop_domain::{LeaseToken, Next, OutcomeKind, State, TypeId, Usage};
use hardstop_sandbox::Sandbox;
use hardstop_store::{
    ClaimRequest, ClaimedJob, ConnectOptions, JobQuery, Settled, Settlement, Store,
};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::consumption::{CpuTime, resident_bytes};
use crate::measure::{Measures, Samples};
use crate::{Args, Scenario, cycle, page, stop};

/// Starts one at a time in a repetition, at the most.
const SINGLE_STARTS: u32 = 500;
/// What the statements alone claim and settle at once.
const STATEMENT_BATCH: u32 = 500;
/// The type that does nothing.
pub const NOOP: &str = "noop";
/// Pickups in a repetition.
const PICKUPS: usize = 100;
/// The manifest of the component that is run.
const MANIFEST: &str = "tests/guests/plain";

/// A measure's name and value.
type Figure = (&'static str, f64);

/// A database, a deployed component, and a sandbox to run it in.
pub struct Bench {
    pub config: Config,
    pub store: Arc<dyn Store>,
    pub service: Service,
    pub sandbox: Sandbox,
    wasm: Vec<u8>,
    jobs: u32,
}

impl Bench {
    /// Opens the database and deploys the component.
    pub async fn new(url: &str, jobs: u32, concurrency: u32) -> Result<Self> {
        let mut config = Config {
            database_url: url.to_owned(),
            ..Config::default()
        };
        config.worker.concurrency = concurrency;
        let options = ConnectOptions {
            create: true,
            ..ConnectOptions::default()
        };
        let store = hardstop_store::connect(url, &options).await?;
        store.migrate().await?;
        let service = Service::new(Arc::clone(&store), config.ceiling.clone());
        let sandbox = Sandbox::new(config.sandbox(concurrency))?;
        let file = ManifestFile::read(Path::new(MANIFEST))?;
        let bytes = file
            .read_component(config.component_bytes_max)?
            .unwrap_or_default();
        service
            .deploy(deploy::verify(&file, Some(bytes.clone()), &sandbox, &config).await?)
            .await?;
        Ok(Self {
            config,
            store,
            service,
            sandbox,
            wasm: bytes,
            jobs,
        })
    }

    /// What it runs on.
    pub async fn describe(&self) -> Result<String> {
        Ok(self.service.describe_store().await?)
    }

    /// Closes the database.
    pub async fn close(&self) {
        self.service.close().await;
    }

    /// Measures a scenario, after one warm-up.
    pub async fn measure(&self, scenario: Scenario, args: &Args) -> Result<Value> {
        let repeat = args.repeat;
        match scenario {
            Scenario::Pages => {
                return page::measure(self, args.history, args.backlog, repeat).await;
            }
            Scenario::Stop => {
                let config = self.config.sandbox(self.config.worker.concurrency);
                return stop::measure(config, &self.wasm, repeat).await;
            }
            Scenario::Sandbox => {
                let config = self.config.sandbox(self.config.worker.concurrency);
                return cycle::measure(config, &self.wasm, repeat).await;
            }
            _ => {}
        }
        let mut measures = Measures::default();
        for round in 0..=repeat {
            let values = match scenario {
                Scenario::StartSingle => self.start(1, self.jobs.min(SINGLE_STARTS)).await?,
                Scenario::StartBatch100 => self.start(100, self.jobs).await?,
                Scenario::StartBatch1000 => self.start(1_000, self.jobs).await?,
                Scenario::Drain => self.drain().await?,
                Scenario::Statements => self.statements().await?,
                Scenario::Pickup => self.pickup().await?,
                // Measured above.
                Scenario::Sandbox | Scenario::Stop | Scenario::Pages => Vec::new(),
            };
            if round > 0 {
                measures.add(values);
            }
        }
        Ok(measures.to_json())
    }

    fn noop(&self) -> StartRequest {
        request(NOOP)
    }

    /// Starts so many jobs, in batches of so many.
    async fn start(&self, batch: u32, jobs: u32) -> Result<Vec<Figure>> {
        let requests = vec![self.noop(); batch as usize];
        let before = CpuTime::now();
        let began = Instant::now();
        let mut started = 0;
        while started < jobs {
            match batch {
                1 => drop(self.service.start(self.noop()).await?),
                _ => drop(self.service.start_many(requests.clone()).await?),
            }
            started += batch;
        }
        let rate = f64::from(started) / began.elapsed().as_secs_f64();
        let cpu = CpuTime::per_job(before, started);
        self.empty().await?;
        Ok([("jobs_per_s", rate)].into_iter().chain(cpu).collect())
    }

    /// Starts the jobs, then a worker, and takes the time from the worker's first claim on to the
    /// last job's end.
    async fn drain(&self) -> Result<Vec<Figure>> {
        let newest = self.start_all().await?;
        let before = CpuTime::now();
        let began = Instant::now();
        self.work_until_empty().await?;
        let rate = f64::from(self.jobs) / began.elapsed().as_secs_f64();
        let cpu = CpuTime::per_job(before, self.jobs);
        self.check_completed(newest).await?;
        let rest = [("rss_mib", resident_bytes() / f64::from(1 << 20))];
        Ok([("jobs_per_s", rate)]
            .into_iter()
            .chain(cpu)
            .chain(rest)
            .collect())
    }

    async fn start_all(&self) -> Result<usize> {
        let requests = vec![self.noop(); self.jobs as usize];
        Ok(self.service.start_many(requests).await?.len())
    }

    /// Nothing lost, nothing failed: each of so many jobs that were started last is there, completed.
    async fn check_completed(&self, newest: usize) -> Result<()> {
        let mut done = 0;
        let mut query = JobQuery {
            limit: 1_000,
            ..JobQuery::default()
        };
        while done < newest {
            let page = self.service.jobs(&query).await?;
            let Some(last) = page.last() else {
                bail!("{} jobs are missing", newest - done)
            };
            query.before = Some(last.id);
            let wanted = (newest - done).min(page.len());
            if let Some(bad) = page[..wanted]
                .iter()
                .find(|job| job.state != State::Completed)
            {
                bail!("job {} is {}", bad.id, bad.state);
            }
            done += wanted;
        }
        Ok(())
    }

    /// The claims and settlements of a drain alone: nothing runs, and each job is said to have completed.
    async fn statements(&self) -> Result<Vec<Figure>> {
        let newest = self.start_all().await?;
        let type_id = self.noop_type().await?;
        let session = self
            .store
            .open_session("bench", Duration::from_secs(3_600), None)
            .await?;
        let before = CpuTime::now();
        let began = Instant::now();
        for batch in 0.. {
            let request = ClaimRequest {
                token: LeaseToken::new(session, batch),
                quotas: vec![(type_id, STATEMENT_BATCH)],
                total: STATEMENT_BATCH,
            };
            let claimed = self.store.claim(&request).await?;
            if claimed.is_empty() {
                break;
            }
            let settlements: Vec<Settlement> = claimed.iter().map(completed).collect();
            let settled = self.store.settle(&settlements).await?;
            if settled.iter().any(|settled| *settled != Settled::Written) {
                bail!("a settlement was not written");
            }
        }
        let rate = f64::from(self.jobs) / began.elapsed().as_secs_f64();
        let cpu = CpuTime::per_job(before, self.jobs);
        self.store.close_session(session).await?;
        self.check_completed(newest).await?;
        Ok([("jobs_per_s", rate)].into_iter().chain(cpu).collect())
    }

    async fn noop_type(&self) -> Result<TypeId> {
        let types = self.store.types().await?;
        let noop = types
            .iter()
            .find(|active| active.spec.name.as_str() == NOOP);
        Ok(noop.context("the no-op type is not deployed")?.id)
    }

    /// Jobs that other scenarios left behind must not be measured with the next one.
    async fn empty(&self) -> Result<()> {
        self.work_until_empty().await
    }

    async fn work_until_empty(&self) -> Result<()> {
        let empty = async {
            loop {
                let mut live = 0;
                for state in [State::Ready, State::Running] {
                    let query = JobQuery {
                        state: Some(state),
                        limit: 1,
                        ..JobQuery::default()
                    };
                    live += self.service.jobs(&query).await.map_or(1, |jobs| jobs.len());
                }
                if live == 0 {
                    return;
                }
                // Each look costs the worker something.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        self.worker()?.run(empty).await?;
        Ok(())
    }

    /// A worker, to be run.
    pub fn worker(&self) -> Result<Worker> {
        Ok(Worker {
            store: Arc::clone(&self.store),
            executor: Arc::new(Loader::new(Arc::clone(&self.store), self.sandbox.clone())),
            ceiling: self.config.ceiling.clone(),
            config: self.config.worker.clone(),
            host: "bench".to_owned(),
            telemetry: Telemetry::start(None, "")?,
        })
    }

    /// Starts one job after the other on an idle worker. Each returns the time at which its handler
    /// was entered. Median and 99th percentile, in milliseconds.
    async fn pickup(&self) -> Result<Vec<Figure>> {
        let (stop, stopped) = oneshot::channel::<()>();
        let worker = self.worker()?;
        let working = tokio::spawn(worker.run(async {
            let _ = stopped.await;
        }));
        let mut samples = Samples::default();
        for round in 0..=PICKUPS {
            let began = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros() as u64;
            let chain = self.service.start(request("clock")).await?;
            let job = self
                .service
                .wait_chain(chain.chain_id, Some(Duration::from_secs(10)))
                .await?;
            let output = job.output.context("the clock job failed")?;
            let entered: u64 = output
                .parse()
                .context("the clock job did not return a time")?;
            // The first one loads the component.
            if round > 0 {
                samples.0.push(entered.saturating_sub(began) as f64 / 1e3);
            }
            // Until the worker is idle again.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let _ = stop.send(());
        working.await??;
        Ok(vec![
            ("p50_ms", samples.percentile(0.5)),
            ("p99_ms", samples.percentile(0.99)),
        ])
    }
}

/// What a no-op job comes to.
fn completed(job: &ClaimedJob) -> Settlement {
    Settlement {
        job: job.id,
        token: job.token,
        next: Next::Complete {
            output: "null".to_owned(),
        },
        outcome: OutcomeKind::Completed,
        failure: None,
        usage: Usage::default(),
        deployment: None,
        log: Vec::new(),
        progress: None,
        children: Vec::new(),
        lineage: job.lineage,
        descendants_max: 0,
    }
}

fn request(name: &str) -> StartRequest {
    StartRequest {
        type_name: name.to_owned(),
        input: "{}".to_owned(),
        ..StartRequest::default()
    }
}
