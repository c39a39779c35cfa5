//! A place to measure: a database of its own, with the component deployed, and what works on it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hardstop::deploy::{self, ManifestFile};
use hardstop::telemetry::Telemetry;
use hardstop::{Config, Loader, Service, StartRequest, Worker};
use hardstop_domain::{ChainId, JobId, Keep, State, TypeId};
use hardstop_sandbox::Sandbox;
use hardstop_store::{ConnectOptions, JOB_QUERY_LIMIT_MAX, JobQuery, JobSummary, Store};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::consumption::CpuTime;
use crate::database::{Database, Raw};
use crate::measure::{Figure, figure};
use crate::tally::{Counted, Tally};

/// The type that does nothing.
pub const NOOP: &str = "noop";
/// The manifest of the component that is run.
const MANIFEST: &str = "tests/guests/plain";
/// How often to look whether all is done. Each look costs the worker something.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// Where nothing has ended for so long, something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// The component, as bytes.
pub fn component(config: &Config) -> Result<(ManifestFile, Vec<u8>)> {
    let file = ManifestFile::read(Path::new(MANIFEST))?;
    let bytes = file.read_component(config.component_bytes_max)?;
    Ok((file, bytes.context("the manifest names no component")?))
}

/// A database with everything deployed.
pub struct Site {
    pub config: Config,
    pub store: Arc<dyn Store>,
    pub service: Service,
    pub sandbox: Sandbox,
    database: Database,
    executor: Arc<Counted>,
}

impl Site {
    /// Migrates the database and deploys the component, with types of which these jobs are kept.
    pub async fn new(
        database: Database,
        config: &Config,
        sandbox: &Sandbox,
        keep: Keep,
    ) -> Result<Self> {
        let site = Self::open(database, config, sandbox).await?;
        site.store.migrate().await?;
        let (file, bytes) = component(config)?;
        let mut verified = deploy::verify(&file, Some(bytes), sandbox, config).await?;
        for spec in &mut verified.types {
            spec.keep = keep;
        }
        site.service.deploy(verified).await?;
        Ok(site)
    }

    /// Opens a database that is ready.
    pub async fn open(database: Database, config: &Config, sandbox: &Sandbox) -> Result<Self> {
        let options = ConnectOptions {
            create: true,
            ..ConnectOptions::default()
        };
        let store = hardstop_store::connect(&database.url, &options).await?;
        let loader = Loader::new(Arc::clone(&store), sandbox.clone());
        Ok(Self {
            config: Config {
                database_url: database.url.clone(),
                ..config.clone()
            },
            service: Service::new(Arc::clone(&store), config.ceiling.clone()),
            sandbox: sandbox.clone(),
            executor: Arc::new(Counted::new(loader)),
            store,
            database,
        })
    }

    /// The same database over another address.
    pub async fn by(&self, url: String) -> Result<Self> {
        let database = Database {
            url,
            ..self.database.clone()
        };
        Self::open(database, &self.config, &self.sandbox).await
    }

    /// The database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// A connection to the database without Hardstop.
    pub async fn raw(&self) -> Result<Raw> {
        self.database.connect().await
    }

    /// Closes the database.
    pub async fn close(&self) {
        self.service.close().await;
    }

    /// Starts jobs, and says what running each of them once comes to.
    pub async fn start(&self, requests: Vec<StartRequest>) -> Result<Tally> {
        let started = self.service.start_many(requests).await?;
        // The first job of a chain has its id.
        let jobs = started.iter().map(|started| JobId(started.chain_id.0));
        Ok(Tally::once(jobs))
    }

    /// Starts jobs, and tells their chains.
    pub async fn start_chains(&self, requests: Vec<StartRequest>) -> Result<Vec<ChainId>> {
        let started = self.service.start_many(requests).await?;
        Ok(started.iter().map(|started| started.chain_id).collect())
    }

    /// What this process has run here so far.
    pub fn tally(&self) -> Tally {
        self.executor.tally()
    }

    /// A worker, to be run.
    pub fn worker(&self) -> Result<Worker> {
        Ok(Worker {
            store: Arc::clone(&self.store),
            executor: Arc::clone(&self.executor) as Arc<_>,
            ceiling: self.config.ceiling.clone(),
            config: self.config.worker.clone(),
            host: "bench".to_owned(),
            telemetry: Telemetry::start(None, "")?,
        })
    }

    /// Lets a worker run until no job is ready or running, but those of the types that are `beside`.
    pub async fn drain(&self, beside: &[&str]) -> Result<()> {
        let mut outcome = Ok(());
        let done = async { outcome = self.wait_until_empty(beside, || self.tally()).await };
        self.worker()?.run(done).await?;
        outcome
    }

