//! Which guest runs next: a run queue with its own threads.
//!
//! A general-purpose executor takes turns. With many guests that spin, a turn comes round late, and
//! so does the check of a deadline. Here those whose deadline has passed come first, then those that
//! have used the least CPU, so that neither a stop nor a short job waits for all the spinners. A share
//! of the threads' time goes to whoever has waited longest, so that no stream of short jobs starves one
//! that has computed for long.
//!
//! CPU time is compared by classes. A guest of the first class stands where it arrived, so that a short
//! job, once begun, is finished before the next one begins; all others take turns within their class. By the exact
//! time, a thousand that spin would soon be level with a short job, and take turns with it.
//!
//! What the end of a task is to others, such as the report to whoever waits for it, is told by the thread
//! once it has no more short tasks to begin, so that a busy host does not pay for a switch of threads
//! with each.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crate::account::Account;
use crate::lock::lock;
use crate::stop::Stop;

/// CPU time of the first class, in ticks. Each further class is as wide as all before it.
const FIRST_CLASS_TICKS: u32 = 4;
/// One part in so many of the guest threads' time goes to the guest that has waited longest.
const SHARE_OF_OLDEST: u32 = 4;

/// Past this age, what was not told yet is told before the next task is polled.
const NEWS_AGE_MAX: Duration = Duration::from_micros(500);
/// At so many tasks, too.
const NEWS_MAX: usize = 32;

/// What is to be told of the end of a task. Tells it when called.
pub(crate) type News = Box<dyn FnOnce() + Send>;

type Body = Pin<Box<dyn Future<Output = News> + Send>>;

/// A place in one of the orders: nanoseconds, then the task's number.
type Place = (u64, u64);

/// The class of CPU time used, what orders within it, then the task's number.
type Rank = (u32, u64, u64);

pub(crate) struct Queue {
    origin: Instant,
    next_number: AtomicU64,
    /// CPU time of the first class, in nanoseconds.
    first_class: u64,
    /// How often the guest that has waited longest gets a slice, in nanoseconds.
    oldest_interval: u64,
    state: Mutex<State>,
    pushed: Condvar,
}

/// The tasks that can run, in three orders.
#[derive(Default)]
struct State {
    ready: BTreeMap<u64, Ready>,
    by_deadline: BTreeSet<Place>,
    by_cpu_time: BTreeSet<Rank>,
    by_age: BTreeSet<Place>,
    /// From when on the oldest is due for a slice, in nanoseconds since the origin.
    oldest_at: u64,
    /// How many guest threads wait for a task and have not been woken. Never too few; a thread that woke
    /// by itself may be counted twice, which costs a system call.
    waiting: usize,
    closed: bool,
}

/// A task in the queue, and where it stands: all in nanoseconds.
struct Ready {
    task: Arc<Task>,
    /// Since the origin; 0 where it was stopped.
    deadline: u64,
    /// Of CPU time used.
    class: u32,
    /// When it was queued, since the origin.
    since: u64,
}

pub(crate) struct Task {
    number: u64,
    queue: Arc<Queue>,
    account: Arc<Account>,
    status: AtomicU8,
    body: Mutex<Option<Body>>,
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
    /// A queue for so many threads, whose guests give their thread back at each tick.
    pub(crate) fn new(threads: usize, tick: Duration) -> Arc<Self> {
        let first_class = tick.as_nanos() as u64 * u64::from(FIRST_CLASS_TICKS);
        let oldest_interval = tick.as_nanos() as u64 * u64::from(SHARE_OF_OLDEST) / threads as u64;
        Arc::new(Self {
            origin: Instant::now(),
            next_number: AtomicU64::new(0),
            first_class,
            oldest_interval,
            state: Mutex::default(),
            pushed: Condvar::new(),
        })
    }

    /// Queues a new task.
    pub(crate) fn spawn(
        self: &Arc<Self>,
        account: Arc<Account>,
        body: impl Future<Output = News> + Send + 'static,
    ) -> Arc<Task> {
        let task = Arc::new(Task {
            number: self.next_number.fetch_add(1, Ordering::Relaxed),
            queue: self.clone(),
            account,
            status: AtomicU8::new(QUEUED),
            body: Mutex::new(Some(Box::pin(body))),
        });
        self.push(task.clone(), true);
        task
    }

