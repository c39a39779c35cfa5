//! Starting chains: keys, blockers, and the jobs themselves.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use hardstop_domain::graph::find_cycle;
use hardstop_domain::{ChainId, JobId, NewChain, OnBlockerFailure, State, TypeId, TypeName};

use super::unblock::{Aftermath, cancellation, closes};
use super::{Mode, Operation};
use crate::StoreError;
use crate::record::Started;
use crate::row::{BlockerRow, FinishRow, JobRow, KeyRow};
use crate::transaction::Transaction;
use crate::view::FinalJob;

/// The numbers of the types that a batch names.
pub(crate) type TypeIds = HashMap<TypeName, TypeId>;

/// How often a chain that is neither open nor closed is looked for again: it continues at that moment. And
/// how often a key is asked for again that was held and then was not.
const LOOKS_MAX: usize = 100;

/// Creates the first jobs of chains. One statement where none has a key or a blocker.
pub(crate) struct Enqueue {
    new: Vec<NewRow>,
}

/// One job that is to be created: the first of a chain, or the next.
#[derive(Debug, Clone)]
pub(crate) struct NewRow {
    pub(crate) row: JobRow,
    pub(crate) key: Option<KeyRow>,
    pub(crate) blockers: Vec<ChainId>,
    pub(crate) on_blocker_failure: OnBlockerFailure,
}

impl NewRow {
    /// The row of a job that waits for nothing and has no key.
    pub(crate) fn is_plain(&self) -> bool {
        self.key.is_none() && self.blockers.is_empty()
    }

    /// A chain's first row, or a sentence that says why it cannot be stored.
    pub(crate) fn of_chain(chain: &NewChain, type_id: TypeId) -> Result<Self, String> {
        let key = chain.dedup.as_ref();
        Ok(Self {
            row: JobRow::new(&chain.first, chain.id(), type_id)?,
            key: key
                .map(|dedup| KeyRow::new(chain.id(), type_id, dedup))
                .transpose()?,
            blockers: chain.first.blockers.clone(),
            on_blocker_failure: chain.first.on_blocker_failure,
        })
    }
}

/// What came of creating jobs.
pub(crate) struct Created {
    /// In the order of the rows.
    pub(crate) started: Vec<Started>,
    pub(crate) aftermath: Aftermath,
}

impl Enqueue {
    pub(crate) fn new(chains: &[NewChain], types: &TypeIds) -> Result<Self, StoreError> {
        let mut ids = HashSet::with_capacity(chains.len());
        let mut new = Vec::with_capacity(chains.len());
        for chain in chains {
            let job = &chain.first;
            let Some(type_id) = types.get(&job.type_name) else {
                return Err(StoreError::UnknownType(job.type_name.clone()));
            };
            if !ids.insert(job.id) {
                return Err(StoreError::DuplicateJob(job.id.to_string()));
            }
            new.push(NewRow::of_chain(chain, *type_id).map_err(StoreError::Invalid)?);
        }
        check_cycles(&new)?;
        Ok(Self { new })
    }

    /// The ids that it creates.
    pub(crate) fn ids(&self) -> Vec<JobId> {
        self.new.iter().map(|new| JobId(new.row.id)).collect()
    }
}

/// Fails where chains of the batch wait for each other.
pub(crate) fn check_cycles(new: &[NewRow]) -> Result<(), StoreError> {
    if new.iter().all(|new| new.blockers.is_empty()) {
        return Ok(());
    }
    let graph = new
        .iter()
        .map(|new| (ChainId(new.row.chain_id), new.blockers.clone()))
        .collect();
    match find_cycle(&graph) {
        Some(cycle) => Err(StoreError::BlockerCycle(cycle)),
        None => Ok(()),
    }
}

impl Operation for Enqueue {
    type Output = Created;

