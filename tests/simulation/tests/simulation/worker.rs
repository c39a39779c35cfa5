//! One worker, one fault, and what it must come to. The clock is simulated; nothing is left to chance but latency of
//! milliseconds.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use hardstop::config::WorkerConfig;
use hardstop::telemetry::Telemetry;
use hardstop::{Execute, Loader, Worker};
use hardstop_domain::*;
use hardstop_sandbox::{Attempt, FileTree, Occupancy, Sandbox, SandboxConfig, Stop, StopSignal};
use hardstop_simulation::Model;
use hardstop_store::Store as _;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::executor::{failed, new_job};
use super::store::FaultyStore;
use super::world::{Faults, Process, World, types};

/// Guests whose host panics at the first attempt. They complete at the next.
struct Panicking;

#[async_trait]
impl Execute for Panicking {
    async fn execute(&self, _: Digest, _: &Files, attempt: Attempt) -> Report {
        assert!(attempt.number > 1, "simulated");
        Report {
            outcome: Outcome::Completed {
                output: "{}".to_owned(),
            },
            ..failed(OutcomeKind::Lost)
        }
    }

    fn retain(&self, _: &BTreeSet<Digest>) {}

    fn occupancy(&self) -> Occupancy {
        Occupancy::default()
    }
}

/// Guests that go on until they are stopped, and say so.
struct Endless(UnboundedSender<(Stop, Instant)>);

#[async_trait]
impl Execute for Endless {
    async fn execute(&self, _: Digest, _: &Files, attempt: Attempt) -> Report {
        let stop = attempt.stop.raised().await;
        let _ = self.0.send((stop, Instant::now()));
        failed(OutcomeKind::Cancelled)
    }

    fn retain(&self, _: &BTreeSet<Digest>) {}

    fn occupancy(&self) -> Occupancy {
        Occupancy::default()
    }
}

/// Guests that take 5 ms each, up to so many; those after go on until they are stopped.
struct ShortThenEndless(AtomicU32);

#[async_trait]
impl Execute for ShortThenEndless {
    async fn execute(&self, _: Digest, _: &Files, attempt: Attempt) -> Report {
        let is_short = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            })
            .is_ok();
        if is_short {
            sleep(Duration::from_millis(5)).await;
            return Report {
                outcome: Outcome::Completed {
                    output: "{}".to_owned(),
                },
                ..failed(OutcomeKind::Lost)
            };
        }
        match attempt.stop.raised().await {
            Stop::Cancelled => failed(OutcomeKind::Cancelled),
            Stop::Interrupted => failed(OutcomeKind::Interrupted),
        }
    }

    fn retain(&self, _: &BTreeSet<Digest>) {}

    fn occupancy(&self) -> Occupancy {
        Occupancy::default()
    }
}

/// A worker with room for one attempt at a time, and one job to run.
struct Scene {
    world: World,
    people: FaultyStore,
    job: JobId,
}

/// A world of two processes.
fn world(seed: u64, faults: Faults) -> World {
    let named = types().map(|(name, id)| (name.parse().unwrap(), id));
    let world = World::new(seed, None, Model::new(named));
    let alive = || Process {
        alive: true,
        ..Process::default()
    };
    world.lock().processes = vec![alive(), alive()];
    world.lock().faults = faults;
    world
}

impl Scene {
    async fn begin(executor: impl Execute, faults: Faults) -> Self {
        let world = world(1, faults);
        let store = |process| FaultyStore {
            world: world.clone(),
            process,
        };
        let first = new_job(&mut world.lock());
        let job = first.id;
        let people = store(0);
        people.enqueue(&[NewChain::new(first)]).await.unwrap();
        let worker = Worker {
            store: Arc::new(store(1)),
            executor: Arc::new(executor),
            ceiling: Limits::default_ceiling(),
            config: WorkerConfig {
                concurrency: 1,
                lease_duration: Duration::from_secs(60),
                memory_budget: Some(Limits::default().memory_bytes_max * 3 / 2),
                ..WorkerConfig::default()
            },
            host: "one".to_owned(),
            telemetry: Telemetry::start(None, "").expect("telemetry"),
        };
        tokio::spawn(worker.run(std::future::pending()));
        Self { world, people, job }
    }

    fn state(&self) -> State {
        self.world.lock().model.jobs[&self.job].state
    }

