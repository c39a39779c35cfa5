//! Deduplication keys.

use async_trait::async_trait;
use hardstop_domain::{ChainId, JobId};

use super::{PgTransaction, column, sql};
use crate::StoreError;
use crate::row::KeyRow;
use crate::transaction::key::{KeyStatements, KeyedChain};
use crate::view::{self, View, all};

#[async_trait]
impl KeyStatements for PgTransaction<'_> {
    async fn take_keys(&mut self, rows: &[&KeyRow]) -> Result<Vec<ChainId>, StoreError> {
        let rows = sql!(self.1, "take_keys")
            .bind(column(rows, |row| row.type_id))
            .bind(column(rows, |row| row.key.as_str()))
            .bind(column(rows, |row| row.chain_id))
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, |row| row.uuid("chain_id").map(ChainId))
    }

    async fn key_holders(&mut self, rows: &[&KeyRow]) -> Result<Vec<KeyedChain>, StoreError> {
        let rows = sql!(self.1, "key_holders")
            .bind(column(rows, |row| row.type_id))
            .bind(column(rows, |row| row.key.as_str()))
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::key)
    }

    async fn recent_chains(&mut self, rows: &[&KeyRow]) -> Result<Vec<KeyedChain>, StoreError> {
        let rows = sql!(self.1, "recent_chains")
            .bind(column(rows, |row| row.type_id))
            .bind(column(rows, |row| row.key.as_str()))
            .bind(column(rows, |row| row.chain_id))
            .bind(column(rows, |row| row.window_ms))
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::key)
    }

    async fn drop_keys(&mut self, chains: &[ChainId]) -> Result<(), StoreError> {
        sql!(self.1, "drop_keys")
            .bind(column(chains, |chain| chain.0))
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn reopen_key(&mut self, chain: ChainId) -> Result<(), StoreError> {
        sql!(self.1, "reopen_key")
            .bind(chain.0)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn rival(&mut self, job: JobId) -> Result<Option<ChainId>, StoreError> {
        let row = sql!(self.1, "rival")
            .bind(job.0)
            .fetch_optional(&mut *self.0)
            .await?;
        row.map(|row| row.uuid("chain_id").map(ChainId)).transpose()
    }
}
