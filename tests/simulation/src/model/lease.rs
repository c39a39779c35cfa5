//! Sessions, claims, rescues, and the promotion of due jobs.

use std::time::Duration;

use hardstop_domain::transition::RESCUES_MAX;
use hardstop_domain::{JobId, LeaseToken, LimitsPatch, OutcomeKind, SessionId, State, Timestamp};
use hardstop_store::{
    BlockerResult, ClaimRequest, ClaimedJob, Heartbeat, Promoted, Rescued, StoreError,
};

use super::{Attempt, Job, Model, Session};

impl Model {
    /// Registers a worker process.
    pub fn open_session(&mut self, lease_duration: Duration) -> SessionId {
        let last = self.sessions.keys().next_back().map_or(0, |id| id.0);
        let id = SessionId(last + 1);
        let lease_us = lease_duration.as_micros() as i64;
        let session = Session {
            lease_us,
            expires_at: self.now + lease_us,
            dead: false,
        };
        self.sessions.insert(id, session);
        id
    }

    /// Renews a lease, unless the session was ended.
    pub fn heartbeat(&mut self, session: SessionId) -> Heartbeat {
        let now = self.now;
        let alive = self.sessions.get_mut(&session).filter(|s| !s.dead);
        let Some(row) = alive else {
            return Heartbeat {
                alive: false,
                held: Vec::new(),
            };
        };
        row.expires_at = now + row.lease_us;
        Heartbeat {
            alive: true,
            held: self.held(session),
        }
    }

    /// What runs under a session's leases.
    pub fn held(&self, session: SessionId) -> Vec<(JobId, LeaseToken)> {
        let held = |job: &Job| job.token.filter(|token| token.session() == session);
        self.live()
            .filter_map(|job| Some((job.id, held(job)?)))
            .collect()
    }

    /// Ends a session and gives its jobs back, uncounted.
    pub fn close_session(&mut self, session: SessionId) -> u64 {
        if let Some(row) = self.sessions.get_mut(&session) {
            row.dead = true;
        }
        let held = self.held(session);
        for (job, _) in &held {
            self.record(*job, OutcomeKind::Interrupted);
            self.give_back(*job);
        }
        held.len() as u64
    }

    /// Leases ready jobs.
    pub fn claim(&mut self, request: &ClaimRequest) -> Result<Vec<ClaimedJob>, StoreError> {
        let id = request.token.session();
        let session = match self.sessions.get(&id) {
            Some(session) if !session.dead => *session,
            _ => return Err(StoreError::SessionEnded(id)),
        };
        if session.expires_at <= self.now {
            return Ok(Vec::new());
        }
        // Each candidate with its round and its type's turn.
        let mut candidates = Vec::new();
        for (turn, (type_id, _)) in request.quotas.iter().enumerate() {
            // A type that is named twice counts once, with the larger quota.
            if request.quotas[..turn].iter().any(|(t, _)| t == type_id) {
                continue;
            }
            let same = request.quotas.iter().filter(|(t, _)| t == type_id);
            let quota = same.map(|(_, quota)| *quota).max().unwrap_or(0);
            let ready = |job: &&Job| job.state == State::Ready && job.type_id == *type_id;
            let mut jobs: Vec<&Job> = self.live().filter(ready).collect();
            jobs.sort_by_key(|job| (job.priority, job.due_at, job.id));
            let first = jobs.into_iter().take(quota as usize).enumerate();
            candidates.extend(first.map(|(round, job)| (round, turn, job.id)));
        }
        candidates.sort();
        candidates.truncate(request.total as usize);
        let claimed = candidates.into_iter().map(|(_, _, id)| {
            let now = self.now;
            let job = self.job_mut(id);
            job.state = State::Running;
            job.token = Some(request.token);
            job.attempt += 1;
            job.run += 1;
            job.claimed_at = Some(now);
            self.claimed(id)
        });
        Ok(claimed.collect())
    }

