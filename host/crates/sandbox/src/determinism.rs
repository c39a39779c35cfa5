//! Clocks and random numbers that are the same in each run of one attempt.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chacha20::ChaCha12Rng;
use chacha20::rand_core::SeedableRng;
use hardstop_domain::JobId;
use sha2::{Digest, Sha256};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

/// How far each look at a clock moves both of them, in nanoseconds.
const STEP_NS: u64 = 1_000;

/// What clocks and random numbers of an attempt come from: its job's id and its own number.
pub(crate) struct Seed {
    /// Milliseconds since 1970 where the clock on the wall begins.
    created_ms: u64,
    bytes: [u8; 32],
}

impl Seed {
    /// The seed of an attempt. The clock on the wall begins when the job's id was made, which a UUIDv7
    /// tells; with any other id, in 1970.
    pub(crate) fn new(job: JobId, attempt: u32) -> Self {
        let created = job
            .0
            .get_timestamp()
            .filter(|_| job.0.get_version_num() == 7);
        let created_ms = created.map_or(0, |created| {
            let (seconds, nanos) = created.to_unix();
            seconds * 1_000 + u64::from(nanos) / 1_000_000
        });
        let mut hash = Sha256::new();
        hash.update(b"hardstop deterministic attempt\0");
        hash.update(job.0.as_bytes());
        hash.update(attempt.to_be_bytes());
        Self {
            created_ms,
            bytes: hash.finalize().into(),
        }
    }

    pub(crate) fn apply(&self, builder: &mut WasiCtxBuilder) {
        let steps = Arc::new(AtomicU64::new(0));
        // A stream of its own for each, so that reading one does not move the others.
        let generator = |stream| {
            let mut generator = ChaCha12Rng::from_seed(self.bytes);
            generator.set_stream(stream);
            generator
        };
        let mut insecure_seed = [0; 16];
        insecure_seed.copy_from_slice(&self.bytes[..16]);
        builder
            .wall_clock(Wall {
                start: Duration::from_millis(self.created_ms),
                steps: steps.clone(),
            })
            .monotonic_clock(Monotonic(steps))
            .secure_random(generator(0))
            .insecure_random(generator(1))
            .insecure_random_seed(u128::from_be_bytes(insecure_seed));
    }
}

struct Wall {
    start: Duration,
    steps: Arc<AtomicU64>,
}

impl HostWallClock for Wall {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(STEP_NS)
    }

    fn now(&self) -> Duration {
        self.start + Duration::from_nanos(step(&self.steps))
    }
}

struct Monotonic(Arc<AtomicU64>);

impl HostMonotonicClock for Monotonic {
    fn resolution(&self) -> u64 {
        STEP_NS
    }

    fn now(&self) -> u64 {
        step(&self.0)
    }
}

fn step(steps: &AtomicU64) -> u64 {
    steps.fetch_add(1, Ordering::Relaxed) * STEP_NS
}
