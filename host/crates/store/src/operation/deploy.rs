//! Storing a component and putting its types in force.

use hardstop_domain::Digest;

use super::{Mode, Operation, unwritable};
use crate::StoreError;
use crate::record::{Deployment, NewDeployment};
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
            let text = json(spec).map_err(unwritable)?;
            let Some(id) = tx.put_type(new, spec, &text).await? else {
                let (was, is) = match spec.external {
                    Some(_) => ("has a handler", "external"),
                    None => ("is external", "one with a handler"),
                };
                // Its queued jobs would have no token, or nobody to hand it to.
                return Err(StoreError::Invalid(format!(
                    "type `{0}` {was} and cannot become {is}: deploy it under another name",
                    spec.name
                )));
            };
            types.push((id, spec.name.clone()));
        }
        Ok(Deployment {
            id: new.id,
            created_at,
            types,
        })
    }
}
