//! The statements on Postgres. Row lists are bound column by column.

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

use std::time::Instant;

use async_trait::async_trait;
use hardstop_domain::{ChainId, Digest, JobId, LeaseToken, SessionId, State, TypeId, TypeName};
use sqlx::PgConnection;

mod audit;
mod blocker;
mod external;
mod key;
mod lineage;

use super::cursor::{Cursor, Place, Walk};
use super::schema::Schema;
use crate::StoreError;
use crate::record::*;
use crate::row::{AttemptRow, FinishRow, JobRow, RequeueRow, UsageRow};
use crate::transaction::{Page, Transaction};
use crate::view::{self, Claimed, Held, Reopened, View, all};

/// A statement of this directory, in a schema.
macro_rules! sql {
    ($schema:expr, $name:literal) => {
        sqlx::query($schema.sql(include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/src/postgres/sql/",
            $name,
            ".sql"
        ))))
    };
}
pub(super) use sql;

/// A connection, inside a transaction or between two, the schema that it works in, and where claims begin.
pub(super) struct PgTransaction<'c>(
    pub(super) &'c mut PgConnection,
    pub(super) &'c Schema,
    pub(super) &'c Cursor,
);

/// One column of a row list.
pub(super) fn column<'r, R, T>(rows: &'r [R], field: impl Fn(&'r R) -> T) -> Vec<T> {
    rows.iter().map(field).collect()
}

/// One column of what attempts used.
fn usage(rows: &[&FinishRow], field: impl Fn(&UsageRow) -> i64) -> Vec<Option<i64>> {
    column(rows, |row| row.usage.as_ref().map(&field))
}

impl PgTransaction<'_> {
    /// Claims jobs of the types of a request that stand at these places or behind; None: anywhere.
    async fn claim_from(
        &mut self,
        request: &ClaimRequest,
        begins: &[(TypeId, Option<Place>)],
    ) -> Result<Claimed, StoreError> {
        let began = Instant::now();
        let rows = sql!(self.1, "claim")
            .bind(column(begins, |(type_id, _)| type_id.0))
            .bind(column(&request.quotas, |(_, quota)| *quota as i32))
            .bind(request.token.0)
            .bind(i64::from(request.total))
            .bind(column(begins, |(_, place)| {
                place.map(|place| place.priority)
            }))
            .bind(column(begins, |(_, place)| {
                place.map(|place| place.due_at.0)
            }))
            .bind(column(begins, |(_, place)| place.map(|place| place.id)))
            .fetch_all(&mut *self.0)
            .await?;
        let ended = Instant::now();
        let alive = rows.first().map(|row| row.flag("alive")).transpose()?;
        let mut claimed = Claimed::new(alive.unwrap_or(false), rows.len());
        for row in &rows {
            claimed.add(row)?;
        }
        if claimed.alive {
            // What the last row says is of the whole claim.
            let beside = rows.last().map(|row| row.int_option("beside"));
            let found = claimed.jobs.iter();
            self.2.note(Walk {
                begins,
                found: found.map(|job| (job.type_id, Place::of(job))),
                beside: beside.transpose()?.flatten().unwrap_or(0),
                took: ended - began,
                ended,
            });
        }
        Ok(claimed)
    }
}

