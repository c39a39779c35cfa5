//! The statements about subscriptions and deliveries.

use async_trait::async_trait;
use hardstop_domain::{SubscriptionId, TypeId};

use super::{SqliteTransaction, json, sql};
use crate::StoreError;
use crate::record::*;
use crate::row::EventRow;
use crate::transaction::subscription::{
    DeliveryPage, LeaseEnd, RedeliveryRow, SubscriptionStatements,
};
use crate::view::all;
use crate::view::subscription::{self as view, Check, LongestRunning};

#[async_trait]
impl SubscriptionStatements for SqliteTransaction<'_> {
    async fn put_subscription(
        &mut self,
        new: &NewSubscription,
        type_id: Option<TypeId>,
        thresholds: &str,
    ) -> Result<bool, StoreError> {
        let row = sql!("put_subscription")
            .bind(new.id.0)
            .bind(new.name.as_str())
            .bind(&new.url)
            .bind(new.kinds.code())
            .bind(type_id.map(|id| id.0))
            .bind(thresholds)
            .bind(&new.actor)
            .bind(SUBSCRIPTIONS_MAX as i64)
            .bind(self.now)
            .fetch_optional(&mut self.connection)
            .await?;
        Ok(row.is_some())
    }

    async fn subscriptions(&mut self, name: Option<&str>) -> Result<Vec<Subscription>, StoreError> {
        let rows = sql!("subscriptions")
            .bind(name)
            .bind(DELIVERIES_COUNTED_MAX)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::subscription)
    }

    async fn set_subscription(
        &mut self,
        name: &str,
        state: SubscriptionState,
    ) -> Result<bool, StoreError> {
        let row = sql!("set_subscription")
            .bind(name)
            .bind(state.code())
            .bind(self.now)
            .fetch_optional(&mut self.connection)
            .await?;
        Ok(row.is_some())
    }

    async fn delete_subscription(&mut self, name: &str) -> Result<bool, StoreError> {
        let row = sql!("delete_subscription")
            .bind(name)
            .fetch_optional(&mut self.connection)
            .await?;
        Ok(row.is_some())
    }

    async fn deliveries(&mut self, page: &DeliveryPage) -> Result<Vec<Delivery>, StoreError> {
        let rows = sql!("deliveries")
            .bind(page.subscription.0)
            .bind(page.before)
            .bind(page.state)
            .bind(page.limit)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::delivery)
    }

    async fn redeliver(
        &mut self,
        id: SubscriptionId,
        which: &RedeliveryRow,
    ) -> Result<u64, StoreError> {
        let done = sql!("redeliver")
            .bind(id.0)
            .bind(which.id)
            .bind(which.since)
            .bind(which.only_dead)
            .bind(which.limit)
            .execute(&mut self.connection)
            .await?;
        Ok(done)
    }

    async fn due_subscriptions(&mut self) -> Result<Vec<SubscriptionId>, StoreError> {
        let rows = sql!("due_subscriptions")
            .bind(self.now)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::id)
    }

    async fn lease_subscription(
        &mut self,
        id: SubscriptionId,
        duration_us: i64,
    ) -> Result<Option<LeasedDeliveries>, StoreError> {
        let row = sql!("lease_subscription")
            .bind(id.0)
            .bind(duration_us)
            .bind(self.now)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| view::leased(&row)).transpose()
    }

    async fn next_deliveries(
        &mut self,
        id: SubscriptionId,
        limit: u32,
    ) -> Result<Vec<Delivery>, StoreError> {
        let rows = sql!("next_deliveries")
            .bind(id.0)
            .bind(i64::from(limit))
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::delivery)
    }

    async fn end_delivery_lease(
        &mut self,
        id: SubscriptionId,
        end: &LeaseEnd,
    ) -> Result<bool, StoreError> {
        let row = sql!("end_delivery_lease")
            .bind(id.0)
            .bind(end.lease)
            .bind(end.pause_us)
            .bind(end.failure.as_deref())
            .bind(end.stop)
            .bind(end.delivered)
            .bind(self.now)
            .fetch_optional(&mut self.connection)
            .await?;
        Ok(row.is_some())
    }

    async fn delivered(&mut self, id: SubscriptionId, numbers: &[i64]) -> Result<(), StoreError> {
        sql!("delivered")
            .bind(id.0)
            .bind(json(numbers)?)
            .bind(self.now)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn fail_delivery(
        &mut self,
        id: SubscriptionId,
        number: i64,
        reason: &str,
        give_up: bool,
    ) -> Result<(), StoreError> {
        sql!("fail_delivery")
            .bind(id.0)
            .bind(number)
            .bind(reason)
            .bind(give_up)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn trim_deliveries(
        &mut self,
        delivered_age_us: i64,
        age_us: i64,
        limit: i64,
    ) -> Result<u64, StoreError> {
        let done = sql!("trim_deliveries")
            .bind(delivered_age_us)
            .bind(age_us)
            .bind(limit)
            .bind(self.now)
            .execute(&mut self.connection)
            .await?;
        Ok(done)
    }

    async fn take_check(&mut self, age_us: i64) -> Result<Option<Check>, StoreError> {
        let row = sql!("take_check")
            .bind(age_us)
            .bind(self.now)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| view::check(&row)).transpose()
    }

    async fn longest_running(&mut self) -> Result<Vec<LongestRunning>, StoreError> {
        let rows = sql!("longest_running")
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::longest_running)
    }

    async fn put_delivery(
        &mut self,
        id: SubscriptionId,
        event: &EventRow,
    ) -> Result<(), StoreError> {
        sql!("put_delivery")
            .bind(id.0)
            .bind(event.kind)
            .bind(event.type_id)
            .bind(&event.detail)
            .bind(event.job_id)
            .bind(event.chain_id)
            .bind(self.now)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn put_episodes(&mut self, id: SubscriptionId, episodes: &str) -> Result<(), StoreError> {
        sql!("put_episodes")
            .bind(id.0)
            .bind(episodes)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }
}
