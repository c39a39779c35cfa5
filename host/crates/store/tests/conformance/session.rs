use std::time::Duration;

use hardstop_domain::outcome::Progress;
use hardstop_domain::*;
use hardstop_store::{ClaimedJob, LivePart, Standing};

use crate::fixture::*;

pub async fn a_heartbeat_renews_and_tells_what_is_held(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let before = db.store.sessions().await.unwrap().remove(0).expires_at;
    db.enqueue(&chains("a", 3)).await;
    let jobs = db.claim(session, a, 3).await;
    let beat = db.beat(session).await;
    assert!(beat.alive);
    let mut held = beat.held;
    held.sort();
    let claimed: Vec<_> = jobs.iter().map(|job| (job.id, job.token)).collect();
    assert_eq!(held, claimed);
    let after = db.store.sessions().await.unwrap().remove(0).expires_at;
    assert!(after > before, "{after} {before}");
    db.settle(complete(&jobs[0])).await;
    assert_eq!(db.beat(session).await.held.len(), 2);
}

pub async fn a_heartbeat_tells_what_is_held_under_some_leases(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    db.enqueue(&chains("a", 3)).await;
    let first = db.claim(session, a, 1).await.remove(0);
    let second = db.claim(session, a, 1).await.remove(0);
    let third = db.claim(session, a, 1).await.remove(0);
    let unused = LeaseToken::new(session, u32::MAX);
    let held = async |leases: &[LeaseToken]| {
        let beat = db.store.heartbeat(session, leases).await.unwrap();
        assert!(beat.alive);
        let mut jobs: Vec<JobId> = beat.held.into_iter().map(|key| key.0).collect();
        jobs.sort();
        jobs
    };
    assert_eq!(held(&[]).await, []);
    assert_eq!(held(&[unused]).await, []);
    assert_eq!(held(&[second.token, unused]).await, [second.id]);
    let mut both = [first.id, third.id];
    both.sort();
    assert_eq!(held(&[first.token, third.token]).await, both);
    db.settle(complete(&first)).await;
    assert_eq!(held(&[first.token, third.token]).await, [third.id]);
}

pub async fn an_ended_session_is_told_so(db: Fixture) {
    let closed = db.session().await;
    db.store.close_session(closed).await.unwrap();
    let expired = db.session().await;
    db.expire(expired).await;
    db.store.rescue().await.unwrap();
    for session in [closed, expired, SessionId(i32::MAX)] {
        let beat = db.beat(session).await;
        assert!(!beat.alive && beat.held.is_empty(), "{beat:?}");
    }
}

pub async fn closing_gives_jobs_back_uncounted(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let (mine, other) = (db.session().await, db.session().await);
    db.enqueue(&chains("a", 1_300)).await;
    let jobs = db.claim(mine, a, 1_200).await;
    let kept = db.claim(other, a, 100).await;
    assert_eq!(db.store.close_session(mine).await.unwrap(), 1_200);
    let shown = db.job(jobs[0].id).await;
    assert_eq!(
        (shown.summary.state, shown.summary.attempt),
        (State::Ready, 0)
    );
    assert_eq!((shown.summary.rescues, shown.summary.session), (0, None));
    assert_eq!(shown.attempts[0].outcome, OutcomeKind::Interrupted);
    assert_eq!(shown.attempts[0].host, "test-host");
    assert_eq!(db.state(kept[0].id).await, State::Running);
    assert_eq!(db.store.close_session(mine).await.unwrap(), 0);
    assert_eq!(
        db.settle(complete(&jobs[0])).await,
        hardstop_store::Settled::Stale
    );
}

pub async fn numbers_are_never_used_twice(db: Fixture) {
    let first = db.session().await;
    db.store.close_session(first).await.unwrap();
    db.execute("DELETE FROM hardstop.session").await;
    let second = db.session().await;
    assert!(second > first, "{second} after {first}");
}

pub async fn are_listed_until_they_end(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let (one, two) = (db.session().await, db.session().await);
    db.enqueue(&chains("a", 2)).await;
    db.claim(two, a, 2).await;
    db.expire(one).await;
    let listed = db.store.sessions().await.unwrap();
    let shown: Vec<_> = listed
        .iter()
        .map(|s| (s.id, s.expired, s.running))
        .collect();
    assert_eq!(shown, [(one, true, 0), (two, false, 2)]);
    assert_eq!(listed[1].expires_at.since(listed[1].started_at), LONG);
    assert_eq!(listed[1].host, "test-host");
    db.store.close_session(two).await.unwrap();
    assert_eq!(db.store.sessions().await.unwrap().len(), 1);
    // No lease is so long or so short that it cannot be stored.
    for lease in [Duration::ZERO, Duration::MAX] {
        db.store.open_session("host\0", lease, None).await.unwrap();
    }
}

