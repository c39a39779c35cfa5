//! The statements about what workers tell while they work.

use async_trait::async_trait;
use hardstop_domain::{JobId, LeaseToken, SessionId};

use super::{SqliteTransaction, sql};
use crate::StoreError;
use crate::record::Standing;
use crate::row::LiveRow;
use crate::sqlite::statement::values;
use crate::transaction::running::RunningStatements;
use crate::view::running::{Said, said};
use crate::view::{View, all};

#[async_trait]
impl RunningStatements for SqliteTransaction<'_> {
    async fn stand(&mut self, session: SessionId, standing: &Standing) -> Result<bool, StoreError> {
        let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let count = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
        let row = sql!("stand")
            .bind(session.0)
            .bind(count(standing.slots))
            .bind(count(standing.slots_used))
            .bind(bytes(standing.memory_budget))
            .bind(bytes(standing.memory_admitted))
            .bind(standing.draining)
            .fetch_optional(&mut self.connection)
            .await?;
        asked(row.as_ref())
    }

    async fn drain_asked(&mut self, session: SessionId) -> Result<bool, StoreError> {
        let row = sql!("drain_asked")
            .bind(session.0)
            .fetch_optional(&mut self.connection)
            .await?;
        asked(row.as_ref())
    }

    async fn drain_session(&mut self, session: SessionId) -> Result<Option<String>, StoreError> {
        let row = sql!("drain_session")
            .bind(session.0)
            .bind(self.now)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| row.text("host")).transpose()
    }

    async fn put_live(&mut self, rows: &[LiveRow]) -> Result<(), StoreError> {
        sql!("put_live")
            .for_each(
                rows,
                |row| values![row.job_id, row.token, row.part, &row.log, &row.progress],
                &mut self.connection,
                |_| Ok(()),
            )
            .await
    }

    async fn drop_live(&mut self, ended: &[(JobId, LeaseToken)]) -> Result<(), StoreError> {
        sql!("drop_live")
            .for_each(
                ended,
                |(job, token)| values![job.0, token.0],
                &mut self.connection,
                |_| Ok(()),
            )
            .await
    }

    async fn trim_live(&mut self) -> Result<(), StoreError> {
        sql!("trim_live").execute(&mut self.connection).await?;
        Ok(())
    }

    async fn attempt_live(&mut self, job: JobId) -> Result<Vec<Said>, StoreError> {
        let rows = sql!("attempt_live")
            .bind(job.0)
            .fetch_all(&mut self.connection)
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
