//! Looking at deployments, and changing which one is in force.

use hardstop_domain::{DeploymentId, TypeName, TypeSpec};

use super::deploy::{check_percent, put_spec, settle_force};
use super::{Mode, Operation, check_limit, unwritable};
use crate::StoreError;
use crate::record::*;
use crate::row::json;
use crate::transaction::Transaction;
use crate::transaction::deployment::LockedType;

/// The newest deployments.
pub(crate) struct Deployments(u32);

impl Deployments {
    pub(crate) fn new(limit: u32) -> Result<Self, StoreError> {
        check_limit(limit, DEPLOYMENT_LIMIT_MAX)?;
        Ok(Self(limit))
    }
}

impl Operation for Deployments {
    type Output = Vec<DeploymentDetail>;

    fn mode(&self) -> Mode {
        Mode::LIST
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Self::Output, StoreError> {
        tx.deployments(i64::from(self.0)).await
    }
}

/// The history of a type.
pub(crate) struct History(pub(crate) TypeName);

impl Operation for History {
    type Output = TypeHistory;

    fn mode(&self) -> Mode {
        Mode::LIST
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<TypeHistory, StoreError> {
        let types = tx.types().await?;
        let active = types.into_iter().find(|active| active.spec.name == self.0);
        let active = active.ok_or_else(|| StoreError::UnknownType(self.0.clone()))?;
        let limit = i64::from(DEPLOYMENT_LIMIT_MAX);
        let mut deployments = tx.type_deployments(active.id, limit).await?;
        for deployment in &mut deployments {
            deployment.in_force = deployment.id == active.deployment;
            deployment.canary_percent = active
                .canary
                .as_ref()
                .filter(|canary| canary.deployment == deployment.id)
                .map(|canary| canary.percent);
        }
        Ok(TypeHistory {
            events: tx.type_events(active.id, limit).await?,
            deployments,
            type_name: self.0.clone(),
        })
    }
}

async fn lock(tx: &mut dyn Transaction, name: &TypeName) -> Result<LockedType, StoreError> {
    let locked = tx.lock_type(name).await?;
    locked.ok_or_else(|| StoreError::UnknownType(name.clone()))
}

/// Puts a deployment of before in force again.
pub(crate) struct Rollback {
    pub(crate) type_name: TypeName,
    /// None: the one before.
    pub(crate) to: Option<DeploymentId>,
}

impl Rollback {
    /// What to put in force, and what it says of the type.
    async fn target(
        &self,
        tx: &mut dyn Transaction,
        active: &LockedType,
    ) -> Result<Result<(DeploymentId, TypeSpec), RolledBack>, StoreError> {
        let to = match self.to {
            Some(to) => to,
            None => {
                let limit = i64::from(DEPLOYMENT_LIMIT_MAX);
                let deployments = tx.type_deployments(active.id, limit).await?;
                let quarantined = deployments.iter().filter(|it| it.quarantined);
                let quarantined: Vec<_> = quarantined.map(|it| it.id).collect();
                let events = tx.type_events(active.id, limit).await?;
                let before = before(&events);
                match before.into_iter().find(|id| !quarantined.contains(id)) {
                    Some(found) => found,
                    None => return Ok(Err(RolledBack::NoPrevious(active.deployment))),
                }
            }
        };
        let Some(deployment) = tx.deployment(to).await? else {
            return Ok(Err(RolledBack::Unknown));
        };
        if to == active.deployment {
            return Ok(Err(RolledBack::InForce));
        }
        let mut types = deployment.types;
        match types.iter().position(|spec| spec.name == self.type_name) {
            Some(place) => Ok(Ok((to, types.swap_remove(place)))),
            None => {
                let names = types.into_iter().map(|spec| spec.name).collect();
                Ok(Err(RolledBack::WithoutType(names)))
            }
        }
    }
}

/// What was in force before what is, the last first. A rollback takes away what came after its target: it is not what
/// was before anything any more.
fn before(newest_first: &[TypeEvent]) -> Vec<DeploymentId> {
    let mut stack: Vec<DeploymentId> = Vec::new();
    for event in newest_first.iter().rev() {
        match event.kind {
            TypeEventKind::Deployed | TypeEventKind::Promoted => stack.push(event.deployment),
            TypeEventKind::RolledBack => {
                let place = stack.iter().position(|id| *id == event.deployment);
                stack.truncate(place.unwrap_or(stack.len()));
                stack.push(event.deployment);
            }
            TypeEventKind::Canary
            | TypeEventKind::CanaryEnded
            | TypeEventKind::Quarantined
            | TypeEventKind::Released => {}
        }
    }
    stack.pop();
    stack.reverse();
    stack
}

impl Operation for Rollback {
    type Output = RolledBack;

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<RolledBack, StoreError> {
        let active = lock(tx, &self.type_name).await?;
        let (to, spec) = match self.target(tx, &active).await? {
            Ok(target) => target,
            Err(refusal) => return Ok(refusal),
        };
        let from = active.deployment;
        let note = format!("in place of {from}");
        put_spec(tx, to, &spec, TypeEventKind::RolledBack, Some(&note)).await?;
        // Whoever names it wants it to run.
        if let (Some(_), Some(component)) = (self.to, spec.component) {
            release(tx, &active, Some(component)).await?;
        }
        settle_force(tx, active.id).await?;
        Ok(RolledBack::Done { from, to })
    }
}

/// Changes what becomes of a canary. Answers with its deployment; none where there is no canary.
pub(crate) struct ChangeCanary {
    type_name: TypeName,
    change: CanaryChange,
}

impl ChangeCanary {
    pub(crate) fn new(type_name: TypeName, change: CanaryChange) -> Result<Self, StoreError> {
        if let CanaryChange::Percent(percent) = change {
            check_percent(percent)?;
        }
        Ok(Self { type_name, change })
    }

