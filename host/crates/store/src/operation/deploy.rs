//! Storing a component and putting its types in force, or beside what is in force.

use hardstop_domain::canary::CANARY_PERCENT;
use hardstop_domain::{DeploymentId, Digest, TypeId, TypeName, TypeSpec};

use super::{Mode, Operation, unwritable};
use crate::StoreError;
use crate::error::CanaryRefusal;
use crate::record::{Deployment, NewDeployment, TypeEventKind};
use crate::row::json;
use crate::transaction::Transaction;

/// Makes a deployment.
pub(crate) struct Deploy {
    deployment: NewDeployment,
}

impl Deploy {
    pub(crate) fn new(mut deployment: NewDeployment) -> Result<Self, StoreError> {
        let digest = deployment.component.as_ref().map(|new| new.digest);
        if let Some(component) = &deployment.component
            && Digest::of(&component.bytes) != component.digest
        {
            return Err(StoreError::Invalid(format!(
                "the component's bytes are not those of {}",
                component.digest
            )));
        }
        for (digest, bytes) in &deployment.files {
            if Digest::of(bytes) != *digest {
                return Err(StoreError::Invalid(format!(
                    "the file's bytes are not those of {digest}"
                )));
            }
        }
        for spec in &deployment.types {
            spec.check().map_err(StoreError::Invalid)?;
            for (path, file) in &spec.files {
                if !deployment.files.contains_key(&file.digest) {
                    return Err(StoreError::Invalid(format!(
                        "type `{}` has a file {path:?}, whose bytes are not given",
                        spec.name
                    )));
                }
            }
            if spec.external.is_none() && spec.component != digest {
                return Err(StoreError::Invalid(format!(
                    "type `{}` names another component than {}",
                    spec.name,
                    digest.map_or("none".to_owned(), |digest| digest.to_string())
                )));
            }
        }
        if let Some(percent) = deployment.canary_percent {
            check_percent(percent)?;
        }
        // Two deployments of the same types lock their rows in the same order.
        deployment.types.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(pair) = deployment
            .types
            .windows(2)
            .find(|pair| pair[0].name == pair[1].name)
        {
            return Err(StoreError::Invalid(format!(
                "type `{}` is given twice",
                pair[0].name
            )));
        }
        Ok(Self { deployment })
    }

    /// The types that it deploys.
    pub(super) fn names(&self) -> Vec<&TypeName> {
        self.deployment
            .types
            .iter()
            .map(|spec| &spec.name)
            .collect()
    }

    /// Puts what the deployment says of a type in force.
    async fn put_in_force(
        &self,
        tx: &mut dyn Transaction,
        spec: &TypeSpec,
    ) -> Result<TypeId, StoreError> {
        let id = self.deployment.id;
        // Held from here on, so that nothing else is put in force meanwhile.
        tx.lock_type(&spec.name).await?;
        let type_id = put_spec(tx, id, spec, TypeEventKind::Deployed, None).await?;
        settle_force(tx, type_id).await?;
        Ok(type_id)
    }

    /// Gives a share of a type's jobs to the deployment.
    async fn put_beside(
        &self,
        tx: &mut dyn Transaction,
        spec: &TypeSpec,
        percent: u8,
    ) -> Result<TypeId, StoreError> {
        let id = self.deployment.id;
        let refuse = |refusal| StoreError::CanaryRefused {
            type_name: spec.name.clone(),
            refusal,
        };
        let Some(active) = tx.lock_type(&spec.name).await? else {
            return Err(refuse(CanaryRefusal::NotDeployed));
        };
        let (Some(in_force), Some(component)) = (active.component, spec.component) else {
            return Err(refuse(CanaryRefusal::External));
        };
        if in_force == component {
            return Err(refuse(CanaryRefusal::SameComponent));
        }
        let quarantines = tx.quarantines(Some(active.id)).await?;
        if quarantines.iter().any(|it| it.component == component) {
            return Err(refuse(CanaryRefusal::Quarantined));
        }
        let text = json(spec).map_err(unwritable)?;
        tx.put_canary(active.id, Some((id, &text, percent))).await?;
        tx.put_type_event(active.id, id, TypeEventKind::Canary, Some(percent), None)
            .await?;
        tx.drop_tallies(active.id, None).await?;
        Ok(active.id)
    }
}

/// Fails where a canary cannot have such a share.
pub(super) fn check_percent(percent: u8) -> Result<(), StoreError> {
    match CANARY_PERCENT.contains(&percent) {
        true => Ok(()),
        false => Err(StoreError::Invalid(format!(
            "a canary of {percent}% is not from {}% to {}%",
            CANARY_PERCENT.start(),
            CANARY_PERCENT.end()
        ))),
    }
}

/// Puts what a deployment says of a type in force, and records what put it there.
pub(super) async fn put_spec(
    tx: &mut dyn Transaction,
    deployment: DeploymentId,
    spec: &TypeSpec,
    kind: TypeEventKind,
    note: Option<&str>,
) -> Result<TypeId, StoreError> {
    let text = json(spec).map_err(unwritable)?;
    let Some(type_id) = tx.put_type(deployment, spec, &text).await? else {
        return Err(kind_changed(spec));
    };
    tx.put_type_event(type_id, deployment, kind, None, note)
        .await?;
    Ok(type_id)
}

/// Says that a type would get a handler, or lose its own.
fn kind_changed(spec: &TypeSpec) -> StoreError {
    let (was, is) = match spec.external {
        Some(_) => ("has a handler", "external"),
        None => ("is external", "one with a handler"),
    };
    // Its queued jobs would have no token, or nobody to hand it to.
    StoreError::Invalid(format!(
        "type `{0}` {was} and cannot become {is}: deploy it under another name",
        spec.name
    ))
}

/// What follows when another deployment of a type is in force.
pub(super) async fn settle_force(
    tx: &mut dyn Transaction,
    type_id: TypeId,
) -> Result<(), StoreError> {
    tx.hold(type_id).await?;
    tx.drop_tallies(type_id, None).await
}

impl Operation for Deploy {
    type Output = Deployment;

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Deployment, StoreError> {
        let new = &self.deployment;
        if let Some(component) = &new.component {
            tx.put_component(component.digest, &new.name, &component.bytes)
                .await?;
        }
        for (digest, bytes) in &new.files {
            tx.put_file(*digest, bytes).await?;
        }
        let specs = json(&new.types).map_err(unwritable)?;
        let created_at = tx.put_deployment(new, &specs).await?;
        let mut types = Vec::with_capacity(new.types.len());
        for spec in &new.types {
            let type_id = match new.canary_percent {
                None => self.put_in_force(tx, spec).await?,
                Some(percent) => self.put_beside(tx, spec, percent).await?,
            };
            types.push((type_id, spec.name.clone()));
        }
        Ok(Deployment {
            id: new.id,
            created_at,
            types,
        })
    }
}
