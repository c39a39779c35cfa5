//! What is shown of a type.

use hardstop_domain::profile::{Distribution, distributions};
use hardstop_domain::{
    Capabilities, DeploymentId, Digest, Files, Keep, Limits, QuarantinePolicy, RetryPolicy,
    SnoozePolicy, Timestamp, TypeName, job_type::External,
};
use hardstop_store::{ActiveType, Canary, Pause, Quarantine, UsageSample};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Service;
use crate::error::Error;

/// How many jobs tell how much of its limits a type uses.
const USAGE_SAMPLES: u32 = 1_000;

/// A deployed type.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TypeView {
    /// Its name.
    pub name: TypeName,
    /// A paragraph for people.
    pub description: String,
    /// The component that implements it; none where it is external.
    pub component: Option<Digest>,
    /// How it is completed from outside, where it is external.
    pub external: Option<External>,
    /// The deployment that is in force.
    pub deployment: DeploymentId,
    /// When that was made.
    pub deployed_at: Timestamp,
    /// The ceilings of each attempt.
    pub limits: Limits,
    /// When to try again.
    pub retry: RetryPolicy,
    /// How often and how long its handlers may put a job off.
    pub snooze: SnoozePolicy,
    /// When a component that ends badly is kept from running.
    pub quarantine_policy: QuarantinePolicy,
    /// Why no job of the type is claimed, where its component is in quarantine.
    pub quarantine: Option<Quarantine>,
    /// What is tried beside what is in force.
    pub canary: Option<CanaryView>,
    /// Which of its final jobs stay in the store.
    pub keep: Keep,
    /// What its handlers may reach.
    pub capabilities: Capabilities,
    /// The read-only files that its attempts see.
    pub files: Files,
    /// The JSON Schema of its input.
    pub input_schema: Value,
    /// That of its output.
    pub output_schema: Value,
}

/// What is tried beside what is in force of a type.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CanaryView {
    /// The canary.
    #[serde(flatten)]
    pub canary: Canary,
    /// What the newest jobs used that ran it and ended well, where that was looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Used>,
}

/// A type in a list.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TypeInForce {
    /// The type.
    #[serde(flatten)]
    pub view: TypeView,
    /// The pause that keeps it from being claimed: that of everything, or its own.
    pub paused: Option<Pause>,
}

/// A type in full.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TypeShown {
    /// The type.
    #[serde(flatten)]
    pub view: TypeView,
    /// What the newest jobs used that ran what is in force and ended well.
    pub usage: Used,
}

/// What jobs used that ended well.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Used {
    /// How many of them.
    pub attempts: usize,
    /// Of each limit that is measured.
    pub limits: Vec<Distribution>,
}

impl Used {
    fn of(samples: Vec<UsageSample>) -> Self {
        let used: Vec<_> = samples.into_iter().map(|sample| sample.usage).collect();
        Self {
            attempts: used.len(),
            limits: distributions(&used),
        }
    }
}

impl TypeView {
    fn of(active: &ActiveType) -> Self {
        let spec = &active.spec;
        let schema = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
        Self {
            name: spec.name.clone(),
            description: spec.description.clone(),
            component: spec.component,
            external: spec.external,
            deployment: active.deployment,
            deployed_at: active.deployed_at,
            limits: spec.limits.clone(),
            retry: spec.retry.clone(),
            snooze: spec.snooze,
            quarantine_policy: spec.quarantine,
            quarantine: active.quarantine.clone(),
            canary: active.canary.clone().map(|canary| CanaryView {
                canary,
                usage: None,
            }),
            keep: spec.keep,
            capabilities: spec.capabilities.clone(),
            files: spec.files.clone(),
            input_schema: schema(&spec.input_schema),
            output_schema: schema(&spec.output_schema),
        }
    }
}

impl Service {
    /// Every deployed type, and what keeps it from being claimed.
    pub async fn types_in_force(&self) -> Result<Vec<TypeInForce>, Error> {
        let pauses = self.pauses().await?;
        let types = self.types().await?.into_iter();
        let shown = types.map(|active| TypeInForce {
            view: TypeView::of(&active),
            paused: pause_of(&active, &pauses).cloned(),
        });
        Ok(shown.collect())
    }

    /// One type, and what its newest jobs used. What ran a canary is told apart; what is from before that was
    /// recorded counts with what is in force.
    pub async fn show_type(&self, name: &str) -> Result<TypeShown, Error> {
        self.show_active(&self.job_type(name).await?).await
    }

    /// The same of a type that was looked up already.
    pub async fn show_active(&self, active: &ActiveType) -> Result<TypeShown, Error> {
        let samples = self.type_usage(&active.spec.name, USAGE_SAMPLES).await?;
        let canary = active.canary.as_ref().map(|canary| canary.deployment);
        let (beside, used): (Vec<_>, Vec<_>) = samples
            .into_iter()
            .partition(|sample| sample.deployment.is_some() && sample.deployment == canary);
        let mut view = TypeView::of(active);
        if let Some(canary) = &mut view.canary {
            canary.usage = Some(Used::of(beside));
        }
        Ok(TypeShown {
            view,
            usage: Used::of(used),
        })
    }
}

/// The pause that keeps a type from being claimed: that of everything, or its own.
pub fn pause_of<'p>(active: &ActiveType, pauses: &'p [Pause]) -> Option<&'p Pause> {
    let concerns = |pause: &&Pause| match &pause.type_name {
        None => true,
        Some(name) => *name == active.spec.name,
    };
    pauses.iter().find(concerns)
}
