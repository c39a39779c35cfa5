//! The statements about subscriptions and deliveries.

use async_trait::async_trait;
use hardstop_domain::{SubscriptionId, TypeId};

use super::{PgTransaction, sql};
use crate::StoreError;
use crate::record::*;
use crate::row::EventRow;
use crate::transaction::subscription::{
    DeliveryPage, LeaseEnd, RedeliveryRow, SubscriptionStatements,
};
use crate::view::all;
use crate::view::subscription::{self as view, Check, LongestRunning};

#[async_trait]
impl SubscriptionStatements for PgTransaction<'_> {
    async fn put_subscription(
        &mut self,
        new: &NewSubscription,
        type_id: Option<TypeId>,
        thresholds: &str,
    ) -> Result<bool, StoreError> {
        let row = sql!(self.1, "put_subscription")
            .bind(new.id.0)
            .bind(new.name.as_str())
            .bind(&new.url)
            .bind(new.kinds.code())
            .bind(type_id.map(|id| id.0))
            .bind(thresholds)
            .bind(&new.actor)
            .bind(SUBSCRIPTIONS_MAX as i64)
            .fetch_optional(&mut *self.0)
            .await?;
        Ok(row.is_some())
    }

    async fn subscriptions(&mut self, name: Option<&str>) -> Result<Vec<Subscription>, StoreError> {
        let rows = sql!(self.1, "subscriptions")
            .bind(name)
            .bind(DELIVERIES_COUNTED_MAX)
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::subscription)
    }

    async fn set_subscription(
        &mut self,
        name: &str,
        state: SubscriptionState,
    ) -> Result<bool, StoreError> {
        let row = sql!(self.1, "set_subscription")
            .bind(name)
            .bind(state.code())
            .fetch_optional(&mut *self.0)
            .await?;
        Ok(row.is_some())
    }

    async fn delete_subscription(&mut self, name: &str) -> Result<bool, StoreError> {
        let row = sql!(self.1, "delete_subscription")
            .bind(name)
            .fetch_optional(&mut *self.0)
            .await?;
        Ok(row.is_some())
    }

    async fn deliveries(&mut self, page: &DeliveryPage) -> Result<Vec<Delivery>, StoreError> {
        let rows = sql!(self.1, "deliveries")
            .bind(page.subscription.0)
            .bind(page.before)
            .bind(page.state)
            .bind(page.limit)
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::delivery)
    }

    async fn redeliver(
        &mut self,
        id: SubscriptionId,
        which: &RedeliveryRow,
    ) -> Result<u64, StoreError> {
        let done = sql!(self.1, "redeliver")
            .bind(id.0)
            .bind(which.id)
            .bind(which.since)
            .bind(which.only_dead)
            .bind(which.limit)
            .execute(&mut *self.0)
            .await?;
        Ok(done.rows_affected())
    }

    async fn due_subscriptions(&mut self) -> Result<Vec<SubscriptionId>, StoreError> {
        let rows = sql!(self.1, "due_subscriptions")
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::id)
    }

    async fn lease_subscription(
        &mut self,
        id: SubscriptionId,
        duration_us: i64,
    ) -> Result<Option<LeasedDeliveries>, StoreError> {
        let row = sql!(self.1, "lease_subscription")
            .bind(id.0)
            .bind(duration_us)
            .fetch_optional(&mut *self.0)
            .await?;
        row.map(|row| view::leased(&row)).transpose()
    }

    async fn next_deliveries(
        &mut self,
        id: SubscriptionId,
        limit: u32,
    ) -> Result<Vec<Delivery>, StoreError> {
        let rows = sql!(self.1, "next_deliveries")
            .bind(id.0)
            .bind(i64::from(limit))
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::delivery)
    }

    async fn end_delivery_lease(
        &mut self,
        id: SubscriptionId,
        end: &LeaseEnd,
    ) -> Result<bool, StoreError> {
        let row = sql!(self.1, "end_delivery_lease")
            .bind(id.0)
            .bind(end.lease)
            .bind(end.pause_us)
            .bind(end.failure.as_deref())
            .bind(end.stop)
            .bind(end.delivered)
            .fetch_optional(&mut *self.0)
            .await?;
        Ok(row.is_some())
    }

    async fn delivered(&mut self, id: SubscriptionId, numbers: &[i64]) -> Result<(), StoreError> {
        sql!(self.1, "delivered")
            .bind(id.0)
            .bind(numbers)
            .execute(&mut *self.0)
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
        sql!(self.1, "fail_delivery")
            .bind(id.0)
            .bind(number)
            .bind(reason)
            .bind(give_up)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn trim_deliveries(
        &mut self,
        delivered_age_us: i64,
        age_us: i64,
        limit: i64,
    ) -> Result<u64, StoreError> {
        let done = sql!(self.1, "trim_deliveries")
            .bind(delivered_age_us)
            .bind(age_us)
            .bind(limit)
            .execute(&mut *self.0)
            .await?;
        Ok(done.rows_affected())
    }

    async fn take_check(&mut self, age_us: i64) -> Result<Option<Check>, StoreError> {
        let row = sql!(self.1, "take_check")
            .bind(age_us)
            .fetch_optional(&mut *self.0)
            .await?;
        row.map(|row| view::check(&row)).transpose()
    }

    async fn longest_running(&mut self) -> Result<Vec<LongestRunning>, StoreError> {
        let rows = sql!(self.1, "longest_running")
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::longest_running)
    }

    async fn put_delivery(
        &mut self,
        id: SubscriptionId,
        event: &EventRow,
    ) -> Result<(), StoreError> {
        sql!(self.1, "put_delivery")
            .bind(id.0)
            .bind(event.kind)
            .bind(event.type_id)
            .bind(&event.detail)
            .bind(event.job_id)
            .bind(event.chain_id)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn put_episodes(&mut self, id: SubscriptionId, episodes: &str) -> Result<(), StoreError> {
        sql!(self.1, "put_episodes")
            .bind(id.0)
            .bind(episodes)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }
}
