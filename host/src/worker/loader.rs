//! Components and files, fetched and made ready once per process.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hardstop_domain::{Digest, Failure, FileRef, Files, OutcomeKind, Report};
use hardstop_sandbox::{Attempt, FileTree, Occupancy, Prepared, Profile, Sandbox, stopped_before};
use hardstop_store::{Store, StoreError};
use tokio::sync::OnceCell;
use tokio::time::sleep;

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

/// How long an attempt whose component or files cannot be fetched keeps its slot, unless it is stopped.
const AWAY_PAUSE: Duration = Duration::from_secs(1);

/// What is made once for each key. Whoever asks for the same at once shares the work; what failed is tried again.
struct Once<K, V>(Mutex<HashMap<K, Arc<OnceCell<V>>>>);

impl<K, V> Default for Once<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Once<K, V> {
    fn cells(&self) -> MutexGuard<'_, HashMap<K, Arc<OnceCell<V>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was made.
    fn known(&self, key: &K) -> Option<V> {
        self.cells().get(key)?.get().cloned()
    }

    async fn get<E>(&self, key: &K, make: impl Future<Output = Result<V, E>>) -> Result<V, E> {
        let known = self.cells().get(key).cloned();
        let cell = known.unwrap_or_else(|| self.cells().entry(key.clone()).or_default().clone());
        cell.get_or_try_init(|| make).await.cloned()
    }

    /// Forgets what has another key.
    fn retain(&self, is_kept: impl Fn(&K) -> bool) {
        self.cells().retain(|key, _| is_kept(key));
    }
}

/// Fetches components and files from the store, compiles each component once per engine profile, and runs attempts
/// with them in the sandbox.
pub struct Loader(Arc<Loaded>);

/// What was loaded, and what it is loaded with.
struct Loaded {
    store: Arc<dyn Store>,
    sandbox: Sandbox,
    prepared: Once<(Digest, Profile), Prepared>,
    files: Once<Digest, Bytes>,
    /// Types with the same files share them.
    trees: Once<Files, FileTree>,
}

impl Loader {
    /// A loader with nothing loaded.
    pub fn new(store: Arc<dyn Store>, sandbox: Sandbox) -> Self {
        Self(Arc::new(Loaded {
            store,
            sandbox,
            prepared: Once::default(),
            files: Once::default(),
            trees: Once::default(),
        }))
    }

    /// The component and the files, ready to run. Where the database is away it takes a breath before it says so, so
    /// that the job does not come back at once.
    async fn load(
        &self,
        component: Digest,
        files: &Files,
        profile: Profile,
    ) -> Result<(Prepared, FileTree), LoadError> {
        if let Some(ready) = self.0.known(component, files, profile) {
            return Ok(ready);
        }
        let (loaded, files) = (Arc::clone(&self.0), files.clone());
        // A task of its own: an attempt that is stopped leaves at once, and the call to the database is heard out all
        // the same. Ended midway, it would leave its connection to a pool that waits for it.
        let loading =
            tokio::spawn(async move { loaded.ready(component, &files, profile).await }).await;
        let ready = loading.unwrap_or_else(|error| {
            Err(LoadError::Unusable(COMPONENT, component, error.to_string()))
        });
        if matches!(ready, Err(LoadError::Away(..))) {
            sleep(AWAY_PAUSE).await;
        }
        ready
    }
}

impl Loaded {
    /// What is ready, if nothing is left to load.
    fn known(
        &self,
        component: Digest,
        files: &Files,
        profile: Profile,
    ) -> Option<(Prepared, FileTree)> {
        let prepared = self.prepared.known(&(component, profile))?;
        Some((prepared, self.trees.known(files)?))
    }

    /// The component, ready to run.
    async fn component(&self, digest: Digest, profile: Profile) -> Result<Prepared, LoadError> {
        let bytes = checked(COMPONENT, digest, self.store.component_bytes(digest).await)?;
        self.sandbox
            .prepare(&bytes, profile)
            .await
            .map_err(|error| LoadError::Unusable(COMPONENT, digest, error.to_string()))
    }

    async fn file(&self, digest: Digest) -> Result<Bytes, LoadError> {
        let bytes = checked("file", digest, self.store.file_bytes(digest).await)?;
        Ok(bytes.into())
    }

    /// The files, as a guest sees them.
    async fn tree(&self, files: &Files) -> Result<FileTree, LoadError> {
        let mut read = Vec::with_capacity(files.len());
        for (path, FileRef { digest, .. }) in files {
            let bytes = self.files.get(digest, self.file(*digest)).await?;
            read.push((path.clone(), bytes));
        }
        Ok(FileTree::new(read))
    }

    async fn ready(
        &self,
        component: Digest,
        files: &Files,
        profile: Profile,
    ) -> Result<(Prepared, FileTree), LoadError> {
        let prepare = self.component(component, profile);
        let prepared = self.prepared.get(&(component, profile), prepare).await?;
        let tree = self.trees.get(files, self.tree(files)).await?;
        Ok((prepared, tree))
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
        let loaded = tokio::select! {
            biased;
            stop = attempt.stop.raised() => return Report::not_started(stopped_before(stop)),
            loaded = self.load(component, files, profile) => loaded,
        };
        let (kind, error) = match loaded {
            Ok((prepared, files)) => {
                attempt.files = files;
                return prepared.run(attempt).await;
            }
            Err(error @ LoadError::Unusable(..)) => (OutcomeKind::FailedRetryable, error),
            // Given back uncounted.
            Err(error @ LoadError::Away(..)) => (OutcomeKind::Interrupted, error),
        };
        Report::not_started(Failure::new(kind, error.to_string()))
    }

    fn retain(&self, active: &BTreeSet<Digest>) {
        let loaded = &self.0;
        loaded
            .prepared
            .retain(|(digest, _)| active.contains(digest));
        loaded.files.retain(|digest| active.contains(digest));
        let is_active = |file: &FileRef| active.contains(&file.digest);
        loaded.trees.retain(|files| files.values().all(is_active));
    }

    fn occupancy(&self) -> Occupancy {
        self.0.sandbox.occupancy()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    #[tokio::test]
    async fn what_was_made_is_not_made_again_until_it_is_forgotten() {
        let once = Once::default();
        let make = |value: u32| async move { Ok::<_, Infallible>(value) };
        let both = tokio::join!(once.get(&'a', make(1)), once.get(&'a', make(2)));
        assert_eq!(both, (Ok(1), Ok(1)));
        assert_eq!(once.get(&'b', async { Err("away") }).await, Err("away"));
        assert_eq!((once.known(&'a'), once.known(&'b')), (Some(1), None));
        assert_eq!(once.get(&'b', make(3)).await, Ok(3), "what failed is not");
        once.retain(|key| *key == 'b');
        assert_eq!(once.get(&'a', make(4)).await, Ok(4));
        assert_eq!(once.get(&'b', make(5)).await, Ok(3));
    }
}
