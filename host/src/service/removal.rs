//! Deletion.

use hardstop_domain::ChainId;
use hardstop_store::{Deleted, WAITERS_SHOWN_MAX};

use super::Service;
use super::chain::{ChainsDeleted, no_such_chain};
use crate::error::Error;

impl Service {
    /// Deletes a chain with all its jobs; with `cascade` those that wait for it too, and so on
    /// downwards.
    pub async fn delete_chain(&self, id: ChainId, cascade: bool) -> Result<ChainsDeleted, Error> {
        match self.store.delete_chain(id, cascade).await? {
            Deleted::Deleted { chains, jobs } => Ok(ChainsDeleted { chains, jobs }),
            Deleted::Waited { jobs } => {
                let count = match jobs.len() {
                    1 => "1 job".to_owned(),
                    WAITERS_SHOWN_MAX => format!("{WAITERS_SHOWN_MAX} jobs or more"),
                    count => format!("{count} jobs"),
                };
                let named: Vec<String> = jobs.iter().take(3).map(ToString::to_string).collect();
                Err(Error::failed(format!(
                    "chain {id} was not deleted: {count} wait for it or need its output ({}{})",
                    named.join(", "),
                    if jobs.len() > named.len() {
                        ", ..."
                    } else {
                        ""
                    }
                ))
                .hint("--cascade deletes the chains that wait for it too, and so on downwards"))
            }
            Deleted::Unknown => Err(no_such_chain(id)),
        }
    }
}
