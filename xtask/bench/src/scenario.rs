//! What is measured, and how.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use hardstop::deploy::{self, ManifestFile};
use hardstop::service::StartRequest;
use hardstop::{Config, Loader, Service, Worker};
use hardstop_domain::State;
use hardstop_sandbox::Sandbox;
use hardstop_store::{ConnectOptions, JobQuery, Store};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::measure::Samples;
use crate::{Scenario, cycle, stop};

/// Starts one at a time in a repetition.
const SINGLE_STARTS: usize = 500;
/// Pickups in a repetition.
const PICKUPS: usize = 100;
/// The manifest of the component that is run.
const MANIFEST: &str = "tests/guests/plain";

/// A database, a deployed component, and a sandbox to run it in.
pub struct Bench {
    config: Config,
    store: Arc<dyn Store>,
    service: Service,
    sandbox: Sandbox,
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
    pub async fn measure(&self, scenario: Scenario, repeat: u32) -> Result<Value> {
        match scenario {
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
        let mut first = Samples::default();
        let mut second = Samples::default();
        for round in 0..=repeat {
            let (a, b) = match scenario {
                Scenario::EnqueueSingle => (self.enqueue_single().await?, 0.0),
                Scenario::EnqueueBatch => (self.enqueue_batch().await?, 0.0),
                Scenario::Drain => (self.drain().await?, 0.0),
                Scenario::Pickup => self.pickup().await?,
                // Measured above.
                Scenario::Sandbox | Scenario::Stop => (0.0, 0.0),
            };
            if round > 0 {
                first.0.push(a);
                second.0.push(b);
            }
        }
        Ok(match scenario {
            Scenario::EnqueueSingle | Scenario::EnqueueBatch | Scenario::Drain => {
                json!({ "jobs_per_s": first.to_json() })
            }
            Scenario::Pickup => json!({ "p50_ms": first.to_json(), "p99_ms": second.to_json() }),
            Scenario::Sandbox | Scenario::Stop => Value::Null,
        })
    }

    fn noop(&self) -> StartRequest {
        request("noop")
    }

    async fn enqueue_single(&self) -> Result<f64> {
        let began = Instant::now();
        for _ in 0..SINGLE_STARTS {
            self.service.start(self.noop()).await?;
        }
        let rate = SINGLE_STARTS as f64 / began.elapsed().as_secs_f64();
        self.empty().await?;
        Ok(rate)
    }

    async fn enqueue_batch(&self) -> Result<f64> {
        let requests = vec![self.noop(); self.jobs as usize];
        let began = Instant::now();
        self.service.start_many(requests).await?;
        let rate = f64::from(self.jobs) / began.elapsed().as_secs_f64();
        self.empty().await?;
        Ok(rate)
    }

    /// Starts the jobs, then a worker, and takes the time from the worker's first claim on to the
    /// last job's end.
    async fn drain(&self) -> Result<f64> {
        let newest = self
            .service
            .start_many(vec![self.noop(); self.jobs as usize])
            .await?;
        let began = Instant::now();
        self.work_until_empty().await?;
        let rate = f64::from(self.jobs) / began.elapsed().as_secs_f64();
        // Nothing lost, nothing failed: each of them is there, completed.
        let mut done = 0;
        let mut query = JobQuery {
            limit: 1_000,
            ..JobQuery::default()
        };
        while done < newest.len() {
            let page = self.service.jobs(&query).await?;
            let Some(last) = page.last() else {
                bail!("{} jobs are missing", newest.len() - done)
            };
            query.before = Some(last.id);
            let wanted = (newest.len() - done).min(page.len());
            if let Some(bad) = page[..wanted]
                .iter()
                .find(|job| job.state != State::Completed)
            {
                bail!("job {} is {}", bad.id, bad.state);
            }
            done += wanted;
        }
        Ok(rate)
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
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        self.worker().run(empty).await?;
        Ok(())
    }

    fn worker(&self) -> Worker {
        Worker {
            store: Arc::clone(&self.store),
            executor: Arc::new(Loader::new(Arc::clone(&self.store), self.sandbox.clone())),
            ceiling: self.config.ceiling.clone(),
            config: self.config.worker.clone(),
            host: "bench".to_owned(),
        }
    }

    /// Starts one job after the other on an idle worker. Each returns the time at which its handler
    /// was entered. Median and 99th percentile, in milliseconds.
    async fn pickup(&self) -> Result<(f64, f64)> {
        let (stop, stopped) = oneshot::channel::<()>();
        let worker = self.worker();
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
        Ok((samples.percentile(0.5), samples.percentile(0.99)))
    }
}

fn request(name: &str) -> StartRequest {
    StartRequest {
        type_name: name.to_owned(),
        input: "{}".to_owned(),
        ..StartRequest::default()
    }
}