#[async_trait]
impl Transaction for PgTransaction<'_> {
    async fn insert(&mut self, rows: &[&JobRow]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        sql!(self.1, "insert")
            .bind(column(rows, |row| row.id))
            .bind(column(rows, |row| row.chain_id))
            .bind(column(rows, |row| row.type_id))
            .bind(column(rows, |row| row.priority))
            .bind(column(rows, |row| row.delay_ms))
            .bind(column(rows, |row| row.input.as_str()))
            .bind(column(rows, |row| row.limits.as_deref()))
            .bind(column(rows, |row| row.trace_parent.as_deref()))
            .bind(column(rows, |row| row.not_before))
            .bind(column(rows, |row| row.blockers))
            .bind(column(rows, |row| row.open_blockers))
            .bind(column(rows, |row| row.on_blocker_failure))
            .bind(column(rows, |row| row.blocking))
            .bind(column(rows, |row| row.keyed))
            .bind(column(rows, |row| row.root_chain))
            .bind(column(rows, |row| row.depth))
            .bind(column(rows, |row| row.parent_job))
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn existing(&mut self, ids: &[JobId]) -> Result<Option<JobId>, StoreError> {
        let row = sql!(self.1, "existing")
            .bind(column(ids, |id| id.0))
            .fetch_optional(&mut *self.0)
            .await?;
        row.map(|row| row.uuid("id").map(JobId)).transpose()
    }

    async fn claim(&mut self, request: &ClaimRequest) -> Result<Claimed, StoreError> {
        let cursor = self.2;
        let begins = |request: &ClaimRequest, is_short| {
            let types = request.quotas.iter().map(|(type_id, _)| *type_id);
            cursor.begins(types, Instant::now(), is_short)
        };
        let places = begins(request, false);
        let mut claimed = self.claim_from(request, &places).await?;
        if !claimed.alive || places.iter().all(|(_, place)| place.is_none()) {
            return Ok(claimed);
        }
        // There may be more in front. Before it is said that there is nothing, all is looked at; else where it was not
        // just looked at.
        let left = request.less(&claimed.jobs);
        let mut places = begins(&left, true);
        if claimed.jobs.is_empty() {
            places.iter_mut().for_each(|(_, place)| *place = None);
        }
        if left.total > 0 && places.iter().any(|(_, place)| place.is_none()) {
            let more = self.claim_from(&left, &places).await?;
            claimed.jobs.extend(more.jobs);
            claimed.with_blockers.extend(more.with_blockers);
        }
        Ok(claimed)
    }

    async fn heartbeat(&mut self, session: SessionId) -> Result<bool, StoreError> {
        let row = sql!(self.1, "heartbeat")
            .bind(session.0)
            .fetch_optional(&mut *self.0)
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
        let rows = sql!(self.1, "held")
            .bind(column(leases, |lease| lease.0))
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::lease)
    }

    async fn finish(&mut self, rows: &[&FinishRow]) -> Result<Vec<Held>, StoreError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let fuel: Vec<Option<i64>> = column(rows, |row| row.usage.as_ref().and_then(|u| u.fuel));
        let rows = sql!(self.1, "finish")
            .bind(column(rows, |row| row.id))
            .bind(column(rows, |row| row.held))
            .bind(column(rows, |row| row.token))
            .bind(column(rows, |row| row.state))
            .bind(column(rows, |row| row.outcome))
            .bind(column(rows, |row| row.output.as_deref()))
            .bind(column(rows, |row| row.failure.as_deref()))
            .bind(column(rows, |row| row.log.as_deref()))
            .bind(column(rows, |row| row.continued_to))
            .bind(usage(rows, |usage| usage.wall_us))
            .bind(usage(rows, |usage| usage.cpu_us))
            .bind(fuel)
            .bind(usage(rows, |usage| usage.memory_bytes_peak))
            .bind(usage(rows, |usage| usage.output_bytes))
            .bind(usage(rows, |usage| usage.log_bytes))
            .bind(usage(rows, |usage| usage.log_bytes_dropped))
            .bind(column(rows, |row| row.usage.as_ref()?.detail.as_deref()))
            .bind(column(rows, |row| row.deployment))
            .bind(column(rows, |row| row.kept))
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::held)
    }

    async fn requeue(&mut self, rows: &[&RequeueRow]) -> Result<Vec<Held>, StoreError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let rows = sql!(self.1, "requeue")
            .bind(column(rows, |row| row.id))
            .bind(column(rows, |row| row.held))
            .bind(column(rows, |row| row.delay_ms))
            .bind(column(rows, |row| row.not_before))
            .bind(column(rows, |row| row.attempt_change))
            .bind(column(rows, |row| row.snoozes_change))
            .bind(column(rows, |row| row.snoozed_ms_change))
            .bind(column(rows, |row| row.rescues_change))
            .bind(column(rows, |row| row.larger_memory))
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::held)
    }

    async fn attempt(&mut self, rows: &[AttemptRow]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        sql!(self.1, "attempt")
            .bind(column(rows, |row| row.job_id))
            .bind(column(rows, |row| row.token))
            .bind(column(rows, |row| row.started_at))
            .bind(column(rows, |row| row.run))
            .bind(column(rows, |row| row.session))
            .bind(column(rows, |row| row.attempt))
            .bind(column(rows, |row| row.outcome))
            .bind(column(rows, |row| row.failure.as_deref()))
            .bind(column(rows, |row| row.usage.as_deref()))
            .bind(column(rows, |row| row.log.as_deref()))
            .bind(column(rows, |row| row.progress.as_deref()))
            .bind(column(rows, |row| row.deployment))
            .execute(&mut *self.0)
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
        let rows = sql!(self.1, "settled")
            .bind(column(leases, |(id, _)| id.0))
            .bind(column(leases, |(_, token)| token.0))
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::lease)
    }

    async fn gone(&mut self, jobs: &[JobId]) -> Result<Vec<JobId>, StoreError> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let rows = sql!(self.1, "gone")
            .bind(column(jobs, |job| job.0))
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, |row| row.uuid("id").map(JobId))
    }

    async fn open_session(
        &mut self,
        host: &str,
        lease_duration_ms: i64,
        types: Option<&str>,
    ) -> Result<SessionId, StoreError> {
        let row = sql!(self.1, "open_session")
            .bind(host)
            .bind(lease_duration_ms)
            .bind(types)
            .fetch_one(&mut *self.0)
            .await?;
        Ok(SessionId(row.int("id")?))
    }

    async fn end_session(&mut self, session: SessionId) -> Result<bool, StoreError> {
        let row = sql!(self.1, "end_session")
            .bind(session.0)
            .fetch_optional(&mut *self.0)
            .await?;
        Ok(row.is_some())
    }

    async fn end_expired(&mut self) -> Result<(), StoreError> {
        sql!(self.1, "end_expired").execute(&mut *self.0).await?;
        Ok(())
    }

    async fn orphan(
        &mut self,
        session: Option<SessionId>,
        limit: i64,
    ) -> Result<Vec<(Held, Option<String>)>, StoreError> {
        let rows = sql!(self.1, "orphan")
            .bind(session.map(|session| i64::from(session.0)))
            .bind(limit)
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, |row| Ok((view::held(row)?, row.get_text("host")?)))
    }

    async fn promote(&mut self, limit: i64) -> Result<u64, StoreError> {
        let done = sql!(self.1, "promote")
            .bind(limit)
            .execute(&mut *self.0)
            .await?;
        Ok(done.rows_affected())
    }

    async fn next_due(&mut self) -> Result<Option<i64>, StoreError> {
        let row = sql!(self.1, "next_due")
            .fetch_optional(&mut *self.0)
            .await?;
        row.map(|row| row.int("due_in_us")).transpose()
    }

    async fn lock(&mut self, job: JobId) -> Result<Option<(Held, State)>, StoreError> {
        let row = sql!(self.1, "lock")
            .bind(job.0)
            .fetch_optional(&mut *self.0)
            .await?;
        row.map(|row| Ok((view::held(&row)?, row.state()?)))
            .transpose()
    }

    async fn final_state(&mut self, job: JobId) -> Result<Option<State>, StoreError> {
        let row = sql!(self.1, "final_state")
            .bind(job.0)
            .fetch_optional(&mut *self.0)
            .await?;
        row.map(|row| row.state()).transpose()
    }

    async fn reopen(&mut self, job: JobId) -> Result<Option<Reopened>, StoreError> {
        let row = sql!(self.1, "reopen")
            .bind(job.0)
            .fetch_optional(&mut *self.0)
            .await?;
        row.map(|row| view::reopened(&row)).transpose()
    }

    async fn component_bytes(&mut self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let row = sql!(self.1, "component_bytes")
            .bind(&digest.0[..])
            .fetch_optional(&mut *self.0)
            .await?;
        row.map(|row| row.bytes("bytes")).transpose()
    }

    async fn file_bytes(&mut self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let row = sql!(self.1, "file_bytes")
            .bind(&digest.0[..])
            .fetch_optional(&mut *self.0)
            .await?;
        row.map(|row| row.bytes("bytes")).transpose()
    }

    async fn components(&mut self) -> Result<Vec<Component>, StoreError> {
        let rows = sql!(self.1, "components").fetch_all(&mut *self.0).await?;
        all(&rows, view::component)
    }

    async fn types(&mut self) -> Result<Vec<ActiveType>, StoreError> {
        let rows = sql!(self.1, "types").fetch_all(&mut *self.0).await?;
        all(&rows, view::deployment::active_type)
    }

    async fn type_ids(&mut self) -> Result<Vec<(TypeName, TypeId)>, StoreError> {
        let rows = sql!(self.1, "type_ids").fetch_all(&mut *self.0).await?;
        all(&rows, view::type_number)
    }

    async fn job(&mut self, id: JobId) -> Result<Option<JobDetail>, StoreError> {
        let row = sql!(self.1, "job")
            .bind(id.0)
            .fetch_optional(&mut *self.0)
            .await?;
        row.map(|row| view::detail(&row)).transpose()
    }

    async fn attempts(&mut self, id: JobId) -> Result<Vec<AttemptRecord>, StoreError> {
        let rows = sql!(self.1, "attempts")
            .bind(id.0)
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::attempt)
    }

    async fn jobs(&mut self, page: &Page) -> Result<Vec<JobSummary>, StoreError> {
        let rows = sql!(self.1, "jobs")
            .bind(page.before)
            .bind(page.type_id)
            .bind(&page.states)
            .bind(page.limit)
            .bind(page.live)
            .bind(page.done)
            .bind(page.from)
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::summary)
    }

    async fn chain(&mut self, id: ChainId) -> Result<Vec<JobSummary>, StoreError> {
        let rows = sql!(self.1, "chain")
            .bind(id.0)
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::summary)
    }

    async fn sessions(&mut self) -> Result<Vec<Session>, StoreError> {
        let rows = sql!(self.1, "sessions").fetch_all(&mut *self.0).await?;
        all(&rows, view::session)
    }

    async fn maintain(&mut self) -> Result<(), StoreError> {
        sql!(self.1, "maintain").execute(&mut *self.0).await?;
        Ok(())
    }

    async fn version(&mut self) -> Result<String, StoreError> {
        let row = sql!(self.1, "version").fetch_one(&mut *self.0).await?;
        row.text("version")
    }
}
