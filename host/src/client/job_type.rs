//! Types, and what steers their deployments.

use hardstop_domain::{DeploymentId, TypeName};
use hardstop_store::{CanaryChange, TypeHistory};

use super::{Client, path};
use crate::api::job_type::{Canary, CanaryChanged, Released, Rollback, RolledBack};
use crate::error::Error;
use crate::service::{TypeInForce, TypeShown, parse_type};

impl Client {
    /// Every deployed type, and what keeps it from being claimed.
    pub async fn types_in_force(&self) -> Result<Vec<TypeInForce>, Error> {
        self.get("/types").await
    }

    /// One type, and what its newest jobs used.
    pub async fn show_type(&self, name: &str) -> Result<TypeShown, Error> {
        self.get(&of_type(&parse_type(name)?, "")).await
    }

    /// The deployments of a type, and what was done with them.
    pub async fn type_history(&self, name: &str) -> Result<TypeHistory, Error> {
        self.get(&of_type(&parse_type(name)?, "/history")).await
    }

    /// Puts a deployment of before in force again. Returns what was in force and what is.
    pub async fn rollback(
        &self,
        name: &str,
        to: Option<DeploymentId>,
    ) -> Result<(DeploymentId, DeploymentId), Error> {
        let path = of_type(&parse_type(name)?, "/rollback");
        let RolledBack { from, to, .. } = self.post(&path, &Rollback { to }).await?;
        Ok((from, to))
    }

    /// Changes a type's canary. Returns its deployment.
    pub async fn change_canary(
        &self,
        name: &str,
        change: CanaryChange,
    ) -> Result<DeploymentId, Error> {
        let path = of_type(&parse_type(name)?, "/canary");
        let changed: CanaryChanged = self.post(&path, &Canary::of(change)).await?;
        Ok(changed.deployment)
    }

    /// Lets the quarantined components of a type run again. Returns how many there were.
    pub async fn release(&self, name: &str) -> Result<u64, Error> {
        let path = of_type(&parse_type(name)?, "/release");
        let Released { released, .. } = self.post_empty(&path).await?;
        Ok(released)
    }
}

fn of_type(name: &TypeName, what: &str) -> String {
    path(["types", name.as_str()]) + what
}
