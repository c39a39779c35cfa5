//! The statements about schedules.

use async_trait::async_trait;
use hardstop_domain::{ChainId, ScheduleName, Timestamp, TypeId};

use crate::StoreError;
use crate::record::{Fire, NewSchedule, Schedule, ScheduleDetail};
use crate::row::FireRow;
use crate::view::HeldSchedule;

#[async_trait]
pub(crate) trait ScheduleStatements: Send {
    async fn now(&mut self) -> Result<Timestamp, StoreError>;
    /// Names, and microseconds until each is due, negative where it is due already.
    async fn due_schedules(&mut self, limit: i64) -> Result<Vec<(ScheduleName, i64)>, StoreError>;
    /// None where it is not due, or another host has it.
    async fn take_schedule(&mut self, name: &str) -> Result<Option<HeldSchedule>, StoreError>;
    async fn lock_schedule(&mut self, name: &str) -> Result<Option<HeldSchedule>, StoreError>;
    async fn put_schedule(
        &mut self,
        schedule: &NewSchedule,
        type_id: TypeId,
        spec: &str,
        now: Timestamp,
        next_at: Option<Timestamp>,
    ) -> Result<(), StoreError>;
    async fn set_schedule(
        &mut self,
        name: &str,
        paused: bool,
        next_at: Option<Timestamp>,
        last_chain: Option<ChainId>,
    ) -> Result<(), StoreError>;
    async fn delete_schedule(&mut self, name: &str) -> Result<(), StoreError>;
    async fn schedules(&mut self) -> Result<Vec<Schedule>, StoreError>;
    /// Without its fires.
    async fn schedule(&mut self, name: &str) -> Result<Option<ScheduleDetail>, StoreError>;
    async fn fires(&mut self, name: &str, limit: u32) -> Result<Vec<Fire>, StoreError>;
    /// Fails where a time is recorded already.
    async fn fire(&mut self, name: &str, rows: &[FireRow]) -> Result<(), StoreError>;
    async fn trim_fires(&mut self, kept: u32) -> Result<(), StoreError>;
    async fn chain_open(&mut self, chain: ChainId) -> Result<bool, StoreError>;
}
