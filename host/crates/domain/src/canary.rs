//! Canaries: which jobs of a type go to the deployment that is tried beside the one in force.

use std::ops::RangeInclusive;

use crate::id::JobId;

/// The share of a type's jobs that a canary may have, in percent.
pub const CANARY_PERCENT: RangeInclusive<u8> = 1..=99;

/// Whether a job is among so many percent of all. It is by its id alone: the same on every host and for each of its
/// attempts, and what is among few is among more.
pub fn is_among(job: JobId, percent: u8) -> bool {
    // The end of MurmurHash3 (Austin Appleby, public domain) over both halves: neighbouring ids share most bits.
    let (high, low) = job.0.as_u64_pair();
    let mut hash = high ^ low.rotate_left(32);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^= hash >> 33;
    hash % 100 < u64::from(percent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    /// Ids as one host makes them within a few milliseconds, numbered in their last bits.
    fn ids() -> impl Iterator<Item = JobId> {
        (0..20_000_u128).map(|n| {
            let ms = 1_763_700_000_000 + n / 5_000;
            JobId(Uuid::from_u128((ms << 80) | (7 << 76) | (2 << 62) | n))
        })
    }

    #[test]
    fn the_share_is_about_what_was_asked_for() {
        for percent in [1, 10, 50, 99] {
            let among = ids().filter(|id| is_among(*id, percent)).count();
            let expected = 200 * usize::from(percent);
            assert!(
                among.abs_diff(expected) < 200,
                "{percent}%: {among} of 20000"
            );
        }
    }

    #[test]
    fn a_larger_share_takes_nothing_away() {
        assert!(ids().all(|id| !is_among(id, 10) || is_among(id, 11)));
        assert!(ids().all(|id| is_among(id, 100) && !is_among(id, 0)));
    }

    /// Hosts of other versions must agree.
    #[test]
    fn the_choice_stays_what_it_was() {
        let among: Vec<u128> = (0..40)
            .filter(|n| is_among(JobId(Uuid::from_u128(*n)), 10))
            .collect();
        assert_eq!(among, GOLDEN);
    }

    const GOLDEN: [u128; 5] = [0, 10, 13, 14, 17];
}
