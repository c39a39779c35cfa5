//! The invariants. They are checked on what is seen before and after each operation, by rules of their own: not
//! by the model's.

use std::collections::BTreeMap;

use hardstop_domain::{ChainId, JobId, LeaseToken, OnBlockerFailure, State};
use hardstop_simulation::{Job, Model};

/// What was asked of the store.
#[derive(Debug, Clone)]
pub enum Asked {
    Start,
    Claim(LeaseToken),
    Settle(Vec<(JobId, LeaseToken)>),
    Rescue,
    Promote,
    Close,
    Cancel,
    Retry(JobId),
    /// What changes no job.
    Other,
}

#[derive(Debug, Default)]
pub struct Checker {
    before: BTreeMap<JobId, Before>,
    chains: BTreeMap<ChainId, Vec<JobId>>,
}

#[derive(Debug, Clone)]
struct Before {
    state: State,
    token: Option<LeaseToken>,
    chain: ChainId,
    /// How often it became final, was taken back from there, and was unblocked.
    ends: u32,
    reopenings: u32,
    unblockings: u32,
}

/// What an operation changed.
#[derive(Debug, Default)]
pub struct Change {
    pub ready: bool,
    pub cancelled_running: bool,
}

impl Checker {
    /// Looks at every job after an operation.
    pub fn look(&mut self, asked: &Asked, model: &Model) -> Result<Change, String> {
        let mut change = Change::default();
        let mut changed = Vec::new();
        if let Some(gone) = self.before.keys().find(|id| !model.jobs.contains_key(id)) {
            return Err(format!("job {gone} is gone after {asked:?}"));
        }
        for (id, job) in &model.jobs {
            let before = self.before.get(id);
            if before.is_some_and(|b| b.state == job.state && b.token == job.token) {
                continue;
            }
            let seen = self.step(asked, before, job, model)?;
            change.ready |= job.state == State::Ready;
            change.cancelled_running |=
                before.is_some_and(|b| b.state == State::Running) && job.state == State::Cancelled;
            changed.push(job.chain);
            if self.before.insert(*id, seen).is_none() {
                self.chains.entry(job.chain).or_default().push(*id);
            }
        }
        changed
            .into_iter()
            .try_for_each(|id| self.chain(id, model))?;
        Ok(change)
    }

    fn step(
        &self,
        asked: &Asked,
        before: Option<&Before>,
        job: &Job,
        model: &Model,
    ) -> Result<Before, String> {
        let id = job.id;
        let Some(before) = before else {
            let created = matches!(asked, Asked::Start | Asked::Settle(_));
            if !created {
                return Err(format!("job {id} came from {asked:?}"));
            }
            return Ok(Before {
                state: job.state,
                token: job.token,
                chain: job.chain,
                ends: u32::from(job.state.is_final()),
                reopenings: 0,
                unblockings: 0,
            });
        };
        let mut seen = Before {
            state: job.state,
            token: job.token,
            ..before.clone()
        };
        let step = format!(
            "job {id} went from {} to {} by {asked:?}",
            before.state, job.state
        );
        if before.chain != job.chain {
            return Err(format!("{step}, and to another chain"));
        }
        if before.state.is_final() {
            if !matches!(asked, Asked::Retry(retried) if *retried == id) {
                return Err(format!("{step}: it was final"));
            }
            seen.reopenings += 1;
        }
        if let Asked::Settle(settled) = asked
            && before.state == State::Running
        {
            let under =
                |(job, token): &(JobId, LeaseToken)| *job == id && before.token == Some(*token);
            if !settled.iter().any(under) {
                return Err(format!(
                    "{step}: settled under a lease that it did not carry"
                ));
            }
        }
        let wait_is_over = matches!(job.state, State::Ready | State::Scheduled | State::Running);
        if before.state == State::Blocked && wait_is_over {
            seen.unblockings += 1;
            if seen.unblockings > seen.reopenings + 1 {
                return Err(format!("{step}: unblocked twice"));
            }
            // A replayed job counts what its blockers came to until then, whatever that was.
            let replayed = seen.reopenings > 0;
            self.all_closed(job, replayed, model)
                .map_err(|error| format!("{step}: {error}"))?;
        }
        match job.state {
            State::Running => match asked {
                Asked::Claim(token) if before.state == State::Ready => {
                    if job.token != Some(*token) {
                        return Err(format!("{step}: it carries {:?}", job.token));
                    }
                }
                _ => return Err(format!("{step}: only a claim of a ready job may")),
            },
            state if state.is_final() => {
                seen.ends += 1;
                if seen.ends > seen.reopenings + 1 {
                    return Err(format!("{step}: settled twice"));
                }
            }
            _ => {}
        }
        Ok(seen)
    }

