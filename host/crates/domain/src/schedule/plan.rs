//! What a schedule that is due has to do: which of its times to start a chain for, and which were missed.

use super::{ScheduleSpec, Timing};
use crate::timestamp::Timestamp;

/// A time that is longer ago than this when a host comes to it was missed. Shorter delays are those of a
/// busy database or a worker's restart.
pub const MISSED_AFTER_MS: u64 = 60_000;
/// How many missed times that start nothing are recorded, the last ones. Nobody reads a year of them.
const RECORDED_MAX: usize = 100;

/// What becomes of one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FireKind {
    /// A chain is to be started, if the overlap policy lets it.
    Start,
    /// A chain is to be started for a time that was missed, if the overlap policy lets it.
    StartLate,
    /// It was missed, and nothing is started.
    Missed,
}

/// What a schedule has to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirePlan {
    /// Its times up to now, oldest first. Times before the first one were missed too and are not listed.
    pub fires: Vec<(Timestamp, FireKind)>,
    /// Whether there were such.
    pub more_missed: bool,
    /// When it is due next, which is in the past where there was more than one turn may start; none where
    /// it never fires again.
    pub next_at: Option<Timestamp>,
}

/// Plans a schedule that was due at `due_at`, made at `anchor`, at the time `now`. At most `starts_max`
/// chains are started in one turn.
pub fn plan(
    spec: &ScheduleSpec,
    anchor: Timestamp,
    due_at: Timestamp,
    now: Timestamp,
    starts_max: usize,
) -> FirePlan {
    let missed_before = Timestamp(now.0.saturating_sub(MISSED_AFTER_MS as i64 * 1_000));
    let cap = spec.missed.cap() as usize;
    let (missed, more_missed) = last_missed(
        &spec.timing,
        anchor,
        due_at,
        missed_before,
        cap + RECORDED_MAX,
    );
    let late_from = missed.len().saturating_sub(cap);
    let mut fires: Vec<(Timestamp, FireKind)> = Vec::new();
    for at in &missed[late_from.saturating_sub(RECORDED_MAX)..late_from] {
        fires.push((*at, FireKind::Missed));
    }
    let mut starts = 0;
    // The first time of the present.
    let mut next_at = match missed.last() {
        Some(last) => spec.timing.next(*last, anchor),
        None => Some(due_at),
    };
    for at in &missed[late_from..] {
        if starts == starts_max.max(1) {
            next_at = Some(*at);
            break;
        }
        fires.push((*at, FireKind::StartLate));
        starts += 1;
    }
    while let Some(at) = next_at {
        if at > now || at < missed_before || starts == starts_max.max(1) {
            break;
        }
        fires.push((at, FireKind::Start));
        starts += 1;
        next_at = spec.timing.next(at, anchor);
    }
    FirePlan {
        fires,
        more_missed,
        next_at,
    }
}

/// The last times from `first` on that lie before `end`, at most `wanted`, oldest first; and whether there
/// are more. Looks back in growing steps, because there may be millions.
fn last_missed(
    timing: &Timing,
    anchor: Timestamp,
    first: Timestamp,
    end: Timestamp,
    wanted: usize,
) -> (Vec<Timestamp>, bool) {
    let mut back_us: i64 = 600_000_000;
    loop {
        let from = end.0.saturating_sub(back_us);
        let whole = from <= first.0;
        let mut times = Vec::new();
        let mut at = match whole {
            true => Some(first),
            false => timing.next(Timestamp(from), anchor),
        };
        while let Some(time) = at
            && time < end
        {
            times.push(time);
            at = timing.next(time, anchor);
        }
        if whole || times.len() >= wanted {
            let more = !whole || times.len() > wanted;
            times.drain(..times.len().saturating_sub(wanted));
            return (times, more);
        }
        back_us = back_us.saturating_mul(4);
    }
}
