//! Starting chains: keys, blockers, cycles.

use std::collections::{BTreeMap, BTreeSet};

use hardstop_domain::{
    ChainId, Dedup, DedupScope, JobId, Lineage, NewChain, NewJob, OnBlockerFailure, State, TypeId,
};
use hardstop_store::{Started, StoreError};

use super::{Blocker, Chain, Job, Model};

impl Model {
    /// Starts chains, all or none.
    pub fn enqueue(&mut self, chains: &[NewChain]) -> Result<Vec<Started>, StoreError> {
        let mut ids = BTreeSet::new();
        for chain in chains {
            if !self.types.contains_key(&chain.first.type_name) {
                return Err(StoreError::UnknownType(chain.first.type_name.clone()));
            }
            if !ids.insert(chain.first.id) {
                return Err(StoreError::DuplicateJob(chain.first.id.to_string()));
            }
        }
        let named = |chain: &NewChain| (chain.id(), chain.first.blockers.clone());
        refuse_cycle(&chains.iter().map(named).collect())?;

        let started = self.deduplicate(chains);
        let instead: BTreeMap<ChainId, ChainId> = chains
            .iter()
            .map(NewChain::id)
            .zip(started.iter().map(|started| started.chain_id))
            .collect();
        let created: Vec<(&NewChain, Vec<ChainId>)> = chains
            .iter()
            .zip(&started)
            .filter(|(_, started)| !started.deduplicated)
            .map(|(chain, _)| {
                let resolve = |named: &ChainId| instead.get(named).copied().unwrap_or(*named);
                (chain, chain.first.blockers.iter().map(resolve).collect())
            })
            .collect();
        for (chain, blockers) in &created {
            if self.jobs.contains_key(&chain.first.id) {
                return Err(StoreError::DuplicateJob(chain.first.id.to_string()));
            }
            let exists = |id: &ChainId| self.chains.contains_key(id) || instead.get(id) == Some(id);
            if let Some(unknown) = blockers.iter().find(|id| !exists(id)) {
                return Err(StoreError::UnknownChain(*unknown));
            }
        }
        let resolved = created.iter().map(|(chain, b)| (chain.id(), b.clone()));
        refuse_cycle(&resolved.collect())?;

        for (chain, blockers) in &created {
            self.create_chain(chain, Lineage::root(chain.id()), blockers);
        }
        let new = created.iter().map(|(chain, _)| chain.id());
        self.see_blockers(&new.collect::<Vec<_>>());
        Ok(started)
    }

    /// For each start, the chain that it comes to: its own, or the one that makes it superfluous.
    pub(super) fn deduplicate(&self, chains: &[NewChain]) -> Vec<Started> {
        let mut taken: BTreeMap<(TypeId, String), ChainId> = BTreeMap::new();
        let mut started = Vec::with_capacity(chains.len());
        for chain in chains {
            let own = chain.id();
            let holder = chain.dedup.as_ref().and_then(|dedup| {
                let key = (self.types[&chain.first.type_name], dedup.key.clone());
                let holder = taken
                    .get(&key)
                    .copied()
                    .or_else(|| self.holder(&key, dedup));
                taken.entry(key).or_insert(holder.unwrap_or(own));
                holder.filter(|holder| *holder != own)
            });
            started.push(Started {
                chain_id: holder.unwrap_or(own),
                deduplicated: holder.is_some(),
            });
        }
        started
    }

    /// The chain that makes a start with this key superfluous.
    fn holder(&self, key: &(TypeId, String), dedup: &Dedup) -> Option<ChainId> {
        let with_key = || {
            self.chains
                .iter()
                .filter(|(_, c)| c.key.as_ref() == Some(key))
        };
        let open = with_key().find(|(id, _)| self.is_open(**id));
        let recent = || match dedup.scope {
            DedupScope::Open => None,
            DedupScope::Any { window_ms } => {
                let since = self.now - window_ms as i64 * 1_000;
                with_key()
                    .filter(|(_, chain)| chain.started_at >= since)
                    .max_by_key(|(id, chain)| (chain.started_at, **id))
            }
        };
        open.or_else(recent).map(|(id, _)| *id)
    }

    /// Creates a chain and its first job, which waits for every blocker until [`Self::see_blockers`].
    pub(super) fn create_chain(&mut self, new: &NewChain, lineage: Lineage, blockers: &[ChainId]) {
        let type_id = self.types[&new.first.type_name];
        let chain = Chain {
            jobs: Vec::new(),
            lineage,
            key: new.dedup.as_ref().map(|dedup| (type_id, dedup.key.clone())),
            started_at: self.now,
        };
        self.chains.insert(new.id(), chain);
        self.create_job(
            &new.first,
            new.id(),
            new.first.priority.unwrap_or(0),
            blockers,
        );
    }

