//! Reads rows about deployments and quarantine.

use hardstop_domain::{DeploymentId, Digest, Tally, TypeId, TypeSpec};

use super::{View, parse};
use crate::StoreError;
use crate::record::*;
use crate::transaction::deployment::{LockedCanary, LockedType};

pub(crate) fn active_type(row: &impl View) -> Result<ActiveType, StoreError> {
    let canary = match row.get_uuid("canary")? {
        None => None,
        Some(deployment) => Some(Canary {
            deployment: DeploymentId(deployment),
            deployed_at: row.time("canary_at")?,
            percent: row.int("canary_percent")?,
            spec: spec(row, "canary_spec")?,
        }),
    };
    let quarantine = match row.get_uuid("quarantined")? {
        None => None,
        Some(_) => Some(quarantine(row)?),
    };
    Ok(ActiveType {
        id: TypeId(row.int("id")?),
        deployment: DeploymentId(row.uuid("deployment")?),
        deployed_at: row.time("deployed_at")?,
        spec: spec(row, "spec")?,
        canary,
        quarantine,
    })
}

fn spec(row: &impl View, column: &'static str) -> Result<TypeSpec, StoreError> {
    parse(&row.text(column)?, column)
}

pub(crate) fn quarantine(row: &impl View) -> Result<Quarantine, StoreError> {
    Ok(Quarantine {
        type_name: row.type_name("type_name")?,
        component: row.digest("component")?,
        deployment: DeploymentId(row.uuid("quarantined")?),
        began_at: row.time("began_at")?,
        attempts: row.int("attempts")?,
        faults: row.int("faults")?,
        failure: row.text("failure")?,
    })
}

pub(crate) fn locked_type(row: &impl View) -> Result<LockedType, StoreError> {
    let canary = match row.get_uuid("canary")? {
        None => None,
        Some(deployment) => Some(LockedCanary {
            deployment: DeploymentId(deployment),
            component: row.digest_option("canary_component")?,
            spec: spec(row, "canary_spec")?,
        }),
    };
    Ok(LockedType {
        id: TypeId(row.int("id")?),
        deployment: DeploymentId(row.uuid("deployment")?),
        component: row.digest_option("component")?,
        canary,
    })
}

pub(crate) fn type_event(row: &impl View) -> Result<TypeEvent, StoreError> {
    let code = row.int("kind")?;
    Ok(TypeEvent {
        at: row.time("at")?,
        kind: TypeEventKind::from_code(code)
            .ok_or_else(|| StoreError::Corrupt(format!("unknown event {code}")))?,
        deployment: DeploymentId(row.uuid("deployment")?),
        percent: row.int_option("percent")?,
        note: row.get_text("note")?,
    })
}

/// Without what is in force and what is the canary.
pub(crate) fn type_deployment(row: &impl View) -> Result<TypeDeployment, StoreError> {
    Ok(TypeDeployment {
        id: DeploymentId(row.uuid("id")?),
        name: row.text("name")?,
        component: row.digest_option("component")?,
        created_at: row.time("created_at")?,
        in_force: false,
        canary_percent: None,
        quarantined: row.flag("quarantined")?,
    })
}

pub(crate) fn deployment(row: &impl View) -> Result<DeploymentDetail, StoreError> {
    Ok(DeploymentDetail {
        id: DeploymentId(row.uuid("id")?),
        name: row.text("name")?,
        component: row.digest_option("component")?,
        created_at: row.time("created_at")?,
        types: parse(&row.text("specs")?, "specs")?,
    })
}

pub(crate) fn released(row: &impl View) -> Result<(DeploymentId, Digest), StoreError> {
    Ok((
        DeploymentId(row.uuid("deployment")?),
        row.digest("component")?,
    ))
}

pub(crate) fn tally(row: &impl View) -> Result<(i64, Tally), StoreError> {
    let tally = Tally {
        attempts: row.int("attempts")?,
        faults: row.int("faults")?,
    };
    Ok((row.int("id")?, tally))
}
