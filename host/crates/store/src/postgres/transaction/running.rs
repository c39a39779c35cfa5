//! The statements about what workers tell while they work.

use async_trait::async_trait;
use hardstop_domain::{JobId, LeaseToken, SessionId};

use super::{PgTransaction, column, sql};
use crate::StoreError;
use crate::record::Standing;
use crate::row::LiveRow;
use crate::transaction::running::RunningStatements;
use crate::view::running::{Said, said};
use crate::view::{View, all};

#[async_trait]
impl RunningStatements for PgTransaction<'_> {
    async fn stand(&mut self, session: SessionId, standing: &Standing) -> Result<bool, StoreError> {
        let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let count = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
        let row = sql!(self.1, "stand")
            .bind(session.0)
            .bind(count(standing.slots))
            .bind(count(standing.slots_used))
            .bind(bytes(standing.memory_budget))
            .bind(bytes(standing.memory_admitted))
            .bind(standing.draining)
            .fetch_optional(&mut *self.0)
            .await?;
        asked(row.as_ref())
    }

    async fn drain_asked(&mut self, session: SessionId) -> Result<bool, StoreError> {
        let row = sql!(self.1, "drain_asked")
            .bind(session.0)
            .fetch_optional(&mut *self.0)
            .await?;
        asked(row.as_ref())
    }

    async fn drain_session(&mut self, session: SessionId) -> Result<Option<String>, StoreError> {
        let row = sql!(self.1, "drain_session")
            .bind(session.0)
            .fetch_optional(&mut *self.0)
            .await?;
        row.map(|row| row.text("host")).transpose()
    }

    async fn put_live(&mut self, rows: &[LiveRow]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        sql!(self.1, "put_live")
            .bind(column(rows, |row| row.job_id))
            .bind(column(rows, |row| row.token))
            .bind(column(rows, |row| row.part))
            .bind(column(rows, |row| row.log.as_deref()))
            .bind(column(rows, |row| row.progress.as_deref()))
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn drop_live(&mut self, ended: &[(JobId, LeaseToken)]) -> Result<(), StoreError> {
        if ended.is_empty() {
            return Ok(());
        }
        sql!(self.1, "drop_live")
            .bind(column(ended, |(job, _)| job.0))
            .bind(column(ended, |(_, token)| token.0))
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn trim_live(&mut self) -> Result<(), StoreError> {
        sql!(self.1, "trim_live").execute(&mut *self.0).await?;
        Ok(())
    }

    async fn attempt_live(&mut self, job: JobId) -> Result<Vec<Said>, StoreError> {
        let rows = sql!(self.1, "attempt_live")
            .bind(job.0)
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, said)
    }
}

/// Whether a session's row says that it was asked to drain.
fn asked(row: Option<&impl View>) -> Result<bool, StoreError> {
    Ok(match row {
        Some(row) => row.get_time("drain_asked_at")?.is_some(),
        None => false,
    })
}
