//! Deduplication keys.

use async_trait::async_trait;
use hardstop_domain::{ChainId, JobId};

use super::{SqliteTransaction, chain_list, json, sql};
use crate::StoreError;
use crate::row::KeyRow;
use crate::transaction::key::{KeyStatements, KeyedChain};
use crate::view::{self, View, all};

#[async_trait]
impl KeyStatements for SqliteTransaction<'_> {
    async fn take_keys(&mut self, rows: &[&KeyRow]) -> Result<Vec<ChainId>, StoreError> {
        let rows = sql!("take_keys")
            .bind(json(rows)?)
            .bind(self.now)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, |row| row.uuid("chain_id").map(ChainId))
    }

    async fn key_holders(&mut self, rows: &[&KeyRow]) -> Result<Vec<KeyedChain>, StoreError> {
        let rows = sql!("key_holders")
            .bind(json(rows)?)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::key)
    }

    async fn recent_chains(&mut self, rows: &[&KeyRow]) -> Result<Vec<KeyedChain>, StoreError> {
        let rows = sql!("recent_chains")
            .bind(json(rows)?)
            .bind(self.now)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::key)
    }

    async fn drop_keys(&mut self, chains: &[ChainId]) -> Result<(), StoreError> {
        sql!("drop_keys")
            .bind(chain_list(chains)?)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn reopen_key(&mut self, chain: ChainId) -> Result<(), StoreError> {
        sql!("reopen_key")
            .bind(chain.0)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn rival(&mut self, job: JobId) -> Result<Option<ChainId>, StoreError> {
        let row = sql!("rival")
            .bind(job.0)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| row.uuid("chain_id").map(ChainId)).transpose()
    }
}
