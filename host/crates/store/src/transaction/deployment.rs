//! The statements about deployments and quarantine.

use async_trait::async_trait;
use hardstop_domain::{DeploymentId, Digest, Tally, Timestamp, TypeId, TypeName, TypeSpec};

use crate::StoreError;
use crate::record::*;

/// A type, locked.
#[derive(Debug)]
pub(crate) struct LockedType {
    pub(crate) id: TypeId,
    /// In force.
    pub(crate) deployment: DeploymentId,
    pub(crate) component: Option<Digest>,
    pub(crate) canary: Option<LockedCanary>,
}

/// The canary of a type.
#[derive(Debug)]
pub(crate) struct LockedCanary {
    pub(crate) deployment: DeploymentId,
    pub(crate) component: Option<Digest>,
    pub(crate) spec: TypeSpec,
}

/// One method per SQL file, of the same name.
#[async_trait]
pub(crate) trait DeploymentStatements: Send {
    async fn put_component(
        &mut self,
        digest: Digest,
        name: &str,
        bytes: &[u8],
    ) -> Result<(), StoreError>;
    async fn put_file(&mut self, digest: Digest, bytes: &[u8]) -> Result<(), StoreError>;
    async fn put_deployment(
        &mut self,
        deployment: &NewDeployment,
        specs: &str,
    ) -> Result<Timestamp, StoreError>;
    /// None where the type has a handler and would become external, or the other way round.
    async fn put_type(
        &mut self,
        deployment: DeploymentId,
        spec: &TypeSpec,
        text: &str,
    ) -> Result<Option<TypeId>, StoreError>;
    async fn lock_type(&mut self, name: &TypeName) -> Result<Option<LockedType>, StoreError>;
    /// The deployment, what it says of the type as text, and its share in percent; none ends the canary.
    async fn put_canary(
        &mut self,
        type_id: TypeId,
        canary: Option<(DeploymentId, &str, u8)>,
    ) -> Result<(), StoreError>;

    async fn put_type_event(
        &mut self,
        type_id: TypeId,
        deployment: DeploymentId,
        kind: TypeEventKind,
        percent: Option<u8>,
        note: Option<&str>,
    ) -> Result<(), StoreError>;
    async fn type_events(
        &mut self,
        type_id: TypeId,
        limit: i64,
    ) -> Result<Vec<TypeEvent>, StoreError>;
    /// Without what is in force and what is the canary.
    async fn type_deployments(
        &mut self,
        type_id: TypeId,
        limit: i64,
    ) -> Result<Vec<TypeDeployment>, StoreError>;
    async fn deployments(&mut self, limit: i64) -> Result<Vec<DeploymentDetail>, StoreError>;
    async fn deployment(
        &mut self,
        id: DeploymentId,
    ) -> Result<Option<DeploymentDetail>, StoreError>;

    async fn hold(&mut self, type_id: TypeId) -> Result<(), StoreError>;
    /// Whether it was not in quarantine until now.
    async fn put_quarantine(
        &mut self,
        tally: &NewTally,
        seen: Tally,
    ) -> Result<Option<Timestamp>, StoreError>;
    async fn quarantines(&mut self, type_id: Option<TypeId>)
    -> Result<Vec<Quarantine>, StoreError>;
    async fn release_quarantines(
        &mut self,
        type_id: TypeId,
        component: Option<Digest>,
    ) -> Result<Vec<(DeploymentId, Digest)>, StoreError>;

    /// Whether it counts.
    async fn put_tally(&mut self, tally: &NewTally) -> Result<bool, StoreError>;
    async fn tallies(
        &mut self,
        type_id: TypeId,
        component: Digest,
        limit: i64,
    ) -> Result<Vec<(i64, Tally)>, StoreError>;
    async fn trim_tallies(
        &mut self,
        type_id: TypeId,
        component: Digest,
        oldest: i64,
    ) -> Result<(), StoreError>;
    async fn drop_tallies(
        &mut self,
        type_id: TypeId,
        component: Option<Digest>,
    ) -> Result<(), StoreError>;
}
