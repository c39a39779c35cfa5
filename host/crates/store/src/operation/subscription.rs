//! Subscriptions to events: made, listed, changed; and their deliveries, leased to whoever makes them.

use std::time::Duration;

use hardstop_domain::{EventUrl, SubscriptionId, SubscriptionName, TypeId};
use serde_json::{Value, json};

use super::change::{Change, Entry, States};
use super::removal::age_us;
use super::{Mode, Operation, check_limit, unwritable};
use crate::StoreError;
use crate::record::*;
use crate::row::{self, TIME_MAX};
use crate::transaction::Transaction;
use crate::transaction::subscription::{DeliveryPage, LeaseEnd, RedeliveryRow};

/// How many deliveries one call forgets.
const TRIMMED_MAX: i64 = 5_000;

/// One subscription as it is on record.
async fn find(
    tx: &mut dyn Transaction,
    name: &SubscriptionName,
) -> Result<Option<Subscription>, StoreError> {
    Ok(tx.subscriptions(Some(name.as_str())).await?.pop())
}

/// What a record of a change shows of one: the host of its URL, whose path may be all the secret that a receiver has.
async fn shown(
    tx: &mut dyn Transaction,
    name: &SubscriptionName,
) -> Result<Option<Value>, StoreError> {
    let found = find(tx, name).await?;
    Ok(found.map(|it| {
        let origin = it.url.parse::<EventUrl>().map(|url| url.target.origin());
        json!({
            "url": origin.unwrap_or_default(),
            "kinds": it.kinds,
            "type": it.type_name,
            "thresholds": it.thresholds,
            "state": it.state,
        })
    }))
}

/// Fails where this cannot be on record for who does something.
pub(super) fn check_actor(actor: &str) -> Result<(), StoreError> {
    if actor.is_empty() || actor.len() > PAUSE_ACTOR_BYTES_MAX || actor.contains('\0') {
        return Err(StoreError::Invalid(format!(
            "an actor of {} bytes is not from 1 to {PAUSE_ACTOR_BYTES_MAX}, without NUL characters",
            actor.len()
        )));
    }
    Ok(())
}

/// Makes a subscription. None where its name is taken.
pub(crate) struct PutSubscription {
    new: NewSubscription,
    type_id: Option<TypeId>,
    thresholds: String,
}

impl PutSubscription {
    pub(crate) fn new(new: NewSubscription, type_id: Option<TypeId>) -> Result<Self, StoreError> {
        let invalid = |error: hardstop_domain::event::SubscriptionError| {
            StoreError::Invalid(error.to_string())
        };
        new.url.parse::<EventUrl>().map_err(invalid)?;
        new.thresholds.check().map_err(invalid)?;
        if new.kinds.is_empty() {
            return Err(invalid(hardstop_domain::event::SubscriptionError::NoKinds));
        }
        check_actor(&new.actor)?;
        let thresholds = row::json(&new.thresholds).map_err(unwritable)?;
        Ok(Self {
            new,
            type_id,
            thresholds,
        })
    }
}

impl Operation for PutSubscription {
    type Output = Option<Subscription>;

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Self::Output, StoreError> {
        let made = tx
            .put_subscription(&self.new, self.type_id, &self.thresholds)
            .await?;
        let found = find(tx, &self.new.name).await?;
        match (made, found) {
            (true, found) => Ok(found),
            (false, Some(_)) => Ok(None),
            (false, None) => Err(StoreError::Invalid(format!(
                "there are {SUBSCRIPTIONS_MAX} subscriptions, which is the maximum"
            ))),
        }
    }
}

impl Change for PutSubscription {
    const ONCE: bool = true;

    async fn state(&self, tx: &mut dyn Transaction) -> Result<Option<Value>, StoreError> {
        shown(tx, &self.new.name).await
    }

    fn entry(&self, states: States, made: &Self::Output) -> Option<Entry> {
        made.as_ref()
            .map(|_| Entry::new(AuditAction::CreateSubscription, &self.new.name, states))
    }

    fn answer(made: &Self::Output) -> Result<Value, String> {
        serde_json::to_value(made).map_err(|error| error.to_string())
    }

    fn again(answer: Value) -> Result<Self::Output, String> {
        serde_json::from_value(answer).map_err(|error| error.to_string())
    }
}

/// All subscriptions, or the one of a name.
pub(crate) struct Subscriptions(pub(crate) Option<SubscriptionName>);

impl Operation for Subscriptions {
    type Output = Vec<Subscription>;

    fn mode(&self) -> Mode {
        Mode::READ
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Self::Output, StoreError> {
        tx.subscriptions(self.0.as_ref().map(SubscriptionName::as_str))
            .await
    }
}

/// Pauses a subscription or lets it go on. None where there is none.
pub(crate) struct SetSubscription {
    pub(crate) name: SubscriptionName,
    pub(crate) paused: bool,
}

impl Operation for SetSubscription {
    type Output = Option<Subscription>;

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC.resend()
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Self::Output, StoreError> {
        let state = match self.paused {
            true => SubscriptionState::Paused,
            false => SubscriptionState::Active,
        };
        tx.set_subscription(self.name.as_str(), state).await?;
        find(tx, &self.name).await
    }
}

impl Change for SetSubscription {
    async fn state(&self, tx: &mut dyn Transaction) -> Result<Option<Value>, StoreError> {
        shown(tx, &self.name).await
    }

