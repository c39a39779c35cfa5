//! The statements about pauses.

use async_trait::async_trait;
use hardstop_domain::TypeId;

use super::{SqliteTransaction, sql};
use crate::StoreError;
use crate::record::{NewPause, Pause};
use crate::transaction::pause::PauseStatements;
use crate::view::pause::{self as view, end_us};
use crate::view::{View, all};

#[async_trait]
impl PauseStatements for SqliteTransaction<'_> {
    async fn pause(
        &mut self,
        type_id: TypeId,
        pause: &NewPause,
    ) -> Result<Option<Pause>, StoreError> {
        let (at_us, after_us) = end_us(pause.until);
        let row = sql!("pause")
            .bind(type_id.0)
            .bind(at_us)
            .bind(after_us)
            .bind(&pause.actor)
            .bind(&pause.note)
            .bind(self.now)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| view::paused(&row, pause.type_name.clone()))
            .transpose()
    }

    async fn resume(&mut self, type_id: TypeId) -> Result<bool, StoreError> {
        let row = sql!("resume")
            .bind(type_id.0)
            .bind(self.now)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map_or(Ok(false), |row| row.flag("paused"))
    }

    async fn pauses(&mut self) -> Result<Vec<Pause>, StoreError> {
        let rows = sql!("pauses")
            .bind(self.now)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::pause)
    }

    async fn end_pauses(&mut self) -> Result<u64, StoreError> {
        let done = sql!("end_pauses")
            .bind(self.now)
            .execute(&mut self.connection)
            .await?;
        Ok(done)
    }

    async fn next_resume(&mut self) -> Result<Option<i64>, StoreError> {
        let row = sql!("next_resume")
            .bind(self.now)
            .fetch_one(&mut self.connection)
            .await?;
        row.int_option("due_in_us")
    }
}