    pub(super) fn type_name(&self) -> &TypeName {
        &self.type_name
    }
}

impl Operation for ChangeCanary {
    type Output = Option<DeploymentId>;

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Self::Output, StoreError> {
        let active = lock(tx, &self.type_name).await?;
        let Some(canary) = &active.canary else {
            return Ok(None);
        };
        let id = canary.deployment;
        match self.change {
            CanaryChange::Percent(percent) => {
                let text = json(&canary.spec).map_err(unwritable)?;
                tx.put_canary(active.id, Some((id, &text, percent))).await?;
                tx.put_type_event(active.id, id, TypeEventKind::Canary, Some(percent), None)
                    .await?;
            }
            CanaryChange::Promote => {
                let note = format!("in place of {}", active.deployment);
                let (spec, kind) = (&canary.spec, TypeEventKind::Promoted);
                put_spec(tx, id, spec, kind, Some(&note)).await?;
                settle_force(tx, active.id).await?;
            }
            CanaryChange::End => {
                tx.put_canary(active.id, None).await?;
                tx.put_type_event(active.id, id, TypeEventKind::CanaryEnded, None, None)
                    .await?;
                tx.drop_tallies(active.id, None).await?;
            }
        }
        Ok(Some(id))
    }
}

/// Ends the quarantine of components of a type: of one, or of all.
async fn release(
    tx: &mut dyn Transaction,
    active: &LockedType,
    component: Option<hardstop_domain::Digest>,
) -> Result<u64, StoreError> {
    let released = tx.release_quarantines(active.id, component).await?;
    for (deployment, component) in &released {
        let note = component.to_string();
        tx.put_type_event(
            active.id,
            *deployment,
            TypeEventKind::Released,
            None,
            Some(&note),
        )
        .await?;
        tx.drop_tallies(active.id, Some(*component)).await?;
    }
    Ok(released.len() as u64)
}

/// Ends every quarantine of a type. Returns how many there were.
pub(crate) struct Release(pub(crate) TypeName);

impl Operation for Release {
    type Output = u64;

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<u64, StoreError> {
        let active = lock(tx, &self.0).await?;
        release(tx, &active, None).await
    }
}

/// Counts how attempts ended, and quarantines their component where that is too often bad. Answers with a quarantine that
/// this began, and whether a canary ended by it.
pub(crate) struct Count(pub(crate) NewTally);

impl Operation for Count {
    type Output = Option<(Quarantine, bool)>;

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Self::Output, StoreError> {
        let new = &self.0;
        // First of all: who changes what is in force removes tallies, too.
        let active = lock(tx, &new.type_name).await?;
        if !tx.put_tally(new).await? {
            return Ok(None);
        }
        // Each row holds an attempt at the least.
        let limit = i64::from(new.policy.attempts);
        let rows = tx.tallies(new.type_id, new.component, limit).await?;
        if let Some((oldest, _)) = rows.last() {
            tx.trim_tallies(new.type_id, new.component, *oldest).await?;
        }
        let Some(seen) = new.policy.judge(rows.iter().map(|(_, tally)| *tally)) else {
            return Ok(None);
        };
        let Some(began_at) = tx.put_quarantine(new, seen).await? else {
            return Ok(None);
        };
        let note = format!(
            "{} of {} attempts of {} ended badly, the last: {}",
            seen.faults, seen.attempts, new.component, new.failure
        );
        tx.put_type_event(
            active.id,
            new.deployment,
            TypeEventKind::Quarantined,
            None,
            Some(&note),
        )
        .await?;
        let canary = active
            .canary
            .filter(|canary| canary.component == Some(new.component));
        if let Some(canary) = &canary {
            let note = "its component was quarantined";
            tx.put_canary(active.id, None).await?;
            tx.put_type_event(
                active.id,
                canary.deployment,
                TypeEventKind::CanaryEnded,
                None,
                Some(note),
            )
            .await?;
        }
        tx.hold(active.id).await?;
        // What was counted is in the quarantine now.
        tx.drop_tallies(active.id, Some(new.component)).await?;
        let quarantine = Quarantine {
            type_name: new.type_name.clone(),
            component: new.component,
            deployment: new.deployment,
            began_at,
            attempts: seen.attempts,
            faults: seen.faults,
            failure: new.failure.clone(),
        };
        Ok(Some((quarantine, canary.is_some())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hardstop_domain::Timestamp;
    use uuid::Uuid;

    #[test]
    fn rolling_back_again_and_again_goes_further_back_and_never_to_what_was_left() {
        use TypeEventKind::{Canary, Deployed, Promoted, RolledBack};
        let of = |events: &[(TypeEventKind, u128)]| -> Vec<u128> {
            let event = |(kind, id): &(TypeEventKind, u128)| TypeEvent {
                at: Timestamp(0),
                kind: *kind,
                deployment: DeploymentId(Uuid::from_u128(*id)),
                percent: None,
                note: None,
            };
            let newest_first: Vec<_> = events.iter().rev().map(event).collect();
            let before = before(&newest_first);
            before.into_iter().map(|id| id.0.as_u128()).collect()
        };
        let deployed = [(Deployed, 1), (Deployed, 2), (Canary, 3), (Promoted, 3)];
        assert_eq!(of(&[]), [0_u128; 0]);
        assert_eq!(of(&deployed), [2, 1]);
        let with = |more: &[(TypeEventKind, u128)]| of(&[&deployed, more].concat());
        assert_eq!(with(&[(RolledBack, 2)]), [1]);
        assert_eq!(with(&[(RolledBack, 2), (RolledBack, 1)]), [0_u128; 0]);
        assert_eq!(
            with(&[(RolledBack, 1), (Deployed, 4)]),
            [1],
            "not to 3 or 2"
        );
        assert_eq!(
            with(&[(RolledBack, 1), (RolledBack, 3)]),
            [1],
            "there and back"
        );
    }
}
