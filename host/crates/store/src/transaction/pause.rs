//! The statements about pauses.

use async_trait::async_trait;
use hardstop_domain::TypeId;

use crate::StoreError;
use crate::record::{NewPause, Pause};

#[async_trait]
pub(crate) trait PauseStatements: Send {
    /// None where the pause would be over already.
    async fn pause(
        &mut self,
        type_id: TypeId,
        pause: &NewPause,
    ) -> Result<Option<Pause>, StoreError>;
    /// Whether it was paused.
    async fn resume(&mut self, type_id: TypeId) -> Result<bool, StoreError>;
    async fn pauses(&mut self) -> Result<Vec<Pause>, StoreError>;
    /// How many.
    async fn end_pauses(&mut self) -> Result<u64, StoreError>;
    /// Microseconds, negative where one is over already.
    async fn next_resume(&mut self) -> Result<Option<i64>, StoreError>;
}
