//! The statements on SQLite. Row lists of the hot path are bound row by row, to a statement that was prepared once; others as
//! one JSON text each, for SQLite has no arrays.

use std::collections::{HashMap, HashSet};
mod dead_letter;
mod deployment;
mod listener;
mod pause;
mod read;
mod removal;
mod running;
mod schedule;
mod statistic;
mod subscription;
mod token;

use async_trait::async_trait;
use hardstop_domain::{
    ChainId, Digest, JobId, LeaseToken, SessionId, State, Timestamp, TypeId, TypeName,
};
use serde::Serialize;
use uuid::Uuid;

mod audit;
mod blocker;
mod external;
mod key;
mod lineage;

use crate::StoreError;
use crate::record::*;
use crate::row::{AttemptRow, ClosureRow, EndedRow, FinishRow, JobRow, RequeueRow};
use crate::sqlite::statement::{Connection, Value, sql, values};
use crate::transaction::{Page, Transaction};
use crate::view::{self, Claimed, Held, Reopened, View, all};
pub(super) use statistic::CountChanges;
use statistic::counted;

/// A connection, inside a transaction or between two.
pub(super) struct SqliteTransaction<'c> {
    pub(super) connection: Connection<'c>,
    /// Microseconds since 1970, read once per operation. The database has no clock of its own; that of
    /// the machine is the same for every process that has the file open.
    pub(super) now: i64,
    /// What its statements did to the number of jobs in each state. Whoever commits writes it.
    pub(super) counts: CountChanges,
}

impl<'c> SqliteTransaction<'c> {
    pub(super) fn new(connection: Connection<'c>, now: i64) -> Self {
        Self {
            connection,
            now,
            counts: CountChanges::default(),
        }
    }
}

fn json<T: Serialize + ?Sized>(rows: &T) -> Result<String, StoreError> {
    serde_json::to_string(rows).map_err(|error| StoreError::Invalid(error.to_string()))
}

fn hex(id: JobId) -> String {
    id.0.simple().to_string()
}

/// Chains as a JSON list.
fn chain_list(chains: &[ChainId]) -> Result<String, StoreError> {
    let ids: Vec<String> = chains.iter().map(|chain| hex((*chain).into())).collect();
    json(&ids)
}

impl SqliteTransaction<'_> {
    /// Counts queued jobs off the states that they are in: a statement follows that puts them into others.
    async fn uncount(&mut self, jobs: &[Uuid]) -> Result<(), StoreError> {
        if jobs.is_empty() {
            return Ok(());
        }
        let rows = sql!("queued")
            .bind(hex_list(jobs.iter().copied())?)
            .fetch_all(&mut self.connection)
            .await?;
        for row in &rows {
            let (type_id, state) = counted(row)?;
            self.counts.add(type_id, state, -1);
        }
        Ok(())
    }

    /// Writes the events of jobs that have become final, where any subscription wants them: one look for all of them.
    async fn tell(&mut self, finished: &[(Live, &FinishRow)]) -> Result<(), StoreError> {
        if finished.is_empty() {
            return Ok(());
        }
        let wanted = sql!("tells_of_jobs")
            .fetch_one(&mut self.connection)
            .await?;
        if !wanted.flag("wanted")? {
            return Ok(());
        }
        let ended = finished.iter().map(|(live, end)| EndedRow {
            type_id: live.held.type_id.0,
            job_id: live.held.id.0,
            chain_id: live.held.chain_id.0,
            state: end.state,
            outcome: end.outcome,
            attempt: live.held.attempt.into(),
        });
        sql!("tell_of_jobs")
            .bind(json(&ended.collect::<Vec<_>>())?)
            .bind(self.now)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    /// What follows where the end of jobs closes chains.
    async fn close_chains(&mut self, finished: &[(Live, &FinishRow)]) -> Result<(), StoreError> {
        let closed = || {
            let continued = State::Continued.code();
            finished
                .iter()
                .filter(move |(_, end)| end.state != continued)
        };
        let keyed: Vec<ChainId> = closed()
            .filter(|(live, _)| live.held.keyed)
            .map(|(live, _)| live.held.chain_id)
            .collect();
        if !keyed.is_empty() {
            sql!("free_keys")
                .bind(chain_list(&keyed)?)
                .execute(&mut self.connection)
                .await?;
        }
        let closures: Vec<ClosureRow> = closed()
            .filter(|(live, _)| live.held.blocking)
            .map(|(live, end)| ClosureRow {
                chain_id: live.held.chain_id.0,
                job_id: live.held.id.0,
                state: end.state,
            })
            .collect();
        if !closures.is_empty() {
            sql!("put_closures")
                .bind(json(&closures)?)
                .bind(self.now)
                .execute(&mut self.connection)
                .await?;
        }
        Ok(())
    }
}