    pub(super) fn create_job(
        &mut self,
        new: &NewJob,
        chain: ChainId,
        priority: i16,
        blockers: &[ChainId],
    ) {
        let delayed = self.now + new.delay_ms as i64 * 1_000;
        let job = Job {
            id: new.id,
            chain,
            type_id: self.types[&new.type_name],
            input: new.input.clone(),
            priority,
            state: State::Blocked,
            attempt: 0,
            run: 0,
            rescues: 0,
            snoozes: 0,
            snoozed_ms: 0,
            larger_memory: false,
            created_at: self.now,
            due_at: new.not_before.map_or(delayed, |at| delayed.max(at.0)),
            claimed_at: None,
            token: None,
            outcome: None,
            output: None,
            continued_to: None,
            blockers: blockers
                .iter()
                .map(|chain| Blocker {
                    chain: *chain,
                    closed_by: None,
                })
                .collect(),
            on_blocker_failure: new.on_blocker_failure,
            attempts: Vec::new(),
        };
        self.jobs.insert(new.id, job);
        self.live.insert(new.id);
        let jobs = &mut self.chains.get_mut(&chain).expect("its chain").jobs;
        jobs.push(new.id);
        let state = self.waiting_state(new.id);
        self.job_mut(new.id).state = state;
    }

    /// Lets new jobs see the blockers that closed before they came.
    fn see_blockers(&mut self, new: &[ChainId]) {
        let awaited: BTreeSet<ChainId> = new
            .iter()
            .flat_map(|chain| &self.jobs[&JobId::from(*chain)].blockers)
            .map(|blocker| blocker.chain)
            .filter(|chain| !self.is_open(*chain))
            .collect();
        // A new job looks for itself, in the moment in which it is made.
        self.round -= 1;
        for chain in awaited {
            self.tell_dependents(chain);
        }
        self.round += 1;
    }

    /// Tells every job that waits for this closed chain: a round later than the chain closed. A store does it in the
    /// next transaction, so that what becomes ready by it comes after all that was made or put off before.
    pub(super) fn tell_dependents(&mut self, chain: ChainId) {
        self.round += 1;
        let end = self.tail(chain).expect("a closed chain").clone();
        let waits = |job: &&Job| {
            let awaits = |b: &Blocker| b.chain == chain && b.closed_by.is_none();
            job.state == State::Blocked && job.blockers.iter().any(awaits)
        };
        let dependents: Vec<JobId> = self.live().filter(waits).map(|job| job.id).collect();
        for id in dependents {
            // The end of another may have cancelled it meanwhile.
            if self.jobs[&id].state != State::Blocked {
                continue;
            }
            let succeeded = end.state == State::Completed;
            match self.jobs[&id].on_blocker_failure {
                OnBlockerFailure::Cancel if !succeeded => self.finish_cancelled(id),
                OnBlockerFailure::Hold if !succeeded => {}
                _ => {
                    for blocker in &mut self.job_mut(id).blockers {
                        if blocker.chain == chain && blocker.closed_by.is_none() {
                            blocker.closed_by = Some(end.id);
                        }
                    }
                    let (state, now) = (self.waiting_state(id), self.now + self.round);
                    let job = self.job_mut(id);
                    job.state = state;
                    if state != State::Blocked {
                        // Due when it could first have been claimed, which is not before now.
                        job.due_at = job.due_at.max(now);
                    }
                }
            }
        }
        self.round -= 1;
    }
}

/// Fails where the chains wait for each other.
fn refuse_cycle(blockers: &BTreeMap<ChainId, Vec<ChainId>>) -> Result<(), StoreError> {
    // Whoever waits for nothing in the graph is taken out of it, until nobody is left or all wait.
    let mut left: BTreeSet<ChainId> = blockers.keys().copied().collect();
    loop {
        let waits = |chain: &ChainId| blockers[chain].iter().any(|b| left.contains(b));
        let waiting: BTreeSet<ChainId> = left.iter().copied().filter(waits).collect();
        if waiting.is_empty() {
            return Ok(());
        }
        if waiting == left {
            return Err(StoreError::BlockerCycle(left.into_iter().collect()));
        }
        left = waiting;
    }
}
