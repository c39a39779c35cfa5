//! How many jobs to claim ahead of the slots, and how long to gather what they came to.
//!
//! A claim takes its time, and while it does, slots run dry whose jobs are short. So as many are claimed ahead as will have
//! begun within [`HORIZON`] and the time of two claims, at the rate at which jobs have ended lately, and only of types whose jobs
//! are short. Where jobs are long the rate is low and nothing is claimed ahead: another host may have a slot for it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hardstop_domain::TypeId;
use tokio::time::Instant;

use super::slot::Room;

/// A job that is claimed ahead is to begin within so long.
const HORIZON: Duration = Duration::from_millis(20);
/// Jobs of a type are short where they take so long on average, or less.
const SHORT: Duration = Duration::from_millis(50);
/// What waits for slots has so many bytes of input at the most, as far as averages tell.
const AHEAD_BYTES_MAX: f64 = (16 << 20) as f64;
/// From so many ends in a second on, settlements are gathered for [`GATHER_TIME`] before they are written.
const GATHER_RATE: f64 = 1_000.0;
/// How long an end is not written at the most, so that others share its commit.
const GATHER_TIME: Duration = Duration::from_millis(10);
/// The weight of what was just seen in an average.
const WEIGHT: f64 = 0.25;
/// The rate is taken over so long, or longer.
const RATE_PERIOD: Duration = Duration::from_millis(5);

/// What is known of how fast jobs end.
pub struct Pace {
    ahead_max: u32,
    ended: AtomicU64,
    /// How long a job of the type takes, on average and in seconds.
    run_times: Mutex<HashMap<TypeId, f64>>,
    claims: Mutex<Claims>,
}

struct Claims {
    /// When the rate was last taken, and what `ended` was.
    taken: (Instant, u64),
    /// Jobs that end in a second.
    rate: f64,
    /// How long a claim takes, in seconds.
    claim_time: f64,
    /// The size of a job's input, in bytes.
    input_bytes: f64,
}

impl Pace {
    /// Nothing is known yet, and at most so many jobs are claimed ahead.
    pub fn new(ahead_max: u32) -> Self {
        Self {
            ahead_max,
            ended: AtomicU64::new(0),
            run_times: Mutex::default(),
            claims: Mutex::new(Claims {
                taken: (Instant::now(), 0),
                rate: 0.0,
                claim_time: 0.0,
                input_bytes: 0.0,
            }),
        }
    }