/// A live row that is about to be final.
struct Live {
    held: Held,
    state: State,
    created_at: i64,
    due_at: i64,
    snoozes: i64,
    blockers: i32,
}

impl Live {
    fn of(row: &impl View) -> Result<Self, StoreError> {
        Ok(Self {
            held: view::held(row)?,
            state: row.state()?,
            created_at: row.int("created_at")?,
            due_at: row.int("due_at")?,
            snoozes: row.int("snoozes")?,
            blockers: row.int("blockers")?,
        })
    }

    /// Whether it leaves a final row. What nobody can ask for leaves none: no attempt of before, no other job, and no key refers
    /// to it.
    fn stays(&self, end: &FinishRow) -> bool {
        let held = &self.held;
        let is_alone = held.chain_id.0 == held.id.0 && self.blockers == 0;
        end.kept || held.run > 1 || !is_alone || held.blocking || held.keyed
    }

    /// The final row.
    fn done<'v>(&self, end: &'v FinishRow, now: i64) -> [Value<'v>; 28] {
        let (held, usage) = (&self.held, end.usage.as_ref());
        values![
            end.id,
            held.chain_id.0,
            end.token,
            end.continued_to,
            self.created_at,
            self.due_at,
            held.claimed_at.map(|at| at.0),
            now,
            usage.map(|usage| usage.wall_us),
            usage.map(|usage| usage.cpu_us),
            usage.and_then(|usage| usage.fuel),
            usage.map(|usage| usage.memory_bytes_peak),
            usage.map(|usage| usage.output_bytes),
            usage.map(|usage| usage.log_bytes),
            usage.map(|usage| usage.log_bytes_dropped),
            usage.and_then(|usage| usage.detail.as_deref()),
            end.deployment,
            held.type_id.0,
            held.run,
            self.snoozes,
            held.attempt,
            held.rescues,
            held.priority,
            end.state,
            end.outcome,
            &end.output,
            &end.failure,
            &end.log,
        ]
    }
}

/// The first so many of some lists, in turns between them.
fn in_turns(lists: Vec<Vec<Uuid>>, most: usize) -> Vec<Uuid> {
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    let round = |at: usize| lists.iter().filter_map(move |list| list.get(at).copied());
    (0..longest).flat_map(round).take(most).collect()
}

/// Ids as JSON holds them.
fn hexes(ids: impl Iterator<Item = Uuid>) -> Vec<String> {
    ids.map(|id| id.simple().to_string()).collect()
}

/// Ids as a JSON list.
fn hex_list(ids: impl Iterator<Item = Uuid>) -> Result<String, StoreError> {
    json(&hexes(ids))
}