    /// Polls tasks until the queue is closed. The body of a guest thread.
    pub(crate) fn work(&self) {
        let mut outbox = Outbox::default();
        while let Some(task) = self.pop(&mut outbox) {
            // One that has begun is likely to use its whole slice again.
            if task.account.has_run() || outbox.is_due() {
                outbox.deliver();
            }
            if let Some(news) = task.run() {
                outbox.add(news);
            }
        }
        outbox.deliver();
    }

    /// Lets the guest threads end, and drops every queued task.
    pub(crate) fn close(&self) {
        let dropped = {
            let mut state = lock(&self.state);
            let dropped = std::mem::take(&mut *state);
            state.closed = true;
            dropped
        };
        self.pushed.notify_all();
        // Outside the lock: dropping a task drops its guest.
        for ready in dropped.ready.into_values() {
            ready.task.discard();
        }
    }

    /// Queues a task, and wakes a guest thread for it unless the caller is one that is about to pop.
    fn push(&self, task: Arc<Task>, wake: bool) {
        let account = &task.account;
        let deadline = match account.is_urgent() {
            true => 0,
            false => account
                .deadline()
                .map_or(u64::MAX, |at| self.since_origin(at)),
        };
        let ready = Ready {
            deadline,
            class: self.class(account.cpu_time()),
            since: self.since_origin(Instant::now()),
            task,
        };
        let mut state = lock(&self.state);
        if state.closed {
            drop(state);
            return ready.task.discard();
        }
        state.insert(ready);
        // A system call, also where nobody waits. Under the lock: so it reaches one that was counted.
        if wake && state.waiting > 0 {
            state.waiting -= 1;
            self.pushed.notify_one();
        }
    }

    /// The next task to poll; waits for one, with nothing left to tell. None once the queue is closed.
    fn pop(&self, outbox: &mut Outbox) -> Option<Arc<Task>> {
        let mut state = lock(&self.state);
        loop {
            if state.closed {
                return None;
            }
            if !state.ready.is_empty() {
                return state.pop(self.since_origin(Instant::now()), self.oldest_interval);
            }
            if !outbox.is_empty() {
                drop(state);
                outbox.deliver();
                state = lock(&self.state);
                continue;
            }
            state.waiting += 1;
            state = self
                .pushed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Moves a queued task to the front.
    fn expedite(&self, task: &Task) {
        let mut state = lock(&self.state);
        // Not there: it is idle or running, and `push` will see that it is urgent.
        if let Some(mut ready) = state.remove(task.number) {
            ready.deadline = 0;
            state.insert(ready);
        }
    }

    /// 0 up to the end of the first class, 1 up to twice that, 2 up to four times, and so on.
    fn class(&self, cpu_time: Duration) -> u32 {
        let firsts = cpu_time.as_nanos() as u64 / self.first_class;
        u64::BITS - firsts.leading_zeros()
    }

    fn since_origin(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.origin).as_nanos() as u64
    }
}

impl Ready {
    fn rank(&self) -> Rank {
        match self.class {
            // In order of arrival, also after it has begun.
            0 => (0, 0, self.task.number),
            class => (class, self.since, self.task.number),
        }
    }
}

impl State {
    fn insert(&mut self, ready: Ready) {
        let number = ready.task.number;
        self.by_deadline.insert((ready.deadline, number));
        self.by_cpu_time.insert(ready.rank());
        self.by_age.insert((ready.since, number));
        self.ready.insert(number, ready);
    }

    fn remove(&mut self, number: u64) -> Option<Ready> {
        let ready = self.ready.remove(&number)?;
        self.by_deadline.remove(&(ready.deadline, number));
        self.by_cpu_time.remove(&ready.rank());
        self.by_age.remove(&(ready.since, number));
        Some(ready)
    }

