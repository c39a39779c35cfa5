//! The statements about deployments and quarantine.

use async_trait::async_trait;
use hardstop_domain::{DeploymentId, Digest, Tally, Timestamp, TypeId, TypeName, TypeSpec};

use super::{PgTransaction, sql};
use crate::StoreError;
use crate::record::*;
use crate::row::{counted, signed};
use crate::transaction::deployment::{DeploymentStatements, LockedType};
use crate::view::deployment as view;
use crate::view::{View, all};

#[async_trait]
impl DeploymentStatements for PgTransaction<'_> {
    async fn put_component(
        &mut self,
        digest: Digest,
        name: &str,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        sql!(self.1, "put_component")
            .bind(&digest.0[..])
            .bind(name)
            .bind(bytes)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn put_file(&mut self, digest: Digest, bytes: &[u8]) -> Result<(), StoreError> {
        sql!(self.1, "put_file")
            .bind(&digest.0[..])
            .bind(bytes)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn put_deployment(
        &mut self,
        deployment: &NewDeployment,
        specs: &str,
    ) -> Result<Timestamp, StoreError> {
        let row = sql!(self.1, "put_deployment")
            .bind(deployment.id.0)
            .bind(deployment.component.as_ref().map(|new| &new.digest.0[..]))
            .bind(&deployment.name)
            .bind(specs)
            .fetch_one(&mut *self.0)
            .await?;
        row.time("created_at")
    }

    async fn put_type(
        &mut self,
        deployment: DeploymentId,
        spec: &TypeSpec,
        text: &str,
    ) -> Result<Option<TypeId>, StoreError> {
        let row = sql!(self.1, "put_type")
            .bind(spec.name.as_str())
            .bind(deployment.0)
            .bind(text)
            .bind(spec.external.map(|external| signed(external.deadline_ms)))
            .fetch_optional(&mut *self.0)
            .await?;
        row.map(|row| row.int("id").map(TypeId)).transpose()
    }

    async fn lock_type(&mut self, name: &TypeName) -> Result<Option<LockedType>, StoreError> {
        let row = sql!(self.1, "lock_type")
            .bind(name.as_str())
            .fetch_optional(&mut *self.0)
            .await?;
        row.map(|row| view::locked_type(&row)).transpose()
    }

    async fn put_canary(
        &mut self,
        type_id: TypeId,
        canary: Option<(DeploymentId, &str, u8)>,
    ) -> Result<(), StoreError> {
        sql!(self.1, "put_canary")
            .bind(type_id.0)
            .bind(canary.map(|(deployment, ..)| deployment.0))
            .bind(canary.map(|(_, spec, _)| spec))
            .bind(canary.map(|(.., percent)| i16::from(percent)))
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn put_type_event(
        &mut self,
        type_id: TypeId,
        deployment: DeploymentId,
        kind: TypeEventKind,
        percent: Option<u8>,
        note: Option<&str>,
    ) -> Result<(), StoreError> {
        sql!(self.1, "put_type_event")
            .bind(type_id.0)
            .bind(deployment.0)
            .bind(kind.code())
            .bind(percent.map(i16::from))
            .bind(note)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn type_events(
        &mut self,
        type_id: TypeId,
        limit: i64,
    ) -> Result<Vec<TypeEvent>, StoreError> {
        let rows = sql!(self.1, "type_events")
            .bind(type_id.0)
            .bind(limit)
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::type_event)
    }

    async fn type_deployments(
        &mut self,
        type_id: TypeId,
        limit: i64,
    ) -> Result<Vec<TypeDeployment>, StoreError> {
        let rows = sql!(self.1, "type_deployments")
            .bind(type_id.0)
            .bind(limit)
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::type_deployment)
    }

    async fn deployments(&mut self, limit: i64) -> Result<Vec<DeploymentDetail>, StoreError> {
        let rows = sql!(self.1, "deployments")
            .bind(limit)
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::deployment)
    }

    async fn deployment(
        &mut self,
        id: DeploymentId,
    ) -> Result<Option<DeploymentDetail>, StoreError> {
        let row = sql!(self.1, "deployment")
            .bind(id.0)
            .fetch_optional(&mut *self.0)
            .await?;
        row.map(|row| view::deployment(&row)).transpose()
    }

    async fn hold(&mut self, type_id: TypeId) -> Result<(), StoreError> {
        sql!(self.1, "hold")
            .bind(type_id.0)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn put_quarantine(
        &mut self,
        tally: &NewTally,
        seen: Tally,
    ) -> Result<Option<Timestamp>, StoreError> {
        let row = sql!(self.1, "put_quarantine")
            .bind(tally.type_id.0)
            .bind(&tally.component.0[..])
            .bind(tally.deployment.0)
            .bind(counted(seen.attempts))
            .bind(counted(seen.faults))
            .bind(&tally.failure)
            .fetch_optional(&mut *self.0)
            .await?;
        row.map(|row| row.time("began_at")).transpose()
    }

    async fn quarantines(
        &mut self,
        type_id: Option<TypeId>,
    ) -> Result<Vec<Quarantine>, StoreError> {
        let rows = sql!(self.1, "quarantines")
            .bind(type_id.map(|id| id.0))
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::quarantine)
    }

    async fn release_quarantines(
        &mut self,
        type_id: TypeId,
        component: Option<Digest>,
    ) -> Result<Vec<(DeploymentId, Digest)>, StoreError> {
        let rows = sql!(self.1, "release_quarantines")
            .bind(type_id.0)
            .bind(component.as_ref().map(|digest| &digest.0[..]))
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::released)
    }

    async fn put_tally(&mut self, tally: &NewTally) -> Result<bool, StoreError> {
        let done = sql!(self.1, "put_tally")
            .bind(tally.type_id.0)
            .bind(&tally.component.0[..])
            .bind(counted(tally.tally.attempts))
            .bind(counted(tally.tally.faults))
            .bind(tally.claimed_at.0)
            .execute(&mut *self.0)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    async fn tallies(
        &mut self,
        type_id: TypeId,
        component: Digest,
        limit: i64,
    ) -> Result<Vec<(i64, Tally)>, StoreError> {
        let rows = sql!(self.1, "tallies")
            .bind(type_id.0)
            .bind(&component.0[..])
            .bind(limit)
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::tally)
    }

    async fn trim_tallies(
        &mut self,
        type_id: TypeId,
        component: Digest,
        oldest: i64,
    ) -> Result<(), StoreError> {
        sql!(self.1, "trim_tallies")
            .bind(type_id.0)
            .bind(&component.0[..])
            .bind(oldest)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn drop_tallies(
        &mut self,
        type_id: TypeId,
        component: Option<Digest>,
    ) -> Result<(), StoreError> {
        sql!(self.1, "drop_tallies")
            .bind(type_id.0)
            .bind(component.as_ref().map(|digest| &digest.0[..]))
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }
}
