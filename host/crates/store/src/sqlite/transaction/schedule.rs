//! The statements about schedules.

use async_trait::async_trait;
use hardstop_domain::{ChainId, ScheduleName, Timestamp, TypeId};

use super::{SqliteTransaction, json, sql};
use crate::StoreError;
use crate::record::{Fire, NewSchedule, Schedule, ScheduleDetail};
use crate::row::FireRow;
use crate::transaction::schedule::ScheduleStatements;
use crate::view::schedule::{self as view, HeldSchedule};
use crate::view::{View, all};

#[async_trait]
impl ScheduleStatements for SqliteTransaction<'_> {
    async fn now(&mut self) -> Result<Timestamp, StoreError> {
        sql!("now")
            .bind(self.now)
            .fetch_one(&mut self.connection)
            .await?
            .time("now")
    }

    async fn due_schedules(&mut self, limit: i64) -> Result<Vec<(ScheduleName, i64)>, StoreError> {
        let rows = sql!("due_schedules")
            .bind(limit)
            .bind(self.now)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::due)
    }

    async fn take_schedule(&mut self, name: &str) -> Result<Option<HeldSchedule>, StoreError> {
        let row = sql!("take_schedule")
            .bind(name)
            .bind(self.now)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| view::held(&row)).transpose()
    }

    async fn lock_schedule(&mut self, name: &str) -> Result<Option<HeldSchedule>, StoreError> {
        let row = sql!("lock_schedule")
            .bind(name)
            .bind(self.now)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| view::held(&row)).transpose()
    }

    async fn put_schedule(
        &mut self,
        schedule: &NewSchedule,
        type_id: TypeId,
        spec: &str,
        now: Timestamp,
        next_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        sql!("put_schedule")
            .bind(schedule.name.as_str())
            .bind(type_id.0)
            .bind(schedule.priority)
            .bind(now.0)
            .bind(next_at.map(|at| at.0))
            .bind(spec)
            .bind(&schedule.input)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn set_schedule(
        &mut self,
        name: &str,
        paused: bool,
        next_at: Option<Timestamp>,
        last_chain: Option<ChainId>,
    ) -> Result<(), StoreError> {
        sql!("set_schedule")
            .bind(name)
            .bind(paused)
            .bind(next_at.map(|at| at.0))
            .bind(last_chain.map(|chain| chain.0))
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn delete_schedule(&mut self, name: &str) -> Result<(), StoreError> {
        sql!("delete_schedule")
            .bind(name)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn schedules(&mut self) -> Result<Vec<Schedule>, StoreError> {
        let rows = sql!("schedules").fetch_all(&mut self.connection).await?;
        all(&rows, view::schedule)
    }

    async fn schedule(&mut self, name: &str) -> Result<Option<ScheduleDetail>, StoreError> {
        let row = sql!("schedule")
            .bind(name)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| view::detail(&row)).transpose()
    }

    async fn fires(&mut self, name: &str, limit: u32) -> Result<Vec<Fire>, StoreError> {
        let rows = sql!("fires")
            .bind(name)
            .bind(i64::from(limit))
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::fire)
    }

    async fn fire(&mut self, name: &str, rows: &[FireRow]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        sql!("fire")
            .bind(name)
            .bind(json(rows)?)
            .bind(self.now)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn trim_fires(&mut self, kept: u32) -> Result<(), StoreError> {
        sql!("trim_fires")
            .bind(i64::from(kept))
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn chain_open(&mut self, chain: ChainId) -> Result<bool, StoreError> {
        let row = sql!("chain_open")
            .bind(chain.0)
            .fetch_one(&mut self.connection)
            .await?;
        row.flag("open")
    }
}
