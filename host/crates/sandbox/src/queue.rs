//! Which guest runs next: a run queue with its own threads.
//!
//! A general-purpose executor takes turns. With many guests that spin, a turn comes round late, and
//! so does the check of a deadline. Here those whose deadline has passed come first, then those that
//! have used the least CPU, so that neither a stop nor a short job waits for all the spinners.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crate::account::Account;
use crate::lock::lock;
use crate::stop::Stop;

/// How far a guest that has used no CPU may overtake one that has used much.
///
/// The rank is the time at which a guest became runnable, plus its CPU time up to this bound. So
/// newcomers go first, and no stream of newcomers holds a heavy guest back for longer than this.
const HEAD_START: Duration = Duration::from_millis(100);

type Body = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Rank in nanoseconds since the queue's origin, then the task's number.
type Rank = (u64, u64);

pub(crate) struct Queue {
    origin: Instant,
    next_number: AtomicU64,
    state: Mutex<State>,
    pushed: Condvar,
}

#[derive(Default)]
struct State {
    ready: BTreeMap<Rank, Arc<Task>>,
    /// Deadline in nanoseconds since the origin and task number, to the rank in `ready`.
    due: BTreeMap<(u64, u64), Rank>,
    closed: bool,
}

pub(crate) struct Task {
    number: u64,
    queue: Arc<Queue>,
    account: Arc<Account>,
    status: AtomicU8,
    body: Mutex<Option<Body>>,
    /// Where the task stands in the queue, for `expedite`. Written under the queue's lock.
    rank: AtomicU64,
    deadline: AtomicU64,
}

/// Waits to be woken.
const IDLE: u8 = 0;
/// Stands in the queue.
const QUEUED: u8 = 1;
/// Is being polled.
const RUNNING: u8 = 2;
/// Is being polled and was woken meanwhile.
const WOKEN: u8 = 3;
/// Has ended.
const DONE: u8 = 4;

impl Queue {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            origin: Instant::now(),
            next_number: AtomicU64::new(0),
            state: Mutex::default(),
            pushed: Condvar::new(),
        })
    }

    /// Queues a new task.
    pub(crate) fn spawn(
        self: &Arc<Self>,
        account: Arc<Account>,
        body: impl Future<Output = ()> + Send + 'static,
    ) -> Arc<Task> {
        let task = Arc::new(Task {
            number: self.next_number.fetch_add(1, Ordering::Relaxed),
            queue: self.clone(),
            account,
            status: AtomicU8::new(QUEUED),
            body: Mutex::new(Some(Box::pin(body))),
            rank: AtomicU64::new(0),
            deadline: AtomicU64::new(0),
        });
        self.push(task.clone());
        self.pushed.notify_one();
        task
    }

    /// Polls tasks until the queue is closed. The body of a guest thread.
    pub(crate) fn work(&self) {
        while let Some(task) = self.pop() {
            task.run();
        }
    }

    /// Lets the guest threads end, and drops every queued task.
    pub(crate) fn close(&self) {
        let dropped = {
            let mut state = lock(&self.state);
            state.closed = true;
            state.due.clear();
            std::mem::take(&mut state.ready)
        };
        self.pushed.notify_all();
        // Outside the lock: dropping a task drops its guest.
        for task in dropped.into_values() {
            task.discard();
        }
    }

    fn push(&self, task: Arc<Task>) {
        let now = self.since_origin(Instant::now());
        let head_start = task.account.cpu_time().min(HEAD_START).as_nanos() as u64;
        let rank = (now + head_start, task.number);
        let deadline = match task.account.is_urgent() {
            true => 0,
            false => task
                .account
                .deadline()
                .map_or(u64::MAX, |at| self.since_origin(at)),
        };
        let mut state = lock(&self.state);
        if state.closed {
            drop(state);
            return task.discard();
        }
        task.rank.store(rank.0, Ordering::Relaxed);
        task.deadline.store(deadline, Ordering::Relaxed);
        state.due.insert((deadline, task.number), rank);
        state.ready.insert(rank, task);
    }

    /// The next task to poll; waits for one. None once the queue is closed.
    fn pop(&self) -> Option<Arc<Task>> {
        let mut state = lock(&self.state);
        loop {
            if state.closed {
                return None;
            }
            if !state.ready.is_empty() {
                return state.pop(self.since_origin(Instant::now()));
            }
            state = self
                .pushed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Moves a queued task to the front.
    fn expedite(&self, task: &Task) {
        let mut state = lock(&self.state);
        let old = (task.deadline.load(Ordering::Relaxed), task.number);
        // Not there: it is idle or running, and `push` will see that it is urgent.
        if let Some(rank) = state.due.remove(&old) {
            task.deadline.store(0, Ordering::Relaxed);
            state.due.insert((0, task.number), rank);
        }
    }

    fn since_origin(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.origin).as_nanos() as u64
    }
}

impl State {
    fn pop(&mut self, now: u64) -> Option<Arc<Task>> {
        if let Some(entry) = self.due.first_entry()
            && entry.key().0 <= now
        {
            let rank = entry.remove();
            return self.ready.remove(&rank);
        }
        let (_, task) = self.ready.pop_first()?;
        self.due
            .remove(&(task.deadline.load(Ordering::Relaxed), task.number));
        Some(task)
    }
}

impl Task {
    /// Ends the attempt as soon as a thread is free: within a tick.
    pub(crate) fn stop(self: &Arc<Self>, stop: Stop) {
        self.account.stop(stop);
        self.queue.expedite(self);
        self.wake_by_ref();
    }

