//! Subscriptions to events, and the events that are on their way to a receiver.

use std::time::Duration;

use hardstop_domain::{
    ChainId, EventKind, EventKinds, JobId, OutcomeKind, State, SubscriptionId, SubscriptionName,
    Thresholds, Timestamp, TypeName,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most subscriptions that there can be: each is looked at when a job becomes final.
pub const SUBSCRIPTIONS_MAX: usize = 100;
/// The most deliveries that one page holds.
pub const DELIVERY_LIMIT_MAX: u32 = 500;
/// Up to how many deliveries are counted: a count that says so many may stand for more.
pub const DELIVERIES_COUNTED_MAX: i64 = 10_000;
/// The most deliveries that one replay sends again.
pub const DELIVERIES_REPLAYED_MAX: i64 = 10_000;
/// For how long a delivery is kept that the receiver has.
pub const DELIVERED_KEPT: Duration = Duration::from_secs(7 * 86_400);
/// For how long one is kept that waits, or was given up.
pub const UNDELIVERED_KEPT: Duration = Duration::from_secs(30 * 86_400);

/// A subscription to make.
#[derive(Debug, Clone)]
pub struct NewSubscription {
    /// Its id. UUIDv7.
    pub id: SubscriptionId,
    /// Its name, which no other has.
    pub name: SubscriptionName,
    /// Where events are posted to.
    pub url: String,
    /// Which events it wants: at least one kind.
    pub kinds: EventKinds,
    /// Of which type; none: of each.
    pub type_name: Option<TypeName>,
    /// When a type is failing or stuck.
    pub thresholds: Thresholds,
    /// Who makes it: 1 to 128 bytes.
    pub actor: String,
}

/// Whether events are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SubscriptionState {
    /// They are.
    Active,
    /// Somebody paused it. Events are gathered.
    Paused,
    /// Its receiver refused an event for good. Events are gathered.
    Stopped,
}

impl SubscriptionState {
    /// The number that the databases keep. Never renumbered.
    pub(crate) const fn code(self) -> i16 {
        match self {
            Self::Active => 1,
            Self::Paused => 2,
            Self::Stopped => 3,
        }
    }

    /// The state of a number.
    pub(crate) fn from_code(code: i16) -> Option<Self> {
        let all = [Self::Active, Self::Paused, Self::Stopped];
        all.into_iter().find(|state| state.code() == code)
    }

    /// The lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

/// A subscription, without its secret, which no database has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subscription {
    /// Its id.
    pub id: SubscriptionId,
    /// Its name.
    pub name: SubscriptionName,
    /// Where events are posted to.
    pub url: String,
    /// Which events it wants.
    pub kinds: EventKinds,
    /// Of which type; none: of each.
    #[serde(rename = "type")]
    pub type_name: Option<TypeName>,
    /// When a type is failing or stuck.
    pub thresholds: Thresholds,
    /// Who made it.
    pub actor: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether events are delivered.
    pub state: SubscriptionState,
    /// How many events wait, of at the most 10,000 that are counted.
    pub waiting: u64,
    /// How many were given up, of at the most 10,000 that are counted.
    pub dead: u64,
    /// When the receiver last took an event.
    pub delivered_at: Option<Timestamp>,
    /// When a delivery last failed,
    pub failed_at: Option<Timestamp>,
    /// and why: never what the receiver wrote.
    pub failure: Option<String>,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// It is still to be delivered.
    Waiting,
    /// The receiver has it.
    Delivered,
    /// It failed too often and was given up.
    Dead,
}

impl DeliveryState {
    /// The number that the databases keep. Never renumbered.
    pub(crate) const fn code(self) -> i16 {
        match self {
            Self::Waiting => 1,
            Self::Delivered => 2,
            Self::Dead => 3,
        }
    }

    /// The state of a number.
    pub(crate) fn from_code(code: i16) -> Option<Self> {
        let all = [Self::Waiting, Self::Delivered, Self::Dead];
        all.into_iter().find(|state| state.code() == code)
    }

    /// The lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

/// An event on its way to one subscription's receiver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Delivery {
    /// Its number: later events of the same job, chain or type have higher ones.
    pub id: i64,
    /// What it tells.
    pub kind: EventKind,
    /// When that was.
    pub at: Timestamp,
    /// The type.
    #[serde(rename = "type")]
    pub type_name: TypeName,
    /// The job.
    pub job_id: Option<JobId>,
    /// Its chain.
    pub chain_id: Option<ChainId>,
    /// The state that the job came to.
    pub job_state: Option<State>,
    /// What its last attempt came to.
    pub outcome: Option<OutcomeKind>,
    /// The number of that attempt.
    pub attempt: Option<u32>,
    /// What was seen of a type that is failing or stuck.
    pub detail: Option<Value>,
    /// What became of it.
    pub state: DeliveryState,
    /// How often its delivery failed.
    pub failures: u32,
    /// Why it last did.
    pub failure: Option<String>,
    /// When the receiver took it.
    pub delivered_at: Option<Timestamp>,
}

/// Which deliveries of a subscription to list, newest first.
#[derive(Debug, Clone)]
pub struct DeliveryQuery {
    /// The subscription.
    pub name: SubscriptionName,
    /// Only in this state.
    pub state: Option<DeliveryState>,
    /// Only those with lower numbers.
    pub before: Option<i64>,
    /// The most, from 1 to [`DELIVERY_LIMIT_MAX`].
    pub limit: u32,
}

/// Which deliveries to send again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Redelivery {
    /// This one.
    One(i64),
    /// Those that were given up.
    Dead,
    /// Those whose events are of this time or later, given up or delivered.
    Since(Timestamp),
}

/// Events of one subscription that somebody delivers, alone until the lease runs out.
#[derive(Debug, Clone)]
pub struct LeasedDeliveries {
    /// The subscription.
    pub id: SubscriptionId,
    /// Its name, for logs.
    pub name: SubscriptionName,
    /// Where they go.
    pub url: String,
    /// What allows to write what came of it.
    pub lease: i64,
    /// In the order in which they are to be delivered.
    pub deliveries: Vec<Delivery>,
}

/// What came of leased deliveries.
#[derive(Debug, Clone)]
pub struct DeliveryReport {
    /// The subscription.
    pub id: SubscriptionId,
    /// The lease under which it was done.
    pub lease: i64,
    /// Those that the receiver has.
    pub delivered: Vec<i64>,
    /// The one that it did not take; those after it were not sent.
    pub failed: Option<DeliveryFailure>,
}

/// A delivery that failed.
#[derive(Debug, Clone)]
pub struct DeliveryFailure {
    /// Which.
    pub id: i64,
    /// Why: never what the receiver wrote.
    pub reason: String,
    /// What is to follow.
    pub next: AfterFailure,
}

/// What follows a failed delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// It is sent again after this time, before any other.
    Retry(Duration),
    /// It is given up, and the next is sent.
    GiveUp,
    /// Nothing is sent until somebody resumes the subscription.
    Stop,
}