    fn mode(&self) -> Mode {
        let mode = match self.new.iter().all(NewRow::is_plain) {
            true => Mode::WRITE,
            false => Mode::WRITE_ATOMIC,
        };
        let bytes = self.new.iter().map(|new| new.row.input.len()).sum();
        mode.of_jobs(self.new.len(), bytes)
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Created, StoreError> {
        create(tx, &self.new).await
    }
}

/// Creates jobs: takes their keys, finds what they wait for, inserts them.
pub(crate) async fn create(
    tx: &mut dyn Transaction,
    new: &[NewRow],
) -> Result<Created, StoreError> {
    if new.iter().all(NewRow::is_plain) {
        let rows: Vec<&JobRow> = new.iter().map(|new| &new.row).collect();
        tx.insert(&rows).await?;
        let started = rows.iter().map(|row| Started {
            chain_id: ChainId(row.chain_id),
            deduplicated: false,
        });
        return Ok(Created {
            started: started.collect(),
            aftermath: Aftermath {
                ready: rows.iter().any(|row| row.is_ready()),
                closed: false,
            },
        });
    }

    let instead = take_keys(tx, new).await?;
    let started: Vec<Started> = new
        .iter()
        .map(|new| {
            let own = ChainId(new.row.chain_id);
            let holder = instead.get(&own);
            Started {
                chain_id: holder.copied().unwrap_or(own),
                deduplicated: holder.is_some(),
            }
        })
        .collect();

    let created = || {
        let pairs = new.iter().zip(&started);
        pairs.filter(|(_, started)| !started.deduplicated)
    };
    let own: HashSet<ChainId> = created().map(|(_, started)| started.chain_id).collect();
    // A blocker that was not started because another chain has its key is that chain.
    let resolve = |chain: &ChainId| instead.get(chain).copied().unwrap_or(*chain);
    let mut outside: BTreeSet<ChainId> = BTreeSet::new();
    let mut awaited: HashSet<ChainId> = HashSet::new();
    for (new, _) in created() {
        for chain in new.blockers.iter().map(resolve) {
            match own.contains(&chain) {
                true => drop(awaited.insert(chain)),
                false => drop(outside.insert(chain)),
            }
        }
    }
    let closed = locate(tx, outside).await?;

    let (mut rows, mut blockers) = (Vec::new(), Vec::new());
    // Jobs that name a blocker which has failed already: cancelled as soon as they are there.
    let mut cancels: BTreeMap<JobId, FinishRow> = BTreeMap::new();
    for (new, started) in created() {
        let mut row = new.row.clone();
        row.keyed |= new.key.is_some();
        row.blocking |= awaited.contains(&started.chain_id);
        row.blockers = new.blockers.len() as i32;
        for (position, chain) in (0..).zip(new.blockers.iter().map(resolve)) {
            let end = closed.get(&chain);
            let failed = end.filter(|end| end.state != State::Completed);
            if let (Some(end), OnBlockerFailure::Cancel) = (failed, new.on_blocker_failure) {
                let job = JobId(row.id);
                cancels.insert(job, cancellation(job, chain, end.state)?);
            }
            let counts = match new.on_blocker_failure {
                OnBlockerFailure::Run => end,
                OnBlockerFailure::Cancel | OnBlockerFailure::Hold => {
                    end.filter(|end| end.state == State::Completed)
                }
            };
            row.open_blockers += i32::from(counts.is_none());
            blockers.push(BlockerRow {
                job_id: row.id,
                position,
                chain_id: chain.0,
                closed_by: counts.map(|end| end.job.0),
            });
        }
        rows.push(row);
    }
    tx.insert(&rows.iter().collect::<Vec<_>>()).await?;
    if !blockers.is_empty() {
        tx.block(&blockers).await?;
    }
    let cancelled = tx.finish(&cancels.values().collect::<Vec<_>>()).await?;
    let aftermath = Aftermath {
        ready: rows.iter().any(JobRow::is_ready),
        closed: closes(cancelled.iter().map(|held| (held, State::Cancelled))),
    };
    Ok(Created { started, aftermath })
}

/// Takes the keys of new chains. Returns, for each chain that is not to be started, the one that makes it
/// superfluous.
async fn take_keys(
    tx: &mut dyn Transaction,
    new: &[NewRow],
) -> Result<HashMap<ChainId, ChainId>, StoreError> {
    let mut instead = HashMap::new();
    // The first start of a key in the batch asks for it; the others get what it gets.
    let mut first: BTreeMap<(i32, &str), &KeyRow> = BTreeMap::new();
    let mut followers: Vec<(&KeyRow, ChainId)> = Vec::new();
    for key in new.iter().filter_map(|new| new.key.as_ref()) {
        let asked = (key.type_id, key.key.as_str());
        match first.get(&asked) {
            Some(leader) => followers.push((key, ChainId(leader.chain_id))),
            None => drop(first.insert(asked, key)),
        }
    }
    let mut waiting: Vec<&KeyRow> = first.into_values().collect();
    let mut windowed: Vec<&KeyRow> = Vec::new();
    for _ in 0..LOOKS_MAX {
        if waiting.is_empty() {
            break;
        }
        let taken: HashSet<ChainId> = tx.take_keys(&waiting).await?.into_iter().collect();
        let (mine, held): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|key| taken.contains(&ChainId(key.chain_id)));
        windowed.extend(mine.into_iter().filter(|key| key.window_ms.is_some()));
        waiting = held;
        if waiting.is_empty() {
            break;
        }
        let holders: HashMap<(i32, String), ChainId> = tx
            .key_holders(&waiting)
            .await?
            .into_iter()
            .map(|(type_id, key, chain)| ((type_id, key), chain))
            .collect();
        // Who is not found has closed meanwhile: the key is asked for again.
        waiting.retain(|key| {
            let own = ChainId(key.chain_id);
            match holders.get(&(key.type_id, key.key.clone())) {
                // Itself: this start was committed before, and its jobs' ids will say so.
                Some(holder) if *holder == own => false,
                Some(holder) => {
                    instead.insert(own, *holder);
                    false
                }
                None => true,
            }
        });
    }
    if let Some(key) = waiting.first() {
        return Err(StoreError::Invalid(format!(
            "deduplication key `{}` changes hands too fast: {LOOKS_MAX} attempts to take it failed",
            key.key
        )));
    }
    if !windowed.is_empty() {
        let mut dropped = Vec::new();
        for (type_id, text, recent) in tx.recent_chains(&windowed).await? {
            let asker = windowed
                .iter()
                .find(|key| key.type_id == type_id && key.key == text);
            if let Some(asker) = asker {
                instead.insert(ChainId(asker.chain_id), recent);
                dropped.push(ChainId(asker.chain_id));
            }
        }
        if !dropped.is_empty() {
            tx.drop_keys(&dropped).await?;
        }
    }
    for (key, leader) in followers {
        let holder = instead.get(&leader).copied().unwrap_or(leader);
        instead.insert(ChainId(key.chain_id), holder);
    }
    Ok(instead)
}

