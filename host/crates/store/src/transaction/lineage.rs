//! How many chains descend from a root.

use async_trait::async_trait;
use hardstop_domain::ChainId;

use crate::StoreError;

/// Statements over `lineage`. Rows are sorted by root.
#[async_trait]
pub(crate) trait LineageStatements: Send {
    /// The number of each root's descendants, locked.
    async fn lock_lineage(&mut self, roots: &[ChainId]) -> Result<Vec<(ChainId, u64)>, StoreError>;
    async fn grow_lineage(&mut self, more: &[(ChainId, i64)]) -> Result<(), StoreError>;
}
