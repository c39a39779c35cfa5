//! The slots, and the claimed jobs that wait for one.
//!
//! A slot runs one attempt at a time. What was claimed stands here in the order of the claim until a slot takes it up: not at
//! all while slots are free, and for some milliseconds where jobs are claimed ahead ([`Pace`](super::pace::Pace)).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hardstop_domain::TypeId;
use hardstop_sandbox::StopSignal;
use hardstop_store::ClaimedJob;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::Instant;

use super::settler::Ended;
use super::{Shared, runner};

/// A job that this worker holds and no slot has taken up.
pub struct Waiting {
    /// The job.
    pub job: ClaimedJob,
    /// Raised where its attempt must not begin, or must end.
    pub stop: StopSignal,
    /// When it was claimed.
    pub since: Instant,
}

/// How things stand in the slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Slots that run nothing. Those for which a job waits are among them for a moment.
    pub free: u32,
    /// Jobs that wait for a slot.
    pub waiting: u32,
}

/// The slots of a worker.
pub struct Slots {
    max: u32,
    state: Mutex<State>,
    /// A permit for each job that waits. One that finds none was taken back meanwhile.
    jobs: Semaphore,
    /// There is room to claim for.
    freed: Notify,
    all_free: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    busy: u32,
    /// How many tasks there are; they are made when they are first needed, and stay.
    tasks: u32,
    /// No slot takes up a job any more.
    closed: bool,
    /// Room is told of where so few wait, or fewer.
    low: u32,
}

/// A slot that runs something, while it lives.
pub struct Busy<'s>(&'s Slots);

impl Slots {
    /// So many slots, all free.
    pub fn new(max: u32) -> Self {
        Self {
            max,
            state: Mutex::default(),
            jobs: Semaphore::new(0),
            freed: Notify::new(),
            all_free: Notify::new(),
        }
    }

    /// How many there are.
    pub fn max(&self) -> u32 {
        self.max
    }

    /// How things stand.
    pub fn room(&self) -> Room {
        let state = self.state();
        Room {
            free: self.max - state.busy,
            waiting: state.waiting.len() as u32,
        }
    }

    /// Queues jobs, in this order.
    pub fn push(&self, jobs: Vec<Waiting>, shared: &Arc<Shared>, ended: &mpsc::Sender<Box<Ended>>) {
        let count = jobs.len();
        let more = {
            let mut state = self.state();
            state.waiting.extend(jobs);
            let wanted = (state.busy + state.waiting.len() as u32).min(self.max);
            let more = wanted.saturating_sub(state.tasks);
            state.tasks += more;
            more
        };
        self.jobs.add_permits(count);
        for _ in 0..more {
            tokio::spawn(work(Arc::clone(shared), ended.clone()));
        }
    }

    /// From now on room is told of where so few jobs wait, or fewer.
    pub fn set_low(&self, low: u32) {
        self.state().low = low;
    }

    /// Waits until there is room to claim for, since this was last waited for.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }

    /// Says that there is room to claim for.
    pub fn tell_freed(&self) {
        self.freed.notify_one();
    }

    /// Takes back the jobs that wait: all of them, or those that were claimed before.
    pub fn take_back(&self, before: Option<Instant>) -> Vec<Waiting> {
        let mut state = self.state();
        let is_taken = |job: &Waiting| before.is_none_or(|before| job.since < before);
        // In the order of their claims, so the old ones are in front.
        let count = state.waiting.iter().take_while(|job| is_taken(job)).count();
        let taken: Vec<_> = state.waiting.drain(..count).collect();
        // A permit that somebody has already taken finds another job, or none.
        self.jobs.forget_permits(count);
        taken
    }

    /// Waits until nothing runs. What waits does not count.
    pub async fn all_free(&self) {
        loop {
            // Made before the look, so that an end between the two is not missed.
            let freed = self.all_free.notified();
            if self.state().busy == 0 {
                return;
            }
            freed.await;
        }
    }

    /// From now on no slot takes up a job.
    pub fn close(&self) {
        self.state().closed = true;
        self.jobs.close();
    }

    /// How many run something.
    pub fn busy(&self) -> u32 {
        self.state().busy
    }

    /// The job that has waited longest. Waits for one; none once the slots are closed.
    async fn next(&self) -> Option<(Waiting, Busy<'_>)> {
        loop {
            self.jobs.acquire().await.ok()?.forget();
            let mut state = self.state();
            if state.closed {
                return None;
            }
            let Some(job) = state.waiting.pop_front() else {
                continue;
            };
            state.busy += 1;
            self.tell_if_low(&state);
            return Some((job, Busy(self)));
        }
    }

    fn tell_if_low(&self, state: &State) {
        if state.waiting.len() as u32 <= state.low {
            self.freed.notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.busy -= 1;
        self.0.tell_if_low(&state);
        if state.busy == 0 {
            self.0.all_free.notify_waiters();
        }
    }
}

/// One slot: one attempt after the other, until the slots are closed.
async fn work(shared: Arc<Shared>, ended: mpsc::Sender<Box<Ended>>) {
    while let Some((waiting, busy)) = shared.slots.next().await {
        let type_id: TypeId = waiting.job.type_id;
        let began = Instant::now();
        runner::run(&shared, waiting, &ended).await;
        shared.pace.note_end(type_id, began.elapsed());
        drop(busy);
    }
}
