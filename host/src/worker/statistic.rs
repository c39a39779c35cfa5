//! Statistics: what attempts came to, gathered once it is on record, and written about once a second.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hardstop_domain::{Next, SessionId, Statistic, Timestamp, TypeId};
use hardstop_store::{ClaimedJob, Settlement, StoreError, TypeStatistic};
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use super::Shared;

/// How often what was gathered is written.
const WRITE_INTERVAL: Duration = Duration::from_secs(1);
/// How often counters and statistics are folded, about.
const FOLD_INTERVAL: Duration = Duration::from_secs(5);
/// What could not be written for so long never is: the store may fold a minute ten minutes after it.
const FORGET_AFTER: Duration = Duration::from_secs(300);
const MINUTE_US: i64 = 60_000_000;

/// What is known of an attempt before it is settled.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// Its type.
    pub type_id: TypeId,
    /// How long the job was due before it was claimed, in microseconds.
    pub wait_us: u64,
}

/// What was gathered and is still to be written, or may be added to.
#[derive(Debug, Default)]
pub struct Statistics(Mutex<Gathered>);

#[derive(Debug, Default)]
pub struct Gathered {
    /// A time of the database's clock, and when that was.
    clock: Option<(Timestamp, Instant)>,
    /// The last minute that something was counted in. Nothing is counted in one before it.
    minute: i64,
    rows: BTreeMap<(i64, TypeId), Row>,
}

#[derive(Debug)]
struct Row {
    statistic: Statistic,
    begun: Instant,
    /// Whether something was counted since it was taken to be written.
    changed: bool,
}

impl Seen {
    /// How long the job was due before it was claimed.
    pub fn wait(&self) -> Duration {
        Duration::from_micros(self.wait_us)
    }
}

impl Statistics {
    /// What is gathered, to count in it.
    pub fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A job that was claimed just now.
    pub fn claimed(&self, job: &ClaimedJob) -> Seen {
        let mut gathered = self.gathered();
        if gathered.clock.is_none_or(|(at, _)| at < job.claimed_at) {
            gathered.clock = Some((job.claimed_at, Instant::now()));
        }
        let wait = job.claimed_at.since(job.due_at);
        Seen {
            type_id: job.type_id,
            wait_us: u64::try_from(wait.as_micros()).unwrap_or(u64::MAX),
        }
    }
}

impl Gathered {
    /// Counts an attempt whose settlement was written.
    pub fn settled(&mut self, seen: Seen, settlement: &Settlement) {
        let statistic = self.row(seen.type_id);
        *statistic.outcomes.entry(settlement.outcome).or_default() += 1;
        if matches!(settlement.next, Next::Retry { .. } | Next::RetryLarger) {
            statistic.retries += 1;
        }
        statistic.wait.record(seen.wait_us);
        statistic.run.record(settlement.usage.wall_us);
    }

    /// Counts one whose settlement came too late.
    pub fn stale(&mut self, seen: Seen) {
        self.row(seen.type_id).stale += 1;
    }

    /// Counts a job that was given back because its host was gone.
    pub fn rescued(&mut self, type_id: TypeId) {
        self.row(type_id).rescues += 1;
    }

