//! Reads rows about pauses.

use hardstop_domain::TypeName;

use super::View;
use crate::StoreError;
use crate::record::{Pause, PauseEnd};
use crate::row::signed;

/// The end of a pause in microseconds: since 1970, or from now.
pub(crate) fn end_us(until: Option<PauseEnd>) -> (Option<i64>, Option<i64>) {
    match until {
        None => (None, None),
        Some(PauseEnd::At(at)) => (Some(at.0), None),
        Some(PauseEnd::After(time)) => {
            let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
            (None, Some(signed(us)))
        }
    }
}

/// A pause whose type is known.
pub(crate) fn paused(row: &impl View, type_name: Option<TypeName>) -> Result<Pause, StoreError> {
    Ok(Pause {
        type_name,
        paused_at: row.time("paused_at")?,
        until: row.get_time("until")?,
        actor: row.text("actor")?,
        note: row.get_text("note")?,
    })
}

pub(crate) fn pause(row: &impl View) -> Result<Pause, StoreError> {
    paused(row, row.name_option("type_name")?)
}
