//! Writing what attempts came to.

use hardstop_domain::{ChainId, JobId, Keep, Next, State, TypeName};
use hardstop_store::{Settled, Settlement};

use super::{Job, Model};

impl Model {
    /// Writes settlements. Answers in the order of the batch.
    pub fn settle(&mut self, batch: &[Settlement]) -> Vec<Settled> {
        let mut written = Vec::new();
        let mut answers = Vec::with_capacity(batch.len());
        for one in batch {
            let known = self.settled.contains(&(one.job, one.token));
            let answer = self.change(one);
            if answer == Settled::Written && !known {
                written.push(one);
            }
            answers.push(answer);
        }
        // What starts because of them starts when all have ended.
        for one in written {
            self.start_children(one);
        }
        answers
    }

    fn change(&mut self, one: &Settlement) -> Settled {
        if let Some(reason) = self.refusal(one) {
            return Settled::Refused(reason);
        }
        let key = (one.job, one.token);
        let holds = |job: &super::Job| job.token == Some(one.token);
        if !self.jobs.get(&one.job).is_some_and(holds) {
            // Of a job that left nothing only the settlement is known that may leave nothing.
            let is_known = self.jobs.contains_key(&one.job) || may_drop(one);
            return match self.settled.contains(&key) && is_known {
                true => Settled::Written,
                false => Settled::Stale,
            };
        }
        let root = one.lineage.root;
        let descendants = self.descendants.get(&root).copied().unwrap_or(0);
        let started = self.deduplicate(&one.children);
        let new = started.iter().filter(|s| !s.deduplicated).count() as u64;
        if new > 0 && descendants + new > one.descendants_max {
            return Settled::Overtaken("descendants".to_owned());
        }
        self.settled.insert(key);
        match &one.next {
            Next::Complete { output } => {
                self.job_mut(one.job).output = Some(output.clone());
                self.finish(one.job, State::Completed, one.outcome);
                if may_drop(one) {
                    self.drop_alone(one.job);
                }
            }
            Next::Continue { job } => {
                self.job_mut(one.job).continued_to = Some(job.id);
                // Its chain goes on, before anybody can see it without a live job.
                let (chain, inherited) = {
                    let before = &self.jobs[&one.job];
                    (before.chain, before.priority)
                };
                self.end(one.job, State::Continued, one.outcome);
                self.create_job(job, chain, job.priority.unwrap_or(inherited), &[]);
            }
            Next::Discard => {
                self.record(one.job, one.outcome);
                self.finish(one.job, State::Discarded, one.outcome);
            }
            Next::Cancel => {
                self.record(one.job, one.outcome);
                self.finish(one.job, State::Cancelled, one.outcome);
            }
            Next::Retry { delay_ms } => {
                self.record(one.job, one.outcome);
                self.requeue(one.job, *delay_ms);
            }
            Next::RetryLarger => {
                self.record(one.job, one.outcome);
                self.give_back(one.job);
                let job = self.job_mut(one.job);
                job.attempt += 1;
                job.larger_memory = true;
            }
            Next::Snooze { delay_ms } => {
                self.record(one.job, one.outcome);
                self.requeue(one.job, *delay_ms);
                let job = self.job_mut(one.job);
                job.attempt -= 1;
                job.snoozes += 1;
                job.snoozed_ms += delay_ms;
            }
            Next::Release => {
                self.record(one.job, one.outcome);
                self.give_back(one.job);
            }
        }
        Settled::Written
    }

    /// Leaves nothing of a job to which nothing refers.
    fn drop_alone(&mut self, id: JobId) {
        let job = &self.jobs[&id];
        let chain = &self.chains[&job.chain];
        let is_alone = chain.jobs.len() == 1 && chain.key.is_none() && job.blockers.is_empty();
        let waits = |other: &Job| other.blockers.iter().any(|it| it.chain == job.chain);
        if job.run == 1 && is_alone && !self.jobs.values().any(waits) {
            self.chains.remove(&ChainId(id.0));
            self.jobs.remove(&id);
        }
    }

    fn start_children(&mut self, one: &Settlement) {
        let started = self.deduplicate(&one.children);
        for (child, started) in one.children.iter().zip(started) {
            if !started.deduplicated {
                *self.descendants.entry(one.lineage.root).or_default() += 1;
                self.create_chain(child, one.lineage.child(), &[]);
            }
        }
    }

    fn refusal(&self, one: &Settlement) -> Option<String> {
        let finishes = matches!(one.next, Next::Complete { .. } | Next::Continue { .. });
        if !finishes && !one.children.is_empty() {
            return Some("children of an attempt that did not finish".to_owned());
        }
        let unknown = |name: &TypeName| !self.types.contains_key(name);
        let next = match &one.next {
            Next::Continue { job } => Some(&job.type_name),
            _ => None,
        };
        let children = one.children.iter().map(|child| &child.first.type_name);
        next.into_iter()
            .chain(children)
            .find(|name| unknown(name))
            .map(|name| format!("type `{name}` is not deployed"))
    }

    fn requeue(&mut self, id: JobId, delay_ms: u64) {
        let due_at = self.now + delay_ms as i64 * 1_000;
        let job = self.job_mut(id);
        job.token = None;
        job.due_at = due_at;
        job.state = match delay_ms {
            0 => State::Ready,
            _ => State::Scheduled,
        };
    }
}

/// Whether a settlement may leave nothing of its job.
fn may_drop(one: &Settlement) -> bool {
    let completes = matches!(one.next, Next::Complete { .. });
    completes && one.children.is_empty() && one.keep == Keep::Failures
}