    async fn wait_state(&self, state: State) {
        let reached = async {
            while self.state() != state {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let reached = timeout(Duration::from_secs(3_600), reached).await;
        assert!(reached.is_ok(), "{state:?} is wanted: {:?}", self.state());
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_host_is_a_failed_attempt_and_frees_slot_and_memory() {
    let scene = Scene::begin(Panicking, Faults::default()).await;
    scene.wait_state(State::Completed).await;
    let world = scene.world.lock();
    let job = &world.model.jobs[&scene.job];
    assert_eq!((job.attempt, job.rescues), (2, 0), "{job:?}");
}

/// How many jobs are in a state.
fn count(world: &World, state: State) -> usize {
    let world = world.lock();
    let jobs = world.model.jobs.values();
    jobs.filter(|job| job.state == state).count()
}

#[tokio::test(start_paused = true)]
async fn what_was_claimed_ahead_is_given_back_where_no_slot_comes_free_and_when_the_worker_drains()
{
    const SHORT: u32 = 400;
    const ALL: usize = 600;
    let world = world(1, Faults::default());
    let store = |process| FaultyStore {
        world: world.clone(),
        process,
    };
    let chains: Vec<_> = (0..ALL)
        .map(|_| {
            let mut job = new_job(&mut world.lock());
            let (name, _) = types().next().unwrap();
            (job.type_name, job.delay_ms) = (name.parse().unwrap(), 0);
            NewChain::new(job)
        })
        .collect();
    store(0).enqueue(&chains).await.unwrap();
    let worker = Worker {
        store: Arc::new(store(1)),
        executor: Arc::new(ShortThenEndless(AtomicU32::new(SHORT))),
        ceiling: Limits::default_ceiling(),
        config: WorkerConfig {
            concurrency: 2,
            ..WorkerConfig::default()
        },
        host: "one".to_owned(),
        telemetry: Telemetry::start(None, "").expect("telemetry"),
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let working = tokio::spawn(worker.run(async {
        let _ = stopped.await;
    }));
    let mut most = 0;
    let settled = async {
        while count(&world, State::Completed) < SHORT as usize {
            most = most.max(count(&world, State::Running));
            sleep(Duration::from_millis(1)).await;
        }
        // Held by the worker, beside the two that run.
        while count(&world, State::Running) != 2 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(60), settled).await.unwrap();
    assert!(most > 4, "no more than {most} were claimed at once");
    assert_eq!(count(&world, State::Ready), ALL - SHORT as usize - 2);
    let counted = |state| {
        let world = world.lock();
        let jobs = world.model.jobs.values().filter(|job| job.state == state);
        jobs.map(|job| job.attempt).max()
    };
    assert_eq!(counted(State::Ready), Some(0), "not counted");

    let _ = stop.send(());
    let drained = working.await.unwrap().unwrap();
    assert_eq!(drained.interrupted, 2);
    assert_eq!(count(&world, State::Running), 0);
    assert_eq!(counted(State::Ready), Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_cancel_before_the_claim_is_answered_stops_the_guest_at_once() {
    let (sender, mut stopped) = mpsc::unbounded_channel();
    let faults = Faults {
        late_claims: Duration::from_secs(2),
        ..Faults::default()
    };
    let scene = Scene::begin(Endless(sender), faults).await;
    scene.wait_state(State::Running).await;
    scene.people.cancel(scene.job).await.unwrap();
    let cancelled_at = Instant::now();
    let (stop, at) = stopped.recv().await.unwrap();
    assert_eq!(stop, Stop::Cancelled);
    // The claim's answer is two seconds late; the next heartbeat would be twenty.
    let after = at - cancelled_at;
    assert!(after < Duration::from_secs(5), "stopped after {after:?}");
}

fn attempt(stop: StopSignal) -> Attempt {
    Attempt {
        job: JobId(Uuid::nil()),
        chain: ChainId(Uuid::nil()),
        type_name: "a".parse().unwrap(),
        number: 1,
        attempts_left: 1,
        input: "{}".to_owned(),
        blockers: Vec::new(),
        lineage: Lineage::root(ChainId(Uuid::nil())),
        descendants: 0,
        trace_parent: None,
        limits: Limits::default(),
        capabilities: Capabilities::default(),
        command: Command::default(),
        files: FileTree::default(),
        stop,
        watch: None,
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_whose_component_cannot_be_fetched_is_stopped_at_once() {
    let sandbox = Sandbox::new(SandboxConfig::default()).unwrap();
    // By chance the database refuses at once, and the attempt takes its breath, or it does not answer for ten seconds.
    for seed in 0..8 {
        let away = Faults {
            away_until: Some(Instant::now() + Duration::from_secs(3_600)),
            ..Faults::default()
        };
        let store = FaultyStore {
            world: world(seed, away),
            process: 0,
        };
        let loader = Loader::new(Arc::new(store), sandbox.clone());
        let (handle, signal) = StopSignal::pair();
        let half = Duration::from_millis(500);
        let began = Instant::now();
        let files = Files::default();
        let (report, ()) = tokio::join!(
            loader.execute(Digest::of(b"component"), &files, attempt(signal)),
            async {
                sleep(half).await;
                handle.stop(Stop::Cancelled);
            }
        );
        let Outcome::Failed(failure) = report.outcome else {
            panic!("{:?}", report.outcome)
        };
        assert_eq!(failure.kind, OutcomeKind::Cancelled, "{failure:?}");
        assert!(began.elapsed() < 2 * half, "{:?}", began.elapsed());
    }
}