pub async fn tell_how_their_worker_stands_and_are_asked_to_drain_once(db: Fixture) {
    let (session, other) = (db.session().await, db.session().await);
    let fresh = db.store.sessions().await.unwrap().remove(0);
    assert_eq!((fresh.slots, fresh.memory_budget), (None, None));
    let standing = Standing {
        slots: 8,
        slots_used: 3,
        memory_budget: 1 << 40,
        memory_admitted: 1 << 33,
        draining: false,
    };
    assert!(!db.store.stand(session, None).await.unwrap());
    assert!(!db.store.stand(session, Some(standing)).await.unwrap());
    let told = db.store.sessions().await.unwrap().remove(0);
    assert_eq!((told.slots, told.slots_used), (Some(8), Some(3)));
    assert_eq!(
        (told.memory_budget, told.memory_admitted),
        (Some(1 << 40), Some(1 << 33))
    );
    assert_eq!((told.draining, told.drain_asked_at), (false, None));

    let host = db.store.drain_session(session).await.unwrap();
    assert_eq!(host.as_deref(), Some(told.host.as_str()));
    assert_eq!(db.store.drain_session(session).await.unwrap(), None, "once");
    assert!(db.store.stand(session, None).await.unwrap());
    let draining = Standing {
        draining: true,
        ..standing
    };
    assert!(db.store.stand(session, Some(draining)).await.unwrap());
    let told = db.store.sessions().await.unwrap();
    assert!(told[0].draining && told[0].drain_asked_at.is_some());
    assert!(!told[1].draining && told[1].drain_asked_at.is_none());
    assert!(
        !db.store.stand(other, None).await.unwrap(),
        "the other goes on"
    );

    db.store.close_session(other).await.unwrap();
    for ended in [other, SessionId(i32::MAX)] {
        assert_eq!(db.store.drain_session(ended).await.unwrap(), None);
        assert!(!db.store.stand(ended, Some(standing)).await.unwrap());
    }
}

fn part(job: &ClaimedJob, number: u32, lines: &[&str], progress: Option<f32>) -> LivePart {
    let line = |message: &&str| LogEntry {
        at_us: 1,
        level: LogLevel::Info,
        message: (*message).to_owned(),
        fields: Vec::new(),
    };
    LivePart {
        job: job.id,
        token: job.token,
        log: (!lines.is_empty()).then(|| (number, lines.iter().map(line).collect())),
        progress: progress.map(|fraction| Progress {
            fraction,
            message: None,
        }),
    }
}

/// How many parts there are.
async fn kept(db: &Fixture) -> u64 {
    db.execute("UPDATE hardstop.attempt_live SET part = part")
        .await
}

/// What is read of a job: the lines of its log, and how far it is.
async fn said(db: &Fixture, job: JobId) -> (Vec<String>, Option<f32>) {
    let job = db.job(job).await;
    let lines = job.log.into_iter().map(|entry| entry.message).collect();
    (lines, job.progress.map(|progress| progress.fraction))
}

pub async fn what_an_attempt_says_is_read_while_it_runs(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    db.enqueue(&chains("a", 3)).await;
    let jobs = db.claim(session, a, 2).await;
    let [first, second] = [&jobs[0], &jobs[1]];
    assert_eq!(said(&db, first.id).await, (Vec::new(), None));
    let parts = [
        part(first, 1, &["one", "two"], Some(0.25)),
        part(second, 1, &["other"], None),
    ];
    // Again, as after an answer that was lost.
    for _ in 0..2 {
        db.store.put_live(&parts, &[]).await.unwrap();
    }
    let parts = [
        part(first, 2, &["three"], None),
        part(second, 0, &[], Some(0.5)),
    ];
    db.store.put_live(&parts, &[]).await.unwrap();
    let lines = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    assert_eq!(
        said(&db, first.id).await,
        (lines("one two three"), Some(0.25))
    );
    assert_eq!(said(&db, second.id).await, (lines("other"), Some(0.5)));
    assert_eq!(db.job(first.id).await.run, 1);

    // The settlement has all that is to be kept.
    db.settle(complete(first)).await;
    let settled = db.job(first.id).await;
    assert_eq!((settled.log, settled.progress), (log(), None));
    // Nobody hears a lease that is over, and the next run begins with nothing.
    db.settle(settlement(second, Next::Release)).await;
    db.store
        .put_live(&[part(second, 2, &["late"], Some(0.9))], &[])
        .await
        .unwrap();
    let again = db.claim(session, a, 2).await;
    let again = again.iter().find(|job| job.id == second.id).unwrap();
    assert_eq!(said(&db, second.id).await, (Vec::new(), None));
    db.store
        .put_live(
            &[part(again, 1, &["again"], None)],
            &[(second.id, second.token)],
        )
        .await
        .unwrap();
    assert_eq!(said(&db, second.id).await, (lines("again"), None));
    assert_eq!(db.job(second.id).await.run, 2);
    // Removed by whoever wrote it, and only that.
    db.store
        .put_live(&[], &[(first.id, first.token), (again.id, again.token)])
        .await
        .unwrap();
    assert_eq!(kept(&db).await, 0);
}

pub async fn what_nobody_removed_goes_with_the_upkeep(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    db.enqueue(&chains("a", 2)).await;
    let jobs = db.claim(session, a, 2).await;
    let parts = [&jobs[0], &jobs[1]].map(|job| part(job, 1, &["one"], Some(0.5)));
    db.store.put_live(&parts, &[]).await.unwrap();
    assert_eq!(kept(&db).await, 4);
    db.settle(complete(&jobs[0])).await;
    db.store.maintain().await.unwrap();
    assert_eq!(kept(&db).await, 2, "one of them runs still");
    db.store.close_session(session).await.unwrap();
    db.store.maintain().await.unwrap();
    assert_eq!(kept(&db).await, 0);
}
