//! What the service knows of the deployed types.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use hardstop_store::{Listener, Wake};
use tracing::warn;

use super::Service;
use crate::catalogue::Catalogue;
use crate::error::Error;

/// How long the types that are known may be out of date where a wake-up was missed.
const REFRESH_INTERVAL: Duration = Duration::from_secs(5);

impl Service {
    /// The deployed types: read when they are first asked for.
    pub(super) async fn catalogue(&self) -> Result<Arc<Catalogue>, Error> {
        let known = self.known_types();
        match known {
            Some(catalogue) => Ok(catalogue),
            None => self.refresh_catalogue().await,
        }
    }

    /// Reads the deployed types again.
    pub(super) async fn refresh_catalogue(&self) -> Result<Arc<Catalogue>, Error> {
        let types = self.types().await?;
        let before = self.known_types().unwrap_or_default();
        let catalogue = Arc::new(Catalogue::new(types, &before));
        let mut known = self
            .catalogue
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *known = Some(Arc::clone(&catalogue));
        Ok(catalogue)
    }

    /// Has the types read anew when they are next asked for.
    pub(super) fn forget_catalogue(&self) {
        let mut known = self
            .catalogue
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *known = None;
    }

    fn known_types(&self) -> Option<Arc<Catalogue>> {
        self.catalogue
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Keeps what is known of the types fresh, for ever: for a service that lives longer than a command. `listener`
    /// is one of its own.
    pub async fn follow_deployments(&self, mut listener: Box<dyn Listener>) {
        let mut backstop = tokio::time::interval(REFRESH_INTERVAL);
        loop {
            tokio::select! {
                _ = backstop.tick() => {}
                wake = listener.wait() => match wake {
                    Wake::Deployed | Wake::Any => {}
                    Wake::Ready | Wake::Cancelled | Wake::Rescheduled => continue,
                },
            }
            if let Err(error) = self.refresh_catalogue().await {
                warn!(error = %error.message, "cannot read the types");
            }
        }
    }
}
