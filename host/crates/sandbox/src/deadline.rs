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
    /// Whether the slice in which this was made is still going on.
    in_first_slice: bool,
}

impl<'a, F: Future> Deadline<'a, F> {
    pub(crate) fn new(
        future: Pin<&'a mut F>,
        account: &'a Account,
        at: Instant,
        cpu_time_max: Duration,
        ticker: &'a Ticker,
    ) -> Self {
        Self {
            future,
            account,
            at,
            cpu_time_max,
            ticker,
            timer: None,
            in_first_slice: true,
        }
    }

    fn is_over<T>(&self) -> Option<Ended<T>> {
        if let Some(stop) = self.account.stopped() {
            return Some(Ended::Stopped(stop));
        }
        if Instant::now() >= self.at {
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
        if !std::mem::replace(&mut self.in_first_slice, false) {
            self.account.begin_slice();
        }
        if let Some(ended) = self.is_over() {
            return Poll::Ready(ended);
        }
        let cpu_time_left = self.cpu_time_max.saturating_sub(self.account.cpu_time());
        self.ticker.tick_by(self.at, cpu_time_left);
        let polled = self.future.as_mut().poll(cx);
        self.account.charge_slice();
        if let Poll::Ready(returned) = polled {
            let ended = match self.is_over() {
                // It was done before the stop arrived: the work counts.
                None | Some(Ended::Stopped(_)) => Ended::Returned(returned),
                Some(ended) => ended,
            };
            return Poll::Ready(ended);
        }
        let has_yielded = self.account.take_yield();
        if let Some(ended) = self.is_over() {
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
