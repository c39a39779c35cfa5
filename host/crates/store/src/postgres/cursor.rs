//! Where claims begin to look.
//!
//! A claim takes the first entries of an index. Entries of jobs that were claimed before are in front of them, and Postgres
//! keeps these for as long as anybody's transaction, on whatever database of the server, may still see what they were: a
//! claim walks over all of them. So claims that had to walk far begin where the last one ended, and look from the
//! beginning again after a while: what has come to stand in front meanwhile, being more urgent or given back, waits
//! that long.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hardstop_domain::{Timestamp, TypeId};
use uuid::Uuid;

use crate::record::ClaimedJob;

/// How many entries beside those of its jobs a claim may walk over before it is said to have walked far: half a
/// millisecond or so.
const FAR: i64 = 2_000;
/// Claims look from the beginning again after so many times as long as that took.
const PAUSE_FACTOR: u32 = 10;
/// And after so many times already where the last one found fewer than it could have had.
const SHORT_PAUSE_FACTOR: u32 = 2;
/// And after this at the latest.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// A place in the index of the ready jobs of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) priority: i16,
    pub(super) due_at: Timestamp,
    pub(super) id: Uuid,
}

impl Place {
    pub(super) fn of(job: &ClaimedJob) -> Self {
        Self {
            priority: job.priority,
            due_at: job.due_at,
            id: job.id.0,
        }
    }
}

/// Where the claims of one process ended, type by type.
#[derive(Debug, Default)]
pub(super) struct Cursor(Mutex<HashMap<TypeId, Track>>);

#[derive(Clone, Copy, Debug, Default)]
struct Track {
    /// The last job claimed, of the most urgent that the last look from the beginning found.
    place: Option<Place>,
    pause: Option<Pause>,
}

/// For how long claims do not look from the beginning.
#[derive(Clone, Copy, Debug)]
struct Pause {
    until: Instant,
    /// After a claim that found fewer than it could have had.
    short_until: Instant,
}

/// What a claim came to.
pub(super) struct Walk<'a, F> {
    /// Its types, and where it began.
    pub(super) begins: &'a [(TypeId, Option<Place>)],
    /// The jobs that it leased.
    pub(super) found: F,
    /// How many entries it walked over beside those of the jobs that it found.
    pub(super) beside: i64,
    /// How long it took.
    pub(super) took: Duration,
    /// When it was over.
    pub(super) ended: Instant,
}

impl Cursor {
    /// Where a claim of these types begins at this moment. None: at the beginning. `is_short`: the claim before this found
    /// fewer than it could have had.
    pub(super) fn begins(
        &self,
        types: impl Iterator<Item = TypeId>,
        now: Instant,
        is_short: bool,
    ) -> Vec<(TypeId, Option<Place>)> {
        let tracks = self.tracks();
        let begin = |type_id| {
            let track = tracks.get(&type_id).copied().unwrap_or_default();
            let paused = track.pause.is_some_and(|pause| match is_short {
                true => now < pause.short_until,
                false => now < pause.until,
            });
            (type_id, track.place.filter(|_| paused))
        };
        types.map(begin).collect()
    }

    /// Notes what a claim came to.
    pub(super) fn note<F: Iterator<Item = (TypeId, Place)>>(&self, walk: Walk<'_, F>) {
        let mut tracks = self.tracks();
        let after = |factor: u32| walk.ended + (walk.took * factor).min(PAUSE_MAX);
        let pause = (walk.beside > FAR).then(|| Pause {
            until: after(PAUSE_FACTOR),
            short_until: after(SHORT_PAUSE_FACTOR),
        });
        let mut found: HashMap<TypeId, Place> = HashMap::new();
        for (type_id, place) in walk.found {
            let last = found.entry(type_id).or_insert(place);
            if place.priority < last.priority || place.priority == last.priority && place > *last {
                *last = place;
            }
        }
        for (type_id, begin) in walk.begins {
            let track = tracks.entry(*type_id).or_default();
            let found = found.get(type_id).copied();
            if begin.is_none() {
                track.pause = pause;
                // Where nothing was found, the place is what it was.
                track.place = found.or(track.place);
            } else if let (Some(place), Some(found)) = (&mut track.place, found)
                // What is less urgent leaves the place where it is: more urgent ones may come.
                && found.priority == place.priority
            {
                *place = found.max(*place);
            }
        }
    }

    fn tracks(&self) -> MutexGuard<'_, HashMap<TypeId, Track>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const A: TypeId = TypeId(1);
    const B: TypeId = TypeId(2);

    fn place(priority: i16, due_at: i64) -> Place {
        Place {
            priority,
            due_at: Timestamp(due_at),
            id: Uuid::nil(),
        }
    }

