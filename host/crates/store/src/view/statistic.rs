//! Rows of counters and statistics.

use std::time::Duration;

use hardstop_domain::{Statistic, TypeId};

use super::{View, parse};
use crate::StoreError;
use crate::record::*;

pub(crate) fn state_count(row: &impl View) -> Result<StateCount, StoreError> {
    Ok(StateCount {
        type_name: row.type_name("type_name")?,
        state: row.state()?,
        count: row.int("count")?,
    })
}

pub(crate) fn oldest_ready(row: &impl View) -> Result<OldestReady, StoreError> {
    Ok(OldestReady {
        type_name: row.type_name("type_name")?,
        due_at: row.time("due_at")?,
        age: Duration::from_micros(row.int("age_us")?),
    })
}

pub(crate) fn point(row: &impl View) -> Result<StatisticPoint, StoreError> {
    Ok(StatisticPoint {
        at: row.time("at")?,
        seconds: row.int("seconds")?,
        type_name: row.type_name("type_name")?,
        statistic: parse(&row.text("statistic")?, "statistic")?,
    })
}

pub(crate) fn taken(row: &impl View) -> Result<(TypeId, Statistic), StoreError> {
    let statistic = parse(&row.text("statistic")?, "statistic")?;
    Ok((TypeId(row.int("type_id")?), statistic))
}
