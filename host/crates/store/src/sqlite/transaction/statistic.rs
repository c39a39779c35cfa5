//! The statements about counters and statistics.

use std::collections::BTreeMap;

use async_trait::async_trait;
use hardstop_domain::{SessionId, State, Statistic, Timestamp, TypeId};

use super::{SqliteTransaction, json, sql};
use crate::StoreError;
use crate::record::{OldestReady, StateCount, StatisticPoint, TypeStatistic};
use crate::sqlite::statement::Connection;
use crate::transaction::statistic::{Span, StatisticStatements};
use crate::view::statistic as view;
use crate::view::{View, all};

/// By how much the number of jobs of a type in a state has changed, since the counters in the database were.
#[derive(Debug, Default)]
pub(crate) struct CountChanges(BTreeMap<(TypeId, State), i64>);

impl CountChanges {
    /// So many more, or fewer.
    pub(super) fn add(&mut self, type_id: TypeId, state: State, count: i64) {
        *self.0.entry((type_id, state)).or_default() += count;
    }

    /// One that came from a state to another.
    pub(super) fn moved(&mut self, type_id: TypeId, from: State, to: State) {
        self.add(type_id, from, -1);
        self.add(type_id, to, 1);
    }

    /// Those of a part of the transaction that stands.
    pub(crate) fn merge(&mut self, other: Self) {
        for ((type_id, state), count) in other.0 {
            self.add(type_id, state, count);
        }
    }

    /// Changes the counters: the last thing in a transaction.
    pub(crate) async fn write(self, connection: &mut Connection<'_>) -> Result<(), StoreError> {
        let changes = self.0.into_iter().filter(|(_, count)| *count != 0);
        let changes: Vec<(i32, i16, i64)> = changes
            .map(|((type_id, state), count)| (type_id.0, state.code(), count))
            .collect();
        if !changes.is_empty() {
            sql!("put_counts")
                .bind(json(&changes)?)
                .execute(connection)
                .await?;
        }
        Ok(())
    }
}

/// The type and the state of a row.
pub(super) fn counted(row: &impl View) -> Result<(TypeId, State), StoreError> {
    Ok((TypeId(row.int("type_id")?), row.state()?))
}

#[async_trait]
impl StatisticStatements for SqliteTransaction<'_> {
    async fn counts(&mut self) -> Result<Vec<StateCount>, StoreError> {
        let rows = sql!("counts").fetch_all(&mut self.connection).await?;
        all(&rows, view::state_count)
    }

    async fn oldest_ready(&mut self) -> Result<Vec<OldestReady>, StoreError> {
        let rows = sql!("oldest_ready")
            .bind(self.now)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::oldest_ready)
    }

    async fn fold_lock(&mut self) -> Result<bool, StoreError> {
        // The writer is alone.
        Ok(true)
    }

    async fn fold_counts(&mut self) -> Result<(), StoreError> {
        // There is one row of each already.
        Ok(())
    }

    async fn put_statistics(
        &mut self,
        span: Span,
        session: SessionId,
        rows: &[TypeStatistic],
    ) -> Result<(), StoreError> {
        let texts = rows
            .iter()
            .map(|row| Ok((row.at.0, row.type_id.0, json(&row.statistic)?)));
        let texts: Vec<_> = texts.collect::<Result<_, StoreError>>()?;
        sql!("put_statistics")
            .bind(span.seconds())
            .bind(session.0)
            .bind(json(&texts)?)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn statistics(
        &mut self,
        from: i64,
        to: i64,
        type_id: Option<TypeId>,
    ) -> Result<Vec<StatisticPoint>, StoreError> {
        let rows = sql!("statistics")
            .bind(from)
            .bind(to)
            .bind(type_id.map(|id| id.0))
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::point)
    }

    async fn oldest_statistic(
        &mut self,
        minute_age_us: i64,
        hour_age_us: i64,
    ) -> Result<(Option<Timestamp>, Option<Timestamp>), StoreError> {
        let row = sql!("oldest_statistic")
            .bind(minute_age_us)
            .bind(hour_age_us)
            .bind(self.now)
            .fetch_one(&mut self.connection)
            .await?;
        Ok((row.get_time("minute")?, row.get_time("hour")?))
    }

    async fn take_statistics(
        &mut self,
        at: Timestamp,
        span: Span,
    ) -> Result<Vec<(TypeId, Statistic)>, StoreError> {
        let rows = sql!("take_statistics")
            .bind(at.0)
            .bind(at.0 + span.us())
            .bind(span.seconds())
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::taken)
    }

    async fn trim_statistics(&mut self, age_us: i64) -> Result<(), StoreError> {
        sql!("trim_statistics")
            .bind(age_us)
            .bind(self.now)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }
}
