//! Ending an attempt from outside.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::Notify;

use crate::lock::lock;
use crate::queue::Task;

/// Why an attempt is ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// A person or program cancelled the job: the outcome is `cancelled`.
    Cancelled,
    /// The host shuts down: the outcome is `interrupted`.
    Interrupted,
}

impl Stop {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Cancelled => 1,
            Self::Interrupted => 2,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Cancelled),
            2 => Some(Self::Interrupted),
            _ => None,
        }
    }
}

/// Ends the attempt that holds the other half. Dropping it ends nothing.
#[derive(Clone)]
pub struct StopHandle(Arc<Line>);

/// The half that goes into an [`Attempt`](crate::Attempt).
pub struct StopSignal(Arc<Line>);

#[derive(Default)]
struct Line {
    stop: AtomicU8,
    task: Mutex<Weak<Task>>,
    raised: Notify,
}

impl StopSignal {
    /// A signal and the handle that raises it.
    pub fn pair() -> (StopHandle, StopSignal) {
        let line = Arc::new(Line::default());
        (StopHandle(line.clone()), StopSignal(line))
    }

    /// A signal that nobody can raise.
    pub fn never() -> StopSignal {
        StopSignal(Arc::default())
    }

    pub(crate) fn stopped(&self) -> Option<Stop> {
        Stop::from_code(self.0.stop.load(Ordering::SeqCst))
    }

    /// Waits until the signal is raised.
    pub async fn raised(&self) -> Stop {
        loop {
            // Made before the look, so that a signal between the two is not missed.
            let raised = self.0.raised.notified();
            if let Some(stop) = self.stopped() {
                return stop;
            }
            raised.await;
        }
    }

    /// From now on the signal ends this task, also if it was raised before.
    pub(crate) fn attach(&self, task: &Arc<Task>) {
        *lock(&self.0.task) = Arc::downgrade(task);
        if let Some(stop) = self.stopped() {
            task.stop(stop);
        }
    }
}

impl StopHandle {
    /// Ends the attempt within a tick. The first call decides the outcome; an attempt that has
    /// ended is not changed.
    pub fn stop(&self, stop: Stop) {
        let first =
            self.0
                .stop
                .compare_exchange(0, stop.code(), Ordering::SeqCst, Ordering::SeqCst);
        if first.is_err() {
            return;
        }
        self.0.raised.notify_waiters();
        let task = lock(&self.0.task).upgrade();
        if let Some(task) = task {
            task.stop(stop);
        }
    }
}
