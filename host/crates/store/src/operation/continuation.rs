//! The next job of a chain, whoever ended the one before.

use std::collections::{BTreeSet, HashMap, HashSet};

use hardstop_domain::{ChainId, Lineage, NewJob, TypeId};

use super::enqueue::{NewRow, check_cycles};
use crate::StoreError;
use crate::row::JobRow;
use crate::transaction::Transaction;
use crate::view::Held;

/// A job that carries a chain on.
#[derive(Debug)]
pub(crate) struct Continuation {
    new: NewRow,
    inherits_priority: bool,
}

impl Continuation {
    /// Fails with a sentence where it cannot be stored.
    pub(crate) fn new(job: &NewJob, type_id: TypeId) -> Result<Self, String> {
        Ok(Self {
            new: NewRow {
                // The chain is known once the row of the job before is.
                row: JobRow::new(job, ChainId(job.id.0), type_id)?,
                key: None,
                blockers: job.blockers.clone(),
                on_blocker_failure: job.on_blocker_failure,
            },
            inherits_priority: job.priority.is_none(),
        })
    }

    /// How long its input is.
    pub(crate) fn bytes(&self) -> usize {
        self.new.row.input.len()
    }

    /// Its row, with what it inherits from the job before.
    pub(crate) fn follow(&self, held: &Held, lineage: Lineage) -> NewRow {
        let mut new = self.new.clone();
        new.row = new.row.with_lineage(lineage);
        new.row.chain_id = held.chain_id.0;
        new.row.blocking = held.blocking;
        new.row.keyed = held.keyed;
        if self.inherits_priority {
            new.row.priority = held.priority;
        }
        new
    }
}

/// Fails where chains would wait for each other for ever: among the new jobs, or because a chain that goes on
/// would wait for one that waits for it.
pub(crate) async fn check_graph(
    tx: &mut dyn Transaction,
    jobs: &[NewRow],
) -> Result<(), StoreError> {
    check_cycles(jobs)?;
    let by_chain: HashMap<ChainId, &NewRow> = jobs
        .iter()
        .map(|new| (ChainId(new.row.chain_id), new))
        .collect();
    for next in jobs {
        // Nobody can wait for a chain that is new.
        if next.row.id == next.row.chain_id || next.blockers.is_empty() {
            continue;
        }
        let chain = ChainId(next.row.chain_id);
        let mut outside = BTreeSet::new();
        let mut seen = HashSet::new();
        let mut path = vec![next];
        while let Some(new) = path.pop() {
            for blocker in &new.blockers {
                match by_chain.get(blocker) {
                    Some(inside) if seen.insert(*blocker) => path.push(inside),
                    Some(_) => {}
                    None => drop(outside.insert(*blocker)),
                }
            }
        }
        let outside: Vec<ChainId> = outside.into_iter().collect();
        if !outside.is_empty() && tx.reaches(chain, &outside).await? {
            let mut cycle = vec![chain];
            cycle.extend(&next.blockers);
            cycle.push(chain);
            return Err(StoreError::BlockerCycle(cycle));
        }
    }
    Ok(())
}
