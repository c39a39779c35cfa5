//! Counters and statistics: reading them, writing them, and folding many rows into few.

use std::collections::BTreeMap;
use std::time::Duration;

use hardstop_domain::{SessionId, Statistic, Timestamp, TypeId, TypeName};

use super::removal::age_us;
use super::{Mode, Operation};
use crate::StoreError;
use crate::record::*;
use crate::transaction::Transaction;
use crate::transaction::statistic::Span;

/// For how long after a minute a session may still write what it saw in it. What it has not written by then it must
/// never write, or it would be counted twice.
const SESSION_MINUTE_KEPT: Duration = Duration::from_secs(600);
/// Whose rows are folded.
const FOLDED: SessionId = SessionId(0);
/// The most minutes and hours of statistics that one call folds.
const FOLDS_MAX: usize = 30;

/// Reads the counters.
pub(crate) struct Counts;

impl Operation for Counts {
    type Output = Vec<StateCount>;

    fn mode(&self) -> Mode {
        Mode::READ
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Vec<StateCount>, StoreError> {
        tx.counts().await
    }
}

/// Looks for the oldest ready job of each type.
pub(crate) struct Oldest;

impl Operation for Oldest {
    type Output = Vec<OldestReady>;

    fn mode(&self) -> Mode {
        Mode::READ
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Vec<OldestReady>, StoreError> {
        tx.oldest_ready().await
    }
}

/// Writes what a session saw.
pub(crate) struct PutStatistics {
    session: SessionId,
    rows: Vec<TypeStatistic>,
}

impl PutStatistics {
    /// Fails where two rows say the same, or one does not begin with a minute.
    pub(crate) fn new(session: SessionId, rows: &[TypeStatistic]) -> Result<Self, StoreError> {
        let mut rows = rows.to_vec();
        rows.sort_by_key(|row| (row.at, row.type_id));
        let key = |row: &TypeStatistic| (row.at, row.type_id);
        if rows.windows(2).any(|two| key(&two[0]) == key(&two[1])) {
            return Err(StoreError::Invalid(
                "two statistics of one type and minute".to_owned(),
            ));
        }
        if let Some(row) = rows.iter().find(|row| row.at.0 % Span::Minute.us() != 0) {
            return Err(StoreError::Invalid(format!(
                "{} is not the begin of a minute",
                row.at
            )));
        }
        Ok(Self { session, rows })
    }
}

impl Operation for PutStatistics {
    type Output = ();

    fn mode(&self) -> Mode {
        // Sent again, it writes the same.
        Mode::WRITE.resend()
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<(), StoreError> {
        tx.put_statistics(Span::Minute, self.session, &self.rows)
            .await
    }
}

/// Reads statistics.
pub(crate) struct Statistics {
    query: StatisticQuery,
    type_id: Option<TypeId>,
}

impl Statistics {
    /// `type_id` is that of the type that the query names. Fails for a step or a number of steps out of range.
    pub(crate) fn new(query: &StatisticQuery, type_id: Option<TypeId>) -> Result<Self, StoreError> {
        let step_s = query.step_s;
        if step_s < STATISTIC_STEP_S_MIN || !step_s.is_multiple_of(STATISTIC_STEP_S_MIN) {
            return Err(StoreError::Invalid(format!(
                "a step of {step_s} s is not a multiple of {STATISTIC_STEP_S_MIN} s"
            )));
        }
        let steps = query.to.since(query.from).as_secs() / u64::from(step_s);
        if steps > u64::from(STATISTIC_STEPS_MAX) {
            return Err(StoreError::Invalid(format!(
                "{steps} steps of {step_s} s are over the maximum of {STATISTIC_STEPS_MAX}: ask for less time or longer steps"
            )));
        }
        Ok(Self {
            query: query.clone(),
            type_id,
        })
    }
}

impl Operation for Statistics {
    type Output = Vec<StatisticPoint>;

    fn mode(&self) -> Mode {
        Mode::LIST
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Vec<StatisticPoint>, StoreError> {
        let step_us = i64::from(self.query.step_s) * 1_000_000;
        let begin = |at: i64| at.saturating_sub(at.rem_euclid(step_us));
        let from = begin(self.query.from.0);
        let rows = tx.statistics(from, self.query.to.0, self.type_id).await?;
        let mut points: BTreeMap<(Timestamp, TypeName), StatisticPoint> = BTreeMap::new();
        for row in rows {
            let at = Timestamp(begin(row.at.0));
            let seconds = row.seconds.max(self.query.step_s);
            let point = points
                .entry((at, row.type_name.clone()))
                .or_insert_with(|| StatisticPoint {
                    at,
                    seconds,
                    type_name: row.type_name,
                    statistic: Statistic::default(),
                });
            point.seconds = point.seconds.max(seconds);
            point.statistic.merge(&row.statistic);
        }
        Ok(points.into_values().collect())
    }
}

/// Folds counters and statistics, a bounded part of them, and forgets old statistics.
pub(crate) struct Fold;

impl Operation for Fold {
    type Output = ();

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<(), StoreError> {
        if !tx.fold_lock().await? {
            return Ok(());
        }
        tx.fold_counts().await?;
        let minute_age = age_us(SESSION_MINUTE_KEPT);
        let hour_age = age_us(STATISTIC_MINUTES_KEPT);
        for _ in 0..FOLDS_MAX {
            let (minute, hour) = tx.oldest_statistic(minute_age, hour_age).await?;
            let (at, span) = match (minute, hour) {
                (Some(at), _) => (at, Span::Minute),
                (None, Some(at)) => (at, Span::Hour),
                (None, None) => break,
            };
            fold(tx, at, span).await?;
        }
        tx.trim_statistics(age_us(STATISTIC_KEPT)).await
    }
}

/// Makes one row of each type of all that there is of a minute or an hour.
async fn fold(tx: &mut dyn Transaction, at: Timestamp, span: Span) -> Result<(), StoreError> {
    let mut types: BTreeMap<TypeId, Statistic> = BTreeMap::new();
    for (type_id, statistic) in tx.take_statistics(at, span).await? {
        types.entry(type_id).or_default().merge(&statistic);
    }
    let rows: Vec<TypeStatistic> = types
        .into_iter()
        .map(|(type_id, statistic)| TypeStatistic {
            at,
            type_id,
            statistic,
        })
        .collect();
    tx.put_statistics(span, FOLDED, &rows).await
}
