use hardstop_domain::*;
use hardstop_store::*;

use crate::fixture::*;

pub async fn a_queued_job(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let ready = db.start("a").await;
    let mut later = chain("a");
    later.first.delay_ms = 60_000;
    db.enqueue(std::slice::from_ref(&later)).await;
    for (id, state) in [(ready, State::Ready), (later.first.id, State::Scheduled)] {
        assert_eq!(db.store.cancel(id).await.unwrap(), Cancelled::Was(state));
        let done = db.job(id).await;
        assert_eq!(
            (done.summary.state, done.summary.outcome),
            (State::Cancelled, Some(OutcomeKind::Cancelled))
        );
        assert_eq!((done.summary.started_at, done.attempts.len()), (None, 0));
        assert!(done.failure.unwrap().message.contains(state.name()));
    }
    let session = db.session().await;
    assert_eq!(db.claim(session, a, 10).await, []);
}

pub async fn a_running_job_loses_its_lease(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let id = db.start("a").await;
    let job = db.claim_one(session, a).await;
    assert_eq!(
        db.store.cancel(id).await.unwrap(),
        Cancelled::Was(State::Running)
    );
    let beat = db.beat(session).await;
    assert!(beat.alive && beat.held.is_empty());
    let child = chain("a");
    let late = Settlement {
        children: vec![child.clone()],
        ..complete(&job)
    };
    assert_eq!(db.settle(late.clone()).await, Settled::Stale);
    assert_eq!(db.settle(late).await, Settled::Stale);
    assert_eq!(db.store.job(child.first.id).await.unwrap(), None);
    let done = db.job(id).await;
    assert_eq!(done.summary.state, State::Cancelled);
    assert_eq!(
        (done.summary.started_at, done.usage),
        (Some(job.claimed_at), None)
    );
    let [record] = &done.attempts[..] else {
        panic!("{done:?}")
    };
    assert_eq!(
        (record.outcome, record.session),
        (OutcomeKind::Cancelled, session)
    );
}

pub async fn a_final_or_unknown_job(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let id = db.start("a").await;
    let claimed = db.claim_one(session, a).await;
    db.settle(complete(&claimed)).await;
    assert_eq!(
        db.store.cancel(id).await.unwrap(),
        Cancelled::Final(State::Completed)
    );
    assert_eq!(
        db.store.cancel(job("a").id).await.unwrap(),
        Cancelled::Unknown
    );
}

pub async fn racing_a_settlement_one_wins(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let other = db.another().await;
    let session = db.session().await;
    for round in 0..20 {
        let id = db.start("a").await;
        let job = db.claim_one(session, a).await;
        let child = chain("a");
        let settlement = match round % 2 {
            0 => Settlement {
                children: vec![child.clone()],
                ..complete(&job)
            },
            _ => continue_with(&job, child.first.clone()),
        };
        let batch = [settlement];
        let (cancelled, settled) = tokio::join!(db.store.cancel(id), other.settle(&batch));
        let started = db.store.job(child.first.id).await.unwrap().is_some();
        match (cancelled.unwrap(), &settled.unwrap()[..]) {
            (Cancelled::Was(State::Running), [Settled::Stale]) => {
                assert_eq!((db.state(id).await, started), (State::Cancelled, false));
            }
            (Cancelled::Final(state), [Settled::Written]) => {
                assert_eq!((db.state(id).await, started), (state, true));
                db.store.cancel(child.first.id).await.unwrap();
            }
            odd => panic!("{odd:?}"),
        }
    }
    other.close().await;
}
