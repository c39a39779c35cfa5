//! The statements about listeners.

use async_trait::async_trait;
use hardstop_domain::{SubscriptionId, TypeId};

use super::{SqliteTransaction, json, sql};
use crate::StoreError;
use crate::record::*;
use crate::transaction::listener::ListenerStatements;
use crate::view::listener::{self as view, FoundListener, ListenerLook};
use crate::view::{View as _, all};

#[async_trait]
impl ListenerStatements for SqliteTransaction<'_> {
    async fn put_listener(
        &mut self,
        new: &NewListener,
        types: Option<&[TypeId]>,
        thresholds: &str,
    ) -> Result<Option<i64>, StoreError> {
        let types = types.map(|types| types.iter().map(|id| id.0).collect::<Vec<i32>>());
        let types = types.map(|types| json(&types)).transpose()?;
        let row = sql!("put_listener")
            .bind(new.id.0)
            .bind(new.kinds.code())
            .bind(types)
            .bind(thresholds)
            .bind(&new.actor)
            .bind(LISTENERS_MAX as i64)
            .bind(self.now)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| row.int("lease")).transpose()
    }

    async fn displace_listener(&mut self, age_us: i64) -> Result<bool, StoreError> {
        let row = sql!("displace_listener")
            .bind(age_us)
            .bind(self.now)
            .fetch_optional(&mut self.connection)
            .await?;
        Ok(row.is_some())
    }

    async fn find_listener(
        &mut self,
        id: SubscriptionId,
        kept_us: i64,
        heard: i64,
    ) -> Result<Option<FoundListener>, StoreError> {
        let row = sql!("find_listener")
            .bind(id.0)
            .bind(kept_us)
            .bind(heard)
            .bind(self.now)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| view::found(&row)).transpose()
    }

    async fn lease_listener(&mut self, id: SubscriptionId) -> Result<i64, StoreError> {
        let row = sql!("lease_listener")
            .bind(id.0)
            .bind(self.now)
            .fetch_one(&mut self.connection)
            .await?;
        row.int("lease")
    }

    async fn look_at_listener(
        &mut self,
        id: SubscriptionId,
        stale_us: i64,
    ) -> Result<Option<ListenerLook>, StoreError> {
        let row = sql!("look_at_listener")
            .bind(id.0)
            .bind(stale_us)
            .bind(self.now)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| view::look(&row)).transpose()
    }

    async fn touch_listener(
        &mut self,
        id: SubscriptionId,
        lease: i64,
    ) -> Result<Option<i64>, StoreError> {
        let row = sql!("touch_listener")
            .bind(id.0)
            .bind(lease)
            .bind(self.now)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| row.int("told")).transpose()
    }

    async fn place_deliveries(
        &mut self,
        id: SubscriptionId,
        told: i64,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let done = sql!("place_deliveries")
            .bind(id.0)
            .bind(told)
            .bind(i64::from(limit))
            .bind(self.now)
            .execute(&mut self.connection)
            .await?;
        Ok(done)
    }

    async fn put_told(&mut self, id: SubscriptionId, told: i64) -> Result<(), StoreError> {
        sql!("put_told")
            .bind(id.0)
            .bind(told)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn forget_told(&mut self, id: SubscriptionId, position: i64) -> Result<(), StoreError> {
        sql!("forget_told")
            .bind(id.0)
            .bind(position)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn stream(
        &mut self,
        id: SubscriptionId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<HeardEvent>, StoreError> {
        let rows = sql!("stream")
            .bind(id.0)
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::heard)
    }

    async fn end_listeners(&mut self, kept_us: i64, waiting_max: u32) -> Result<u64, StoreError> {
        let done = sql!("end_listeners")
            .bind(kept_us)
            .bind(i64::from(waiting_max))
            .bind(self.now)
            .execute(&mut self.connection)
            .await?;
        Ok(done)
    }

    async fn forget_streams(&mut self, limit: i64) -> Result<u64, StoreError> {
        let done = sql!("forget_streams")
            .bind(limit)
            .execute(&mut self.connection)
            .await?;
        Ok(done)
    }

    async fn delete_listeners(&mut self) -> Result<(), StoreError> {
        sql!("delete_listeners")
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }
}
