//! One episode: workers that come and go, people that start, cancel and retry, and at the end some rest, in which
//! everything must come to its end.

use std::hash::Hasher as _;
use std::ops::AddAssign;
use std::sync::Arc;
use std::time::Duration;

use hardstop::Worker;
use hardstop::config::WorkerConfig;
use hardstop::telemetry::Telemetry;
use hardstop_domain::*;
use hardstop_simulation::Model;
use hardstop_store::{Store as _, StoreError};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::check::Asked;
use super::executor::{Guests, new_job};
use super::store::FaultyStore;
use super::world::{Faults, Process, Sabotage, State_, World, types};

/// What an episode saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    pub episodes: u64,
    pub virtual_hours: u64,
    pub jobs: u64,
    pub operations: u64,
    pub deaths: u64,
    pub rescued: u64,
    pub lost_replies: u64,
    trace: u64,
}

impl AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.episodes += other.episodes;
        self.virtual_hours += other.virtual_hours;
        self.jobs += other.jobs;
        self.operations += other.operations;
        self.deaths += other.deaths;
        self.rescued += other.rescued;
        self.lost_replies += other.lost_replies;
        self.trace ^= other.trace;
    }
}

/// Runs the episode of a seed. An error is the invariant that was broken.
pub fn run(seed: u64, sabotage: Option<Sabotage>) -> Result<Summary, String> {
    // The worker's own jitter.
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(episode(seed, sabotage))
}

/// How people and workers behave in one episode.
struct Manners {
    workers: usize,
    concurrency: u32,
    lease_duration: Duration,
    poll_interval: Duration,
    hours: u64,
    pause_s: u64,
}

struct Stage {
    world: World,
    manners: Manners,
    /// Each process that runs, with what tells it to end.
    running: Vec<(usize, oneshot::Sender<()>)>,
    deaths: u64,
}

async fn episode(seed: u64, sabotage: Option<Sabotage>) -> Result<Summary, String> {
    let began = Instant::now();
    let named = types().map(|(name, id)| (name.parse().unwrap(), id));
    let world = World::new(seed, sabotage, Model::new(named));
    let manners = {
        let rng = &mut world.lock().rng;
        Manners {
            workers: rng.usize(2..6),
            concurrency: rng.u32(1..6),
            lease_duration: Duration::from_millis(rng.u64(2_000..20_000)),
            poll_interval: Duration::from_secs([1, 5, 30][rng.usize(0..3)]),
            hours: rng.u64(1..3),
            pause_s: rng.u64(5..40),
        }
    };
    let end = began + Duration::from_secs(manners.hours * 3_600);
    // The people: a process of their own, which does not die.
    world.lock().processes.push(Process {
        alive: true,
        ..Process::default()
    });
    let mut stage = Stage {
        world: world.clone(),
        manners,
        running: Vec::new(),
        deaths: 0,
    };
    while Instant::now() < end {
        stage.act().await;
        let pause = world.lock().rng.u64(0..stage.manners.pause_s * 2_000);
        sleep(Duration::from_millis(pause)).await;
        if let Some(violation) = world.lock().violation.take() {
            return Err(violation);
        }
    }
    stage.rest().await?;
    let world = world.lock();
    Ok(Summary {
        episodes: 1,
        virtual_hours: began.elapsed().as_secs() / 3_600,
        jobs: world.model.jobs.len() as u64,
        operations: world.operations,
        deaths: stage.deaths,
        rescued: world.rescued,
        lost_replies: world.lost_replies,
        trace: world.trace.finish(),
    })
}

impl Stage {
    /// Something happens.
    async fn act(&mut self) {
        self.bury();
        while self.running.len() < self.manners.workers {
            self.start_worker();
        }
        let what = self.world.lock().rng.u32(0..100);
        match what {
            0..60 => self.start_chains(),
            60..68 => {
                self.on_a_job(|people, job| async move { people.cancel(job).await.map(drop) })
            }
            68..76 => self.on_a_job(|people, job| async move { people.retry(job).await.map(drop) }),
            76..84 => self.kill_one(),
            84..87 => self.end_one(),
            87..92 => {
                let mut world = self.world.lock();
                let lasts = Duration::from_millis(world.rng.u64(100..90_000));
                world.faults.away_until = Some(Instant::now() + lasts);
            }
            _ => {
                let mut world = self.world.lock();
                let faults = Faults {
                    fail_before: world.rng.u32(0..100),
                    lose_reply: world.rng.u32(0..60),
                    slow: world.rng.u32(0..200),
                    lose_wake: world.rng.u32(0..500),
                    double_wake: world.rng.u32(0..300),
                    ..world.faults
                };
                world.faults = faults;
            }
        }
    }

    /// All faults end; what is blocked for good is cancelled; everything else must finish.
    async fn rest(&mut self) -> Result<(), String> {
        self.world.lock().faults = Faults::default();
        // One worker with one slot may have a day's work before it; so this is from one end of a job to the next.
        let patience = Duration::from_secs(12 * 3_600);
        let (mut fewest, mut limit) = (usize::MAX, Instant::now());
        loop {
            self.bury();
            if self.running.is_empty() {
                self.start_worker();
            }
            sleep(Duration::from_secs(60)).await;
            let mut world = self.world.lock();
            if let Some(violation) = world.violation.take() {
                return Err(violation);
            }
            let live = world.model.live().count();
            if live < fewest {
                (fewest, limit) = (live, Instant::now() + patience);
            }
            if live == 0 || Instant::now() > limit {
                break;
            }
            if let Some(job) = held_for_good(&world.model) {
                world.operate(&Asked::Cancel, |model| model.cancel(job), |_| true);
            }
        }
        let world = self.world.lock();
        world.checker.end(&world.model)
    }

