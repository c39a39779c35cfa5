//! Deduplication keys.

use async_trait::async_trait;
use hardstop_domain::{ChainId, JobId};

use crate::StoreError;
use crate::row::KeyRow;

/// A key and a chain that has to do with it: the type's number, the key, the chain.
pub(crate) type KeyedChain = (i32, String, ChainId);

/// Statements over `chain_key`. Rows are sorted by type and key, and no key is in them twice.
#[async_trait]
pub(crate) trait KeyStatements: Send {
    /// The chains that have their key now.
    async fn take_keys(&mut self, rows: &[&KeyRow]) -> Result<Vec<ChainId>, StoreError>;
    async fn key_holders(&mut self, rows: &[&KeyRow]) -> Result<Vec<KeyedChain>, StoreError>;
    async fn recent_chains(&mut self, rows: &[&KeyRow]) -> Result<Vec<KeyedChain>, StoreError>;
    async fn drop_keys(&mut self, chains: &[ChainId]) -> Result<(), StoreError>;
    async fn reopen_key(&mut self, chain: ChainId) -> Result<(), StoreError>;
    async fn rival(&mut self, job: JobId) -> Result<Option<ChainId>, StoreError>;
}