    fn entry(&self, states: States, found: &Self::Output) -> Option<Entry> {
        let action = match self.paused {
            true => AuditAction::PauseSubscription,
            false => AuditAction::ResumeSubscription,
        };
        let changed = found.is_some() && states.before != states.after;
        changed.then(|| Entry::new(action, &self.name, states))
    }
}

/// Deletes a subscription. Says whether there was one.
pub(crate) struct DeleteSubscription(pub(crate) SubscriptionName);

impl Operation for DeleteSubscription {
    type Output = bool;

    fn mode(&self) -> Mode {
        Mode::WRITE
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<bool, StoreError> {
        tx.delete_subscription(self.0.as_str()).await
    }
}

impl Change for DeleteSubscription {
    async fn state(&self, tx: &mut dyn Transaction) -> Result<Option<Value>, StoreError> {
        shown(tx, &self.0).await
    }

    fn entry(&self, states: States, existed: &bool) -> Option<Entry> {
        existed.then(|| Entry::new(AuditAction::DeleteSubscription, &self.0, states))
    }
}

/// A page of a subscription's deliveries. None where there is no such subscription.
pub(crate) struct Deliveries(DeliveryQuery);

impl Deliveries {
    pub(crate) fn new(query: &DeliveryQuery) -> Result<Self, StoreError> {
        check_limit(query.limit, DELIVERY_LIMIT_MAX)?;
        Ok(Self(query.clone()))
    }
}

impl Operation for Deliveries {
    type Output = Option<Vec<Delivery>>;

    fn mode(&self) -> Mode {
        Mode::LIST
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Self::Output, StoreError> {
        let Some(subscription) = find(tx, &self.0.name).await? else {
            return Ok(None);
        };
        let page = DeliveryPage {
            subscription: subscription.id,
            before: self.0.before.unwrap_or(i64::MAX),
            state: self.0.state.map(DeliveryState::code),
            limit: i64::from(self.0.limit),
        };
        tx.deliveries(&page).await.map(Some)
    }
}

/// Lets deliveries wait again. None where there is no such subscription; else how many.
pub(crate) struct Redeliver {
    pub(crate) name: SubscriptionName,
    pub(crate) which: Redelivery,
}

impl Operation for Redeliver {
    type Output = Option<u64>;

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Self::Output, StoreError> {
        let Some(subscription) = find(tx, &self.name).await? else {
            return Ok(None);
        };
        let row = RedeliveryRow {
            id: match self.which {
                Redelivery::One(id) => Some(id),
                _ => None,
            },
            since: match self.which {
                Redelivery::Since(at) => Some(at.0.clamp(0, TIME_MAX)),
                _ => None,
            },
            only_dead: self.which == Redelivery::Dead,
            limit: DELIVERIES_REPLAYED_MAX,
        };
        tx.redeliver(subscription.id, &row).await.map(Some)
    }
}

impl Change for Redeliver {
    fn entry(&self, _: States, count: &Self::Output) -> Option<Entry> {
        let count = count.filter(|count| *count > 0)?;
        let states = States {
            before: None,
            after: Some(json!({ "which": self.which, "deliveries": count })),
        };
        Some(Entry::new(
            AuditAction::ReplayDeliveries,
            &self.name,
            states,
        ))
    }
}

/// The subscriptions whose events may be delivered now.
pub(crate) struct DueSubscriptions;

impl Operation for DueSubscriptions {
    type Output = Vec<SubscriptionId>;

    fn mode(&self) -> Mode {
        Mode::READ
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Self::Output, StoreError> {
        tx.due_subscriptions().await
    }
}

/// Leases a subscription, and reads what is to be delivered next. None where somebody else has it, or it is not due.
pub(crate) struct LeaseDeliveries {
    pub(crate) id: SubscriptionId,
    pub(crate) duration: Duration,
    pub(crate) limit: u32,
}

impl Operation for LeaseDeliveries {
    type Output = Option<LeasedDeliveries>;

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Self::Output, StoreError> {
        let leased = tx
            .lease_subscription(self.id, age_us(self.duration))
            .await?;
        let Some(mut leased) = leased else {
            return Ok(None);
        };
        leased.deliveries = tx.next_deliveries(self.id, self.limit).await?;
        Ok(Some(leased))
    }
}

/// Writes what came of leased deliveries, where the lease is still the one. Says whether it was.
pub(crate) struct SettleDeliveries(pub(crate) DeliveryReport);

impl Operation for SettleDeliveries {
    type Output = bool;

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<bool, StoreError> {
        let report = &self.0;
        let after = report.failed.as_ref().map(|failed| failed.next);
        let pause = match after {
            Some(AfterFailure::Retry(pause)) => pause,
            _ => Duration::ZERO,
        };
        let end = LeaseEnd {
            lease: report.lease,
            pause_us: age_us(pause),
            failure: report.failed.as_ref().map(|failed| failed.reason.clone()),
            stop: after == Some(AfterFailure::Stop),
            delivered: !report.delivered.is_empty(),
        };
        if !tx.end_delivery_lease(report.id, &end).await? {
            return Ok(false);
        }
        if !report.delivered.is_empty() {
            tx.delivered(report.id, &report.delivered).await?;
        }
        if let Some(failed) = &report.failed {
            let give_up = failed.next == AfterFailure::GiveUp;
            tx.fail_delivery(report.id, failed.id, &failed.reason, give_up)
                .await?;
        }
        Ok(true)
    }
}

/// Forgets old deliveries, a bounded number. Says how many.
pub(crate) struct TrimDeliveries;

impl Operation for TrimDeliveries {
    type Output = u64;

    fn mode(&self) -> Mode {
        Mode::WRITE.resend()
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<u64, StoreError> {
        tx.trim_deliveries(
            age_us(DELIVERED_KEPT),
            age_us(UNDELIVERED_KEPT),
            TRIMMED_MAX,
        )
        .await
    }
}
