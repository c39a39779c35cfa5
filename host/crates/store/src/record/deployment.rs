//! Deployments: what is in force, what was, what is tried beside it, and what is kept from running.

use hardstop_domain::{
    DeploymentId, Digest, QuarantinePolicy, Tally, Timestamp, TypeId, TypeName, TypeSpec, Usage,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most deployments and events that one page holds.
pub const DEPLOYMENT_LIMIT_MAX: u32 = 1_000;

/// A deployment that a share of a type's jobs goes to, beside the one in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Canary {
    /// The deployment.
    pub deployment: DeploymentId,
    /// When that was made.
    pub deployed_at: Timestamp,
    /// How many of the type's jobs go there, in percent.
    pub percent: u8,
    /// What it says of the type.
    pub spec: TypeSpec,
}

/// A component of a type that is kept from running because its attempts end badly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Quarantine {
    /// The type.
    #[serde(rename = "type")]
    pub type_name: TypeName,
    /// The component.
    pub component: Digest,
    /// The deployment that the last of these attempts ran.
    pub deployment: DeploymentId,
    /// Since when.
    pub began_at: Timestamp,
    /// How many attempts were looked at.
    pub attempts: u32,
    /// How many of them ended badly.
    pub faults: u32,
    /// What the last of those said.
    pub failure: String,
}

/// A deployment in full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeploymentDetail {
    /// Its id.
    pub id: DeploymentId,
    /// A name for people: the manifest's.
    pub name: String,
    /// The component; none where every type is completed from outside.
    pub component: Option<Digest>,
    /// When it was made.
    pub created_at: Timestamp,
    /// What it says of each of its types, by name.
    pub types: Vec<TypeSpec>,
}

/// A deployment, as the history of a type tells of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TypeDeployment {
    /// Its id.
    pub id: DeploymentId,
    /// A name for people: the manifest's.
    pub name: String,
    /// The component; none where the type is completed from outside.
    pub component: Option<Digest>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether it is in force.
    pub in_force: bool,
    /// Its share in percent, where it is the canary.
    pub canary_percent: Option<u8>,
    /// Whether its component is in quarantine.
    pub quarantined: bool,
}

/// What became of the deployments of a type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TypeHistory {
    /// The type.
    #[serde(rename = "type")]
    pub type_name: TypeName,
    /// The deployments, newest first.
    pub deployments: Vec<TypeDeployment>,
    /// What was done with them, newest first.
    pub events: Vec<TypeEvent>,
}

/// A change of a type's deployments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TypeEvent {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: TypeEventKind,
    /// With which deployment.
    pub deployment: DeploymentId,
    /// The share of a canary, in percent.
    pub percent: Option<u8>,
    /// Why, where there is more to say.
    pub note: Option<String>,
}

/// What was done with a deployment of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TypeEventKind {
    /// It was put in force as it was made.
    Deployed,
    /// It was put in force again.
    RolledBack,
    /// It became the canary, or got another share.
    Canary,
    /// It was the canary, and was put in force.
    Promoted,
    /// It is the canary no more.
    CanaryEnded,
    /// Its component was quarantined.
    Quarantined,
    /// Its component was released.
    Released,
}

impl TypeEventKind {
    const ALL: [Self; 7] = [
        Self::Deployed,
        Self::RolledBack,
        Self::Canary,
        Self::Promoted,
        Self::CanaryEnded,
        Self::Quarantined,
        Self::Released,
    ];

    /// The number that the databases keep. Never renumbered.
    pub(crate) fn code(self) -> i16 {
        match self {
            Self::Deployed => 1,
            Self::RolledBack => 2,
            Self::Canary => 3,
            Self::Promoted => 4,
            Self::CanaryEnded => 5,
            Self::Quarantined => 6,
            Self::Released => 7,
        }
    }

    pub(crate) fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// What a rollback found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RolledBack {
    /// The one is in force in place of the other.
    Done {
        /// In force until now.
        from: DeploymentId,
        /// In force now.
        to: DeploymentId,
    },
    /// None that was in force before this one can be put in force: they are in quarantine, or there is none.
    NoPrevious(DeploymentId),
    /// It is in force already.
    InForce,
    /// There is no such deployment.
    Unknown,
    /// The deployment does not have the type, but these.
    WithoutType(Vec<TypeName>),
}

/// What becomes of a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CanaryChange {
    /// It gets another share, in percent.
    Percent(u8),
    /// It is put in force.
    Promote,
    /// Its jobs go to the deployment in force.
    End,
}

/// How attempts with a component ended that one worker saw.
#[derive(Debug, Clone)]
pub struct NewTally {
    /// The type.
    pub type_id: TypeId,
    /// Its name.
    pub type_name: TypeName,
    /// The component.
    pub component: Digest,
    /// The deployment that the last of them ran.
    pub deployment: DeploymentId,
    /// How they ended; at least one badly.
    pub tally: Tally,
    /// When the first of them was claimed.
    pub claimed_at: Timestamp,
    /// What the last that ended badly said.
    pub failure: String,
    /// The rule of that deployment.
    pub policy: QuarantinePolicy,
}

/// What one attempt used.
#[derive(Debug, Clone, PartialEq)]
pub struct UsageSample {
    /// The deployment that it ran. None for one from before that was recorded.
    pub deployment: Option<DeploymentId>,
    /// What it used.
    pub usage: Usage,
}
