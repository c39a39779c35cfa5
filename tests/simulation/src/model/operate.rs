//! What people do to jobs, and what follows when chains close.

use hardstop_domain::{ChainId, JobId, OutcomeKind, State};
use hardstop_store::{Cancelled, Retried};

use super::{Job, Model};

impl Model {
    /// Cancels a job that is not final.
    pub fn cancel(&mut self, id: JobId) -> Cancelled {
        let Some(state) = self.jobs.get(&id).map(|job| job.state) else {
            return Cancelled::Unknown;
        };
        if state.is_final() {
            return Cancelled::Final(state);
        }
        if state == State::Running {
            self.record(id, OutcomeKind::Cancelled);
        }
        self.finish_cancelled(id);
        Cancelled::Was(state)
    }

    /// Makes a discarded, cancelled or scheduled job ready.
    pub fn retry(&mut self, id: JobId) -> Retried {
        let Some(job) = self.jobs.get(&id) else {
            return Retried::Unknown;
        };
        let state = job.state;
        match state {
            State::Scheduled => {}
            State::Discarded | State::Cancelled => {
                if let Some(rival) = self.rival(job) {
                    return Retried::KeyTaken(rival);
                }
                let job = self.job_mut(id);
                job.attempt = 0;
                job.rescues = 0;
                job.snoozes = 0;
                job.snoozed_ms = 0;
                job.larger_memory = false;
                job.outcome = None;
            }
            _ => return Retried::Not(state),
        }
        if state.is_final() {
            self.await_again(id);
        }
        let now = self.now;
        self.job_mut(id).due_at = now;
        self.live.insert(id);
        self.job_mut(id).state = self.waiting_state(id);
        Retried::Was(state)
    }

    /// A replayed job waits for those of its blockers that are open again; the others count, whatever they
    /// came to.
    fn await_again(&mut self, id: JobId) {
        let blockers = self.jobs[&id].blockers.iter().map(|blocker| {
            let open = self.is_open(blocker.chain);
            let end = self.tail(blocker.chain).filter(|_| !open);
            end.map(|job| job.id)
        });
        let closed_by: Vec<Option<JobId>> = blockers.collect();
        let blockers = self.job_mut(id).blockers.iter_mut();
        for (blocker, closed_by) in blockers.zip(closed_by) {
            blocker.closed_by = closed_by;
        }
    }

    /// The other open chain that holds the key of this job's chain.
    fn rival(&self, job: &Job) -> Option<ChainId> {
        let key = self.chains[&job.chain].key.as_ref()?;
        let mut others = self.chains.iter();
        let rival = others.find(|(id, other)| {
            **id != job.chain && other.key.as_ref() == Some(key) && self.is_open(**id)
        });
        rival.map(|(id, _)| *id)
    }

    pub(super) fn finish_cancelled(&mut self, id: JobId) {
        self.finish(id, State::Cancelled, OutcomeKind::Cancelled);
    }

    /// Ends a job and with it its chain.
    pub(super) fn finish(&mut self, id: JobId, state: State, outcome: OutcomeKind) {
        self.end(id, state, outcome);
        self.tell_dependents(self.jobs[&id].chain);
    }

    /// Ends a job.
    pub(super) fn end(&mut self, id: JobId, state: State, outcome: OutcomeKind) {
        let job = self.job_mut(id);
        job.state = state;
        job.outcome = Some(outcome);
        job.token = None;
        self.live.remove(&id);
    }
}
