//! Starting chains inside a transaction that is not the store's own.

use super::Operation as _;
use super::enqueue::{Created, Enqueue, TypeIds};
use super::unblock::Aftermath;
use crate::StoreError;
use hardstop_domain::{ChainId, JobId, NewChain};

use crate::transaction::Transaction;

/// Starts chains as the store does, with inputs that nobody has checked.
pub(crate) async fn start(
    tx: &mut dyn Transaction,
    chains: &[NewChain],
) -> Result<Created, StoreError> {
    if chains.is_empty() {
        return Ok(Created {
            started: Vec::new(),
            aftermath: Aftermath::default(),
        });
    }
    let types: TypeIds = tx.type_ids().await?.into_iter().collect();
    let enqueue = Enqueue::new(chains, &types)?;
    // Asked first, because a key that is taken would only be told as such.
    if let Some(id) = tx.existing(&enqueue.ids()).await? {
        return Err(StoreError::DuplicateJob(id.to_string()));
    }
    let created = enqueue.run(tx).await?;
    let own = chains.iter().map(NewChain::id);
    let jobs: Vec<JobId> = own
        .zip(&created.started)
        .filter(|(_, started)| !started.deduplicated)
        .map(|(own, _): (ChainId, _)| own.into())
        .collect();
    if !jobs.is_empty() {
        tx.mark_unchecked(&jobs).await?;
    }
    Ok(created)
}
