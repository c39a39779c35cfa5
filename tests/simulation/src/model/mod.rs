//! The state of the model, and how it is looked at.

mod lease;
mod operate;
mod settle;
mod start;

use std::collections::{BTreeMap, BTreeSet};

use hardstop_domain::{
    ChainId, JobId, LeaseToken, Lineage, OnBlockerFailure, OutcomeKind, SessionId, State, TypeId,
    TypeName,
};

/// The store, as values. Every operation is a method, named and answered as [`hardstop_store::Store`]'s.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// The database's clock: microseconds. Whoever drives the model moves it, and never back.
    pub now: i64,
    /// Every job that was ever created, but for those that left nothing.
    pub jobs: BTreeMap<JobId, Job>,
    /// Every chain that was ever started, but for theirs.
    pub chains: BTreeMap<ChainId, Chain>,
    /// Every session that was ever opened.
    pub sessions: BTreeMap<SessionId, Session>,
    /// Those of them that are not final, to be found fast.
    live: BTreeSet<JobId>,
    types: BTreeMap<TypeName, TypeId>,
    /// How many closures have led one to another: each is told a microsecond after the one before.
    round: i64,
    /// Every settlement that was written, so that it is known when it comes again.
    settled: BTreeSet<(JobId, LeaseToken)>,
    /// How many chains descend from each root.
    descendants: BTreeMap<ChainId, u64>,
}

/// A job.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Its chain.
    pub chain: ChainId,
    /// Its type.
    pub type_id: TypeId,
    /// JSON text.
    pub input: String,
    /// Smaller runs earlier.
    pub priority: i16,
    /// Its state.
    pub state: State,
    /// Counted attempts.
    pub attempt: u32,
    /// Runs; everything counts.
    pub run: u32,
    /// How often its host was lost since it was created or reopened.
    pub rescues: u32,
    /// How often it snoozed since it was created or reopened.
    pub snoozes: u32,
    /// Milliseconds that it snoozed in all.
    pub snoozed_ms: u64,
    /// Whether an attempt of it ran out of memory and it has the larger one.
    pub larger_memory: bool,
    /// Microseconds.
    pub created_at: i64,
    /// When it may be claimed, microseconds.
    pub due_at: i64,
    /// When it was last claimed, microseconds.
    pub claimed_at: Option<i64>,
    /// The lease that it runs under.
    pub token: Option<LeaseToken>,
    /// What it came to, once final.
    pub outcome: Option<OutcomeKind>,
    /// JSON text, once completed.
    pub output: Option<String>,
    /// The next job of its chain, once continued.
    pub continued_to: Option<JobId>,
    /// What it waits for or waited for, in order.
    pub blockers: Vec<Blocker>,
    /// What becomes of it when one of those fails.
    pub on_blocker_failure: OnBlockerFailure,
    /// Runs that did not end well, oldest first.
    pub attempts: Vec<Attempt>,
}

/// A chain that a job waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocker {
    /// The chain.
    pub chain: ChainId,
    /// The job whose end closed it for this dependent; none while it is awaited.
    pub closed_by: Option<JobId>,
}

/// A run that did not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// The number of the run.
    pub run: u32,
    /// The number of the attempt.
    pub attempt: u32,
    /// What it came to.
    pub outcome: OutcomeKind,
}

/// A chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    /// Its jobs, oldest first. Only the last can be live.
    pub jobs: Vec<JobId>,
    /// Where it stands among the chains that handlers started.
    pub lineage: Lineage,
    /// The key that it holds while it is open.
    pub key: Option<(TypeId, String)>,
    /// Microseconds.
    pub started_at: i64,
}

/// A session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Microseconds.
    pub lease_us: i64,
    /// Until when it is trusted, microseconds.
    pub expires_at: i64,
    /// Whether it was ended.
    pub dead: bool,
}

impl Model {
    /// An empty store with these types deployed.
    pub fn new(types: impl IntoIterator<Item = (TypeName, TypeId)>) -> Self {
        Self {
            types: types.into_iter().collect(),
            ..Self::default()
        }
    }

    /// The last job of a chain.
    pub fn tail(&self, chain: ChainId) -> Option<&Job> {
        self.chains
            .get(&chain)
            .and_then(|chain| chain.jobs.last())
            .map(|id| &self.jobs[id])
    }

    /// Whether the chain is open: its last job is live.
    pub fn is_open(&self, chain: ChainId) -> bool {
        self.tail(chain).is_some_and(|job| !job.state.is_final())
    }

    /// Jobs that are not final.
    pub fn live(&self) -> impl Iterator<Item = &Job> {
        self.live.iter().filter_map(|id| self.jobs.get(id))
    }

    /// An hour passes for everything that is scheduled.
    pub fn make_due(&mut self) {
        for job in self.jobs.values_mut() {
            if matches!(job.state, State::Scheduled | State::Blocked) {
                job.due_at -= HOUR_US;
            }
        }
    }

    /// Every key was taken so many microseconds earlier than it was.
    pub fn age_keys(&mut self, us: i64) {
        for chain in self.chains.values_mut() {
            chain.started_at -= us;
        }
    }

    /// A session's lease runs out, as if its host had died.
    pub fn expire(&mut self, session: SessionId) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.expires_at = i64::MIN;
        }
    }

    /// What a job is while nothing but time and blockers keeps it from running.
    fn waiting_state(&self, id: JobId) -> State {
        let job = &self.jobs[&id];
        if job.blockers.iter().any(|b| b.closed_by.is_none()) {
            State::Blocked
        } else if job.due_at > self.now {
            State::Scheduled
        } else {
            State::Ready
        }
    }

    fn job_mut(&mut self, id: JobId) -> &mut Job {
        self.jobs.get_mut(&id).expect("a job that was looked up")
    }
}

/// What [`Model::make_due`] moves due times by.
pub const HOUR_US: i64 = 3_600_000_000;
