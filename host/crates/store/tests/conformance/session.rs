use std::time::Duration;

use hardstop_domain::*;

use crate::fixture::*;

pub async fn a_heartbeat_renews_and_tells_what_is_held(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let before = db.store.sessions().await.unwrap().remove(0).expires_at;
    db.enqueue(&chains("a", 3)).await;
    let jobs = db.claim(session, a, 3).await;
    let beat = db.store.heartbeat(session).await.unwrap();
    assert!(beat.alive);
    let mut held = beat.held;
    held.sort();
    let claimed: Vec<_> = jobs.iter().map(|job| (job.id, job.token)).collect();
    assert_eq!(held, claimed);
    let after = db.store.sessions().await.unwrap().remove(0).expires_at;
    assert!(after > before, "{after} {before}");
    db.settle(complete(&jobs[0])).await;
    assert_eq!(db.store.heartbeat(session).await.unwrap().held.len(), 2);
}

pub async fn an_ended_session_is_told_so(db: Fixture) {
    let closed = db.session().await;
    db.store.close_session(closed).await.unwrap();
    let expired = db.session().await;
    db.expire(expired).await;
    db.store.rescue().await.unwrap();
    for session in [closed, expired, SessionId(i32::MAX)] {
        let beat = db.store.heartbeat(session).await.unwrap();
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
