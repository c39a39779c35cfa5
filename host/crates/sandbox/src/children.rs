//! The chains that an attempt starts, held back until it is settled, and the guards against
//! amplification.

use std::collections::HashSet;

use hardstop_domain::quantity::format_size;
use hardstop_domain::{ChainId, LimitName, Limits, Lineage, NewChain};

/// How large all chains that one attempt starts may be together, in bytes: inputs, keys and the ids
/// of blockers stay in the host's memory until the attempt is settled.
pub const CHILDREN_BYTES_MAX: u64 = 16 << 20;

/// How many blockers all chains that one attempt starts may have together: as many as one job.
const BLOCKERS_MAX: u64 = hardstop_domain::job::BLOCKERS_MAX as u64;

/// The chains that an attempt has started, and how many more it may.
#[derive(Debug)]
pub(crate) struct Children {
    started: Vec<NewChain>,
    bytes: u64,
    blockers: u64,
    limits: Limits,
    /// Generations from the root chain to the attempt's own.
    depth: u32,
    /// Chains that descended from the root chain before this attempt.
    descendants: u64,
}

impl Children {
    /// None yet. `descendants` is how many chains descended from the root when the job was claimed:
    /// others may have come since, so that the store counts again when it commits them.
    pub(crate) fn new(limits: Limits, lineage: Option<Lineage>, descendants: u64) -> Self {
        Self {
            started: Vec::new(),
            bytes: 0,
            blockers: 0,
            limits,
            depth: lineage.map_or(0, |lineage| lineage.depth),
            descendants,
        }
    }

    /// Whether one more may be started; if not, which limit stands against it.
    pub(crate) fn admit(&self) -> Result<(), String> {
        let started = self.started.len() as u64;
        let limits = &self.limits;
        let over = |what: String, name: LimitName, limit: u64| {
            Err(format!(
                "this would be {what}: limit `{name}` = {}",
                name.format(limit)
            ))
        };
        if started >= limits.children_max {
            let what = format!("chain {} of the attempt", started + 1);
            return over(what, LimitName::Children, limits.children_max);
        }
        let depth = u64::from(self.depth) + 1;
        if depth > limits.depth_max {
            let what = format!("generation {depth} below the root chain");
            return over(what, LimitName::Depth, limits.depth_max);
        }
        let descendants = self.descendants.saturating_add(started).saturating_add(1);
        if descendants > limits.descendants_max {
            let what = format!("chain {descendants} below the root chain");
            return over(what, LimitName::Descendants, limits.descendants_max);
        }
        Ok(())
    }

    /// Takes one in, unless together with the others it is too large.
    pub(crate) fn push(&mut self, chain: NewChain) -> Result<ChainId, String> {
        let count = chain.first.blockers.len() as u64;
        let blockers = self.blockers.saturating_add(count);
        if blockers > BLOCKERS_MAX {
            return Err(format!(
                "all chains that an attempt starts may have {BLOCKERS_MAX} blockers together and \
                 would have {blockers}"
            ));
        }
        let key = chain.dedup.as_ref().map_or(0, |dedup| dedup.key.len()) as u64;
        let own = chain.first.input.len() as u64 + key + count * size_of::<ChainId>() as u64;
        let bytes = self.bytes.saturating_add(own);
        if bytes > CHILDREN_BYTES_MAX {
            return Err(format!(
                "all chains that an attempt starts may hold {} together and would hold {}",
                format_size(CHILDREN_BYTES_MAX),
                format_size(bytes)
            ));
        }
        self.bytes = bytes;
        self.blockers = blockers;
        let id = chain.id();
        self.started.push(chain);
        Ok(id)
    }

    /// The chains, in the order in which they were started.
    pub(crate) fn into_started(self) -> Vec<NewChain> {
        self.started
    }
}

/// Whether a job that waits for `blockers` waits for `chain`, directly or through chains that this
/// attempt has started. Each of those can name only chains that were there before it.
pub(crate) fn waits_for(blockers: &[ChainId], started: &[NewChain], chain: ChainId) -> bool {
    let mut waiting = HashSet::from([chain]);
    for child in started {
        if child.first.blockers.iter().any(|id| waiting.contains(id)) {
            waiting.insert(child.id());
        }
    }
    blockers.iter().any(|id| waiting.contains(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hardstop_domain::job::DEDUP_KEY_BYTES_MAX;
    use hardstop_domain::{Dedup, DedupScope, JobId, NewJob};
    use uuid::Uuid;

    fn chain(id: u128, blockers: &[u128]) -> NewChain {
        let name = "child".parse().expect("a name");
        let mut first = NewJob::new(JobId(Uuid::from_u128(id)), name, "1");
        first.blockers = ids(blockers);
        NewChain::new(first)
    }

    fn ids(ids: &[u128]) -> Vec<ChainId> {
        ids.iter().map(|id| ChainId(Uuid::from_u128(*id))).collect()
    }

    fn none_yet() -> Children {
        Children::new(Limits::default(), None, 0)
    }

    #[test]
    fn what_stays_in_memory_is_bounded() {
        let mut children = none_yet();
        let mut large = chain(1, &[]);
        large.first.input = "x".repeat(CHILDREN_BYTES_MAX as usize - DEDUP_KEY_BYTES_MAX);
        large.dedup = Some(Dedup {
            key: "k".repeat(DEDUP_KEY_BYTES_MAX),
            scope: DedupScope::Open,
        });
        children.push(large).expect("to the byte");
        let error = children.push(chain(2, &[])).expect_err("a byte more");
        assert_eq!(
            error,
            "all chains that an attempt starts may hold 16MiB together and would hold 16.0MiB"
        );
        assert_eq!(children.into_started().len(), 1);
    }

    #[test]
    fn the_blockers_of_all_children_count_together() {
        let mut children = none_yet();
        let all: Vec<u128> = (0..BLOCKERS_MAX as u128).collect();
        children.push(chain(1, &all[1..])).expect("one below");
        children.push(chain(2, &[7])).expect("just so many");
        let error = children.push(chain(3, &[7])).expect_err("one more");
        assert!(
            error.contains("10000 blockers together and would have 10001"),
            "{error}"
        );
        children.push(chain(4, &[])).expect("without any");
    }

    #[test]
    fn waiting_is_found_through_children() {
        let own = ChainId(Uuid::from_u128(1));
        let started = [
            chain(10, &[5]),
            chain(11, &[1]),
            chain(12, &[10]),
            chain(13, &[12, 11]),
        ];
        for (blockers, expected) in [
            (&[][..], false),
            (&[1], true),
            (&[5, 10, 12], false),
            (&[5, 11], true),
            (&[13], true),
        ] {
            let blockers = ids(blockers);
            assert_eq!(
                waits_for(&blockers, &started, own),
                expected,
                "{blockers:?}"
            );
        }
    }
}
