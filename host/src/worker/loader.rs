//! Components and files, fetched and made ready once per process.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hardstop_domain::{Digest, Failure, Files, OutcomeKind, Report};
use hardstop_sandbox::{Attempt, FileTree, Prepared, Profile, Sandbox};
use hardstop_store::{Store, StoreError};
use tokio::sync::OnceCell;

use super::Execute;

/// A component or file that cannot be loaded.
#[derive(Debug, Clone, thiserror::Error)]
enum LoadError {
    /// The database is away: not the job's fault, and it may pass.
    #[error("cannot fetch {0} {1}: {2}")]
    Away(&'static str, Digest, String),
    /// The component or file itself.
    #[error("cannot load {0} {1}: {2}")]
    Unusable(&'static str, Digest, String),
}

type Cell = Arc<OnceCell<Prepared>>;

/// Fetches components from the store, compiles each once per engine profile, and runs attempts with them in
/// the sandbox.
pub struct Loader {
    store: Arc<dyn Store>,
    sandbox: Sandbox,
    prepared: Mutex<HashMap<(Digest, Profile), Cell>>,
    /// A few: types with the same files share them.
    trees: Mutex<Vec<(Files, FileTree)>>,
}

impl Loader {
    /// A loader with nothing loaded.
    pub fn new(store: Arc<dyn Store>, sandbox: Sandbox) -> Self {
        Self {
            store,
            sandbox,
            prepared: Mutex::default(),
            trees: Mutex::default(),
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
        let bytes = checked(COMPONENT, digest, self.store.component_bytes(digest).await)?;
        self.sandbox
            .prepare(&bytes, profile)
            .await
            .map_err(|error| LoadError::Unusable(COMPONENT, digest, error.to_string()))
    }

    /// The files, as a guest sees them.
    async fn tree(&self, files: &Files) -> Result<FileTree, LoadError> {
        if files.is_empty() {
            return Ok(FileTree::default());
        }
        let known = {
            let trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
            let known = trees.iter().find(|(of, _)| of == files);
            known.map(|(_, tree)| tree.clone())
        };
        if let Some(tree) = known {
            return Ok(tree);
        }
        let mut read = Vec::with_capacity(files.len());
        for (path, file) in files {
            let bytes = self.store.file_bytes(file.digest).await;
            let bytes = checked("file", file.digest, bytes)?;
            read.push((path.clone(), Bytes::from(bytes)));
        }
        let tree = FileTree::new(read);
        let mut trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        // Two attempts may have read them at once.
        if trees.iter().all(|(of, _)| of != files) {
            trees.push((files.clone(), tree.clone()));
        }
        Ok(tree)
    }

    async fn ready(
        &self,
        component: Digest,
        files: &Files,
        profile: Profile,
    ) -> Result<(Prepared, FileTree), LoadError> {
        Ok((
            self.load(component, profile).await?,
            self.tree(files).await?,
        ))
    }
}

const COMPONENT: &str = "component";

/// What the store answered, if it is what the digest names.
fn checked(
    what: &'static str,
    digest: Digest,
    answer: Result<Option<Vec<u8>>, StoreError>,
) -> Result<Vec<u8>, LoadError> {
    let unusable = |reason: &str| LoadError::Unusable(what, digest, reason.to_owned());
    match answer {
        Ok(Some(bytes)) if Digest::of(&bytes) == digest => Ok(bytes),
        Ok(Some(_)) => Err(unusable("its bytes have another digest")),
        Ok(None) => Err(unusable("the database does not have it")),
        Err(error @ StoreError::Corrupt(_)) => Err(unusable(&error.to_string())),
        Err(error) => Err(LoadError::Away(what, digest, error.to_string())),
    }
}

#[async_trait]
impl Execute for Loader {
    async fn execute(&self, component: Digest, files: &Files, mut attempt: Attempt) -> Report {
        let profile = Profile::of(&attempt.limits);
        match self.ready(component, files, profile).await {
            Ok((prepared, files)) => {
                attempt.files = files;
                prepared.run(attempt).await
            }
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
        let mut trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        trees.retain(|(files, _)| files.values().all(|file| active.contains(&file.digest)));
    }
}