    fn pop(&mut self, now: u64, oldest_interval: u64) -> Option<Arc<Task>> {
        let (deadline, first_due) = *self.by_deadline.first()?;
        let number = if deadline <= now {
            first_due
        } else if self.oldest_at <= now {
            // From now on, not from when it was due: while the threads were idle, no share was saved up.
            self.oldest_at = now + oldest_interval;
            self.by_age.first()?.1
        } else {
            self.by_cpu_time.first()?.2
        };
        self.remove(number).map(|ready| ready.task)
    }
}

impl Task {
    /// Ends the attempt as soon as a thread is free: within a tick.
    pub(crate) fn stop(self: &Arc<Self>, stop: Stop) {
        // Most have, when whoever waited for them lets go.
        if self.status.load(Ordering::SeqCst) == DONE {
            return;
        }
        self.account.stop(stop);
        self.queue.expedite(self);
        self.wake_by_ref();
    }

    /// Polls the task. What is to be told, if this was its end.
    fn run(self: Arc<Self>) -> Option<News> {
        self.status.swap(RUNNING, Ordering::SeqCst);
        let waker = Waker::from(self.clone());
        let mut body = lock(&self.body);
        let polled = match body.as_mut() {
            // A panic of the host's own code must cost this attempt only. Its result channel is
            // dropped with the body, and whoever waits for the report learns from that.
            Some(future) => catch_unwind(AssertUnwindSafe(|| {
                future.as_mut().poll(&mut Context::from_waker(&waker))
            })),
            None => return None,
        };
        let news = match polled {
            Ok(Poll::Pending) => {
                drop(body);
                let idle =
                    self.status
                        .compare_exchange(RUNNING, IDLE, Ordering::SeqCst, Ordering::SeqCst);
                if idle.is_err() {
                    self.status.swap(QUEUED, Ordering::SeqCst);
                    self.queue.clone().push(self, false);
                }
                return None;
            }
            Ok(Poll::Ready(news)) => Some(news),
            Err(_) => None,
        };
        self.status.store(DONE, Ordering::SeqCst);
        drop_body(body.take());
        news
    }

    /// Drops the body unpolled.
    fn discard(&self) {
        self.status.store(DONE, Ordering::SeqCst);
        drop_body(lock(&self.body).take());
    }
}

/// What one guest thread has not told yet.
#[derive(Default)]
struct Outbox {
    news: Vec<News>,
    /// Since when there has been something.
    since: Option<Instant>,
}

impl Outbox {
    fn is_empty(&self) -> bool {
        self.news.is_empty()
    }

    fn add(&mut self, news: News) {
        self.since.get_or_insert_with(Instant::now);
        self.news.push(news);
    }

    fn is_due(&self) -> bool {
        self.news.len() >= NEWS_MAX
            || self
                .since
                .is_some_and(|since| since.elapsed() >= NEWS_AGE_MAX)
    }