    fn claimed(&self, id: JobId) -> ClaimedJob {
        let job = &self.jobs[&id];
        ClaimedJob {
            id,
            chain_id: job.chain,
            type_id: job.type_id,
            token: job.token.expect("it was just claimed"),
            attempt: job.attempt,
            run: job.run,
            rescues: job.rescues,
            priority: job.priority,
            input: job.input.clone(),
            limits: LimitsPatch::default(),
            trace_parent: None,
            created_at: Timestamp(job.created_at),
            due_at: Timestamp(job.due_at),
            claimed_at: Timestamp(self.now),
            snoozes: job.snoozes,
            snoozed_ms: job.snoozed_ms,
            larger_memory: job.larger_memory,
            blockers: job
                .blockers
                .iter()
                .map(|b| self.blocker_result(b))
                .collect(),
            lineage: self.chains[&job.chain].lineage,
            descendants: self
                .descendants
                .get(&self.chains[&job.chain].lineage.root)
                .copied()
                .unwrap_or(0),
            unchecked: false,
        }
    }

    fn blocker_result(&self, blocker: &super::Blocker) -> BlockerResult {
        // One that was reopened since has no result now.
        let end = blocker.closed_by.map(|id| &self.jobs[&id]);
        let end = end.filter(|job| job.state.is_final());
        BlockerResult {
            chain_id: blocker.chain,
            state: end.map(|job| job.state),
            output: end.and_then(|job| job.output.clone()),
            output_bytes: end
                .and_then(|job| job.output.as_ref())
                .map_or(0, |output| output.len() as u64),
            failure: None,
            origin: None,
        }
    }

    /// Ends the sessions whose lease has run out, and gives back what dead sessions hold.
    pub fn rescue(&mut self) -> Vec<Rescued> {
        let now = self.now;
        for session in self.sessions.values_mut() {
            session.dead |= session.expires_at < now;
        }
        let orphan = |job: &Job| {
            let session = job.token?.session();
            let alive = self.sessions.get(&session).is_some_and(|s| !s.dead);
            (!alive).then_some((job.id, session))
        };
        let orphans: Vec<_> = self.live().filter_map(orphan).collect();
        let rescued = orphans.into_iter().map(|(id, session)| {
            self.record(id, OutcomeKind::Lost);
            self.give_back(id);
            let job = self.job_mut(id);
            job.rescues += 1;
            let rescues = job.rescues;
            if rescues >= RESCUES_MAX {
                self.finish(id, State::Discarded, OutcomeKind::Lost);
            }
            Rescued {
                job: id,
                type_id: self.jobs[&id].type_id,
                session,
                rescues,
                state: self.jobs[&id].state,
            }
        });
        rescued.collect()
    }

    /// Makes due jobs ready.
    pub fn promote_due(&mut self) -> Promoted {
        let now = self.now;
        let mut count = 0;
        let mut next_due: Option<i64> = None;
        for id in &self.live {
            let job = self.jobs.get_mut(id).expect("a live job");
            if job.state != State::Scheduled {
                continue;
            }
            if job.due_at <= now {
                job.state = State::Ready;
                count += 1;
            } else {
                next_due = Some(next_due.map_or(job.due_at, |due| due.min(job.due_at)));
            }
        }
        let next_due_in = next_due.map(|due| Duration::from_micros((due - now) as u64));
        Promoted { count, next_due_in }
    }

    /// Ready again where it stood in the queue; the attempt does not count.
    pub(super) fn give_back(&mut self, id: JobId) {
        let job = self.job_mut(id);
        job.state = State::Ready;
        job.token = None;
        job.attempt -= 1;
    }

    /// Records the current run, which did not end well.
    pub(super) fn record(&mut self, id: JobId, outcome: OutcomeKind) {
        let job = self.job_mut(id);
        job.attempts.push(Attempt {
            run: job.run,
            attempt: job.attempt,
            outcome,
        });
    }
}
