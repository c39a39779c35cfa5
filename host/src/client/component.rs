//! Components.

use hardstop_store::Component;

use super::{Client, path};
use crate::error::Error;

impl Client {
    /// Every component.
    pub async fn components(&self) -> Result<Vec<Component>, Error> {
        self.get("/components").await
    }

    /// The component that a digest, the beginning of one, or a name means.
    pub async fn component(&self, wanted: &str) -> Result<Component, Error> {
        self.get(&path(["components", wanted])).await
    }
}