    /// What there is of a type in this minute.
    fn row(&mut self, type_id: TypeId) -> &mut Statistic {
        let now = match self.clock {
            Some((at, then)) => at.0.saturating_add(micros(then.elapsed())),
            // No job told the database's time yet.
            None => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, micros),
        };
        self.minute = self.minute.max(now - now.rem_euclid(MINUTE_US));
        let row = self
            .rows
            .entry((self.minute, type_id))
            .or_insert_with(|| Row {
                statistic: Statistic::default(),
                begun: Instant::now(),
                changed: false,
            });
        row.changed = true;
        &mut row.statistic
    }

    /// Takes what is to be written, and forgets what cannot change any more.
    fn take(&mut self, now: Instant) -> Vec<TypeStatistic> {
        self.rows.retain(|(minute, _), row| {
            let over = *minute < self.minute && !row.changed;
            !over && now.saturating_duration_since(row.begun) < FORGET_AFTER
        });
        let mut taken = Vec::new();
        for ((minute, type_id), row) in &mut self.rows {
            if std::mem::take(&mut row.changed) {
                taken.push(TypeStatistic {
                    at: Timestamp(*minute),
                    type_id: *type_id,
                    statistic: row.statistic.clone(),
                });
            }
        }
        taken
    }

    /// Notes that these could not be written.
    fn give_back(&mut self, rows: &[TypeStatistic]) {
        for row in rows {
            if let Some(row) = self.rows.get_mut(&(row.at.0, row.type_id)) {
                row.changed = true;
            }
        }
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Writes what was gathered, if anything.
pub async fn write(shared: &Shared, session: SessionId) -> Result<(), StoreError> {
    let rows = shared.statistics.gathered().take(Instant::now());
    if rows.is_empty() {
        return Ok(());
    }
    let written = shared.store.put_statistics(session, &rows).await;
    if written.is_err() {
        shared.statistics.gathered().give_back(&rows);
    }
    written
}

/// Writes what was gathered, as the session that this process began with, and folds what all processes wrote.
pub async fn keep(shared: Arc<Shared>, session: SessionId) {
    let mut fold_at = Instant::now() + FOLD_INTERVAL;
    loop {
        shared.gauge();
        sleep(WRITE_INTERVAL).await;
        if let Err(error) = write(&shared, session).await {
            debug!(%error, "cannot write statistics: trying again");
        }
        if Instant::now() >= fold_at {
            if let Err(error) = shared.store.fold().await {
                warn!(%error, "cannot fold counters and statistics");
            }
            // Jitter, so that many hosts do not ask at the same moment.
            fold_at = Instant::now() + FOLD_INTERVAL.mul_f64(0.75 + fastrand::f64() / 2.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: TypeId = TypeId(1);

    fn rescues(rows: &[TypeStatistic]) -> Vec<(i64, u64)> {
        let rows = rows.iter();
        rows.map(|row| (row.at.0, row.statistic.rescues)).collect()
    }

    /// At the database's time of so many minutes.
    fn at(minutes: i64, gathered: &mut Gathered) {
        gathered.clock = Some((Timestamp(minutes * MINUTE_US), Instant::now()));
    }

    #[test]
    fn a_minute_is_written_anew_until_it_is_over_and_then_forgotten() {
        let now = Instant::now();
        let mut gathered = Gathered::default();
        at(10, &mut gathered);
        gathered.rescued(TYPE);
        assert_eq!(rescues(&gathered.take(now)), [(10 * MINUTE_US, 1)]);
        assert_eq!(rescues(&gathered.take(now)), [], "nothing has changed");
        gathered.rescued(TYPE);
        at(11, &mut gathered);
        gathered.rescued(TYPE);
        // Not written: both are taken again.
        let taken = gathered.take(now);
        assert_eq!(rescues(&taken), [(10 * MINUTE_US, 2), (11 * MINUTE_US, 1)]);
        gathered.give_back(&taken);
        assert_eq!(gathered.take(now), taken);
        assert_eq!(rescues(&gathered.take(now)), []);
        assert_eq!(gathered.rows.len(), 1, "the minute that is over is gone");
        // A clock that is put back opens no minute again.
        at(9, &mut gathered);
        gathered.rescued(TYPE);
        assert_eq!(rescues(&gathered.take(now)), [(11 * MINUTE_US, 2)]);
    }

    #[test]
    fn what_cannot_be_written_for_long_is_forgotten() {
        let mut gathered = Gathered::default();
        at(1, &mut gathered);
        gathered.rescued(TYPE);
        let now = Instant::now();
        let taken = gathered.take(now);
        gathered.give_back(&taken);
        assert_eq!(gathered.take(now + FORGET_AFTER), []);
        at(6, &mut gathered);
        gathered.rescued(TYPE);
        assert_eq!(rescues(&gathered.take(now)), [(6 * MINUTE_US, 1)]);
    }
}
