//! Deployments: history, differences, rollback, canaries, quarantine.

use hardstop_domain::{DeploymentId, Digest, Timestamp, TypeName, TypeSpec};
use hardstop_store::{
    CanaryChange, DeploymentDetail, NewDeployment, Quarantine, RolledBack, TypeHistory,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Service, parse_type};
use crate::difference::{Difference, differences};
use crate::error::{Error, Kind};

/// A deployment in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeploymentLine {
    /// Its id.
    pub id: DeploymentId,
    /// The name that it was deployed under.
    pub name: String,
    /// Its component; none where every type is completed from outside.
    pub component: Option<Digest>,
    /// Its types.
    pub types: Vec<TypeName>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl DeploymentLine {
    /// The line of a deployment.
    fn of(deployment: &DeploymentDetail) -> Self {
        Self {
            id: deployment.id,
            name: deployment.name.clone(),
            component: deployment.component,
            types: deployment.types.iter().map(|it| it.name.clone()).collect(),
            created_at: deployment.created_at,
        }
    }
}

/// What is different in one type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TypeDifference {
    /// The type.
    #[serde(rename = "type")]
    pub type_name: TypeName,
    /// Whether one side does not have it.
    pub change: TypeChange,
    /// What its fields were and are, by their place. Empty where one side does not have it.
    pub fields: Vec<Difference>,
}

/// Which sides have a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TypeChange {
    /// The later one only.
    Added,
    /// The earlier one only.
    Removed,
    /// Both, and what they say is different.
    Changed,
    /// Both say the same.
    Same,
}

/// A deployment that was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeploymentMade {
    /// The manifest's name.
    pub name: String,
    /// Its id.
    pub deployment: DeploymentId,
    /// Its component; none where every type is completed from outside.
    pub component: Option<Digest>,
    /// When it was made.
    pub created_at: Timestamp,
    /// The share of the jobs that it gets beside what is in force; none where it is in force.
    pub canary_percent: Option<u8>,
    /// Its types.
    pub types: Vec<TypeName>,
}

/// A deployment that was verified.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verified {
    /// The manifest's name.
    pub name: String,
    /// Its component; none where every type is completed from outside.
    pub component: Option<Digest>,
    /// Its types.
    pub types: Vec<TypeName>,
}

impl Verified {
    /// What is verified.
    pub fn of(new: &NewDeployment) -> Self {
        Self {
            name: new.name.clone(),
            component: new.component.as_ref().map(|component| component.digest),
            types: new.types.iter().map(|spec| spec.name.clone()).collect(),
        }
    }
}

impl Service {
    /// Stores a verified deployment, and says what was made.
    pub async fn make_deployment(&self, new: NewDeployment) -> Result<DeploymentMade, Error> {
        let name = new.name.clone();
        let component = new.component.as_ref().map(|component| component.digest);
        let canary_percent = new.canary_percent;
        let made = self.deploy(new).await?;
        Ok(DeploymentMade {
            name,
            deployment: made.id,
            component,
            created_at: made.created_at,
            canary_percent,
            types: made.types.into_iter().map(|(_, name)| name).collect(),
        })
    }

    /// The newest deployments.
    pub async fn deployments(&self, limit: u32) -> Result<Vec<DeploymentLine>, Error> {
        let deployments = self.store.deployments(limit).await?;
        Ok(deployments.iter().map(DeploymentLine::of).collect())
    }

    /// One deployment.
    pub async fn deployment(&self, id: DeploymentId) -> Result<DeploymentDetail, Error> {
        let found = self.store.deployment(id).await?;
        found.ok_or_else(|| no_such_deployment(id))
    }

    /// What is different from one deployment to the other; without the other, from what is in force of the first one's
    /// types to it.
    pub async fn diff(
        &self,
        a: DeploymentId,
        b: Option<DeploymentId>,
    ) -> Result<Vec<TypeDifference>, Error> {
        let first = self.deployment(a).await?;
        match b {
            Some(b) => {
                let second = self.deployment(b).await?;
                Ok(diff_types(&first.types, &second.types))
            }
            None => self.diff_in_force(&first.types).await,
        }
    }

    /// What a deployment would change.
    pub async fn diff_new(&self, new: &NewDeployment) -> Result<Vec<TypeDifference>, Error> {
        self.diff_in_force(&new.types).await
    }

    async fn diff_in_force(&self, types: &[TypeSpec]) -> Result<Vec<TypeDifference>, Error> {
        let names: Vec<&TypeName> = types.iter().map(|spec| &spec.name).collect();
        let active = self.types().await?.into_iter().map(|active| active.spec);
        let in_force: Vec<TypeSpec> = active.filter(|spec| names.contains(&&spec.name)).collect();
        Ok(diff_types(&in_force, types))
    }

