//! Why a job is not running, in words.

use std::time::Duration;

use hardstop_domain::{JobId, OnBlockerFailure, OutcomeKind, State};
use hardstop_store::{EXPLAIN_AHEAD_MAX, Explanation, JobBlocker, PauseInForce, SessionLease};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Service, no_such_job, quarantine_hint, quarantine_text};
use crate::error::Error;

/// Why a job is not running, or where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explained {
    /// In words, what matters most first. At least one.
    pub reasons: Vec<Reason>,
    /// What the words are made of.
    pub facts: Explanation,
}

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// For programs.
    pub code: ReasonCode,
    /// For people: a sentence.
    pub text: String,
}

/// What kind of reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReasonCode {
    /// It waits for chains to close.
    Blocked,
    /// A blocker ended without an output, and the job is to be held then.
    Held,
    /// Its time has not come.
    Scheduled,
    /// Others are before it, or it is the next.
    Ready,
    /// It is completed from outside.
    External,
    /// Its type is paused.
    Paused,
    /// Everything is paused.
    AllPaused,
    /// The component of its type is in quarantine.
    Quarantined,
    /// No session serves its type.
    NoWorker,
    /// It runs.
    Running,
    /// The session that holds it has not been heard of in time.
    WorkerLate,
    /// The session that holds it has lost its lease, ended or is gone.
    WorkerLost,
    /// It is final.
    Completed,
    /// It is final.
    Continued,
    /// It is final.
    Discarded,
    /// It is final.
    Cancelled,
}

impl Service {
    /// Why a job is not running, or where it stands.
    pub async fn explain(&self, id: JobId) -> Result<Explained, Error> {
        let facts = self.store.explain(id).await?;
        let facts = facts.ok_or_else(|| no_such_job(id))?;
        Ok(Explained {
            reasons: reasons(&facts),
            facts,
        })
    }
}

/// The reasons that the facts give, what matters most first.
fn reasons(facts: &Explanation) -> Vec<Reason> {
    let mut found = Reasons(Vec::new());
    match facts.job.state {
        State::Blocked => blocked(facts, &mut found),
        State::Scheduled => scheduled(facts, &mut found),
        State::Ready if facts.external => external(facts, &mut found),
        State::Ready => {}
        State::Running => running(facts, &mut found),
        State::Completed | State::Continued | State::Discarded | State::Cancelled => {
            ended(facts, &mut found);
        }
    }
    // What keeps a ready job from being claimed will keep one that is not ready yet, too.
    let is_claimed_later = matches!(
        facts.job.state,
        State::Blocked | State::Scheduled | State::Ready
    );
    if is_claimed_later && !facts.external {
        if let Some(quarantine) = &facts.quarantine {
            let hint = quarantine_hint(&facts.job.type_name);
            let text = format!("{}; {hint}", quarantine_text(quarantine));
            found.add(ReasonCode::Quarantined, text);
        }
        for pause in &facts.pauses {
            paused(facts, pause, &mut found);
        }
        without_worker(facts, &mut found);
        if facts.job.state == State::Ready {
            ready(facts, &mut found);
        }
    }
    found.0
}

struct Reasons(Vec<Reason>);

impl Reasons {
    fn add(&mut self, code: ReasonCode, text: impl Into<String>) {
        let text = text.into();
        self.0.push(Reason { code, text });
    }
}

fn blocked(facts: &Explanation, found: &mut Reasons) {
    let shown: Vec<String> = facts
        .blockers
        .iter()
        .map(|blocker| match blocker.state {
            Some(state) => format!("{} ({state})", blocker.chain_id),
            None => format!("{} (not kept)", blocker.chain_id),
        })
        .collect();
    let mut text = format!(
        "blocked: waits for {} of {} chains: {}",
        facts.blockers_open,
        facts.blockers_total,
        shown.join(", ")
    );
    let more = (facts.blockers_open as usize).saturating_sub(shown.len());
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    found.add(ReasonCode::Blocked, text);
    let ended = |blocker: &JobBlocker| {
        let state = blocker.state?;
        matches!(state, State::Discarded | State::Cancelled).then_some(state)
    };
    if facts.on_blocker_failure == OnBlockerFailure::Hold {
        for blocker in &facts.blockers {
            if let Some(state) = ended(blocker) {
                let text = format!(
                    "held: blocker {} was {state}; replay it, or `hardstop job trigger --force {}`",
                    blocker.chain_id, facts.job.id
                );
                found.add(ReasonCode::Held, text);
            }
        }
    }
}

fn scheduled(facts: &Explanation, found: &mut Reasons) {
    let due = facts.job.due_at;
    let mut text = if due > facts.now {
        format!(
            "scheduled: due in {} (at {due})",
            span(due.since(facts.now))
        )
    } else {
        format!(
            "scheduled: was due {} ago (at {due}); the next worker that looks makes it ready",
            span(facts.now.since(due))
        )
    };
    match (facts.last_outcome, &facts.failure) {
        (Some(OutcomeKind::Snoozed), _) => text.push_str("; its handler asked to run again later"),
        (Some(outcome), Some(failure)) if facts.job.attempt > 0 => {
            let (attempt, message) = (facts.job.attempt, &failure.message);
            text.push_str(&format!("; attempt {attempt} ended {outcome}: {message}"));
        }
        _ => {}
    }
    found.add(ReasonCode::Scheduled, text);
}

