//! Guests of the simulation: they last and come to what chance decides, and end when they are told to.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use hardstop::Execute;
use hardstop_domain::*;
use hardstop_sandbox::{Attempt, Occupancy, Stop};

use super::world::{State_, TYPES, World};

/// No chain is longer.
const CHAIN_MAX: usize = 5;

pub struct Guests {
    pub world: World,
    pub process: usize,
}

#[async_trait]
impl Execute for Guests {
    async fn execute(&self, _component: Digest, _files: &Files, attempt: Attempt) -> Report {
        self.world.alive(self.process).await;
        let (lasts, key) = {
            let mut world = self.world.lock();
            let lasts = match world.chance(200) {
                true => Duration::from_secs(world.rng.u64(5..300)),
                false => Duration::from_millis(world.rng.u64(1..4_000)),
            };
            let token = world.processes[self.process].claims[&attempt.job];
            let key = (self.process, attempt.job, token);
            let now = world.now_us();
            world.guests.insert(key, now);
            (lasts, key)
        };
        let stopped = tokio::select! {
            biased;
            stop = attempt.stop.raised() => Some(stop),
            () = tokio::time::sleep(lasts) => None,
        };
        self.world.alive(self.process).await;
        let mut world = self.world.lock();
        world.guests.remove(&key);
        match stopped {
            Some(Stop::Cancelled) => failed(OutcomeKind::Cancelled),
            Some(Stop::Interrupted) => failed(OutcomeKind::Interrupted),
            None => outcome(&mut world, &attempt),
        }
    }

    fn retain(&self, _active: &BTreeSet<Digest>) {}

    fn occupancy(&self) -> Occupancy {
        Occupancy::default()
    }
}

pub fn failed(kind: OutcomeKind) -> Report {
    Report::not_started(Failure::new(kind, "simulated"))
}

fn outcome(world: &mut State_, attempt: &Attempt) -> Report {
    let length = world.model.chains[&attempt.chain].jobs.len();
    let depth = world.model.chains[&attempt.chain].lineage.depth;
    let outcome = match world.rng.u32(0..100) {
        0..20 if length < CHAIN_MAX => {
            let mut next = new_job(world);
            if world.chance(100) {
                next.delay_ms = world.rng.u64(0..600_000);
            }
            Outcome::Continued { next }
        }
        20..35 => return failed(OutcomeKind::FailedRetryable),
        35..39 => return failed(OutcomeKind::FailedFatal),
        39..44 => Outcome::Snoozed {
            delay_ms: world.rng.u64(0..120_000),
        },
        _ => Outcome::Completed {
            output: attempt.job.to_string(),
        },
    };
    let starts = !matches!(outcome, Outcome::Snoozed { .. }) && depth < 2 && world.chance(100);
    let many = if starts { world.rng.u32(1..4) } else { 0 };
    Report {
        outcome,
        children: (0..many).map(|_| NewChain::new(new_job(world))).collect(),
        ..failed(OutcomeKind::Lost)
    }
}

pub fn new_job(world: &mut State_) -> NewJob {
    let name = TYPES[world.rng.usize(0..TYPES.len())];
    NewJob::new(world.id(), name.parse().unwrap(), "{}")
}
