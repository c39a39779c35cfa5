//! The outer deadline: polls a guest until it ends, its time is up, or somebody stops it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use crate::account::Account;
use crate::stop::Stop;
use crate::ticker::Ticker;

/// How a guest's run ended.
#[derive(Debug)]
pub(crate) enum Ended<T> {
    /// By itself.
    Returned(T),
    /// At the wall deadline.
    Wall,
    /// At the limit of CPU time.
    Cpu,
    /// From outside.
    Stopped(Stop),
}

/// Polls `future` under the deadline.
///
/// Every condition is checked before each poll and after it. Before, because a guest may have waited for
/// its turn past its time and would otherwise get one more slice. After, because one that used up its
/// time in this slice must not wait for another turn to be told. The ticker is asked for a tick at the
/// very moment at which the guest's time is up, where that may come within the slice.
///
/// An attempt that returns in the slice in which its time ran out has run out of time too. The account must
/// be in a slice; it is left in one, so that the teardown can be charged.
pub(crate) struct Deadline<'a, F> {
    future: Pin<&'a mut F>,
    account: &'a Account,
    at: Instant,
    cpu_time_max: Duration,
    ticker: &'a Ticker,
    /// Made when the guest first waits. One that spins gives its thread back at each tick, and one
    /// that returns at once needs no timer at all.
    timer: Option<Pin<Box<Sleep>>>,
    /// When the current slice began, where that was before this was polled.
    slice_began: Option<Instant>,
}

impl<'a, F: Future> Deadline<'a, F> {
    pub(crate) fn new(
        future: Pin<&'a mut F>,
        account: &'a Account,
        at: Instant,
        cpu_time_max: Duration,
        ticker: &'a Ticker,
        slice_began: Instant,
    ) -> Self {
        Self {
            future,
            account,
            at,
            cpu_time_max,
            ticker,
            timer: None,
            slice_began: Some(slice_began),
        }
    }

    fn is_over<T>(&self, now: Instant) -> Option<Ended<T>> {
        if let Some(stop) = self.account.stopped() {
            return Some(Ended::Stopped(stop));
        }
        if now >= self.at {
            return Some(Ended::Wall);
        }
        if self.account.cpu_time() >= self.cpu_time_max {
            return Some(Ended::Cpu);
        }
        None
    }
}

impl<F: Future> Future for Deadline<'_, F> {
    type Output = Ended<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let now = Instant::now();
        let slice_began = self.slice_began.take().unwrap_or_else(|| {
            self.account.begin_slice();
            now
        });
        if let Some(ended) = self.is_over(now) {
            return Poll::Ready(ended);
        }
        let cpu_time_left = self.cpu_time_max.saturating_sub(self.account.cpu_time());
        self.ticker.tick_by(now, self.at, cpu_time_left);
        let polled = self.future.as_mut().poll(cx);
        let now = Instant::now();
        if let Poll::Ready(returned) = polled {
            // A slice takes at most as much CPU time as it takes time. Where that is not too much, it is
            // charged at the end, with the teardown.
            if now.duration_since(slice_began) >= cpu_time_left {
                self.account.charge_slice();
            }
            let ended = match self.is_over(now) {
                // It was done before the stop arrived: the work counts.
                None | Some(Ended::Stopped(_)) => Ended::Returned(returned),
                Some(ended) => ended,
            };
            return Poll::Ready(ended);
        }
        self.account.charge_slice();
        let has_yielded = self.account.take_yield();
        if let Some(ended) = self.is_over(now) {
            return Poll::Ready(ended);
        }
        if !has_yielded {
            let at = self.at;
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at.into())));
            if timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ended::Wall);
            }
        }
        Poll::Pending
    }
}
