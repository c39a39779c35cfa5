//! The statements about deployments and quarantine on SQLite.

use async_trait::async_trait;
use hardstop_domain::{DeploymentId, Digest, Tally, Timestamp, TypeId, TypeName, TypeSpec};

use super::{SqliteTransaction, sql};
use crate::StoreError;
use crate::record::*;
use crate::row::{counted, signed};
use crate::transaction::deployment::{DeploymentStatements, LockedType};
use crate::view::deployment as view;
use crate::view::{View, all};

#[async_trait]
impl DeploymentStatements for SqliteTransaction<'_> {
    async fn put_component(
        &mut self,
        digest: Digest,
        name: &str,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        sql!("put_component")
            .bind(&digest.0[..])
            .bind(name)
            .bind(bytes)
            .bind(self.now)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn put_file(&mut self, digest: Digest, bytes: &[u8]) -> Result<(), StoreError> {
        sql!("put_file")
            .bind(&digest.0[..])
            .bind(bytes)
            .bind(self.now)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn put_deployment(
        &mut self,
        deployment: &NewDeployment,
        specs: &str,
    ) -> Result<Timestamp, StoreError> {
        let row = sql!("put_deployment")
            .bind(deployment.id.0)
            .bind(deployment.component.as_ref().map(|new| &new.digest.0[..]))
            .bind(&deployment.name)
            .bind(specs)
            .bind(self.now)
            .fetch_one(&mut self.connection)
            .await?;
        row.time("created_at")
    }

    async fn put_type(
        &mut self,
        deployment: DeploymentId,
        spec: &TypeSpec,
        text: &str,
    ) -> Result<Option<TypeId>, StoreError> {
        let row = sql!("put_type")
            .bind(spec.name.as_str())
            .bind(deployment.0)
            .bind(text)
            .bind(spec.external.map(|external| signed(external.deadline_ms)))
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| row.int("id").map(TypeId)).transpose()
    }

    async fn lock_type(&mut self, name: &TypeName) -> Result<Option<LockedType>, StoreError> {
        let row = sql!("lock_type")
            .bind(name.as_str())
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| view::locked_type(&row)).transpose()
    }

    async fn put_canary(
        &mut self,
        type_id: TypeId,
        canary: Option<(DeploymentId, &str, u8)>,
    ) -> Result<(), StoreError> {
        sql!("put_canary")
            .bind(type_id.0)
            .bind(canary.map(|(deployment, ..)| deployment.0))
            .bind(canary.map(|(_, spec, _)| spec))
            .bind(canary.map(|(.., percent)| i16::from(percent)))
            .execute(&mut self.connection)
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
        sql!("put_type_event")
            .bind(type_id.0)
            .bind(deployment.0)
            .bind(kind.code())
            .bind(percent.map(i16::from))
            .bind(note)
            .bind(self.now)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn type_events(
        &mut self,
        type_id: TypeId,
        limit: i64,
    ) -> Result<Vec<TypeEvent>, StoreError> {
        let rows = sql!("type_events")
            .bind(type_id.0)
            .bind(limit)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::type_event)
    }

    async fn type_deployments(
        &mut self,
        type_id: TypeId,
        limit: i64,
    ) -> Result<Vec<TypeDeployment>, StoreError> {
        let rows = sql!("type_deployments")
            .bind(type_id.0)
            .bind(limit)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::type_deployment)
    }

    async fn deployments(&mut self, limit: i64) -> Result<Vec<DeploymentDetail>, StoreError> {
        let rows = sql!("deployments")
            .bind(limit)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::deployment)
    }

    async fn deployment(
        &mut self,
        id: DeploymentId,
    ) -> Result<Option<DeploymentDetail>, StoreError> {
        let row = sql!("deployment")
            .bind(id.0)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| view::deployment(&row)).transpose()
    }

    async fn hold(&mut self, type_id: TypeId) -> Result<(), StoreError> {
        sql!("hold")
            .bind(type_id.0)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn put_quarantine(
        &mut self,
        tally: &NewTally,
        seen: Tally,
    ) -> Result<Option<Timestamp>, StoreError> {
        let row = sql!("put_quarantine")
            .bind(tally.type_id.0)
            .bind(&tally.component.0[..])
            .bind(tally.deployment.0)
            .bind(counted(seen.attempts))
            .bind(counted(seen.faults))
            .bind(&tally.failure)
            .bind(self.now)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| row.time("began_at")).transpose()
    }

    async fn quarantines(
        &mut self,
        type_id: Option<TypeId>,
    ) -> Result<Vec<Quarantine>, StoreError> {
        let rows = sql!("quarantines")
            .bind(type_id.map(|id| id.0))
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::quarantine)
    }

    async fn release_quarantines(
        &mut self,
        type_id: TypeId,
        component: Option<Digest>,
    ) -> Result<Vec<(DeploymentId, Digest)>, StoreError> {
        let rows = sql!("release_quarantines")
            .bind(type_id.0)
            .bind(component.as_ref().map(|digest| &digest.0[..]))
            .bind(self.now)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::released)
    }

    async fn put_tally(&mut self, tally: &NewTally) -> Result<bool, StoreError> {
        let done = sql!("put_tally")
            .bind(tally.type_id.0)
            .bind(&tally.component.0[..])
            .bind(counted(tally.tally.attempts))
            .bind(counted(tally.tally.faults))
            .bind(tally.claimed_at.0)
            .execute(&mut self.connection)
            .await?;
        Ok(done > 0)
    }

    async fn tallies(
        &mut self,
        type_id: TypeId,
        component: Digest,
        limit: i64,
    ) -> Result<Vec<(i64, Tally)>, StoreError> {
        let rows = sql!("tallies")
            .bind(type_id.0)
            .bind(&component.0[..])
            .bind(limit)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::tally)
    }

    async fn trim_tallies(
        &mut self,
        type_id: TypeId,
        component: Digest,
        oldest: i64,
    ) -> Result<(), StoreError> {
        sql!("trim_tallies")
            .bind(type_id.0)
            .bind(&component.0[..])
            .bind(oldest)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn drop_tallies(
        &mut self,
        type_id: TypeId,
        component: Option<Digest>,
    ) -> Result<(), StoreError> {
        sql!("drop_tallies")
            .bind(type_id.0)
            .bind(component.as_ref().map(|digest| &digest.0[..]))
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }
}
