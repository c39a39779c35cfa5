//! One worker, one fault, and what it must come to. The clock is simulated; nothing is left to chance but latency of
//! milliseconds.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hardstop::config::WorkerConfig;
use hardstop::{Execute, Worker};
use hardstop_domain::*;
use hardstop_sandbox::Attempt;
use hardstop_simulation::Model;
use hardstop_store::Store as _;
use tokio::time::{sleep, timeout};

use super::executor::{failed, new_job};
use super::store::FaultyStore;
use super::world::{Process, World, types};

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

/// A worker with room for one attempt at a time, and one job to run.
struct Scene {
    world: World,
    job: JobId,
}

impl Scene {
    async fn begin(executor: impl Execute) -> Self {
        let named = types().map(|(name, id)| (name.parse().unwrap(), id));
        let world = World::new(1, None, Model::new(named));
        for _ in 0..2 {
            world.lock().processes.push(Process {
                alive: true,
                ..Process::default()
            });
        }
        let store = |process| FaultyStore {
            world: world.clone(),
            process,
        };
        let first = new_job(&mut world.lock());
        let job = first.id;
        store(0).enqueue(&[NewChain::new(first)]).await.unwrap();
        let worker = Worker {
            store: Arc::new(store(1)),
            executor: Arc::new(executor),
            ceiling: Limits::default_ceiling(),
            config: WorkerConfig {
                concurrency: 1,
                memory_budget: Some(Limits::default().memory_bytes_max * 3 / 2),
                ..WorkerConfig::default()
            },
            host: "one".to_owned(),
        };
        tokio::spawn(worker.run(std::future::pending()));
        Self { world, job }
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
    let scene = Scene::begin(Panicking).await;
    scene.wait_state(State::Completed).await;
    let world = scene.world.lock();
    let job = &world.model.jobs[&scene.job];
    assert_eq!((job.attempt, job.rescues), (2, 0), "{job:?}");
}
