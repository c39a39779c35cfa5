//! What a job ran, or would run: a type as one deployment has it.

use hardstop_domain::{DeploymentId, JobId, Limits, LimitsPatch, TypeName, TypeSpec, Usage};

use super::Service;
use crate::catalogue::Version;
use crate::error::Error;

impl Service {
    /// What a deployment says of a type; where none is named, or it is not on record any more, what the job would run
    /// now. None where the type is gone.
    pub async fn spec_of(
        &self,
        deployment: Option<DeploymentId>,
        type_name: &TypeName,
        job: JobId,
    ) -> Result<Option<TypeSpec>, Error> {
        if let Some(id) = deployment
            && let Some(found) = self.store.deployment(id).await?
            && let Some(spec) = found.types.into_iter().find(|spec| spec.name == *type_name)
        {
            return Ok(Some(spec));
        }
        let catalogue = self.catalogue().await?;
        let entry = catalogue.by_name(type_name).ok();
        Ok(entry.map(|entry| entry.version_of(job).spec.clone()))
    }

    /// The limits that an attempt had. None where they cannot be told any more, since ceilings were lowered.
    pub fn limits_of(
        &self,
        spec: &TypeSpec,
        asked: &LimitsPatch,
        usage: Option<&Usage>,
    ) -> Option<Limits> {
        let version = Version {
            deployment: DeploymentId(uuid::Uuid::nil()),
            spec,
        };
        let larger = usage.map_or(0, |usage| usage.detail.larger_memory);
        let mut limits = version.limits(asked, false, &self.ceiling).ok()?;
        if larger > 0 {
            limits.memory_bytes_max = larger;
        }
        Some(limits)
    }

    /// What the schema of a type has against an input: where, as a JSON pointer, and what. Nothing of the input is in it.
    pub async fn faults(
        &self,
        name: &TypeName,
        input: &str,
    ) -> Result<Vec<(String, String)>, Error> {
        let catalogue = self.catalogue().await?;
        let entry = catalogue.by_name(name).ok();
        Ok(entry.map_or_else(Vec::new, |entry| entry.faults(input)))
    }

    /// The names of the deployed types.
    pub async fn type_names(&self) -> Result<Vec<TypeName>, Error> {
        let catalogue = self.catalogue().await?;
        let names = catalogue
            .entries()
            .map(|entry| entry.active.spec.name.clone());
        Ok(names.collect())
    }
}
