//! The statements about counters and statistics.

use async_trait::async_trait;
use hardstop_domain::{SessionId, Statistic, Timestamp, TypeId};

use crate::StoreError;
use crate::record::{OldestReady, StateCount, StatisticPoint, TypeStatistic};

/// How much time a row of statistics covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Span {
    Minute,
    Hour,
}

impl Span {
    pub(crate) fn seconds(self) -> i32 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
        }
    }

    pub(crate) fn us(self) -> i64 {
        i64::from(self.seconds()) * 1_000_000
    }
}

/// One method per SQL file, of the same name.
#[async_trait]
pub(crate) trait StatisticStatements: Send {
    async fn counts(&mut self) -> Result<Vec<StateCount>, StoreError>;
    async fn oldest_ready(&mut self) -> Result<Vec<OldestReady>, StoreError>;
    /// Whether this transaction may fold.
    async fn fold_lock(&mut self) -> Result<bool, StoreError>;
    async fn fold_counts(&mut self) -> Result<(), StoreError>;
    /// Session 0 stands for those that are folded.
    async fn put_statistics(
        &mut self,
        span: Span,
        session: SessionId,
        rows: &[TypeStatistic],
    ) -> Result<(), StoreError>;
    /// The rows as they are; times in microseconds since 1970.
    async fn statistics(
        &mut self,
        from: i64,
        to: i64,
        type_id: Option<TypeId>,
    ) -> Result<Vec<StatisticPoint>, StoreError>;
    /// The oldest minute that sessions wrote and the oldest hour that has minutes, where they are over for so long.
    async fn oldest_statistic(
        &mut self,
        minute_age_us: i64,
        hour_age_us: i64,
    ) -> Result<(Option<Timestamp>, Option<Timestamp>), StoreError>;
    /// What there is of minutes, and of such a span, from this time on for as long.
    async fn take_statistics(
        &mut self,
        at: Timestamp,
        span: Span,
    ) -> Result<Vec<(TypeId, Statistic)>, StoreError>;
    async fn trim_statistics(&mut self, age_us: i64) -> Result<(), StoreError>;
}
