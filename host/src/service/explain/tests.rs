use hardstop_domain::{ChainId, Failure, SessionId, Timestamp};
use hardstop_store::JobSummary;
use uuid::Uuid;

use super::*;

const NOW: Timestamp = Timestamp(1_000_000_000_000_000);

fn from_now(seconds: i64) -> Timestamp {
    Timestamp(NOW.0 + seconds * 1_000_000)
}

fn chain(number: u128) -> ChainId {
    ChainId(Uuid::from_u128(number))
}

/// A job with a worker to run it and nothing in its way.
fn facts(state: State) -> Explanation {
    Explanation {
        job: JobSummary {
            id: JobId(Uuid::from_u128(1)),
            chain_id: chain(1),
            type_name: "mail.send".parse().expect("a name"),
            state,
            outcome: None,
            attempt: 2,
            rescues: 0,
            snoozes: 0,
            priority: 0,
            created_at: from_now(-600),
            due_at: from_now(-600),
            started_at: Some(from_now(-3)),
            finished_at: None,
            session: None,
        },
        now: NOW,
        external: false,
        deadline_at: None,
        continued_to: None,
        last_outcome: None,
        failure: None,
        on_blocker_failure: OnBlockerFailure::Cancel,
        blockers_total: 0,
        blockers_open: 0,
        blockers: Vec::new(),
        pauses: Vec::new(),
        quarantine: None,
        serving: vec![session(10)],
        holder: None,
        ahead: (state == State::Ready).then_some(0),
    }
}

/// A session with this many seconds left of a lease of 15.
fn session(left: i64) -> SessionLease {
    SessionLease {
        id: SessionId(7),
        host: "web-1".to_owned(),
        expires_at: from_now(left),
        lease_duration_ms: 15_000,
        expired: left < 0,
        dead: false,
    }
}

fn said(facts: &Explanation) -> Vec<(ReasonCode, String)> {
    let reasons = reasons(facts).into_iter();
    reasons.map(|reason| (reason.code, reason.text)).collect()
}

#[track_caller]
fn says(facts: &Explanation, wanted: &[(ReasonCode, &str)]) {
    let said = said(facts);
    let said: Vec<_> = said
        .iter()
        .map(|(code, text)| (*code, text.as_str()))
        .collect();
    assert_eq!(said, wanted);
}

#[test]
fn a_ready_job_counts_those_before_it() {
    for (ahead, text) in [
        (
            0,
            "ready: it is the next of its type, once a worker has room",
        ),
        (1, "ready: 1 job of the type is before it"),
        (12, "ready: 12 jobs of the type are before it"),
        (
            1_001,
            "ready: more than 1000 jobs of the type are before it",
        ),
    ] {
        let mut facts = facts(State::Ready);
        facts.ahead = Some(ahead);
        says(&facts, &[(ReasonCode::Ready, text)]);
    }
}

#[test]
fn a_blocked_job_names_what_it_waits_for() {
    let mut facts = facts(State::Blocked);
    (facts.blockers_total, facts.blockers_open) = (5, 3);
    let states = [Some(State::Running), Some(State::Discarded), None];
    for (position, state) in states.into_iter().enumerate() {
        facts.blockers.push(JobBlocker {
            job: facts.job.id,
            position: position as u32,
            chain_id: chain(position as u128 + 0xa),
            state,
            awaited: true,
            overridden: false,
            closed_by: None,
        });
    }
    let blocked = "blocked: waits for 3 of 5 chains: \
        00000000-0000-0000-0000-00000000000a (running), \
        00000000-0000-0000-0000-00000000000b (discarded), \
        00000000-0000-0000-0000-00000000000c (not kept)";
    says(&facts, &[(ReasonCode::Blocked, blocked)]);
    facts.blockers_open = 30;
    assert!(said(&facts)[0].1.ends_with("(not kept) and 27 more"));
    facts.blockers_open = 3;
    facts.on_blocker_failure = OnBlockerFailure::Hold;
    let held = "held: blocker 00000000-0000-0000-0000-00000000000b was discarded; replay it, or \
        `hardstop job trigger --force 00000000-0000-0000-0000-000000000001`";
    says(
        &facts,
        &[(ReasonCode::Blocked, blocked), (ReasonCode::Held, held)],
    );
}

#[test]
fn a_scheduled_job_tells_when_and_why() {
    let mut facts = facts(State::Scheduled);
    facts.job.due_at = from_now(250);
    let due = "scheduled: due in 4 min 10 s (at 2001-09-09T01:50:50.000000Z)";
    says(&facts, &[(ReasonCode::Scheduled, due)]);
    facts.last_outcome = Some(OutcomeKind::FailedRetryable);
    facts.failure = Some(Failure::new(OutcomeKind::FailedRetryable, "no route"));
    let retry = format!("{due}; attempt 2 ended failed-retryable: no route");
    says(&facts, &[(ReasonCode::Scheduled, &retry)]);
    facts.last_outcome = Some(OutcomeKind::Snoozed);
    let snoozed = format!("{due}; its handler asked to run again later");
    says(&facts, &[(ReasonCode::Scheduled, &snoozed)]);
    facts.last_outcome = None;
    facts.job.due_at = from_now(-2);
    assert!(
        said(&facts)[0]
            .1
            .starts_with("scheduled: was due 2 s ago (at 2001")
    );
}