    /// When everything has come to rest: nothing is left undone.
    pub fn end(&self, model: &Model) -> Result<(), String> {
        if let Some(job) = model.live().next() {
            return Err(format!(
                "job {} is {}, not final, after every fault had ended: {job:#?}\nsessions: {:#?}",
                job.id, job.state, model.sessions
            ));
        }
        for job in model.jobs.values().filter(|job| !job.blockers.is_empty()) {
            let seen = &self.before[&job.id];
            if job.run > 0 && seen.reopenings == 0 && seen.unblockings > 1 {
                return Err(format!(
                    "job {} was unblocked {} times",
                    job.id, seen.unblockings
                ));
            }
        }
        self.chains.keys().try_for_each(|id| self.chain(*id, model))
    }

    /// A chain is a list: each job but the last continued to the next, and only the last may be live.
    fn chain(&self, id: ChainId, model: &Model) -> Result<(), String> {
        let jobs: Vec<&Job> = self.chains[&id]
            .iter()
            .map(|job| &model.jobs[job])
            .collect();
        let live = jobs.iter().filter(|job| !job.state.is_final()).count();
        if live > 1 {
            return Err(format!("chain {id} has {live} live jobs: {jobs:#?}"));
        }
        let continued = jobs
            .iter()
            .filter(|job| job.state == State::Continued)
            .count();
        if jobs.len() != continued + 1 {
            return Err(format!(
                "chain {id} has {} jobs, {continued} of them continued: {jobs:#?}",
                jobs.len()
            ));
        }
        let mut next = Some(JobId::from(id));
        let mut length = 0;
        while let Some(job) = next {
            let Some(job) = jobs.iter().find(|other| other.id == job) else {
                return Err(format!(
                    "chain {id} goes on with {job}, which is none of its jobs"
                ));
            };
            length += 1;
            next = job.continued_to;
        }
        if length != jobs.len() {
            return Err(format!(
                "chain {id} has {} jobs, {length} of them in a row",
                jobs.len()
            ));
        }
        Ok(())
    }

    fn all_closed(&self, job: &Job, replayed: bool, model: &Model) -> Result<(), String> {
        for blocker in &job.blockers {
            // A chain that was taken up again after it had closed: who was told of its first end does not wait
            // for the next.
            let ids = &self.chains[&blocker.chain];
            if ids
                .iter()
                .any(|id| self.before.get(id).is_some_and(|b| b.reopenings > 0))
            {
                continue;
            }
            let jobs = self.chains[&blocker.chain].iter().map(|id| &model.jobs[id]);
            let mut last = None;
            for other in jobs {
                if !other.state.is_final() {
                    return Err(format!("before its blocker {} closed", blocker.chain));
                }
                if other.continued_to.is_none() {
                    last = Some(other.state);
                }
            }
            let any_end = replayed || job.on_blocker_failure == OnBlockerFailure::Run;
            if last != Some(State::Completed) && !any_end {
                return Err(format!(
                    "before its blocker {} completed: {last:?}",
                    blocker.chain
                ));
            }
        }
        Ok(())
    }
}
