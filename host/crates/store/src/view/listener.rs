//! Reads rows about listeners.

use hardstop_domain::{EventKinds, TypeId};

use super::subscription::{delivery, kinds};
use super::{View, parse};
use crate::StoreError;
use crate::record::HeardEvent;

/// A listener that has not ended.
#[derive(Debug)]
pub(crate) struct FoundListener {
    pub(crate) kinds: EventKinds,
    /// In order; none: all.
    pub(crate) types: Option<Vec<TypeId>>,
    /// The last place that was given.
    pub(crate) told: i64,
    /// Whether what comes behind the event that was heard last is still kept.
    pub(crate) next_kept: bool,
}

/// What there is for a listener that has not ended.
#[derive(Debug)]
pub(crate) struct ListenerLook {
    pub(crate) lease: i64,
    pub(crate) told: i64,
    /// Whether events wait.
    pub(crate) waiting: bool,
    /// Whether it is to be said again that somebody hears it.
    pub(crate) stale: bool,
}

/// The types of a listener; none: all.
pub(crate) fn types(row: &impl View) -> Result<Option<Vec<TypeId>>, StoreError> {
    let Some(text) = row.get_text("type_ids")? else {
        return Ok(None);
    };
    let ids: Vec<i32> = parse(&text, "type_ids")?;
    Ok(Some(ids.into_iter().map(TypeId).collect()))
}

pub(crate) fn found(row: &impl View) -> Result<FoundListener, StoreError> {
    Ok(FoundListener {
        kinds: kinds(row)?,
        types: types(row)?,
        told: row.int("told")?,
        next_kept: row.flag("next_kept")?,
    })
}

pub(crate) fn look(row: &impl View) -> Result<ListenerLook, StoreError> {
    Ok(ListenerLook {
        lease: row.int("lease")?,
        told: row.int("told")?,
        waiting: row.flag("waiting")?,
        stale: row.flag("stale")?,
    })
}

pub(crate) fn heard(row: &impl View) -> Result<HeardEvent, StoreError> {
    Ok(HeardEvent {
        position: row.int("position")?,
        delivery: delivery(row)?,
    })
}
