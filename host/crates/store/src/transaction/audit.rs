//! The statements about records of changes, and about requests that may be sent again.

use async_trait::async_trait;
use hardstop_domain::Digest;
use uuid::Uuid;

use crate::StoreError;
use crate::record::{Acting, AuditRecord, RequestKey};
use crate::row::AuditRow;

/// An [`crate::AuditQuery`] with every choice made.
pub(crate) struct AuditPage {
    /// Ids from this one on,
    pub(crate) from: Uuid,
    /// and before this one.
    pub(crate) before: Uuid,
    pub(crate) actor: Option<String>,
    pub(crate) action: Option<&'static str>,
    pub(crate) subject: Option<String>,
    pub(crate) limit: i64,
}

#[async_trait]
pub(crate) trait AuditStatements: Send {
    async fn put_audit(&mut self, acting: &Acting, row: &AuditRow) -> Result<(), StoreError>;
    async fn audit(&mut self, page: &AuditPage) -> Result<Vec<AuditRecord>, StoreError>;
    /// Whether it was free.
    async fn take_request(&mut self, actor: &str, request: &RequestKey)
    -> Result<bool, StoreError>;
    /// The fingerprint, and the answer.
    async fn request(
        &mut self,
        actor: &str,
        key: &str,
    ) -> Result<Option<(Digest, Option<String>)>, StoreError>;
    async fn answer_request(
        &mut self,
        actor: &str,
        key: &str,
        answer: &str,
    ) -> Result<(), StoreError>;
    async fn trim_requests(&mut self, age_us: i64) -> Result<(), StoreError>;
}
