//! What somebody should look at: the same facts that keep jobs from running, found before anybody asks.

use std::collections::BTreeMap;
use std::time::Duration;

use hardstop_domain::{Statistic, Timestamp, TypeName};
use hardstop_store::{ActiveType, OldestReady, Pause, Session, StatisticPoint, StatisticQuery};

use super::show::{self, length};
use crate::service::quarantine_text;

/// The time in which a type is looked at for failures.
const RECENT: Duration = Duration::from_secs(15 * 60);
/// From so many attempts on, and so many failures among a hundred of them, a type is said to fail.
const ATTEMPTS_MIN: u64 = 10;
const FAILED_PERCENT: u64 = 20;
/// A ready job that waits for longer is said to.
const WAIT_MAX: Duration = Duration::from_secs(5 * 60);

/// Something to look at.
pub struct Alert {
    pub text: String,
    /// Where there is more about it, and what can be done.
    pub address: String,
    pub link: &'static str,
    /// Whether jobs fail or wait because of it that should not.
    pub is_bad: bool,
}

/// What is looked at.
pub struct Facts<'f> {
    pub types: &'f [ActiveType],
    pub pauses: &'f [Pause],
    pub sessions: &'f [Session],
    /// What [`recent`] asks for.
    pub recent: &'f [StatisticPoint],
    /// The jobs that wait longest, of types that nothing is known to keep from being claimed.
    pub waiting: Vec<&'f OldestReady>,
}

/// The statistics that tell which types fail.
pub fn recent(now: Timestamp) -> StatisticQuery {
    StatisticQuery {
        type_name: None,
        from: Timestamp(now.0 - RECENT.as_micros() as i64),
        to: Timestamp(now.0.saturating_add(1)),
        step_s: 60,
    }
}

/// What is wrong, what matters most first.
pub fn alerts(facts: &Facts<'_>) -> Vec<Alert> {
    let Facts {
        types,
        pauses,
        sessions,
        ..
    } = *facts;
    let mut found = Vec::new();
    for quarantine in types.iter().filter_map(|active| active.quarantine.as_ref()) {
        found.push(Alert {
            text: quarantine_text(quarantine),
            address: format!("/types/{}", quarantine.type_name),
            link: "roll back or release",
            is_bad: true,
        });
    }
    let has_handlers = types.iter().any(|active| active.spec.external.is_none());
    if has_handlers && !sessions.iter().any(|session| !session.expired) {
        found.push(Alert {
            text: "no worker is running: nothing is claimed until one is, with `hardstop worker`"
                .to_owned(),
            address: "/workers".to_owned(),
            link: "workers",
            is_bad: true,
        });
    }
    for session in sessions.iter().filter(|session| session.expired) {
        found.push(Alert {
            text: format!(
                "worker {} has lost its lease: its jobs are given back",
                session.host
            ),
            address: "/workers".to_owned(),
            link: "workers",
            is_bad: true,
        });
    }
    found.extend(facts.waiting.iter().filter_map(|oldest| waits(oldest)));
    found.extend(failing(facts.recent));
    for pause in pauses {
        let (what, address) = match &pause.type_name {
            Some(name) => (format!("type `{name}`"), format!("/types/{name}")),
            None => ("everything".to_owned(), "/".to_owned()),
        };
        let until = pause.until.map_or_else(String::new, |until| {
            format!(", for {}", length(until.since(pause.paused_at)))
        });
        let note = pause
            .note
            .as_ref()
            .map_or_else(String::new, |note| format!(": {note}"));
        found.push(Alert {
            text: format!("{what} is paused by {}{until}{note}", pause.actor),
            address,
            link: "resume",
            is_bad: false,
        });
    }
    found
}

/// That the jobs of a type wait for long.
fn waits(oldest: &OldestReady) -> Option<Alert> {
    let name = &oldest.type_name;
    (oldest.age > WAIT_MAX).then(|| Alert {
        text: format!(
            "a ready job of type `{name}` has waited for {}",
            length(oldest.age)
        ),
        address: format!("/jobs?type={name}&state=ready"),
        link: "its ready jobs",
        is_bad: true,
    })
}

/// The types that fail much, that with the largest share first.
fn failing(recent: &[StatisticPoint]) -> Vec<Alert> {
    let mut types: BTreeMap<&TypeName, Statistic> = BTreeMap::new();
    for point in recent {
        types
            .entry(&point.type_name)
            .or_default()
            .merge(&point.statistic);
    }
    let shares = types.into_iter().map(|(name, statistic)| {
        let (all, failed) = (statistic.attempts(), statistic.failures());
        (name, all, failed, failed * 100 / all.max(1))
    });
    let mut failing: Vec<_> = shares
        .filter(|(_, all, _, percent)| *all >= ATTEMPTS_MIN && *percent >= FAILED_PERCENT)
        .collect();
    failing.sort_by_key(|(.., percent)| std::cmp::Reverse(*percent));
    let alerts = failing
        .into_iter()
        .map(|(name, all, failed, percent)| Alert {
            text: format!(
                "type `{name}` fails: {} of {} in the last {}, {percent} %",
                show::number(failed),
                show::count(all, "attempt", "attempts"),
                length(RECENT)
            ),
            address: format!("/types/{name}"),
            link: "its health",
            is_bad: true,
        });
    alerts.collect()
}

#[cfg(test)]
mod tests {
    use hardstop_domain::OutcomeKind;

    use super::*;

    fn point(name: &str, good: u64, bad: u64) -> StatisticPoint {
        let mut statistic = Statistic::default();
        statistic.outcomes.insert(OutcomeKind::Completed, good);
        statistic.outcomes.insert(OutcomeKind::TimedOutCpu, bad);
        StatisticPoint {
            at: Timestamp(0),
            seconds: 60,
            type_name: name.parse().expect("a name"),
            statistic,
        }
    }

    #[test]
    fn a_type_fails_by_its_share_of_enough_attempts() {
        let recent = [
            point("few", 0, 9),
            point("fine", 801, 199),
            point("some", 6, 1),
            point("some", 2, 1),
            point("all", 0, 10),
        ];
        let texts: Vec<String> = failing(&recent).into_iter().map(|it| it.text).collect();
        assert_eq!(
            texts,
            [
                "type `all` fails: 10 of 10 attempts in the last 15 min, 100 %",
                "type `some` fails: 2 of 10 attempts in the last 15 min, 20 %",
            ]
        );
    }

    #[test]
    fn a_job_is_said_to_wait_once_it_has_for_long() {
        let oldest = |age| OldestReady {
            type_name: "a".parse().expect("a name"),
            due_at: Timestamp(0),
            age,
        };
        assert!(waits(&oldest(WAIT_MAX)).is_none());
        let alert = waits(&oldest(WAIT_MAX * 2)).expect("it waits for long");
        assert_eq!(alert.text, "a ready job of type `a` has waited for 10 min");
    }
}