fn external(facts: &Explanation, found: &mut Reasons) {
    let text = match facts.deadline_at {
        None => "waits for `hardstop job complete`".to_owned(),
        Some(deadline) if deadline > facts.now => format!(
            "waits for `hardstop job complete` until {deadline} ({} from now)",
            span(deadline.since(facts.now))
        ),
        Some(deadline) => format!(
            "waited for `hardstop job complete` until {deadline}; the next worker that looks ends it"
        ),
    };
    found.add(ReasonCode::External, text);
}

fn ready(facts: &Explanation, found: &mut Reasons) {
    let text = match facts.ahead.unwrap_or(0) {
        0 => "ready: it is the next of its type, once a worker has room".to_owned(),
        1 => "ready: 1 job of the type is before it".to_owned(),
        ahead if ahead > EXPLAIN_AHEAD_MAX => {
            format!("ready: more than {EXPLAIN_AHEAD_MAX} jobs of the type are before it")
        }
        ahead => format!("ready: {ahead} jobs of the type are before it"),
    };
    found.add(ReasonCode::Ready, text);
}

fn paused(facts: &Explanation, pause: &PauseInForce, found: &mut Reasons) {
    let (code, what) = match pause.everything {
        true => (ReasonCode::AllPaused, "everything is".to_owned()),
        false => (
            ReasonCode::Paused,
            format!("type `{}` is", facts.job.type_name),
        ),
    };
    let until = match pause.until {
        Some(until) => format!("until {until}"),
        None => "until somebody resumes it".to_owned(),
    };
    let mut text = format!("{what} paused {until} by {}", pause.actor);
    if let Some(note) = &pause.note {
        text.push_str(&format!(": {note}"));
    }
    found.add(code, text);
}

fn without_worker(facts: &Explanation, found: &mut Reasons) {
    let type_name = &facts.job.type_name;
    let trusted = facts.serving.iter().any(|session| !session.expired);
    if trusted {
        return;
    }
    let text = match facts.serving.first() {
        None => format!(
            "no worker is running that serves the type `{type_name}`: start one with `hardstop worker`"
        ),
        Some(last) => format!(
            "no worker that serves the type `{type_name}` answers, {} for {}: start one with `hardstop worker`",
            last.host,
            span(facts.now.since(last.expires_at))
        ),
    };
    found.add(ReasonCode::NoWorker, text);
}

fn running(facts: &Explanation, found: &mut Reasons) {
    let attempt = facts.job.attempt;
    let Some(holder) = &facts.holder else {
        let text = format!("running: attempt {attempt}, on a worker that is gone; rescue is due");
        found.add(ReasonCode::WorkerLost, text);
        return;
    };
    let mut text = format!("running: attempt {attempt} on {}", holder.host);
    if let Some(started) = facts.job.started_at {
        text.push_str(&format!(" for {}", span(facts.now.since(started))));
    }
    found.add(ReasonCode::Running, text);
    if let Some((code, text)) = late(facts, holder) {
        found.add(code, text);
    }
}

/// What is wrong with the session that holds a job.
fn late(facts: &Explanation, holder: &SessionLease) -> Option<(ReasonCode, String)> {
    let host = &holder.host;
    if holder.dead {
        let text = format!("its worker {host} has ended; rescue is due");
        return Some((ReasonCode::WorkerLost, text));
    }
    if holder.expired {
        let ago = span(facts.now.since(holder.expires_at));
        let text = format!("its worker {host} lost its lease {ago} ago; rescue is due");
        return Some((ReasonCode::WorkerLost, text));
    }
    // A heartbeat comes three times a lease, so two thirds are left at the least while all is well.
    let left = holder.expires_at.since(facts.now);
    if left >= Duration::from_millis(holder.lease_duration_ms) / 2 {
        return None;
    }
    let text = format!(
        "its worker {host} has missed a heartbeat: rescue due in {}",
        span(left)
    );
    Some((ReasonCode::WorkerLate, text))
}

fn ended(facts: &Explanation, found: &mut Reasons) {
    let job = &facts.job;
    let at = match job.finished_at {
        Some(at) => format!(" at {at}"),
        None => String::new(),
    };
    let why = match &facts.failure {
        Some(failure) => format!(": {}", failure.message),
        None => String::new(),
    };
    match job.state {
        State::Continued => {
            let next = match facts.continued_to {
                Some(next) => format!(" with {next}"),
                None => String::new(),
            };
            found.add(
                ReasonCode::Continued,
                format!(
                    "final: continued{next}{at}; `hardstop chain show {}` shows all of it",
                    job.chain_id
                ),
            );
        }
        State::Discarded => {
            let times = match job.attempt {
                1 => "1 attempt".to_owned(),
                attempts => format!("{attempts} attempts"),
            };
            found.add(
                ReasonCode::Discarded,
                format!(
                    "final: discarded after {times}{why} (`hardstop job retry {}` runs it again)",
                    job.id
                ),
            );
        }
        State::Cancelled => found.add(ReasonCode::Cancelled, format!("final: cancelled{at}{why}")),
        _ => found.add(ReasonCode::Completed, format!("final: completed{at}")),
    }
}

/// A length of time in its two largest units: `4 min 10 s`.
pub fn span(length: Duration) -> String {
    const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];
    let seconds = length.as_secs();
    let Some(first) = UNITS.iter().position(|(_, size)| seconds >= *size) else {
        return format!("{} ms", length.as_millis());
    };
    let (name, size) = UNITS[first];
    let text = format!("{} {name}", seconds / size);
    match UNITS.get(first + 1) {
        Some((next, small)) if seconds % size >= *small => {
            format!("{text} {} {next}", seconds % size / small)
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests;