    /// A claim that took 20 ms: of these types, as they begin at that time; it found these jobs.
    fn claim(
        cursor: &Cursor,
        types: &[TypeId],
        found: &[(TypeId, Place)],
        beside: i64,
        at: Instant,
    ) {
        let begins = cursor.begins(types.iter().copied(), at, false);
        cursor.note(Walk {
            begins: &begins,
            found: found.iter().copied(),
            beside,
            took: 20 * MS,
            ended: at,
        });
    }

    fn begin(cursor: &Cursor, type_id: TypeId, at: Instant) -> Option<Place> {
        cursor.begins([type_id].into_iter(), at, false)[0].1
    }

    #[test]
    fn claims_begin_at_the_beginning_while_that_is_near() {
        let (cursor, now) = (Cursor::default(), Instant::now());
        claim(&cursor, &[A], &[(A, place(0, 7))], FAR, now);
        assert_eq!(begin(&cursor, A, now), None);
    }

    #[test]
    fn after_a_long_way_claims_begin_where_the_last_ended() {
        let (cursor, now) = (Cursor::default(), Instant::now());
        let found = [7, 9, 8].map(|due_at| (A, place(0, due_at)));
        claim(&cursor, &[A, B], &found, FAR + 1, now);
        assert_eq!(begin(&cursor, A, now + 199 * MS), Some(place(0, 9)));
        assert_eq!(begin(&cursor, B, now), None);
        claim(&cursor, &[A], &[(A, place(0, 11))], 0, now + 50 * MS);
        assert_eq!(begin(&cursor, A, now + 199 * MS), Some(place(0, 11)));
        // From the beginning again after ten times as long as it took; after twice as long where there was less to have.
        assert_eq!(begin(&cursor, A, now + 200 * MS), None);
        let short = |at| cursor.begins([A].into_iter(), at, true)[0].1;
        assert_eq!(short(now + 39 * MS), Some(place(0, 11)));
        assert_eq!(short(now + 40 * MS), None);
    }

    #[test]
    fn what_is_less_urgent_leaves_the_place_where_it_is() {
        let (cursor, now) = (Cursor::default(), Instant::now());
        claim(
            &cursor,
            &[A],
            &[(A, place(5, 1)), (A, place(0, 7))],
            FAR + 1,
            now,
        );
        assert_eq!(begin(&cursor, A, now), Some(place(0, 7)));
        claim(&cursor, &[A], &[(A, place(5, 2))], 0, now);
        assert_eq!(begin(&cursor, A, now), Some(place(0, 7)));
    }

    #[test]
    fn a_look_that_began_at_a_place_of_before_moves_no_other() {
        let (cursor, now) = (Cursor::default(), Instant::now());
        claim(&cursor, &[A], &[(A, place(5, 1))], FAR + 1, now);
        let begins = cursor.begins([A].into_iter(), now, false);
        // Meanwhile another claim looks from the beginning, and finds more urgent jobs.
        let later = now + 300 * MS;
        claim(&cursor, &[A], &[(A, place(0, 7))], FAR + 1, later);
        cursor.note(Walk {
            begins: &begins,
            found: [(A, place(5, 2))].into_iter(),
            beside: 0,
            took: 20 * MS,
            ended: later,
        });
        assert_eq!(begin(&cursor, A, later), Some(place(0, 7)));
    }

    #[test]
    fn each_type_has_its_own() {
        let (cursor, now) = (Cursor::default(), Instant::now());
        claim(&cursor, &[A], &[(A, place(0, 7))], FAR + 1, now);
        // A claim that does not ask for it, or finds nothing of it, changes nothing of where it ended.
        claim(&cursor, &[B], &[(B, place(0, 3))], 0, now + 10 * MS);
        assert_eq!(begin(&cursor, A, now + 20 * MS), Some(place(0, 7)));
        claim(
            &cursor,
            &[A, B],
            &[(B, place(0, 4))],
            FAR + 1,
            now + 300 * MS,
        );
        assert_eq!(begin(&cursor, A, now + 301 * MS), Some(place(0, 7)));
        assert_eq!(begin(&cursor, B, now + 301 * MS), Some(place(0, 4)));
        // A short way from the beginning ends it.
        claim(&cursor, &[A], &[(A, place(0, 8))], 0, now + 600 * MS);
        assert_eq!(begin(&cursor, A, now + 600 * MS), None);
    }

    #[test]
    fn the_pause_has_an_end() {
        let (cursor, now) = (Cursor::default(), Instant::now());
        cursor.note(Walk {
            begins: &[(A, None)],
            found: [(A, place(0, 7))].into_iter(),
            beside: i64::MAX,
            took: 60_000 * MS,
            ended: now,
        });
        assert_eq!(begin(&cursor, A, now + PAUSE_MAX), None);
    }
}
