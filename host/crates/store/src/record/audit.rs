//! What people and programs changed.

use hardstop_domain::{AuditId, Digest, Timestamp, TokenId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most records that one page holds.
pub const AUDIT_LIMIT_MAX: u32 = 1_000;
/// The longest idempotency key, in bytes.
pub const REQUEST_KEY_BYTES_MAX: usize = 255;

/// On whose behalf a store acts: see [`crate::Store::acting`].
#[derive(Debug, Clone)]
pub struct Acting {
    /// Who: 1 to 128 bytes.
    pub actor: String,
    /// With which token of the API.
    pub token: Option<TokenId>,
    /// The request that it is for, where that is to have one effect however often it is sent.
    pub request: Option<RequestKey>,
}

/// A request that may be sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// The key that the client chose: 1 to [`REQUEST_KEY_BYTES_MAX`] bytes, apart from the keys of other actors.
    pub key: String,
    /// The SHA-256 of the request: another request cannot have the key.
    pub fingerprint: Digest,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each is what its name says")]
pub enum AuditAction {
    Deploy,
    RollBack,
    ChangeCanary,
    Release,
    CancelJob,
    RetryJob,
    RescheduleJob,
    CompleteJob,
    CancelChain,
    DeleteChain,
    Replay,
    Pause,
    Resume,
    PutSchedule,
    PauseSchedule,
    ResumeSchedule,
    TriggerSchedule,
    DeleteSchedule,
    CreateToken,
    RevokeToken,
    DrainSession,
    CreateSubscription,
    PauseSubscription,
    ResumeSubscription,
    DeleteSubscription,
    ReplayDeliveries,
}

impl AuditAction {
    /// Every action.
    pub const ALL: [Self; 26] = [
        Self::Deploy,
        Self::RollBack,
        Self::ChangeCanary,
        Self::Release,
        Self::CancelJob,
        Self::RetryJob,
        Self::RescheduleJob,
        Self::CompleteJob,
        Self::CancelChain,
        Self::DeleteChain,
        Self::Replay,
        Self::Pause,
        Self::Resume,
        Self::PutSchedule,
        Self::PauseSchedule,
        Self::ResumeSchedule,
        Self::TriggerSchedule,
        Self::DeleteSchedule,
        Self::CreateToken,
        Self::RevokeToken,
        Self::DrainSession,
        Self::CreateSubscription,
        Self::PauseSubscription,
        Self::ResumeSubscription,
        Self::DeleteSubscription,
        Self::ReplayDeliveries,
    ];

    /// The name, as the databases keep it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::RollBack => "roll-back",
            Self::ChangeCanary => "change-canary",
            Self::Release => "release",
            Self::CancelJob => "cancel-job",
            Self::RetryJob => "retry-job",
            Self::RescheduleJob => "reschedule-job",
            Self::CompleteJob => "complete-job",
            Self::CancelChain => "cancel-chain",
            Self::DeleteChain => "delete-chain",
            Self::Replay => "replay",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::PutSchedule => "put-schedule",
            Self::PauseSchedule => "pause-schedule",
            Self::ResumeSchedule => "resume-schedule",
            Self::TriggerSchedule => "trigger-schedule",
            Self::DeleteSchedule => "delete-schedule",
            Self::CreateToken => "create-token",
            Self::RevokeToken => "revoke-token",
            Self::DrainSession => "drain-session",
            Self::CreateSubscription => "create-subscription",
            Self::PauseSubscription => "pause-subscription",
            Self::ResumeSubscription => "resume-subscription",
            Self::DeleteSubscription => "delete-subscription",
            Self::ReplayDeliveries => "replay-deliveries",
        }
    }

    /// The action of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }
}

/// A change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditRecord {
    /// Its id. UUIDv7.
    pub id: AuditId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// With which token of the API.
    pub token: Option<TokenId>,
    /// What was done.
    pub action: AuditAction,
    /// To what: an id, the name of a type, schedule or subscription, or `everything`.
    pub subject: String,
    /// What was.
    pub before: Option<Value>,
    /// What is.
    pub after: Option<Value>,
}

/// Which records to list. Every condition given must hold.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// Only by this actor.
    pub actor: Option<String>,
    /// Only this action.
    pub action: Option<AuditAction>,
    /// Only to this.
    pub subject: Option<String>,
    /// Only in this millisecond or later, as the ids tell.
    pub since: Option<Timestamp>,
    /// Only before this millisecond.
    pub until: Option<Timestamp>,
    /// Only records older than this one: the last of the page before.
    pub before: Option<AuditId>,
    /// The most records, from 1 to [`AUDIT_LIMIT_MAX`].
    pub limit: u32,
}