    /// The deployments of a type, and what was done with them.
    pub async fn type_history(&self, name: &str) -> Result<TypeHistory, Error> {
        Ok(self.store.type_history(&parse_type(name)?).await?)
    }

    /// Puts a deployment of before in force again. Returns what was in force and what is.
    pub async fn rollback(
        &self,
        name: &str,
        to: Option<DeploymentId>,
    ) -> Result<(DeploymentId, DeploymentId), Error> {
        let name = parse_type(name)?;
        let target = to.map_or("another".to_owned(), |to| to.to_string());
        match self.store.rollback(&name, to).await? {
            RolledBack::Done { from, to } => Ok((from, to)),
            RolledBack::NoPrevious(in_force) => Err(Error::failed(format!(
                "there is no deployment of type `{name}` to go back to from {in_force}"
            ))
            .hint(format!(
                "`hardstop type history {name}` shows all; one that is quarantined, or was only a canary, is put in force \
                 with --to"
            ))),
            RolledBack::InForce => Err(Error::failed(format!(
                "deployment {target} is in force for type `{name}` already"
            ))
            .hint(format!(
                "if it is quarantined, `hardstop type release {name}` lets it run"
            ))),
            RolledBack::Unknown => Err(match to {
                Some(to) => no_such_deployment(to),
                None => Error::environment("the deployment before is not on record any more"),
            }),
            RolledBack::WithoutType(types) => {
                let types: Vec<&str> = types.iter().map(TypeName::as_str).collect();
                Err(Error::usage(format!(
                    "deployment {target} does not have type `{name}`, but {}",
                    types.join(", ")
                ))
                .hint(format!(
                    "`hardstop type history {name}` shows the deployments that have it"
                )))
            }
        }
    }

    /// Changes a type's canary. Returns its deployment.
    pub async fn change_canary(
        &self,
        name: &str,
        change: CanaryChange,
    ) -> Result<DeploymentId, Error> {
        let name = parse_type(name)?;
        let changed = self.store.change_canary(&name, change).await?;
        changed.ok_or_else(|| {
            Error::failed(format!("type `{name}` has no canary"))
                .hint("`hardstop deploy MANIFEST --canary 10` puts one beside what is in force")
        })
    }

    /// The components in quarantine.
    pub async fn quarantines(&self) -> Result<Vec<Quarantine>, Error> {
        Ok(self.store.quarantines().await?)
    }

    /// Lets the quarantined components of a type run again. Returns how many there were.
    pub async fn release(&self, name: &str) -> Result<u64, Error> {
        let name = parse_type(name)?;
        match self.store.release(&name).await? {
            0 => Err(
                Error::failed(format!("no component of type `{name}` is in quarantine")).hint(
                    "`hardstop pauses` shows what an operator paused, which `hardstop resume` ends",
                ),
            ),
            released => Ok(released),
        }
    }
}

/// The command that gets a type's jobs going again.
pub fn quarantine_hint(name: &TypeName) -> String {
    format!(
        "`hardstop type rollback {name}` goes back to the deployment before; `hardstop type release {name}` lets it run again"
    )
}

/// Why no job of a type is claimed, in a sentence.
pub fn quarantine_text(quarantine: &Quarantine) -> String {
    let Quarantine {
        type_name,
        component,
        began_at,
        attempts,
        faults,
        failure,
        ..
    } = quarantine;
    format!(
        "component {} of type `{type_name}` is quarantined since {began_at}: {faults} of {attempts} attempts ended badly, \
         the last: {failure}",
        component.short()
    )
}

fn no_such_deployment(id: DeploymentId) -> Error {
    let error = Error::usage(format!("there is no deployment {id}"));
    error.kind(Kind::NoSuchDeployment).hint(
        "`hardstop deployment list` shows the newest; `hardstop type history TYPE` those of a type",
    )
}

fn diff_types(before: &[TypeSpec], after: &[TypeSpec]) -> Vec<TypeDifference> {
    let mut names: Vec<&TypeName> = before.iter().chain(after).map(|spec| &spec.name).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .map(|name| {
            let is_it = |spec: &&TypeSpec| spec.name == *name;
            let sides = (before.iter().find(is_it), after.iter().find(is_it));
            let (fields, change) = match sides {
                (Some(before), Some(after)) => {
                    let fields = differences(before, after);
                    let change = match fields.is_empty() {
                        true => TypeChange::Same,
                        false => TypeChange::Changed,
                    };
                    (fields, change)
                }
                (None, _) => (Vec::new(), TypeChange::Added),
                (_, None) => (Vec::new(), TypeChange::Removed),
            };
            TypeDifference {
                type_name: name.clone(),
                change,
                fields,
            }
        })
        .collect()
}
