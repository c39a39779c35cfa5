//! The statements about counters and statistics.

use async_trait::async_trait;
use hardstop_domain::{SessionId, Statistic, Timestamp, TypeId};

use super::{PgTransaction, column, sql};
use crate::StoreError;
use crate::operation::unwritable;
use crate::record::{OldestReady, StateCount, StatisticPoint, TypeStatistic};
use crate::row::json;
use crate::transaction::statistic::{Span, StatisticStatements};
use crate::view::statistic as view;
use crate::view::{View, all};

#[async_trait]
impl StatisticStatements for PgTransaction<'_> {
    async fn counts(&mut self) -> Result<Vec<StateCount>, StoreError> {
        let rows = sql!(self.1, "counts").fetch_all(&mut *self.0).await?;
        all(&rows, view::state_count)
    }

    async fn oldest_ready(&mut self) -> Result<Vec<OldestReady>, StoreError> {
        let rows = sql!(self.1, "oldest_ready").fetch_all(&mut *self.0).await?;
        all(&rows, view::oldest_ready)
    }

    async fn fold_lock(&mut self) -> Result<bool, StoreError> {
        sql!(self.1, "fold_lock")
            .fetch_one(&mut *self.0)
            .await?
            .flag("locked")
    }

    async fn fold_counts(&mut self) -> Result<(), StoreError> {
        sql!(self.1, "fold_counts").execute(&mut *self.0).await?;
        Ok(())
    }

    async fn put_statistics(
        &mut self,
        span: Span,
        session: SessionId,
        rows: &[TypeStatistic],
    ) -> Result<(), StoreError> {
        let texts = rows.iter().map(|row| json(&row.statistic));
        let texts = texts.collect::<Result<Vec<_>, _>>().map_err(unwritable)?;
        sql!(self.1, "put_statistics")
            .bind(span.seconds())
            .bind(session.0)
            .bind(column(rows, |row| row.at.0))
            .bind(column(rows, |row| row.type_id.0))
            .bind(texts)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn statistics(
        &mut self,
        from: i64,
        to: i64,
        type_id: Option<TypeId>,
    ) -> Result<Vec<StatisticPoint>, StoreError> {
        let rows = sql!(self.1, "statistics")
            .bind(from)
            .bind(to)
            .bind(type_id.map(|id| id.0))
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::point)
    }

    async fn oldest_statistic(
        &mut self,
        minute_age_us: i64,
        hour_age_us: i64,
    ) -> Result<(Option<Timestamp>, Option<Timestamp>), StoreError> {
        let row = sql!(self.1, "oldest_statistic")
            .bind(minute_age_us)
            .bind(hour_age_us)
            .fetch_one(&mut *self.0)
            .await?;
        Ok((row.get_time("minute")?, row.get_time("hour")?))
    }

    async fn take_statistics(
        &mut self,
        at: Timestamp,
        span: Span,
    ) -> Result<Vec<(TypeId, Statistic)>, StoreError> {
        let rows = sql!(self.1, "take_statistics")
            .bind(at.0)
            .bind(at.0 + span.us())
            .bind(span.seconds())
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::taken)
    }

    async fn trim_statistics(&mut self, age_us: i64) -> Result<(), StoreError> {
        sql!(self.1, "trim_statistics")
            .bind(age_us)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }
}
