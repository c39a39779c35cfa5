//! One worker, one fault, and what it must come to. The clock is simulated; nothing is left to chance but latency of
//! milliseconds.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hardstop::config::WorkerConfig;
use hardstop::{Execute, Worker};
use hardstop_domain::*;
use hardstop_sandbox::{Attempt, Stop};
use hardstop_simulation::Model;
use hardstop_store::Store as _;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::time::{Instant, sleep, timeout};

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
}

/// A worker with room for one attempt at a time, and one job to run.
struct Scene {
    world: World,
    people: FaultyStore,
    job: JobId,
}

impl Scene {
    async fn begin(executor: impl Execute, faults: Faults) -> Self {
        let named = types().map(|(name, id)| (name.parse().unwrap(), id));
        let world = World::new(1, None, Model::new(named));
        for _ in 0..2 {
            world.lock().processes.push(Process {
                alive: true,
                ..Process::default()
            });
        }
        world.lock().faults = faults;
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