    fn deliver(&mut self) {
        self.since = None;
        for news in self.news.drain(..) {
            // As with a task: a panic of the host's own code stays here.
            let _ = catch_unwind(AssertUnwindSafe(news));
        }
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
                Ok(IDLE) => return self.queue.push(self.clone(), true),
                Ok(_) => return,
                Err(seen) => status = seen,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A queue whose oldest task is never due before the others.
    fn queue() -> Arc<Queue> {
        let queue = Queue::new(1, Duration::from_millis(1));
        lock(&queue.state).oldest_at = u64::MAX;
        queue
    }

    fn spawn(queue: &Arc<Queue>, account: Account) -> Arc<Task> {
        queue.spawn(Arc::new(account), std::future::pending())
    }

    fn used(cpu_time: Duration) -> Account {
        let account = Account::default();
        account.charge(cpu_time);
        account
    }

    fn pop(queue: &Queue) -> Arc<Task> {
        queue.pop(&mut Outbox::default()).expect("open")
    }

    fn order(queue: &Queue, count: usize) -> Vec<u64> {
        (0..count).map(|_| pop(queue).number).collect()
    }

    #[test]
    fn those_that_used_the_least_cpu_come_first_and_the_others_in_turn() {
        let queue = queue();
        for ms in [40, 0, 12, 90_000, 15, 3] {
            spawn(&queue, used(Duration::from_millis(ms)));
        }
        // 0 and 3 ms are of one class, and so are 12 and 15.
        assert_eq!(order(&queue, 6), [1, 5, 2, 4, 0, 3]);
    }

    #[test]
    fn classes_double() {
        let queue = queue();
        for (us, class) in [
            (0, 0),
            (3_999, 0),
            (4_000, 1),
            (7_999, 1),
            (8_000, 2),
            (15_999, 2),
            (16_000, 3),
            (u64::MAX / 1_000, 43),
        ] {
            assert_eq!(queue.class(Duration::from_micros(us)), class, "{us}");
        }
    }

    /// A short job that has begun goes on before those that came after it, and before all that compute
    /// for long, whatever these have used.
    #[test]
    fn a_short_job_is_finished_before_the_next_one_begins() {
        let queue = queue();
        for ms in [5, 4, 6] {
            spawn(&queue, used(Duration::from_millis(ms)));
        }
        let begun = spawn(&queue, Account::default());
        spawn(&queue, Account::default());
        for ms in 1..4 {
            let task = pop(&queue);
            assert_eq!(task.number, begun.number, "after {ms} ms");
            task.account.charge(Duration::from_millis(1));
            queue.push(task, false);
        }
        let task = pop(&queue);
        task.account.charge(Duration::from_millis(1));
        queue.push(task, false);
        assert_eq!(order(&queue, 5), [4, 0, 1, 2, 3], "then it takes turns");
    }

    #[test]
    fn those_past_their_deadline_and_those_that_were_stopped_come_before_all() {
        let queue = Queue::new(1, Duration::from_millis(1));
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

    /// A stream of newcomers must not hold back for ever what has computed for long.
    #[test]
    fn whoever_waited_longest_has_a_share() {
        const SLICE: u64 = 1_000_000;
        let queue = Queue::new(1, Duration::from_nanos(SLICE));
        let heavy = spawn(&queue, used(Duration::from_secs(60)));
        let began = queue.since_origin(Instant::now());
        let mut turns = Vec::new();
        for slice in 0..100 {
            spawn(&queue, Account::default());
            let task = lock(&queue.state)
                .pop(began + SLICE * slice, queue.oldest_interval)
                .expect("there are more");
            if task.number == heavy.number {
                turns.push(slice);
                queue.push(task, false);
            }
        }
        // Each time behind all that came before it was queued again, of which there are ever more.
        assert!(turns.len() >= 4, "{turns:?}");
    }

    /// A body that ends at once, and whose end is told here.
    fn ends(told: &std::sync::mpsc::Sender<&'static str>, name: &'static str) -> Body {
        let told = told.clone();
        Box::pin(async move {
            let news: News = Box::new(move || told.send(name).unwrap_or_default());
            news
        })
    }

    #[test]
    fn ends_are_told_together_once_nothing_short_is_left() {
        let queue = queue();
        let (told, heard) = std::sync::mpsc::channel();
        for name in ["first", "second"] {
            queue.spawn(Arc::default(), ends(&told, name));
        }
        let mut outbox = Outbox::default();
        for _ in 0..2 {
            let news = queue.pop(&mut outbox).expect("open").run();
            outbox.add(news.expect("it has ended"));
            assert!(heard.try_recv().is_err(), "there may be more to come");
        }
        // Closed, so that the thread ends instead of waiting for more.
        let closer = queue.clone();
        let closing = std::thread::spawn(move || {
            let names = [heard.recv(), heard.recv()].map(|name| name.expect("told"));
            closer.close();
            names
        });
        assert!(queue.pop(&mut outbox).is_none());
        assert_eq!(closing.join().expect("no panic"), ["first", "second"]);
    }

    #[test]
    fn ends_are_told_before_one_that_computes_for_long_goes_on() {
        let queue = queue();
        let (told, heard) = std::sync::mpsc::channel();
        let went_on = told.clone();
        queue.spawn(Arc::default(), ends(&told, "ended"));
        let (closer, long) = (queue.clone(), used(Duration::from_secs(1)));
        queue.spawn(Arc::new(long), async move {
            let _ = went_on.send("went on");
            closer.close();
            let news: News = Box::new(|| {});
            news
        });
        queue.work();
        drop(told);
        assert_eq!(heard.iter().collect::<Vec<_>>(), ["ended", "went on"]);
    }

    #[test]
    fn what_is_not_told_yet_is_due_after_a_while_or_when_there_is_much() {
        let mut outbox = Outbox::default();
        assert!(!outbox.is_due());
        for _ in 0..NEWS_MAX {
            outbox.add(Box::new(|| {}));
        }
        assert!(outbox.is_due(), "much");
        outbox.deliver();
        assert!(!outbox.is_due());
        outbox.add(Box::new(|| panic!("of the host's own code")));
        outbox.since = Instant::now().checked_sub(NEWS_AGE_MAX);
        assert!(outbox.is_due(), "old");
        outbox.deliver();
        assert!(outbox.is_empty(), "and the thread lives on");
    }

    /// A thread that waits is woken for each task that it is needed for, and for none twice.
    #[test]
    fn waiting_threads_are_woken() {
        let queue = queue();
        let (told, heard) = std::sync::mpsc::channel();
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let queue = queue.clone();
                std::thread::spawn(move || queue.work())
            })
            .collect();
        let both = Arc::new(std::sync::Barrier::new(2));
        for _ in 0..200 {
            // Each of the two needs the other to run at the same time.
            for _ in 0..2 {
                let (both, told) = (both.clone(), told.clone());
                queue.spawn(Arc::default(), async move {
                    both.wait();
                    let news: News = Box::new(move || told.send(()).unwrap_or_default());
                    news
                });
            }
            for _ in 0..2 {
                heard.recv().expect("told");
            }
        }
        queue.close();
        for thread in threads {
            thread.join().expect("no panic");
        }
    }

