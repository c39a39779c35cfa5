//! The statements about subscriptions and deliveries.

use async_trait::async_trait;
use hardstop_domain::{SubscriptionId, TypeId};

use crate::StoreError;
use crate::record::{Delivery, LeasedDeliveries, NewSubscription, Subscription, SubscriptionState};
use crate::row::EventRow;
use crate::view::subscription::{Check, LongestRunning};

/// Which deliveries of a subscription to list.
#[derive(Debug)]
pub(crate) struct DeliveryPage {
    pub(crate) subscription: SubscriptionId,
    /// Numbers below this one.
    pub(crate) before: i64,
    /// The code of a state.
    pub(crate) state: Option<i16>,
    pub(crate) limit: i64,
}

/// Which deliveries are to wait again.
#[derive(Debug)]
pub(crate) struct RedeliveryRow {
    pub(crate) id: Option<i64>,
    pub(crate) since: Option<i64>,
    pub(crate) only_dead: bool,
    pub(crate) limit: i64,
}

/// How a lease ends.
#[derive(Debug)]
pub(crate) struct LeaseEnd {
    pub(crate) lease: i64,
    pub(crate) pause_us: i64,
    pub(crate) failure: Option<String>,
    pub(crate) stop: bool,
    pub(crate) delivered: bool,
}

#[async_trait]
pub(crate) trait SubscriptionStatements: Send {
    /// Whether it was made: no other has its name, and there are not too many.
    async fn put_subscription(
        &mut self,
        new: &NewSubscription,
        type_id: Option<TypeId>,
        thresholds: &str,
    ) -> Result<bool, StoreError>;
    /// All, or the one of a name.
    async fn subscriptions(&mut self, name: Option<&str>) -> Result<Vec<Subscription>, StoreError>;
    /// Whether there is one.
    async fn set_subscription(
        &mut self,
        name: &str,
        state: SubscriptionState,
    ) -> Result<bool, StoreError>;
    /// Whether there was one.
    async fn delete_subscription(&mut self, name: &str) -> Result<bool, StoreError>;
    async fn deliveries(&mut self, page: &DeliveryPage) -> Result<Vec<Delivery>, StoreError>;
    /// How many wait again.
    async fn redeliver(
        &mut self,
        id: SubscriptionId,
        which: &RedeliveryRow,
    ) -> Result<u64, StoreError>;

    async fn due_subscriptions(&mut self) -> Result<Vec<SubscriptionId>, StoreError>;
    async fn lease_subscription(
        &mut self,
        id: SubscriptionId,
        duration_us: i64,
    ) -> Result<Option<LeasedDeliveries>, StoreError>;
    async fn next_deliveries(
        &mut self,
        id: SubscriptionId,
        limit: u32,
    ) -> Result<Vec<Delivery>, StoreError>;
    /// Whether the lease was still the one named. Its row is locked then.
    async fn end_delivery_lease(
        &mut self,
        id: SubscriptionId,
        end: &LeaseEnd,
    ) -> Result<bool, StoreError>;
    async fn delivered(&mut self, id: SubscriptionId, numbers: &[i64]) -> Result<(), StoreError>;
    async fn fail_delivery(
        &mut self,
        id: SubscriptionId,
        number: i64,
        reason: &str,
        give_up: bool,
    ) -> Result<(), StoreError>;
    async fn trim_deliveries(
        &mut self,
        delivered_age_us: i64,
        age_us: i64,
        limit: i64,
    ) -> Result<u64, StoreError>;

    async fn take_check(&mut self, age_us: i64) -> Result<Option<Check>, StoreError>;
    async fn longest_running(&mut self) -> Result<Vec<LongestRunning>, StoreError>;
    async fn put_delivery(
        &mut self,
        id: SubscriptionId,
        event: &EventRow,
    ) -> Result<(), StoreError>;
    async fn put_episodes(&mut self, id: SubscriptionId, episodes: &str) -> Result<(), StoreError>;
}