    fn people(&self) -> FaultyStore {
        FaultyStore {
            world: self.world.clone(),
            process: 0,
        }
    }

    /// Forgets processes that have ended by themselves.
    fn bury(&mut self) {
        let world = self.world.lock();
        self.running
            .retain(|(process, _)| world.processes[*process].alive);
    }

    fn start_worker(&mut self) {
        let process = {
            let mut world = self.world.lock();
            world.processes.push(Process {
                alive: true,
                ..Process::default()
            });
            world.processes.len() - 1
        };
        let worker = Worker {
            store: Arc::new(FaultyStore {
                world: self.world.clone(),
                process,
            }),
            executor: Arc::new(Guests {
                world: self.world.clone(),
                process,
            }),
            ceiling: Limits::default_ceiling(),
            config: WorkerConfig {
                concurrency: self.manners.concurrency,
                lease_duration: self.manners.lease_duration,
                poll_interval: self.manners.poll_interval,
                drain_timeout: Duration::from_secs(3),
                // Whatever machine this is.
                memory_budget: Some(1 << 40),
                ..WorkerConfig::default()
            },
            host: format!("process {process}"),
            telemetry: Telemetry::start(None, "").expect("telemetry"),
        };
        let (end, ended) = oneshot::channel();
        self.running.push((process, end));
        let world = self.world.clone();
        tokio::spawn(async move {
            let _ = worker
                .run(async {
                    let _ = ended.await;
                })
                .await;
            world.kill(process);
        });
    }

    /// One process dies, wherever it is.
    fn kill_one(&mut self) {
        let victim = self.world.lock().rng.usize(0..self.running.len());
        // What would tell it to end is kept: a dead process hears nothing.
        let (process, end) = self.running.swap_remove(victim);
        self.world.kill(process);
        std::mem::forget(end);
        self.deaths += 1;
    }

    /// One process is told to end.
    fn end_one(&mut self) {
        let one = self.world.lock().rng.usize(0..self.running.len());
        let (_, end) = self.running.swap_remove(one);
        let _ = end.send(());
    }

    fn start_chains(&self) {
        let chains = batch(&mut self.world.lock());
        let people = self.people();
        tokio::spawn(async move {
            // Whoever does not know whether chains were started starts them again.
            loop {
                match people.enqueue(&chains).await {
                    Err(error) if error.is_transient() => sleep(Duration::from_secs(1)).await,
                    Ok(_) | Err(StoreError::DuplicateJob(_)) => return,
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }

    fn on_a_job<F>(&self, what: impl FnOnce(FaultyStore, JobId) -> F)
    where
        F: Future<Output = Result<(), StoreError>> + Send + 'static,
    {
        let job = {
            let mut world = self.world.lock();
            let many = world.model.jobs.len().min(20);
            if many == 0 {
                return;
            }
            let back = world.rng.usize(0..many);
            *world.model.jobs.keys().nth_back(back).unwrap()
        };
        tokio::spawn(what(self.people(), job));
    }
}

/// A job that waits for a chain which failed, and holds.
fn held_for_good(model: &Model) -> Option<JobId> {
    let failed = |chain: ChainId| {
        !model.is_open(chain)
            && model
                .tail(chain)
                .is_some_and(|job| job.state != State::Completed)
    };
    let holds = |job: &&hardstop_simulation::Job| {
        job.state == State::Blocked
            && job
                .blockers
                .iter()
                .any(|b| b.closed_by.is_none() && failed(b.chain))
    };
    model.live().find(holds).map(|job| job.id)
}

/// Some chains that are started together.
fn batch(world: &mut State_) -> Vec<NewChain> {
    let mut chains: Vec<NewChain> = Vec::new();
    for _ in 0..world.rng.u32(1..6) {
        let mut chain = NewChain::new(new_job(world));
        let job = &mut chain.first;
        job.priority = Some(world.rng.i16(-2..3));
        if world.chance(200) {
            job.delay_ms = world.rng.u64(0..1_800_000);
        }
        for _ in 0..world.rng.u32(0..4) {
            let known = world.model.chains.len().min(10);
            let blocker = match world.chance(500) {
                true if !chains.is_empty() => Some(chains[world.rng.usize(0..chains.len())].id()),
                _ if known > 0 => {
                    let back = world.rng.usize(0..known);
                    world.model.chains.keys().nth_back(back).copied()
                }
                _ => None,
            };
            chain.first.blockers.extend(blocker);
        }
        chain.first.on_blocker_failure = [
            OnBlockerFailure::Cancel,
            OnBlockerFailure::Run,
            OnBlockerFailure::Hold,
        ][world.rng.usize(0..3)];
        if world.chance(200) {
            let key = format!("key-{}", world.rng.u32(0..3));
            let scope = match world.rng.bool() {
                true => DedupScope::Open,
                false => DedupScope::Any { window_ms: 60_000 },
            };
            chain.dedup = Some(Dedup { key, scope });
        }
        chains.push(chain);
    }
    chains
}
