//! What everybody in an episode shares: the model, the clock, chance, and who is alive.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use hardstop_domain::{JobId, LeaseToken, State, TypeId};
use hardstop_simulation::Model;
use hardstop_store::Wake;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use uuid::Uuid;

use super::check::{Asked, Checker};

/// A breach of the store's rules that the checks must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// Settlements count whatever lease they name.
    IgnoreTokens,
    /// Leases run out for the rescue at half their time.
    RescueEarly,
    /// A rescued job vanishes now and then.
    LoseAJob,
    /// A blocked job is made ready by the first promotion.
    UnblockEarly,
    /// A continuation starts while the job before it goes on.
    ForkAChain,
    /// Dead sessions keep their jobs.
    NeverRescue,
}

#[derive(Clone)]
pub struct World(Arc<Mutex<State_>>);

/// The state behind the lock.
pub struct State_ {
    pub model: Model,
    pub rng: Rng,
    pub faults: Faults,
    pub processes: Vec<Process>,
    pub guests: BTreeMap<(usize, JobId, LeaseToken), i64>,
    pub checker: Checker,
    pub violation: Option<String>,
    pub sabotage: Option<Sabotage>,
    /// Every operation and its time, hashed: two runs of one seed have the same.
    pub trace: DefaultHasher,
    pub operations: u64,
    pub rescued: u64,
    pub lost_replies: u64,
    ids: u64,
    began: Instant,
    /// How fast the database's clock runs by the workers'.
    clock_rate: f64,
}

/// What goes wrong, in thousandths of operations.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    pub fail_before: u32,
    pub lose_reply: u32,
    pub slow: u32,
    pub lose_wake: u32,
    pub double_wake: u32,
    /// How much longer the answer to a claim is on its way.
    pub late_claims: Duration,
    /// Until when nothing answers.
    pub away_until: Option<Instant>,
}

/// A worker process.
#[derive(Default)]
pub struct Process {
    pub alive: bool,
    pub listeners: Vec<UnboundedSender<Wake>>,
    /// The lease of the last claim of each job that this process was told of.
    pub claims: BTreeMap<JobId, LeaseToken>,
}

/// How long the store waits for the database at the most.
pub const TIMEOUT: Duration = Duration::from_secs(10);

impl World {
    pub fn new(seed: u64, sabotage: Option<Sabotage>, model: Model) -> Self {
        let mut rng = Rng::with_seed(seed);
        let clock_rate = 0.88 + rng.f64() * 0.24;
        Self(Arc::new(Mutex::new(State_ {
            model,
            rng,
            faults: Faults::default(),
            processes: Vec::new(),
            guests: BTreeMap::new(),
            checker: Checker::default(),
            violation: None,
            sabotage,
            trace: DefaultHasher::new(),
            operations: 0,
            rescued: 0,
            lost_replies: 0,
            ids: 0,
            began: Instant::now(),
            clock_rate,
        })))
    }

    pub fn lock(&self) -> MutexGuard<'_, State_> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on if the process lives; a dead one's tasks stay where they are for ever.
    pub async fn alive(&self, process: usize) {
        let lives = {
            let world = self.lock();
            world.processes[process].alive && world.violation.is_none()
        };
        if !lives {
            std::future::pending::<()>().await;
        }
    }

    /// Ends a process there and then: what it sent is on its way, and that is all.
    pub fn kill(&self, process: usize) {
        let mut world = self.lock();
        world.processes[process] = Process::default();
        world.guests.retain(|(on, _, _), _| *on != process);
    }
}

impl State_ {
    /// An id as the next millisecond would make it.
    pub fn id(&mut self) -> JobId {
        self.ids += 1;
        let ms = 1_767_225_600_000 + u128::from(self.ids);
        JobId(Uuid::from_u128(ms << 80 | 0x7000 << 64 | 0x8000 << 48))
    }

    /// Whether something of so many thousandths happens.
    pub fn chance(&mut self, thousandths: u32) -> bool {
        self.rng.u32(0..1_000) < thousandths
    }

