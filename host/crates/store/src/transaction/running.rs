//! The statements about what workers tell while they work.

use async_trait::async_trait;
use hardstop_domain::{JobId, LeaseToken, SessionId};

use crate::StoreError;
use crate::record::Standing;
use crate::row::LiveRow;
use crate::view::running::Said;

#[async_trait]
pub(crate) trait RunningStatements: Send {
    /// Whether it was asked to drain.
    async fn stand(&mut self, session: SessionId, standing: &Standing) -> Result<bool, StoreError>;
    /// Whether it was asked to drain.
    async fn drain_asked(&mut self, session: SessionId) -> Result<bool, StoreError>;
    /// Its host. None where it has ended, or was asked before.
    async fn drain_session(&mut self, session: SessionId) -> Result<Option<String>, StoreError>;
    async fn put_live(&mut self, rows: &[LiveRow]) -> Result<(), StoreError>;
    async fn drop_live(&mut self, ended: &[(JobId, LeaseToken)]) -> Result<(), StoreError>;
    async fn trim_live(&mut self) -> Result<(), StoreError>;
    async fn attempt_live(&mut self, job: JobId) -> Result<Vec<Said>, StoreError>;
}
