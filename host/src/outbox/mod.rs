//! The event outbox: what subscriptions wait for is posted to their receivers, by any host.
//!
//! ```text
//! settle (store, the transaction of the change) ──> delivery rows ──┐
//! check_types (here, now and then, for all hosts) ──────────────────┤
//!                                                                   v
//! due subscriptions ──> lease (store, fenced) ──> sign ──> post, one after the other ──> settle_deliveries (fenced)
//! ```
//!
//! A subscription's events are delivered by one host at a time and in order; other subscriptions do not wait for it. An
//! event whose delivery is not on record is sent again, so a receiver may get it twice, under the same id.

mod message;
mod sender;
mod signing;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hardstop_domain::event::{Verdict, backoff_ms, verdict};
use hardstop_domain::{EventUrl, SubscriptionId};
use hardstop_store::{
    AfterFailure, Delivery, DeliveryFailure, DeliveryReport, LeasedDeliveries, Store,
};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use crate::config::EventsConfig;
pub use message::{Message, MessageData};
use sender::{Sender, Unsent};
pub use signing::{SIGNATURE_HEADERS, Signing, shown_secret};

/// How often to look for what is to be delivered.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// How many subscriptions one host delivers for at once.
const AT_ONCE: usize = 8;
/// How many events are delivered under one lease.
const BATCH: u32 = 32;
/// How long a lease goes on beyond the last delivery that can be under way: for the way to the database.
const LEASE_GRACE: Duration = Duration::from_secs(5);
/// How often old deliveries are forgotten.
const TRIM_INTERVAL: Duration = Duration::from_secs(600);
/// How often listeners are ended that nobody hears, or that cannot keep up.
const LISTENER_INTERVAL: Duration = Duration::from_secs(30);

/// What delivers events.
pub struct Outbox {
    store: Arc<dyn Store>,
    config: EventsConfig,
    signing: Signing,
    sender: Sender,
    /// Whether it was said that this host cannot sign.
    said: AtomicBool,
}

/// What one delivery came to.
enum Sent {
    Delivered,
    Failed(DeliveryFailure),
}

impl Outbox {
    /// One over this store.
    pub fn new(store: Arc<dyn Store>, config: EventsConfig, signing: Signing) -> Self {
        let sender = Sender::new(config.allow_private.clone(), config.timeout);
        Self {
            store,
            config,
            signing,
            sender,
            said: AtomicBool::new(false),
        }
    }

    /// Delivers until `stopping` says so; what is being posted then comes to its end.
    pub async fn run(self, stopping: watch::Receiver<bool>) {
        let outbox = Arc::new(self);
        let mut stopped = stopping.clone();
        let upkeep = async { tokio::join!(outbox.watch(), outbox.trim(), outbox.end_listeners()) };
        let until_stopped = async {
            tokio::select! {
                biased;
                _ = stopped.wait_for(|stopped| *stopped) => {}
                _ = upkeep => {}
            }
        };
        tokio::join!(deliver(Arc::clone(&outbox), stopping), until_stopped);
    }

