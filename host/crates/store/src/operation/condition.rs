//! The look for types that are failing or stuck, for the subscriptions that want to know.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use hardstop_domain::{EventKind, Statistic, SubscriptionId, Timestamp, TypeId, TypeName};
use serde_json::json;

use super::removal::age_us;
use super::{Mode, Operation, unwritable};
use crate::StoreError;
use crate::record::{ActiveType, STATISTIC_STEP_S_MIN};
use crate::row::{self, EventRow};
use crate::transaction::Transaction;
use crate::view::subscription::Check;

/// Looks for one subscription whether types are failing or stuck, if nobody has for so long. None where there is none to
/// look for; else which it was, and how many events were written.
pub(crate) struct CheckTypes {
    pub(crate) interval: Duration,
}

/// What holds of a type now, by the code of a kind and the type.
type Conditions = BTreeMap<(i16, TypeId), EventRow>;

impl Operation for CheckTypes {
    type Output = Option<(SubscriptionId, u64)>;

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Self::Output, StoreError> {
        let Some(check) = tx.take_check(age_us(self.interval)).await? else {
            return Ok(None);
        };
        let types = types(tx, &check).await?;
        let mut conditions = Conditions::new();
        if check.kinds.contains(EventKind::TypeFailing) {
            failing(tx, &check, &types, &mut conditions).await?;
        }
        if check.kinds.contains(EventKind::TypeStuck) {
            stuck(tx, &check, &types, &mut conditions).await?;
        }
        let begun: Vec<&EventRow> = conditions
            .iter()
            .filter(|(key, _)| !check.episodes.contains(key))
            .map(|(_, event)| event)
            .collect();
        for event in &begun {
            tx.put_delivery(check.id, event).await?;
        }
        let episodes: Vec<(i16, TypeId)> = conditions.keys().copied().collect();
        if episodes != check.episodes {
            let text = row::json(&episodes).map_err(unwritable)?;
            tx.put_episodes(check.id, &text).await?;
        }
        Ok(Some((check.id, begun.len() as u64)))
    }
}

/// The active types that the subscription is about, by name.
async fn types(
    tx: &mut dyn Transaction,
    check: &Check,
) -> Result<HashMap<TypeName, ActiveType>, StoreError> {
    let types = tx.types().await?.into_iter();
    let wanted = types.filter(|active| {
        let about = check.types.as_ref();
        about.is_none_or(|about| about.contains(&active.id))
    });
    Ok(wanted
        .map(|active| (active.spec.name.clone(), active))
        .collect())
}

/// Types of whose attempts in the window too many failed.
async fn failing(
    tx: &mut dyn Transaction,
    check: &Check,
    types: &HashMap<TypeName, ActiveType>,
    conditions: &mut Conditions,
) -> Result<(), StoreError> {
    let window_us = (check.thresholds.failing_window as i64).saturating_mul(1_000);
    let from = check.now.0.saturating_sub(window_us);
    // The minute that this lies in counts, and so does the one that is not over.
    let from = from - from.rem_euclid(i64::from(STATISTIC_STEP_S_MIN) * 1_000_000);
    let only = match check.types.as_deref() {
        Some([type_id]) => Some(*type_id),
        _ => None,
    };
    let points = tx.statistics(from, check.now.0, only).await?;
    let mut seen: HashMap<TypeName, Statistic> = HashMap::new();
    for point in points {
        seen.entry(point.type_name)
            .or_default()
            .merge(&point.statistic);
    }
    for (name, statistic) in seen {
        let Some(active) = types.get(&name) else {
            continue;
        };
        if check.thresholds.is_failing(&statistic) {
            let detail = json!({
                "attempts": statistic.attempts(),
                "failures": statistic.failures(),
                "since": Timestamp(from),
            });
            let event = EventRow {
                kind: EventKind::TypeFailing.code(),
                type_id: active.id.0,
                detail: detail.to_string(),
                job_id: None,
                chain_id: None,
            };
            conditions.insert((event.kind, active.id), event);
        }
    }
    Ok(())
}

/// Types whose ready jobs wait too long though nobody keeps them from being claimed, or of which one runs longer than
/// its deadline allows.
async fn stuck(
    tx: &mut dyn Transaction,
    check: &Check,
    types: &HashMap<TypeName, ActiveType>,
    conditions: &mut Conditions,
) -> Result<(), StoreError> {
    let limit = Duration::from_millis(check.thresholds.stuck_after);
    let kind = EventKind::TypeStuck.code();
    let pauses = tx.pauses().await?;
    let is_paused = |name: &TypeName| {
        let mut of = pauses.iter().map(|pause| pause.type_name.as_ref());
        of.any(|paused| paused.is_none_or(|paused| paused == name))
    };
    for oldest in tx.oldest_ready().await? {
        let Some(active) = types.get(&oldest.type_name) else {
            continue;
        };
        // What has no handler waits for people, and what is held waits for whoever holds it.
        let is_held = active.spec.component.is_none()
            || active.quarantine.is_some()
            || is_paused(&oldest.type_name);
        if !is_held && oldest.age >= limit {
            let detail = json!({ "reason": "waiting", "since": oldest.due_at });
            let event = EventRow {
                kind,
                type_id: active.id.0,
                detail: detail.to_string(),
                job_id: None,
                chain_id: None,
            };
            conditions.insert((kind, active.id), event);
        }
    }
    let by_id: HashMap<TypeId, &ActiveType> =
        types.values().map(|active| (active.id, active)).collect();
    for longest in tx.longest_running().await? {
        let Some(active) = by_id.get(&longest.type_id) else {
            continue;
        };
        let specs = std::iter::once(&active.spec);
        let specs = specs.chain(active.canary.iter().map(|canary| &canary.spec));
        let wall_ms = specs.map(|spec| spec.limits.wall_timeout_ms).max();
        let allowed = Duration::from_millis(wall_ms.unwrap_or(0)).saturating_add(limit);
        if check.now.since(longest.claimed_at) >= allowed {
            let detail = json!({ "reason": "running", "since": longest.claimed_at });
            let event = EventRow {
                kind,
                type_id: active.id.0,
                detail: detail.to_string(),
                job_id: Some(longest.job.0),
                chain_id: Some(longest.chain.0),
            };
            conditions.insert((kind, active.id), event);
        }
    }
    Ok(())
}
