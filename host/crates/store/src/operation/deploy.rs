//! Storing a component and putting its types in force.

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
        let digest = deployment.component;
        if hardstop_domain::Digest::of(&deployment.bytes) != digest {
            return Err(StoreError::Invalid(format!(
                "the component's bytes are not those of {digest}"
            )));
        }
        if let Some(spec) = deployment
            .types
            .iter()
            .find(|spec| spec.component != digest)
        {
            return Err(StoreError::Invalid(format!(
                "type `{}` names another component than {digest}",
                spec.name
            )));
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
        tx.put_component(new.component, &new.name, &new.bytes)
            .await?;
        let specs = json(&new.types).map_err(unwritable)?;
        let created_at = tx.put_deployment(new, &specs).await?;
        let mut types = Vec::with_capacity(new.types.len());
        for spec in &new.types {
            let text = json(spec).map_err(unwritable)?;
            types.push((tx.put_type(new, spec, &text).await?, spec.name.clone()));
        }
        Ok(Deployment {
            id: new.id,
            created_at,
            types,
        })
    }
}