    /// Looks now and then whether types are failing or stuck.
    async fn watch(&self) {
        let interval = self.config.check_interval;
        loop {
            // Jitter, so that many hosts do not ask at the same moment.
            sleep(interval.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
            match self.store.check_types(interval).await {
                Ok(0) => {}
                Ok(events) => info!(events, "types are failing or stuck"),
                Err(error) => warn!(%error, "cannot look for failing and stuck types"),
            }
        }
    }

    /// Forgets old deliveries.
    async fn trim(&self) {
        loop {
            sleep(TRIM_INTERVAL.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
            match self.store.trim_deliveries().await {
                Ok(0) => {}
                Ok(deliveries) => debug!(deliveries, "forgot old deliveries"),
                Err(error) => warn!(%error, "cannot forget old deliveries"),
            }
        }
    }

    /// Ends listeners that nobody hears, or that cannot keep up.
    async fn end_listeners(&self) {
        let mut more = false;
        loop {
            if !more {
                sleep(LISTENER_INTERVAL.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
            }
            more = self.store.end_listeners().await.unwrap_or_else(|error| {
                warn!(%error, "cannot end streams of events that nobody hears");
                false
            });
        }
    }

    /// Delivers a batch of one subscription's events, if nobody else does. Whether there may be more at once.
    async fn serve(&self, id: SubscriptionId, stopping: &watch::Receiver<bool>) -> bool {
        // Before the lease: a host that cannot sign leaves the events to others.
        let secret = match self.signing.secret(id).await {
            Ok(secret) => secret,
            Err(error) => {
                if !self.said.swap(true, Ordering::Relaxed) {
                    warn!(%error, "this host cannot sign events, and delivers none");
                }
                return false;
            }
        };
        self.said.store(false, Ordering::Relaxed);
        // Deliveries begin for as long as one may take; the last has as long again.
        let duration = self.config.timeout * 2 + LEASE_GRACE;
        let until = Instant::now() + self.config.timeout;
        let leased = match self.store.lease_deliveries(id, duration, BATCH).await {
            Ok(Some(leased)) => leased,
            Ok(None) => return false,
            Err(error) => {
                warn!(%error, "cannot lease a subscription");
                return false;
            }
        };
        let mut report = DeliveryReport {
            id,
            lease: leased.lease,
            delivered: Vec::new(),
            failed: None,
        };
        for delivery in &leased.deliveries {
            if Instant::now() >= until || *stopping.borrow() {
                break;
            }
            match self.deliver(&leased, delivery, &secret).await {
                Sent::Delivered => report.delivered.push(delivery.id),
                Sent::Failed(failure) => {
                    report.failed = Some(failure);
                    break;
                }
            }
        }
        self.tell(&leased, &report);
        let more = match &report.failed {
            None => leased.deliveries.len() == BATCH as usize,
            Some(failure) => failure.next == AfterFailure::GiveUp,
        };
        match self.store.settle_deliveries(report).await {
            Ok(true) => more,
            Ok(false) => {
                warn!(subscription = %leased.name, "the lease ran out during deliveries: they are made again");
                false
            }
            Err(error) => {
                warn!(%error, subscription = %leased.name, "cannot record deliveries: they are made again");
                false
            }
        }
    }

    fn tell(&self, leased: &LeasedDeliveries, report: &DeliveryReport) {
        let name = &leased.name;
        if !report.delivered.is_empty() {
            debug!(subscription = %name, events = report.delivered.len(), "delivered events");
        }
        let Some(failure) = &report.failed else {
            return;
        };
        let (id, reason) = (failure.id, &failure.reason);
        match failure.next {
            AfterFailure::Retry(pause) => {
                debug!(subscription = %name, delivery = id, ?pause, "a delivery failed: {reason}");
            }
            AfterFailure::GiveUp => {
                warn!(subscription = %name, delivery = id, "gave an event up: {reason}");
            }
            AfterFailure::Stop => warn!(
                subscription = %name,
                delivery = id,
                "stopped the subscription: {reason}; `hardstop subscription resume {name}` lets it go on"
            ),
        }
    }

    async fn deliver(&self, leased: &LeasedDeliveries, delivery: &Delivery, secret: &[u8]) -> Sent {
        let failed = |reason: String, next| {
            Sent::Failed(DeliveryFailure {
                id: delivery.id,
                reason,
                next,
            })
        };
        let url: EventUrl = match leased.url.parse() {
            Ok(url) => url,
            Err(error) => return failed(format!("{error}"), AfterFailure::Stop),
        };
        let request = match message::request(&url, leased.id, delivery, secret) {
            Ok(request) => request,
            Err(reason) => return failed(reason, AfterFailure::Stop),
        };
        let reason = match self.sender.post(&url, request).await {
            Ok(status) => match verdict(status) {
                Verdict::Delivered => return Sent::Delivered,
                Verdict::Refused => {
                    return failed(format!("it answered {status}"), AfterFailure::Stop);
                }
                Verdict::Retry => format!("it answered {status}"),
            },
            Err(Unsent::Refused(reason)) => return failed(reason, AfterFailure::Stop),
            Err(Unsent::Failed(reason)) => reason,
        };
        let attempt = delivery.failures.saturating_add(1);
        if attempt >= self.config.attempts_max {
            return failed(reason, AfterFailure::GiveUp);
        }
        let first = u64::try_from(self.config.retry_delay.as_millis()).unwrap_or(u64::MAX);
        let pause = backoff_ms(first, attempt, fastrand::f64());
        failed(reason, AfterFailure::Retry(Duration::from_millis(pause)))
    }
}

/// Looks for subscriptions that are due, and has each served by a task of its own.
async fn deliver(outbox: Arc<Outbox>, mut stopping: watch::Receiver<bool>) {
    let mut tasks: JoinSet<(SubscriptionId, bool)> = JoinSet::new();
    let mut busy: HashSet<SubscriptionId> = HashSet::new();
    let mut pause = POLL_INTERVAL;
    loop {
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stopped| *stopped) => break,
            Some(done) = tasks.join_next() => {
                match done {
                    Ok((id, more)) => {
                        busy.remove(&id);
                        if !more {
                            continue;
                        }
                    }
                    // Not known whose it was: all are looked at again.
                    Err(error) => {
                        warn!(%error, "a delivery broke off");
                        busy.clear();
                    }
                }
            }
            () = sleep(pause) => {}
        }
        pause = POLL_INTERVAL.mul_f64(0.75 + fastrand::f64() / 2.0);
        let due = match outbox.store.due_subscriptions().await {
            Ok(due) => due,
            Err(error) => {
                warn!(%error, "cannot look for events to deliver");
                continue;
            }
        };
        for id in due {
            if tasks.len() < AT_ONCE && busy.insert(id) {
                let (outbox, stopping) = (Arc::clone(&outbox), stopping.clone());
                tasks.spawn(async move { (id, outbox.serve(id, &stopping).await) });
            }
        }
    }
    // Each ends with what it is posting.
    while tasks.join_next().await.is_some() {}
}