    /// Waits until no job is ready or running, but those of the types that are `beside`; as long as there is progress.
    pub async fn wait_until_empty<P: PartialEq>(
        &self,
        beside: &[&str],
        progress: impl Fn() -> P,
    ) -> Result<()> {
        let mut last = (None, Instant::now());
        loop {
            let left = self.unfinished(beside).await?;
            if left == 0 {
                return Ok(());
            }
            let now = Some((left, progress()));
            if now != last.0 {
                last = (now, Instant::now());
            } else if last.1.elapsed() > PATIENCE {
                bail!("nothing ended for {PATIENCE:?}, and {left} jobs are ready or running");
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// How many jobs are ready or running. By the counters: to list jobs would cost the more, the more wait.
    pub async fn unfinished(&self, beside: &[&str]) -> Result<u64> {
        let counts = self.service.counts().await?;
        let unfinished = counts.iter().filter(|count| {
            matches!(count.state, State::Ready | State::Running)
                && !beside.contains(&count.type_name.as_str())
        });
        Ok(unfinished.map(|count| count.count).sum())
    }

    /// A worker that works in the background.
    pub fn work(&self) -> Result<Working> {
        let (stop, stopped) = oneshot::channel::<()>();
        let worker = self.worker()?;
        let running = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            worker.run(stopped).await?;
            anyhow::Ok(())
        });
        Ok(Working { stop, running })
    }

    /// Fails where jobs were lost, ran twice or ran outside the sandbox since the tally was `before`.
    pub fn check(&self, before: Tally, wanted: Tally) -> Result<()> {
        match (self.tally() - before).fault(wanted) {
            None => Ok(()),
            Some(fault) => bail!("{fault}"),
        }
    }

    /// Fails where any job is there.
    pub async fn check_none_left(&self) -> Result<()> {
        let query = JobQuery {
            limit: 1,
            ..JobQuery::default()
        };
        match self.service.jobs(&query).await?.first() {
            None => Ok(()),
            Some(job) => bail!(
                "job {} is {}, and nothing was to be left of it",
                job.id,
                job.state
            ),
        }
    }

    /// Fails unless each of so many jobs that were started last is there, completed.
    pub async fn check_completed(&self, newest: usize) -> Result<()> {
        self.check_states(newest, &[State::Completed]).await
    }

    /// The same of jobs of which some name a next one.
    pub async fn check_completed_or_continued(&self, newest: usize) -> Result<()> {
        let states = [State::Completed, State::Continued];
        self.check_states(newest, &states).await
    }

    async fn check_states(&self, newest: usize, states: &[State]) -> Result<()> {
        let jobs = self.newest(newest).await?;
        match jobs.iter().find(|job| !states.contains(&job.state)) {
            Some(bad) => bail!("job {} is {}", bad.id, bad.state),
            None => Ok(()),
        }
    }

    /// So many jobs that were started last. Fails where there are fewer.
    pub async fn newest(&self, count: usize) -> Result<Vec<JobSummary>> {
        let mut jobs = Vec::new();
        let mut query = JobQuery {
            limit: JOB_QUERY_LIMIT_MAX,
            ..JobQuery::default()
        };
        while jobs.len() < count {
            let page = self.service.jobs(&query).await?;
            let Some(last) = page.last() else {
                bail!("{} jobs are missing", count - jobs.len())
            };
            query.before = Some(last.id);
            jobs.extend(page);
        }
        jobs.truncate(count);
        Ok(jobs)
    }

    /// The number of a type.
    pub async fn type_id(&self, name: &str) -> Result<TypeId> {
        let types = self.store.types().await?;
        let found = types
            .iter()
            .find(|active| active.spec.name.as_str() == name);
        let found = found.with_context(|| format!("the type {name} is not deployed"))?;
        Ok(found.id)
    }
}

/// A worker that works in the background.
pub struct Working {
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<()>>,
}

impl Working {
    /// Drains it.
    pub async fn stop(self) -> Result<()> {
        let _ = self.stop.send(());
        self.running.await?
    }
}

/// A start with this input.
pub fn request(type_name: &str, input: impl Into<String>) -> StartRequest {
    StartRequest {
        type_name: type_name.to_owned(),
        input: input.into(),
        ..StartRequest::default()
    }
}

/// So many starts of the type that does nothing.
pub fn noops(count: u32) -> Vec<StartRequest> {
    vec![request(NOOP, "{}"); count as usize]
}

/// What some jobs took: time, CPU time, and bytes of the log.
pub struct Meter {
    began: Instant,
    cpu: CpuTime,
    logged: f64,
    raw: Raw,
}

impl Meter {
    /// From now on.
    pub async fn start(site: &Site) -> Result<Self> {
        let mut raw = site.raw().await?;
        let logged = raw.logged_bytes().await?;
        Ok(Self {
            logged,
            raw,
            cpu: CpuTime::now(),
            began: Instant::now(),
        })
    }

    /// Up to now, by so many jobs.
    pub async fn stop(mut self, jobs: u64) -> Result<Vec<Figure>> {
        let elapsed = self.began.elapsed();
        let mut figures = vec![figure("jobs_per_s", jobs as f64 / elapsed.as_secs_f64())];
        figures.extend(CpuTime::per_job(self.cpu, jobs));
        let logged = self.raw.logged_bytes().await? - self.logged;
        figures.push(figure(self.raw.logged_name(), logged / jobs as f64));
        Ok(figures)
    }
}

/// The rate among some figures.
pub fn rate_of(figures: &[Figure]) -> f64 {
    let rate = figures.iter().find(|(name, _)| name == "jobs_per_s");
    rate.map_or(f64::NAN, |(_, rate)| *rate)
}