    /// How long a message takes.
    pub fn latency(&mut self) -> Duration {
        let slow = self.faults.slow;
        match self.chance(slow) {
            true => Duration::from_millis(self.rng.u64(20..6_000)),
            false => Duration::from_micros(self.rng.u64(100..20_000)),
        }
    }

    pub fn now_us(&self) -> i64 {
        let elapsed = self.began.elapsed().as_micros() as f64;
        (elapsed * self.clock_rate) as i64
    }

    /// Does an operation on the model, checks what it did, and wakes whom it concerns.
    pub fn operate<T>(
        &mut self,
        asked: &Asked,
        effect: impl FnOnce(&mut Model) -> T,
        changed: impl FnOnce(&T) -> bool,
    ) -> (T, Vec<(UnboundedSender<Wake>, Wake, Duration)>) {
        self.model.now = self.now_us();
        self.operations += 1;
        let answer = effect(&mut self.model);
        (self.model.now, format!("{asked:?}")).hash(&mut self.trace);
        if !changed(&answer) {
            return (answer, Vec::new());
        }
        self.sabotage(asked);
        if matches!(asked, Asked::Rescue) {
            self.look_at_guests();
        }
        let change = match self.checker.look(asked, &self.model) {
            Ok(change) => change,
            Err(violation) => {
                self.violation.get_or_insert(violation);
                return (answer, Vec::new());
            }
        };
        let mut wakes = Vec::new();
        if change.ready {
            wakes.extend(self.wakes(Wake::Ready));
        }
        if change.cancelled_running {
            wakes.extend(self.wakes(Wake::Cancelled));
        }
        (answer, wakes)
    }

    /// No guest runs under a session that a rescue has ended.
    fn look_at_guests(&mut self) {
        let dead = |token: &LeaseToken| self.model.sessions[&token.session()].dead;
        let running = self.guests.iter().find(|((_, _, token), _)| dead(token));
        if let Some(((process, job, token), since)) = running {
            self.violation.get_or_insert(format!(
                "job {job} still runs on worker {process}, since {since} us, under {token}, whose session was ended \
                 at {} us: {:?}",
                self.model.now,
                self.model.sessions[&token.session()]
            ));
        }
    }

    fn wakes(&mut self, wake: Wake) -> Vec<(UnboundedSender<Wake>, Wake, Duration)> {
        let listeners: Vec<_> = self
            .processes
            .iter()
            .flat_map(|p| p.listeners.clone())
            .collect();
        let mut wakes = Vec::new();
        let Faults {
            lose_wake,
            double_wake,
            ..
        } = self.faults;
        for listener in listeners {
            if self.chance(lose_wake) {
                continue;
            }
            let times = 1 + u32::from(self.chance(double_wake));
            for _ in 0..times {
                wakes.push((listener.clone(), wake, self.latency()));
            }
        }
        wakes
    }

    fn sabotage(&mut self, asked: &Asked) {
        match (self.sabotage, asked) {
            (Some(Sabotage::LoseAJob), Asked::Rescue) => {
                let ready = |job: &&hardstop_simulation::Job| job.rescues > 0;
                let victim = self.model.jobs.values().find(ready).map(|job| job.id);
                victim.map(|id| self.model.jobs.remove(&id));
            }
            (Some(Sabotage::UnblockEarly), Asked::Promote) => {
                let blocked = self.model.jobs.values_mut();
                if let Some(job) = blocked.into_iter().find(|job| job.state == State::Blocked) {
                    job.state = State::Ready;
                }
            }
            (Some(Sabotage::ForkAChain), Asked::Settle(settled)) => {
                for (id, token) in settled {
                    let job = self.model.jobs.get_mut(id).unwrap();
                    if job.state == State::Continued {
                        job.state = State::Running;
                        job.token = Some(*token);
                    }
                }
            }
            _ => {}
        }
    }
}

/// The types of the simulation, in the order of their numbers.
pub const TYPES: [&str; 3] = ["a", "b", "c"];

pub fn types() -> impl Iterator<Item = (&'static str, TypeId)> {
    TYPES.into_iter().zip((1..).map(TypeId))
}