#[test]
fn what_keeps_its_type_from_being_claimed_is_told_before_it_is_ready() {
    for state in [State::Blocked, State::Scheduled, State::Ready] {
        let mut facts = facts(state);
        facts.serving.clear();
        let pause = PauseInForce {
            everything: true,
            paused_at: from_now(-60),
            until: None,
            actor: "ada".to_owned(),
            note: None,
        };
        facts.pauses.push(pause.clone());
        facts.pauses.push(PauseInForce {
            everything: false,
            until: Some(from_now(60)),
            note: Some("the bank is down".to_owned()),
            ..pause
        });
        let said = said(&facts);
        for wanted in [
            (
                ReasonCode::AllPaused,
                "everything is paused until somebody resumes it by ada",
            ),
            (
                ReasonCode::Paused,
                "type `mail.send` is paused until 2001-09-09T01:47:40.000000Z by ada: the bank is down",
            ),
            (
                ReasonCode::NoWorker,
                "no worker is running that serves the type `mail.send`: start one with `hardstop worker`",
            ),
        ] {
            let found = said
                .iter()
                .any(|(code, text)| (*code, text.as_str()) == wanted);
            assert!(found, "{state}: {said:?}");
        }
        assert_eq!(said.len(), 4);
        // A worker that does not answer is none.
        facts.serving = vec![session(-90)];
        let silent = "no worker that serves the type `mail.send` answers, web-1 for 1 min 30 s: start \
            one with `hardstop worker`";
        assert!(reasons(&facts).iter().any(|reason| reason.text == silent));
    }
}

#[test]
fn a_quarantine_is_told_with_what_ends_it() {
    let mut facts = facts(State::Ready);
    facts.quarantine = Some(hardstop_store::Quarantine {
        type_name: "mail.send".parse().expect("a name"),
        component: hardstop_domain::Digest([0xab; 32]),
        deployment: hardstop_domain::DeploymentId(Uuid::nil()),
        began_at: from_now(-60),
        attempts: 20,
        faults: 19,
        failure: "trapped: unreachable".to_owned(),
    });
    says(
        &facts,
        &[
            (
                ReasonCode::Quarantined,
                "component abababababab of type `mail.send` is quarantined since 2001-09-09T01:45:40.000000Z: 19 of 20 \
                 attempts ended badly, the last: trapped: unreachable; `hardstop type rollback mail.send` goes back to \
                 the deployment before; `hardstop type release mail.send` lets it run again",
            ),
            (
                ReasonCode::Ready,
                "ready: it is the next of its type, once a worker has room",
            ),
        ],
    );
}

#[test]
fn a_running_job_tells_how_its_worker_does() {
    let mut facts = facts(State::Running);
    facts.serving.clear();
    let running = (ReasonCode::Running, "running: attempt 2 on web-1 for 3 s");
    facts.holder = Some(session(11));
    says(&facts, &[running]);
    facts.holder = Some(session(5));
    let late = "its worker web-1 has missed a heartbeat: rescue due in 5 s";
    says(&facts, &[running, (ReasonCode::WorkerLate, late)]);
    facts.holder = Some(session(-2));
    let lost = "its worker web-1 lost its lease 2 s ago; rescue is due";
    says(&facts, &[running, (ReasonCode::WorkerLost, lost)]);
    facts.holder = Some(SessionLease {
        dead: true,
        ..session(5)
    });
    let ended = "its worker web-1 has ended; rescue is due";
    says(&facts, &[running, (ReasonCode::WorkerLost, ended)]);
    facts.holder = None;
    let gone = "running: attempt 2, on a worker that is gone; rescue is due";
    says(&facts, &[(ReasonCode::WorkerLost, gone)]);
}

#[test]
fn an_external_job_waits_for_its_completion_and_for_no_worker() {
    let mut facts = facts(State::Ready);
    facts.external = true;
    facts.serving.clear();
    facts.deadline_at = Some(from_now(7_500));
    let waits =
        "waits for `hardstop job complete` until 2001-09-09T03:51:40.000000Z (2 h 5 min from now)";
    says(&facts, &[(ReasonCode::External, waits)]);
    facts.deadline_at = Some(from_now(-1));
    assert!(
        said(&facts)[0]
            .1
            .starts_with("waited for `hardstop job complete`")
    );
}

#[test]
fn a_final_job_tells_its_end() {
    let mut facts = facts(State::Completed);
    facts.serving.clear();
    facts.job.finished_at = Some(NOW);
    let at = "2001-09-09T01:46:40.000000Z";
    says(
        &facts,
        &[(ReasonCode::Completed, &format!("final: completed at {at}"))],
    );
    facts.failure = Some(Failure::new(OutcomeKind::FailedFatal, "no such user"));
    facts.job.state = State::Discarded;
    let discarded = "final: discarded after 2 attempts: no such user (`hardstop job retry \
        00000000-0000-0000-0000-000000000001` runs it again)";
    says(&facts, &[(ReasonCode::Discarded, discarded)]);
    facts.job.state = State::Cancelled;
    let cancelled = format!("final: cancelled at {at}: no such user");
    says(&facts, &[(ReasonCode::Cancelled, &cancelled)]);
    facts.job.state = State::Continued;
    facts.continued_to = Some(JobId(Uuid::from_u128(2)));
    let said = &said(&facts)[0];
    assert_eq!(said.0, ReasonCode::Continued);
    assert!(
        said.1
            .starts_with("final: continued with 00000000-0000-0000-0000-000000000002 at")
    );
}

#[test]
fn lengths_of_time_have_their_two_largest_units() {
    for (ms, text) in [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_500, "1 s"),
        (60_000, "1 min"),
        (250_000, "4 min 10 s"),
        (3_601_000, "1 h"),
        (90_000_000, "1 d 1 h"),
    ] {
        assert_eq!(span(Duration::from_millis(ms)), text);
    }
}
