//! The statements about listeners.

use async_trait::async_trait;
use hardstop_domain::{SubscriptionId, TypeId};

use crate::StoreError;
use crate::record::{HeardEvent, NewListener};
use crate::view::listener::{FoundListener, ListenerLook};

#[async_trait]
pub(crate) trait ListenerStatements: Send {
    /// The lease of the one that was made; none where there are too many.
    async fn put_listener(
        &mut self,
        new: &NewListener,
        types: Option<&[TypeId]>,
        thresholds: &str,
    ) -> Result<Option<i64>, StoreError>;
    /// Whether one gave way.
    async fn displace_listener(&mut self, age_us: i64) -> Result<bool, StoreError>;
    async fn find_listener(
        &mut self,
        id: SubscriptionId,
        kept_us: i64,
        heard: i64,
    ) -> Result<Option<FoundListener>, StoreError>;
    async fn lease_listener(&mut self, id: SubscriptionId) -> Result<i64, StoreError>;

    async fn look_at_listener(
        &mut self,
        id: SubscriptionId,
        stale_us: i64,
    ) -> Result<Option<ListenerLook>, StoreError>;
    /// The last place that was given, where the lease is still the one named.
    async fn touch_listener(
        &mut self,
        id: SubscriptionId,
        lease: i64,
    ) -> Result<Option<i64>, StoreError>;
    /// How many were given a place.
    async fn place_deliveries(
        &mut self,
        id: SubscriptionId,
        told: i64,
        limit: u32,
    ) -> Result<u64, StoreError>;
    async fn put_told(&mut self, id: SubscriptionId, told: i64) -> Result<(), StoreError>;
    async fn forget_told(&mut self, id: SubscriptionId, position: i64) -> Result<(), StoreError>;
    async fn stream(
        &mut self,
        id: SubscriptionId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<HeardEvent>, StoreError>;

    /// How many were ended.
    async fn end_listeners(&mut self, kept_us: i64, waiting_max: u32) -> Result<u64, StoreError>;
    /// How many deliveries were forgotten.
    async fn forget_streams(&mut self, limit: i64) -> Result<u64, StoreError>;
    async fn delete_listeners(&mut self) -> Result<(), StoreError>;
}
