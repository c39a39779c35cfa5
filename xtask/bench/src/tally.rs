//! Which attempts were made, so that a job that was lost, that ran twice or that ran outside the sandbox is found.

use std::collections::BTreeSet;
use std::ops::{Add, Sub};
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use hardstop::{Execute, Loader};
use hardstop_domain::{Digest, Files, JobId, OutcomeKind, Report};
use hardstop_sandbox::{Attempt, Occupancy};

/// Runs attempts in the sandbox and counts them.
pub struct Counted {
    loader: Loader,
    counts: [AtomicU64; 4],
}

/// Attempts that were made, or jobs that were started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub attempts: u64,
    /// Those that came to what they should.
    pub ended_well: u64,
    /// Those that the sandbox accounts for: nothing runs there without memory.
    pub sandboxed: u64,
    /// The sum of what their jobs' ids hash to: the same only where they are of the same jobs.
    pub jobs: u64,
}

impl Tally {
    /// One attempt at each of these jobs.
    pub fn once(jobs: impl IntoIterator<Item = JobId>) -> Self {
        let one = |job| Self {
            attempts: 1,
            ended_well: 1,
            sandboxed: 1,
            jobs: hash(job),
        };
        jobs.into_iter().map(one).fold(Self::default(), Add::add)
    }

    fn to_array(self) -> [u64; 4] {
        [self.attempts, self.ended_well, self.sandboxed, self.jobs]
    }

    /// From four numbers, as [`Tally::to_text`] writes them.
    pub fn of_text(text: &str) -> Option<Self> {
        let numbers: Option<Vec<u64>> = text.split(' ').map(|number| number.parse().ok()).collect();
        Some(Self::of(numbers?.try_into().ok()?))
    }

    /// As four numbers.
    pub fn to_text(self) -> String {
        self.to_array().map(|number| number.to_string()).join(" ")
    }

    fn of([attempts, ended_well, sandboxed, jobs]: [u64; 4]) -> Self {
        Self {
            attempts,
            ended_well,
            sandboxed,
            jobs,
        }
    }

    /// What is wrong where this was to be; none where it is.
    pub fn fault(self, wanted: Self) -> Option<String> {
        let text = match (self, wanted) {
            _ if self == wanted => return None,
            _ if self.attempts < wanted.attempts => "were lost",
            _ if self.attempts > wanted.attempts => "ran more than once",
            _ if self.sandboxed != self.attempts => "ran outside the sandbox",
            _ if self.ended_well != self.attempts => "did not end well",
            _ => "are others than those that were started",
        };
        Some(format!(
            "some jobs {text}: {} attempts of {} jobs, {} in the sandbox, {} ended well",
            self.attempts, wanted.attempts, self.sandboxed, self.ended_well
        ))
    }
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let (own, other) = (self.to_array(), other.to_array());
        Self::of(std::array::from_fn(|n| own[n].wrapping_add(other[n])))
    }
}

impl Sub for Tally {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        let (own, other) = (self.to_array(), other.to_array());
        Self::of(std::array::from_fn(|n| own[n].wrapping_sub(other[n])))
    }
}

/// A number that another job hardly has.
fn hash(job: JobId) -> u64 {
    let bits = job.0.as_u128();
    let folded = (bits >> 64) as u64 ^ (bits as u64).rotate_left(29);
    // Of the generator `splitmix64`: each bit of the id changes half of the sum's.
    let mixed = (folded ^ (folded >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 31)
}

impl Counted {
    /// Has counted nothing.
    pub fn new(loader: Loader) -> Self {
        Self {
            loader,
            counts: Default::default(),
        }
    }

    /// What was counted so far.
    pub fn tally(&self) -> Tally {
        let counts = self.counts.iter();
        let counts: Vec<u64> = counts.map(|count| count.load(Ordering::SeqCst)).collect();
        Tally::of([counts[0], counts[1], counts[2], counts[3]])
    }
}

#[async_trait]
impl Execute for Counted {
    async fn execute(&self, component: Digest, files: &Files, attempt: Attempt) -> Report {
        let job = attempt.job;
        let report = self.loader.execute(component, files, attempt).await;
        let kind = report.outcome.kind();
        let seen = Tally {
            attempts: 1,
            ended_well: matches!(kind, OutcomeKind::Completed | OutcomeKind::Continued).into(),
            sandboxed: (report.usage.memory_bytes_peak > 0).into(),
            jobs: hash(job),
        };
        for (count, more) in self.counts.iter().zip(seen.to_array()) {
            count.fetch_add(more, Ordering::SeqCst);
        }
        report
    }

    fn retain(&self, active: &BTreeSet<Digest>) {
        self.loader.retain(active);
    }

    fn occupancy(&self) -> Occupancy {
        self.loader.occupancy()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn jobs(count: u128) -> Vec<JobId> {
        (1..=count)
            .map(|n| JobId(Uuid::from_u128(n << 64 | n)))
            .collect()
    }

    #[test]
    fn what_went_wrong_is_told() {
        let wanted = Tally::once(jobs(3));
        assert_eq!(wanted.fault(wanted), None);
        let outside = Tally {
            sandboxed: 2,
            ..wanted
        };
        let failed = Tally {
            ended_well: 2,
            ..wanted
        };
        // One is missing, and another ran twice.
        let [first, second, _] = jobs(3)[..] else {
            return;
        };
        let others = Tally::once([first, second, second]);
        for (tally, part) in [
            (Tally::once(jobs(2)), "were lost"),
            (Tally::once(jobs(4)), "more than once"),
            (outside, "outside the sandbox"),
            (failed, "did not end well"),
            (others, "are others"),
        ] {
            let fault = tally.fault(wanted).unwrap_or_default();
            assert!(fault.contains(part), "{fault}");
        }
    }

    #[test]
    fn tallies_are_sums() {
        let (few, more) = (Tally::once(jobs(2)), Tally::once(jobs(5)));
        assert_eq!((few + more) - more, few);
        assert_eq!(Tally::of_text(&few.to_text()), Some(few));
        assert_eq!(Tally::of_text("1 2 3"), None);
    }
}
