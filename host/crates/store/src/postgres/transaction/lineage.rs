//! How many chains descend from a root.

use async_trait::async_trait;
use hardstop_domain::ChainId;

use super::{PgTransaction, column, sql};
use crate::StoreError;
use crate::transaction::lineage::LineageStatements;
use crate::view::{View, all};

#[async_trait]
impl LineageStatements for PgTransaction<'_> {
    async fn lock_lineage(&mut self, roots: &[ChainId]) -> Result<Vec<(ChainId, u64)>, StoreError> {
        let rows = sql!(self.1, "lock_lineage")
            .bind(column(roots, |chain| chain.0))
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, |row| {
            Ok((ChainId(row.uuid("root_chain")?), row.int("descendants")?))
        })
    }

    async fn grow_lineage(&mut self, more: &[(ChainId, i64)]) -> Result<(), StoreError> {
        sql!(self.1, "grow_lineage")
            .bind(column(more, |(root, _)| root.0))
            .bind(column(more, |(_, more)| *more))
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }
}