    /// Notes that a job has ended, which had its slot for so long.
    pub fn note_end(&self, type_id: TypeId, run_time: Duration) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        let mut run_times = self.run_times();
        let seen = run_time.as_secs_f64();
        let average = run_times.entry(type_id).or_insert(seen);
        *average += (seen - *average) * WEIGHT;
    }

    /// Notes how long a claim took, and the inputs of the jobs that it leased: how many, and their bytes.
    pub fn note_claim(&self, took: Duration, jobs: usize, input_bytes: usize) {
        let mut claims = self.claims();
        claims.claim_time += (took.as_secs_f64() - claims.claim_time) * WEIGHT;
        if jobs > 0 {
            let seen = input_bytes as f64 / jobs as f64;
            claims.input_bytes += (seen - claims.input_bytes) * WEIGHT;
        }
    }

    /// Whether jobs of the type are known to be short.
    pub fn is_short(&self, type_id: TypeId) -> bool {
        self.run_times()
            .get(&type_id)
            .is_some_and(|average| *average <= SHORT.as_secs_f64())
    }

    /// How many jobs are to wait for slots, so that none runs dry.
    pub fn ahead(&self, now: Instant) -> u32 {
        let mut claims = self.claims();
        let ended = self.ended.load(Ordering::Relaxed);
        let (at, before) = claims.taken;
        let period = now.saturating_duration_since(at);
        if period >= RATE_PERIOD {
            let seen = (ended - before) as f64 / period.as_secs_f64();
            // What was seen over long counts for more.
            let weight = (period.as_secs_f64() / (4.0 * RATE_PERIOD.as_secs_f64())).min(1.0);
            claims.rate += (seen - claims.rate) * weight;
            claims.taken = (now, ended);
        }
        let within = HORIZON.as_secs_f64() + 2.0 * claims.claim_time;
        let by_bytes = AHEAD_BYTES_MAX / claims.input_bytes.max(1.0);
        ((claims.rate * within).min(by_bytes) as u32).min(self.ahead_max)
    }

    /// How long to gather settlements since the last were written: not at all where jobs end now and then.
    pub fn gather_time(&self) -> Duration {
        match self.claims().rate >= GATHER_RATE {
            true => GATHER_TIME,
            false => Duration::ZERO,
        }
    }

    fn run_times(&self) -> MutexGuard<'_, HashMap<TypeId, f64>> {
        self.run_times
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn claims(&self) -> MutexGuard<'_, Claims> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many jobs to claim now, where so many are to wait for slots: none while enough do.
pub fn wanted(room: Room, ahead: u32) -> u32 {
    let Room { free, waiting } = room;
    match waiting < free || waiting <= ahead / 2 {
        true => (free + ahead).saturating_sub(waiting),
        false => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: TypeId = TypeId(1);

    fn room(free: u32, waiting: u32) -> Room {
        Room { free, waiting }
    }

    #[test]
    fn free_slots_are_filled_and_half_of_what_is_ahead_is_left_before_more_is_claimed() {
        assert_eq!(wanted(room(32, 0), 0), 32);
        assert_eq!(wanted(room(1, 0), 0), 1);
        assert_eq!(wanted(room(0, 0), 0), 0);
        assert_eq!(wanted(room(0, 51), 100), 0, "enough wait");
        assert_eq!(wanted(room(0, 50), 100), 50);
        assert_eq!(
            wanted(room(3, 60), 100),
            0,
            "each free slot has one already"
        );
        assert_eq!(wanted(room(61, 60), 100), 101);
    }

    #[test]
    fn only_what_has_been_seen_to_be_short_is_short() {
        let pace = Pace::new(100);
        assert!(!pace.is_short(TYPE), "nothing is known");
        pace.note_end(TYPE, Duration::from_millis(1));
        assert!(pace.is_short(TYPE));
        for _ in 0..3 {
            pace.note_end(TYPE, Duration::from_millis(500));
        }
        assert!(!pace.is_short(TYPE));
    }

    #[test]
    fn so_many_are_ahead_as_end_within_the_horizon() {
        let pace = Pace::new(500);
        let start = Instant::now();
        assert_eq!(pace.ahead(start), 0);
        for _ in 0..1_000 {
            pace.note_end(TYPE, Duration::from_millis(1));
        }
        let second = start + Duration::from_secs(1);
        let ahead = pace.ahead(second);
        assert!((19..=21).contains(&ahead), "1,000 a second: {ahead}");
        pace.note_claim(Duration::from_millis(400), 0, 0);
        let ahead = pace.ahead(second);
        assert!(
            (215..=225).contains(&ahead),
            "and a claim takes 100 ms: {ahead}"
        );
        assert_eq!(
            pace.ahead(second + Duration::from_secs(1)),
            0,
            "nothing ends"
        );
        for _ in 0..1_000 {
            pace.note_end(TYPE, Duration::from_millis(1));
        }
        pace.note_claim(Duration::from_millis(100), 1, 16 << 20);
        let third = second + Duration::from_secs(2);
        assert_eq!(pace.ahead(third), 4, "of 4 MiB each on average");
        let none = Pace::new(0);
        for _ in 0..1_000 {
            none.note_end(TYPE, Duration::ZERO);
        }
        assert_eq!(
            none.ahead(start + Duration::from_secs(1)),
            0,
            "switched off"
        );
    }
}