    fn run(self: Arc<Self>) {
        self.status.swap(RUNNING, Ordering::SeqCst);
        let waker = Waker::from(self.clone());
        let mut body = lock(&self.body);
        let polled = match body.as_mut() {
            // A panic of the host's own code must cost this attempt only. Its result channel is
            // dropped with the body, and whoever waits for the report learns from that.
            Some(future) => catch_unwind(AssertUnwindSafe(|| {
                future.as_mut().poll(&mut Context::from_waker(&waker))
            })),
            None => Ok(Poll::Ready(())),
        };
        if matches!(polled, Ok(Poll::Pending)) {
            drop(body);
            let idle =
                self.status
                    .compare_exchange(RUNNING, IDLE, Ordering::SeqCst, Ordering::SeqCst);
            if idle.is_err() {
                // Without a notification: this thread is about to pop.
                self.status.swap(QUEUED, Ordering::SeqCst);
                self.queue.clone().push(self);
            }
            return;
        }
        self.status.store(DONE, Ordering::SeqCst);
        drop_body(body.take());
    }

    /// Drops the body unpolled.
    fn discard(&self) {
        self.status.store(DONE, Ordering::SeqCst);
        drop_body(lock(&self.body).take());
    }
}

fn drop_body(body: Option<Body>) {
    // A second panic, in a destructor, must not take the guest thread along either.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(body)));
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut status = self.status.load(Ordering::SeqCst);
        loop {
            let next = match status {
                IDLE => QUEUED,
                RUNNING => WOKEN,
                DONE => return,
                // Written again although it stays: whoever polls next must see what this waker's
                // caller wrote before, and a mere load would not say so.
                stays => stays,
            };
            match self
                .status
                .compare_exchange(status, next, Ordering::SeqCst, Ordering::SeqCst)
            {
                Ok(IDLE) => {
                    self.queue.push(self.clone());
                    self.queue.pushed.notify_one();
                    return;
                }
                Ok(_) => return,
                Err(seen) => status = seen,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spawn(queue: &Arc<Queue>, account: Account) -> Arc<Task> {
        queue.spawn(Arc::new(account), std::future::pending())
    }

    fn used(cpu_time: Duration) -> Account {
        let account = Account::default();
        account.charge(cpu_time);
        account
    }

    fn order(queue: &Queue, count: usize) -> Vec<u64> {
        (0..count)
            .map(|_| queue.pop().expect("open").number)
            .collect()
    }

    #[test]
    fn those_that_used_the_least_cpu_come_first_and_the_others_in_turn() {
        let queue = Queue::new();
        for ms in [80, 0, 40, 900, 800] {
            spawn(&queue, used(Duration::from_millis(ms)));
        }
        // Beyond the head start, the order of arrival decides.
        assert_eq!(order(&queue, 5), [1, 2, 0, 3, 4]);
    }

    #[test]
    fn those_past_their_deadline_and_those_that_were_stopped_come_before_all() {
        let queue = Queue::new();
        spawn(&queue, Account::default());
        let stopped = spawn(&queue, used(Duration::from_secs(1)));
        let late = used(Duration::from_secs(2));
        late.begin(Instant::now());
        spawn(&queue, late);
        let in_time = used(Duration::from_secs(3));
        in_time.begin(Instant::now() + Duration::from_secs(3600));
        spawn(&queue, in_time);
        stopped.stop(Stop::Cancelled);
        assert_eq!(order(&queue, 4), [1, 2, 0, 3]);
    }

    #[test]
    fn a_task_that_wakes_itself_is_queued_once_and_one_that_waits_is_not() {
        let queue = Queue::new();
        let woken = queue.spawn(Arc::default(), async {
            std::future::poll_fn(|cx| {
                cx.waker().wake_by_ref();
                cx.waker().wake_by_ref();
                Poll::<()>::Pending
            })
            .await;
        });
        queue.pop().expect("queued").run();
        assert_eq!(lock(&queue.state).ready.len(), 1);
        queue.pop().expect("queued again").discard();
        woken.wake_by_ref();
        assert!(
            lock(&queue.state).ready.is_empty(),
            "a task that has ended stays so"
        );

        let waiting = spawn(&queue, Account::default());
        queue.pop().expect("queued").run();
        assert!(lock(&queue.state).ready.is_empty());
        waiting.wake_by_ref();
        waiting.wake_by_ref();
        assert_eq!(lock(&queue.state).ready.len(), 1);
        assert_eq!(lock(&queue.state).due.len(), 1, "both indexes agree");
    }

    #[test]
    fn a_panic_ends_its_task_only() {
        let queue = Queue::new();
        queue.spawn(Arc::default(), async { panic!("of a test, on purpose") });
        spawn(&queue, Account::default());
        queue.pop().expect("the first").run();
        assert_eq!(order(&queue, 1), [1]);
    }

    #[test]
    fn a_closed_queue_drops_its_tasks_and_takes_no_more() {
        let queue = Queue::new();
        let held = Arc::new(());
        let body = |held: Arc<()>| async move {
            std::future::pending::<()>().await;
            drop(held);
        };
        queue.spawn(Arc::default(), body(held.clone()));
        queue.close();
        queue.spawn(Arc::default(), body(held.clone()));
        assert_eq!(Arc::strong_count(&held), 1);
        assert!(queue.pop().is_none());
    }
}