    #[test]
    fn all_threads_together_give_the_oldest_its_share() {
        for (threads, interval) in [(1, 4_000_000), (2, 2_000_000), (8, 500_000)] {
            let queue = Queue::new(threads, Duration::from_millis(1));
            assert_eq!(queue.oldest_interval, interval);
        }
    }

    #[test]
    fn a_task_that_wakes_itself_is_queued_once_and_one_that_waits_is_not() {
        let queue = queue();
        let woken = queue.spawn(Arc::default(), async {
            std::future::poll_fn(|cx| {
                cx.waker().wake_by_ref();
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await
        });
        pop(&queue).run();
        assert_eq!(lock(&queue.state).ready.len(), 1);
        pop(&queue).discard();
        woken.wake_by_ref();
        assert!(
            lock(&queue.state).ready.is_empty(),
            "a task that has ended stays so"
        );

        let waiting = spawn(&queue, Account::default());
        pop(&queue).run();
        assert!(lock(&queue.state).ready.is_empty());
        waiting.wake_by_ref();
        waiting.wake_by_ref();
        let state = lock(&queue.state);
        let orders = [
            state.by_deadline.len(),
            state.by_cpu_time.len(),
            state.by_age.len(),
        ];
        assert_eq!(orders, [1; 3], "all orders agree");
        assert_eq!(state.ready.len(), 1);
    }

    #[test]
    fn a_panic_ends_its_task_only() {
        let queue = queue();
        queue.spawn(Arc::default(), async { panic!("of a test, on purpose") });
        spawn(&queue, Account::default());
        assert!(pop(&queue).run().is_none(), "nothing to tell");
        assert_eq!(order(&queue, 1), [1]);
    }

    #[test]
    fn a_closed_queue_drops_its_tasks_and_takes_no_more() {
        let queue = queue();
        let held = Arc::new(());
        let body = |held: Arc<()>| async move {
            let news = std::future::pending().await;
            drop(held);
            news
        };
        queue.spawn(Arc::default(), body(held.clone()));
        queue.close();
        queue.spawn(Arc::default(), body(held.clone()));
        assert_eq!(Arc::strong_count(&held), 1);
        assert!(queue.pop(&mut Outbox::default()).is_none());
    }
}
