use hardstop_domain::*;
use hardstop_store::*;

use crate::fixture::*;

pub async fn a_scheduled_job_is_triggered(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let mut later = chain("a");
    later.first.delay_ms = 3_600_000;
    db.enqueue(std::slice::from_ref(&later)).await;
    let moved = db.store.reschedule(later.first.id, Due::Now, false).await;
    assert_eq!(
        moved.unwrap(),
        Moved::From {
            was: State::Scheduled,
            state: State::Ready
        }
    );
    let session = db.session().await;
    assert_eq!(db.claim_one(session, a).await.id, later.first.id);
}

pub async fn a_ready_job_is_put_off_and_back(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let id = db.start("a").await;
    let session = db.session().await;
    let hour = Due::After {
        delay_ms: 3_600_000,
    };
    let moved = db.store.reschedule(id, hour, false).await.unwrap();
    assert_eq!(
        moved,
        Moved::From {
            was: State::Ready,
            state: State::Scheduled
        }
    );
    assert!(db.claim(session, a, 1).await.is_empty());
    let due = db.job(id).await.summary.due_at;
    let later = Timestamp(due.0 + 5_000_000);
    db.store
        .reschedule(id, Due::At(later), false)
        .await
        .unwrap();
    assert_eq!(db.job(id).await.summary.due_at, later, "to the microsecond");
    // A time that has passed is now.
    let before = db.job(id).await.summary.created_at;
    let moved = db.store.reschedule(id, Due::At(Timestamp(1)), false).await;
    assert_eq!(
        moved.unwrap(),
        Moved::From {
            was: State::Scheduled,
            state: State::Ready
        }
    );
    assert!(db.job(id).await.summary.due_at >= before);
    assert_eq!(db.claim_one(session, a).await.id, id);
    for due in [Due::Now, hour] {
        assert_eq!(
            db.store.reschedule(id, due, true).await.unwrap(),
            Moved::Not(State::Running)
        );
    }
}

pub async fn a_start_names_a_time(db: Fixture) {
    db.deploy(["a"]).await;
    let (mut past, mut future) = (chain("a"), chain("a"));
    past.first.not_before = Some(Timestamp(1));
    let at = Timestamp(4_000_000_000_123_456);
    future.first.not_before = Some(at);
    db.enqueue(&[past.clone(), future.clone()]).await;
    assert_eq!(db.state(past.first.id).await, State::Ready);
    let job = db.job(future.first.id).await.summary;
    assert_eq!((job.state, job.due_at), (State::Scheduled, at));
}

pub async fn what_cannot_be_moved_says_so(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let id = db.start("a").await;
    let session = db.session().await;
    db.settle(complete(&db.claim_one(session, a).await)).await;
    let moved = db.store.reschedule(id, Due::Now, false).await.unwrap();
    assert_eq!(moved, Moved::Not(State::Completed));
    let unknown = db.store.reschedule(job("a").id, Due::Now, false).await;
    assert_eq!(unknown.unwrap(), Moved::Unknown);
    let long = Due::After { delay_ms: u64::MAX };
    let error = db.store.reschedule(id, long, false).await.unwrap_err();
    assert!(error.to_string().contains("over the maximum"), "{error}");
}

pub async fn a_chain_is_cancelled_wherever_it_stands(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let chain = ChainId(db.start("a").await.0);
    let session = db.session().await;
    db.settle(continue_with(&db.claim_one(session, a).await, job("a")))
        .await;
    let second = db.claim_one(session, a).await;
    let was = db.store.cancel_chain(chain).await.unwrap();
    assert_eq!(
        was,
        CancelledChain::Was {
            job: second.id,
            state: State::Running
        }
    );
    assert_eq!(db.settle(complete(&second)).await, Settled::Stale);
    let closed = db.store.cancel_chain(chain).await.unwrap();
    assert_eq!(
        closed,
        CancelledChain::Closed {
            job: second.id,
            state: State::Cancelled
        }
    );
    let unknown = db.store.cancel_chain(job("a").id.into()).await.unwrap();
    assert_eq!(unknown, CancelledChain::Unknown);
}

/// A cancellation of a chain that continues meanwhile cancels the job that is live in the end.
pub async fn a_chain_that_continues_meanwhile(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let other = db.another().await;
    let session = db.session().await;
    for round in 0..30 {
        let chain = ChainId(db.start("a").await.0);
        let continues = [continue_with(&db.claim_one(session, a).await, job("a"))];
        let (cancelled, settled) =
            tokio::join!(db.store.cancel_chain(chain), other.settle(&continues));
        settled.unwrap();
        assert!(
            matches!(cancelled.unwrap(), CancelledChain::Was { .. }),
            "round {round}"
        );
        let jobs = db.store.chain(chain).await.unwrap();
        assert_eq!(
            jobs.last().unwrap().state,
            State::Cancelled,
            "round {round}"
        );
        assert!(db.claim(session, a, 1).await.is_empty(), "round {round}");
    }
    other.close().await;
}

pub async fn snoozes_are_counted_and_added_up(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    db.start("a").await;
    let session = db.session().await;
    for (snoozes, delay_ms) in [(0, 0), (1, 0), (2, 3_600_000)] {
        let job = db.claim_one(session, a).await;
        assert_eq!((job.snoozes, job.snoozed_ms), (snoozes, 0));
        db.settle(settlement(&job, Next::Snooze { delay_ms })).await;
        if delay_ms > 0 {
            db.store.reschedule(job.id, Due::Now, false).await.unwrap();
        }
    }
    let job = db.claim_one(session, a).await;
    assert_eq!((job.snoozes, job.snoozed_ms), (3, 3_600_000));
    // A retry keeps both; a replay begins again.
    db.settle(settlement(&job, Next::Discard)).await;
    db.store.retry(job.id).await.unwrap();
    let job = db.claim_one(session, a).await;
    assert_eq!((job.snoozes, job.snoozed_ms), (0, 0));
}
