//! Starting chains.

use std::collections::{HashMap, HashSet};

use hardstop_domain::{ChainId, JobId, NewChain, TypeId, TypeName};

use super::{Mode, Operation};
use crate::StoreError;
use crate::record::Started;
use crate::row::JobRow;
use crate::transaction::Transaction;

/// The numbers of the types that a batch names.
pub(crate) type TypeIds = HashMap<TypeName, TypeId>;

/// Creates the first jobs of chains. One statement.
pub(crate) struct Enqueue {
    rows: Vec<JobRow>,
}

impl Enqueue {
    pub(crate) fn new(chains: &[NewChain], types: &TypeIds) -> Result<Self, StoreError> {
        let mut ids = HashSet::with_capacity(chains.len());
        let mut rows = Vec::with_capacity(chains.len());
        for chain in chains {
            let job = &chain.first;
            let Some(type_id) = types.get(&job.type_name) else {
                return Err(StoreError::UnknownType(job.type_name.clone()));
            };
            if !ids.insert(job.id) {
                return Err(StoreError::DuplicateJob(job.id.to_string()));
            }
            rows.push(JobRow::new(job, chain.id(), *type_id).map_err(StoreError::Invalid)?);
        }
        Ok(Self { rows })
    }

    /// Whether any of the jobs is ready at once.
    pub(crate) fn makes_ready(&self) -> bool {
        self.rows.iter().any(|row| row.delay_ms == 0)
    }

    /// The ids that it creates.
    pub(crate) fn ids(&self) -> Vec<JobId> {
        self.rows.iter().map(|row| JobId(row.id)).collect()
    }
}

impl Operation for Enqueue {
    type Output = Vec<Started>;

    fn mode(&self) -> Mode {
        Mode::WRITE
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Vec<Started>, StoreError> {
        tx.insert(&self.rows.iter().collect::<Vec<_>>()).await?;
        let started = self.rows.iter().map(|row| Started {
            chain_id: ChainId(row.chain_id),
            deduplicated: false,
        });
        Ok(started.collect())
    }
}

/// Finds which of these ids is taken.
pub(crate) struct Existing(pub(crate) Vec<JobId>);

impl Operation for Existing {
    type Output = Option<JobId>;

    fn mode(&self) -> Mode {
        Mode::READ
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Option<JobId>, StoreError> {
        tx.existing(&self.0).await
    }
}
