//! Components, fetched and compiled once per process.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hardstop_domain::{Digest, Failure, OutcomeKind, Report};
use hardstop_sandbox::{Attempt, Prepared, Profile, Sandbox};
use hardstop_store::{Store, StoreError};
use tokio::sync::OnceCell;

use super::Execute;

/// A component that cannot be loaded.
#[derive(Debug, Clone, thiserror::Error)]
enum LoadError {
    /// The database is away: not the job's fault, and it may pass.
    #[error("cannot fetch component {0}: {1}")]
    Away(Digest, String),
    /// The component itself.
    #[error("cannot load component {0}: {1}")]
    Unusable(Digest, String),
}

type Cell = Arc<OnceCell<Prepared>>;

/// Fetches components from the store, compiles each once per engine profile, and runs attempts with them in
/// the sandbox.
pub struct Loader {
    store: Arc<dyn Store>,
    sandbox: Sandbox,
    prepared: Mutex<HashMap<(Digest, Profile), Cell>>,
}

impl Loader {
    /// A loader with nothing loaded.
    pub fn new(store: Arc<dyn Store>, sandbox: Sandbox) -> Self {
        Self {
            store,
            sandbox,
            prepared: Mutex::default(),
        }
    }

    /// The component, ready to run. Attempts that ask for the same one at once share the work.
    async fn load(&self, digest: Digest, profile: Profile) -> Result<Prepared, LoadError> {
        let cell = {
            let mut cells = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(cells.entry((digest, profile)).or_default())
        };
        cell.get_or_try_init(|| self.fetch(digest, profile))
            .await
            .cloned()
    }

    async fn fetch(&self, digest: Digest, profile: Profile) -> Result<Prepared, LoadError> {
        let bytes = match self.store.component_bytes(digest).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                return Err(LoadError::Unusable(
                    digest,
                    "the database does not have it".to_owned(),
                ));
            }
            Err(error @ StoreError::Corrupt(_)) => {
                return Err(LoadError::Unusable(digest, error.to_string()));
            }
            Err(error) => return Err(LoadError::Away(digest, error.to_string())),
        };
        if Digest::of(&bytes) != digest {
            return Err(LoadError::Unusable(
                digest,
                "its bytes have another digest".to_owned(),
            ));
        }
        self.sandbox
            .prepare(&bytes, profile)
            .await
            .map_err(|error| LoadError::Unusable(digest, error.to_string()))
    }
}

#[async_trait]
impl Execute for Loader {
    async fn execute(&self, component: Digest, attempt: Attempt) -> Report {
        let profile = Profile::of(&attempt.limits);
        match self.load(component, profile).await {
            Ok(prepared) => prepared.run(attempt).await,
            Err(error @ LoadError::Unusable(..)) => Report::not_started(Failure::new(
                OutcomeKind::FailedRetryable,
                error.to_string(),
            )),
            Err(error @ LoadError::Away(..)) => {
                // Given back uncounted, after a breath so that it does not come back at once.
                tokio::time::sleep(Duration::from_secs(1)).await;
                Report::not_started(Failure::new(OutcomeKind::Interrupted, error.to_string()))
            }
        }
    }

    fn retain(&self, active: &BTreeSet<Digest>) {
        let mut cells = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        cells.retain(|(digest, _), _| active.contains(digest));
    }
}