/// Finds out which of these chains have closed, and notes on the others that jobs wait for them. Fails with
/// [`StoreError::UnknownChain`].
///
/// A chain is looked for among the open ones first. One that continues at that moment is neither open nor
/// closed to this look, because its next job came after it; so the two looks are repeated, each in a statement
/// of its own.
pub(crate) async fn locate(
    tx: &mut dyn Transaction,
    chains: BTreeSet<ChainId>,
) -> Result<HashMap<ChainId, FinalJob>, StoreError> {
    let mut closed = HashMap::new();
    let mut missing: Vec<ChainId> = chains.into_iter().collect();
    for _ in 0..LOOKS_MAX {
        if missing.is_empty() {
            return Ok(closed);
        }
        let open: HashSet<ChainId> = tx.mark_blocking(&missing).await?.into_iter().collect();
        missing.retain(|chain| !open.contains(chain));
        if missing.is_empty() {
            return Ok(closed);
        }
        for end in tx.final_jobs(&missing).await? {
            closed.insert(end.chain, end);
        }
        missing.retain(|chain| !closed.contains_key(chain));
        let ids: Vec<JobId> = missing.iter().map(|chain| JobId::from(*chain)).collect();
        if !tx.gone(&ids).await?.is_empty() {
            break;
        }
    }
    match missing.first() {
        Some(chain) => Err(StoreError::UnknownChain(*chain)),
        None => Ok(closed),
    }
}

/// Finds which of these ids is taken.
pub(crate) struct Existing(pub(crate) Vec<JobId>);

impl Operation for Existing {
    type Output = Option<JobId>;

    fn mode(&self) -> Mode {
        Mode::READ
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Option<JobId>, StoreError> {
        tx.existing(&self.0).await
    }
}
