//! Reads rows about subscriptions and deliveries.

use hardstop_domain::{
    ChainId, EventKind, EventKinds, JobId, OutcomeKind, SubscriptionId, SubscriptionName,
    Thresholds, Timestamp, TypeId,
};

use super::{View, listener, parse};
use crate::StoreError;
use crate::record::{Delivery, DeliveryState, LeasedDeliveries, Subscription, SubscriptionState};

/// A subscription for which somebody is to look whether types are failing or stuck; its row is locked.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) id: SubscriptionId,
    pub(crate) kinds: EventKinds,
    /// The types that it is about; none: all.
    pub(crate) types: Option<Vec<TypeId>>,
    pub(crate) thresholds: Thresholds,
    /// Of which it was told: the code of a kind, and a type.
    pub(crate) episodes: Vec<(i16, TypeId)>,
    /// The database's time.
    pub(crate) now: Timestamp,
}

/// The running job of a type that was claimed first.
#[derive(Debug)]
pub(crate) struct LongestRunning {
    pub(crate) type_id: TypeId,
    pub(crate) job: JobId,
    pub(crate) chain: ChainId,
    pub(crate) claimed_at: Timestamp,
}

fn corrupt(what: &str, code: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("unknown {what} {code}"))
}

fn name(row: &impl View) -> Result<SubscriptionName, StoreError> {
    row.text("name")?
        .parse()
        .map_err(|error| StoreError::Corrupt(format!("{error}")))
}

pub(super) fn kinds(row: &impl View) -> Result<EventKinds, StoreError> {
    let code = row.int("kinds")?;
    EventKinds::from_code(code).ok_or_else(|| corrupt("kinds of events", code))
}

pub(crate) fn id(row: &impl View) -> Result<SubscriptionId, StoreError> {
    row.uuid("id").map(SubscriptionId)
}

pub(crate) fn subscription(row: &impl View) -> Result<Subscription, StoreError> {
    let state = row.int("state")?;
    Ok(Subscription {
        id: id(row)?,
        name: name(row)?,
        url: row.text("url")?,
        kinds: kinds(row)?,
        type_name: row.name_option("type_name")?,
        thresholds: parse(&row.text("thresholds")?, "thresholds")?,
        actor: row.text("actor")?,
        created_at: row.time("created_at")?,
        state: SubscriptionState::from_code(state)
            .ok_or_else(|| corrupt("state of a subscription", state))?,
        waiting: row.int("waiting")?,
        dead: row.int("dead")?,
        delivered_at: row.get_time("delivered_at")?,
        failed_at: row.get_time("failed_at")?,
        failure: row.get_text("failure")?,
    })
}

pub(crate) fn delivery(row: &impl View) -> Result<Delivery, StoreError> {
    let (kind, state) = (row.int("kind")?, row.int("delivery_state")?);
    let outcome = match row.int_option("outcome")? {
        None => None,
        Some(code) => Some(OutcomeKind::from_code(code).ok_or_else(|| corrupt("outcome", code))?),
    };
    Ok(Delivery {
        id: row.int("id")?,
        kind: EventKind::from_code(kind).ok_or_else(|| corrupt("kind of event", kind))?,
        at: row.time("at")?,
        type_name: row.type_name("type_name")?,
        job_id: row.get_uuid("job_id")?.map(JobId),
        chain_id: row.get_uuid("chain_id")?.map(ChainId),
        job_state: row.state_option("job_state")?,
        outcome,
        attempt: row.int_option("attempt")?,
        detail: row.json_option("detail")?,
        state: DeliveryState::from_code(state)
            .ok_or_else(|| corrupt("state of a delivery", state))?,
        failures: row.int("failures")?,
        failure: row.get_text("failure")?,
        delivered_at: row.get_time("delivered_at")?,
    })
}

/// Without its deliveries.
pub(crate) fn leased(row: &impl View) -> Result<LeasedDeliveries, StoreError> {
    Ok(LeasedDeliveries {
        id: id(row)?,
        name: name(row)?,
        url: row.text("url")?,
        lease: row.int("lease")?,
        deliveries: Vec::new(),
    })
}

pub(crate) fn check(row: &impl View) -> Result<Check, StoreError> {
    let type_id = row.int_option("type_id")?.map(TypeId);
    Ok(Check {
        id: id(row)?,
        kinds: kinds(row)?,
        types: match type_id {
            Some(type_id) => Some(vec![type_id]),
            None => listener::types(row)?,
        },
        thresholds: parse(&row.text("thresholds")?, "thresholds")?,
        episodes: parse(&row.text("episodes")?, "episodes")?,
        now: row.time("now")?,
    })
}

pub(crate) fn longest_running(row: &impl View) -> Result<LongestRunning, StoreError> {
    Ok(LongestRunning {
        type_id: TypeId(row.int("type_id")?),
        job: JobId(row.uuid("id")?),
        chain: ChainId(row.uuid("chain_id")?),
        claimed_at: row.time("claimed_at")?,
    })
}