#[async_trait]
impl Transaction for SqliteTransaction<'_> {
    async fn insert(&mut self, rows: &[&JobRow]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let now = Timestamp(self.now);
        sql!("insert")
            .for_each(
                rows,
                |row| {
                    values![
                        now.0,
                        row.id,
                        row.chain_id,
                        row.type_id,
                        row.priority,
                        row.first_state(now).code(),
                        row.due_at(now),
                        &row.input,
                        &row.limits,
                        &row.trace_parent,
                        row.root_chain,
                        row.depth,
                        row.parent_job,
                        row.blockers,
                        row.open_blockers,
                        row.on_blocker_failure,
                        row.blocking,
                        row.keyed,
                    ]
                },
                &mut self.connection,
                |_| Ok(()),
            )
            .await?;
        for row in rows {
            self.counts
                .add(TypeId(row.type_id), row.first_state(now), 1);
        }
        Ok(())
    }

    async fn existing(&mut self, ids: &[JobId]) -> Result<Option<JobId>, StoreError> {
        let ids: Vec<String> = ids.iter().copied().map(hex).collect();
        let row = sql!("existing")
            .bind(json(&ids)?)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| row.uuid("id").map(JobId)).transpose()
    }

    async fn claim(&mut self, request: &ClaimRequest) -> Result<Claimed, StoreError> {
        let types: Vec<i32> = request.quotas.iter().map(|(id, _)| id.0).collect();
        let rows = sql!("claimable")
            .bind(request.token.session().0)
            .bind(json(&types)?)
            .bind(self.now)
            .fetch_all(&mut self.connection)
            .await?;
        let (mut alive, mut claimable) = (false, HashSet::new());
        for row in &rows {
            alive = row.flag("alive")?;
            if row.flag("trusted")?
                && let Some(id) = row.int_option("type_id")?
            {
                claimable.insert(TypeId(id));
            }
        }
        let mut ready = Vec::new();
        for (type_id, quota) in &request.quotas {
            if claimable.contains(type_id) {
                let rows = sql!("ready")
                    .bind(type_id.0)
                    .bind(*quota)
                    .fetch_all(&mut self.connection)
                    .await?;
                ready.push(all(&rows, |row| row.uuid("id"))?);
            }
        }
        let chosen = in_turns(ready, request.total as usize);
        let mut claimed = Claimed::new(alive, chosen.len());
        let (token, now) = (request.token.0, self.now);
        sql!("claim")
            .for_each(
                &chosen,
                |id| values![*id, token, now],
                &mut self.connection,
                |row| claimed.add(row),
            )
            .await?;
        for job in &claimed.jobs {
            self.counts.moved(job.type_id, State::Ready, State::Running);
        }
        Ok(claimed)
    }

    async fn heartbeat(&mut self, session: SessionId) -> Result<bool, StoreError> {
        let row = sql!("heartbeat")
            .bind(session.0)
            .bind(self.now)
            .fetch_optional(&mut self.connection)
            .await?;
        Ok(row.is_some())
    }

    async fn held(
        &mut self,
        leases: &[LeaseToken],
    ) -> Result<Vec<(JobId, LeaseToken)>, StoreError> {
        if leases.is_empty() {
            return Ok(Vec::new());
        }
        let rows = sql!("held")
            .bind(json(leases)?)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::lease)
    }

    async fn finish(&mut self, rows: &[&FinishRow]) -> Result<Vec<Held>, StoreError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let mut ends: HashMap<JobId, &FinishRow> =
            rows.iter().map(|row| (JobId(row.id), *row)).collect();
        let mut finished = Vec::with_capacity(rows.len());
        sql!("finishing")
            .for_each(
                rows,
                |row| values![row.id, row.held],
                &mut self.connection,
                |row| {
                    let live = Live::of(row)?;
                    // A job that is named twice ends once.
                    if let Some(end) = ends.remove(&live.held.id) {
                        finished.push((live, end));
                    }
                    Ok(())
                },
            )
            .await?;
        let (done, dropped): (Vec<&(Live, &FinishRow)>, Vec<_>) =
            finished.iter().partition(|(live, end)| live.stays(end));
        for (live, _) in &finished {
            self.counts.add(live.held.type_id, live.state, -1);
        }
        for (live, end) in &done {
            if let Some(state) = State::from_code(end.state) {
                self.counts.add(live.held.type_id, state, 1);
            }
        }
        let now = self.now;
        let connection = &mut self.connection;
        sql!("finish")
            .for_each(
                &done,
                |(live, end)| live.done(end, now),
                connection,
                |_| Ok(()),
            )
            .await?;
        sql!("drop")
            .for_each(
                &dropped,
                |(live, _)| values![live.held.id.0],
                connection,
                |_| Ok(()),
            )
            .await?;
        self.close_chains(&finished).await?;
        self.tell(&finished).await?;
        Ok(finished.into_iter().map(|(live, _)| live.held).collect())
    }

    async fn requeue(&mut self, rows: &[&RequeueRow]) -> Result<Vec<Held>, StoreError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let (leased, queued): (Vec<&RequeueRow>, Vec<_>) =
            rows.iter().copied().partition(|row| row.held.is_some());
        // Those without a lease may be in any state but running.
        let queued: Vec<Uuid> = queued.iter().map(|row| row.id).collect();
        self.uncount(&queued).await?;
        let leased: HashSet<Uuid> = leased.iter().map(|row| row.id).collect();
        let rows = sql!("requeue")
            .bind(json(rows)?)
            .bind(self.now)
            .fetch_all(&mut self.connection)
            .await?;
        for row in &rows {
            let (type_id, state) = counted(row)?;
            if leased.contains(&row.uuid("id")?) {
                self.counts.add(type_id, State::Running, -1);
            }
            self.counts.add(type_id, state, 1);
        }
        all(&rows, view::held)
    }

    async fn attempt(&mut self, rows: &[AttemptRow]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        sql!("attempt")
            .bind(json(rows)?)
            .bind(self.now)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn settled(
        &mut self,
        leases: &[(JobId, LeaseToken)],
    ) -> Result<Vec<(JobId, LeaseToken)>, StoreError> {
        if leases.is_empty() {
            return Ok(Vec::new());
        }
        let leases: Vec<_> = leases.iter().map(|(id, token)| (hex(*id), token)).collect();
        let rows = sql!("settled")
            .bind(json(&leases)?)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::lease)
    }

    async fn gone(&mut self, jobs: &[JobId]) -> Result<Vec<JobId>, StoreError> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let rows = sql!("gone")
            .bind(hex_list(jobs.iter().map(|job| job.0))?)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, |row| row.uuid("id").map(JobId))
    }

    async fn open_session(
        &mut self,
        host: &str,
        lease_duration_ms: i64,
        types: Option<&str>,
    ) -> Result<SessionId, StoreError> {
        let row = sql!("open_session")
            .bind(host)
            .bind(lease_duration_ms)
            .bind(types)
            .bind(self.now)
            .fetch_one(&mut self.connection)
            .await?;
        Ok(SessionId(row.int("id")?))
    }

    async fn end_session(&mut self, session: SessionId) -> Result<bool, StoreError> {
        let row = sql!("end_session")
            .bind(session.0)
            .fetch_optional(&mut self.connection)
            .await?;
        Ok(row.is_some())
    }

    async fn end_expired(&mut self) -> Result<(), StoreError> {
        sql!("end_expired")
            .bind(self.now)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn orphan(
        &mut self,
        session: Option<SessionId>,
        limit: i64,
    ) -> Result<Vec<(Held, Option<String>)>, StoreError> {
        let rows = sql!("orphan")
            .bind(session.map(|session| session.0))
            .bind(limit)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, |row| Ok((view::held(row)?, row.get_text("host")?)))
    }

    async fn promote(&mut self, limit: i64) -> Result<u64, StoreError> {
        let rows = sql!("promote")
            .bind(limit)
            .bind(self.now)
            .fetch_all(&mut self.connection)
            .await?;
        for row in &rows {
            let (type_id, state) = counted(row)?;
            self.counts.moved(type_id, State::Scheduled, state);
        }
        Ok(rows.len() as u64)
    }

    async fn next_due(&mut self) -> Result<Option<i64>, StoreError> {
        let row = sql!("next_due")
            .bind(self.now)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| row.int("due_in_us")).transpose()
    }

    async fn lock(&mut self, job: JobId) -> Result<Option<(Held, State)>, StoreError> {
        let row = sql!("lock")
            .bind(job.0)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| Ok((view::held(&row)?, row.state()?)))
            .transpose()
    }

    async fn final_state(&mut self, job: JobId) -> Result<Option<State>, StoreError> {
        let row = sql!("final_state")
            .bind(job.0)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| row.state()).transpose()
    }

    async fn reopen(&mut self, job: JobId) -> Result<Option<Reopened>, StoreError> {
        // All rows, so that the second statement is run too.
        let rows = sql!("reopen")
            .bind(job.0)
            .bind(self.now)
            .fetch_all(&mut self.connection)
            .await?;
        if let Some(row) = rows.first() {
            let (type_id, state) = counted(row)?;
            self.counts.moved(type_id, state, State::Ready);
        }
        rows.first().map(view::reopened).transpose()
    }

    async fn component_bytes(&mut self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let row = sql!("component_bytes")
            .bind(&digest.0[..])
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| row.bytes("bytes")).transpose()
    }

    async fn file_bytes(&mut self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let row = sql!("file_bytes")
            .bind(&digest.0[..])
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| row.bytes("bytes")).transpose()
    }

    async fn components(&mut self) -> Result<Vec<Component>, StoreError> {
        let rows = sql!("components").fetch_all(&mut self.connection).await?;
        all(&rows, view::component)
    }

    async fn types(&mut self) -> Result<Vec<ActiveType>, StoreError> {
        let rows = sql!("types").fetch_all(&mut self.connection).await?;
        all(&rows, view::deployment::active_type)
    }

    async fn type_ids(&mut self) -> Result<Vec<(TypeName, TypeId)>, StoreError> {
        let rows = sql!("type_ids").fetch_all(&mut self.connection).await?;
        all(&rows, view::type_number)
    }

    async fn job(&mut self, id: JobId) -> Result<Option<JobDetail>, StoreError> {
        let row = sql!("job")
            .bind(id.0)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| view::detail(&row)).transpose()
    }

    async fn attempts(&mut self, id: JobId) -> Result<Vec<AttemptRecord>, StoreError> {
        let rows = sql!("attempts")
            .bind(id.0)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::attempt)
    }

    async fn jobs(&mut self, page: &Page) -> Result<Vec<JobSummary>, StoreError> {
        let rows = sql!("jobs")
            .bind(page.before)
            .bind(page.type_id)
            .bind(json(&page.states)?)
            .bind(page.limit)
            .bind(page.live)
            .bind(page.done)
            .bind(page.from)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::summary)
    }

    async fn chain(&mut self, id: ChainId) -> Result<Vec<JobSummary>, StoreError> {
        let rows = sql!("chain")
            .bind(id.0)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::summary)
    }

    async fn sessions(&mut self) -> Result<Vec<Session>, StoreError> {
        let rows = sql!("sessions")
            .bind(self.now)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::session)
    }

    async fn maintain(&mut self) -> Result<(), StoreError> {
        sql!("maintain")
            .bind(self.now)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn version(&mut self) -> Result<String, StoreError> {
        let row = sql!("version").fetch_one(&mut self.connection).await?;
        row.text("version")
    }
}
