//! The health of components: attempts that were settled are counted, and told to the store where some ended badly.
//!
//! Nothing is written for a component that is well. One that is not is looked at once a second at the most, off the
//! settlements.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hardstop_domain::{
    DeploymentId, Digest, Failure, QuarantinePolicy, Tally, Timestamp, TypeId, TypeName,
};
use hardstop_store::{NewTally, Quarantine};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tracing::{error, warn};

use super::Shared;

/// How soon after a component was looked at it may be again.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// What an attempt says of the component that it ran.
#[derive(Debug, Clone)]
pub struct Sign {
    /// The type.
    pub type_id: TypeId,
    /// Its name.
    pub type_name: TypeName,
    /// The component.
    pub component: Digest,
    /// The deployment.
    pub deployment: DeploymentId,
    /// That deployment's rule.
    pub policy: QuarantinePolicy,
    /// When the attempt was claimed.
    pub claimed_at: Timestamp,
    /// What it said, where it ended badly.
    pub fault: Option<String>,
}

/// How a fault is told: its kind, and the beginning of its message.
pub fn fault_text(failure: &Failure) -> String {
    let message: String = failure.message.chars().take(200).collect();
    // Neither database holds a NUL character.
    format!("{}: {message}", failure.kind).replace('\0', "")
}

/// What was not told yet, of each component of each type.
#[derive(Debug, Default)]
pub struct Health {
    components: Mutex<BTreeMap<(TypeId, Digest), Seen>>,
    bad: Notify,
}

#[derive(Debug, Default)]
struct Seen {
    looked_at: Option<Instant>,
    pending: Option<NewTally>,
}

impl Health {
    fn components(&self) -> MutexGuard<'_, BTreeMap<(TypeId, Digest), Seen>> {
        self.components
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an attempt whose settlement was written.
    pub fn note(&self, sign: Sign) {
        if !sign.policy.enabled {
            return;
        }
        let mut components = self.components();
        let seen = components
            .entry((sign.type_id, sign.component))
            .or_default();
        let pending = seen.pending.get_or_insert_with(|| NewTally {
            type_id: sign.type_id,
            type_name: sign.type_name,
            component: sign.component,
            deployment: sign.deployment,
            tally: Tally::default(),
            claimed_at: sign.claimed_at,
            failure: String::new(),
            policy: sign.policy,
        });
        pending.tally.attempts = pending.tally.attempts.saturating_add(1);
        pending.claimed_at = pending.claimed_at.min(sign.claimed_at);
        if let Some(failure) = sign.fault {
            pending.tally.faults = pending.tally.faults.saturating_add(1);
            (pending.deployment, pending.policy) = (sign.deployment, sign.policy);
            pending.failure = failure;
            self.bad.notify_one();
        }
    }

    /// Forgets components that no job runs any more.
    pub fn retain(&self, active: &BTreeSet<Digest>) {
        self.components()
            .retain(|(_, digest), _| active.contains(digest));
    }

    /// Takes what may be told now; and when the next may be, where there is one.
    fn take(&self, now: Instant) -> (Vec<NewTally>, Option<Instant>) {
        let (mut due, mut next) = (Vec::new(), None::<Instant>);
        for seen in self.components().values_mut() {
            let is_bad = |tally: &NewTally| tally.tally.faults > 0;
            if !seen.pending.as_ref().is_some_and(is_bad) {
                continue;
            }
            match seen.looked_at.map(|at| at + LOOK_PAUSE) {
                Some(at) if at > now => next = Some(next.map_or(at, |next| next.min(at))),
                _ => {
                    seen.looked_at = Some(now);
                    due.extend(seen.pending.take());
                }
            }
        }
        (due, next)
    }
}

/// Tells the store of what ended badly.
pub async fn watch(shared: Arc<Shared>) {
    loop {
        let (due, next) = shared.health.take(Instant::now());
        for tally in due {
            match shared.store.count(tally).await {
                Ok(Some((quarantine, ended_canary))) => tell(&quarantine, ended_canary),
                Ok(None) => {}
                // These attempts are not counted: the next ones that end so are.
                Err(error) => warn!(%error, "cannot count how attempts ended"),
            }
        }
        tokio::select! {
            biased;
            () = shared.health.bad.notified() => {}
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
        }
    }
}

fn tell(quarantine: &Quarantine, ended_canary: bool) {
    let Quarantine {
        type_name,
        component,
        attempts,
        faults,
        failure,
        ..
    } = quarantine;
    if ended_canary {
        error!(
            r#type = %type_name, %component, attempts, faults, failure,
            "canary quarantined: its attempts ended badly; its jobs go to the deployment in force"
        );
    } else {
        error!(
            r#type = %type_name, %component, attempts, faults, failure,
            "component quarantined: its attempts ended badly; `hardstop type rollback {type_name}` goes back to the \
             deployment before"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hardstop_domain::OutcomeKind;
    use uuid::Uuid;

    fn sign(component: &[u8], claimed_at: i64, fault: Option<&str>) -> Sign {
        Sign {
            type_id: TypeId(1),
            type_name: "a".parse().expect("a name"),
            component: Digest::of(component),
            deployment: DeploymentId(Uuid::nil()),
            policy: QuarantinePolicy::default(),
            claimed_at: Timestamp(claimed_at),
            fault: fault.map(str::to_owned),
        }
    }

    #[test]
    fn what_is_well_is_not_told_and_what_is_not_once_a_second() {
        let health = Health::default();
        let now = Instant::now();
        health.note(sign(b"good", 1, None));
        health.note(sign(b"bad", 9, None));
        assert_eq!(health.take(now).0.len(), 0);
        health.note(sign(b"bad", 7, Some("first")));
        health.note(sign(b"bad", 8, Some("last")));
        let (told, next) = health.take(now);
        let [told] = &told[..] else {
            panic!("{told:?}")
        };
        assert_eq!(told.component, Digest::of(b"bad"));
        let expected = Tally {
            attempts: 3,
            faults: 2,
        };
        assert_eq!((told.tally, told.claimed_at.0), (expected, 7));
        assert_eq!((told.failure.as_str(), next), ("last", None));

        health.note(sign(b"bad", 10, Some("again")));
        let (told, next) = health.take(now);
        assert!(told.is_empty());
        assert_eq!(next, Some(now + LOOK_PAUSE));
        assert_eq!(health.take(now + LOOK_PAUSE).0.len(), 1);

        let off = QuarantinePolicy {
            enabled: false,
            ..QuarantinePolicy::default()
        };
        health.note(Sign {
            policy: off,
            ..sign(b"off", 1, Some("no"))
        });
        assert_eq!(health.take(now + 9 * LOOK_PAUSE).0.len(), 0);
    }

    #[test]
    fn a_fault_is_told_in_few_words() {
        let failure = Failure::new(OutcomeKind::Trapped, "\0".repeat(300));
        assert_eq!(fault_text(&failure), "trapped: ");
    }
}
