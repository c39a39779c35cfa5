//! How many chains descend from a root.

use async_trait::async_trait;
use hardstop_domain::ChainId;

use super::{SqliteTransaction, chain_list, hex, json, sql};
use crate::StoreError;
use crate::transaction::lineage::LineageStatements;
use crate::view::{View, all};

#[async_trait]
impl LineageStatements for SqliteTransaction<'_> {
    async fn lock_lineage(&mut self, roots: &[ChainId]) -> Result<Vec<(ChainId, u64)>, StoreError> {
        let rows = sql!("lock_lineage")
            .bind(chain_list(roots)?)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, |row| {
            Ok((ChainId(row.uuid("root_chain")?), row.int("descendants")?))
        })
    }

    async fn grow_lineage(&mut self, more: &[(ChainId, i64)]) -> Result<(), StoreError> {
        let more: Vec<_> = more
            .iter()
            .map(|(root, more)| (hex((*root).into()), more))
            .collect();
        sql!("grow_lineage")
            .bind(json(&more)?)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }
}
