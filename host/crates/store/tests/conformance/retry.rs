use hardstop_domain::*;
use hardstop_store::*;

use crate::fixture::*;

pub async fn a_discarded_job_runs_again_and_keeps_its_records(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let mut new = chain("a");
    new.first.priority = Some(9);
    db.enqueue(std::slice::from_ref(&new)).await;
    let job = db.claim_one(session, a).await;
    db.settle(settlement(&job, Next::Retry { delay_ms: 0 }))
        .await;
    let job = db.claim_one(session, a).await;
    let discard = settlement(&job, Next::Discard);
    db.settle(discard.clone()).await;

    assert_eq!(
        db.store.retry(job.id).await.unwrap(),
        Retried::Was(State::Discarded)
    );
    let shown = db.job(job.id).await;
    assert_eq!(
        (
            shown.summary.state,
            shown.summary.attempt,
            shown.summary.priority
        ),
        (State::Ready, 0, 9)
    );
    assert_eq!(
        (shown.attempts.len(), shown.failure, shown.summary.outcome),
        (2, None, None)
    );
    assert_eq!(
        db.settle(discard).await,
        Settled::Written,
        "it was written, whatever came after"
    );
    let again = db.claim_one(session, a).await;
    assert_eq!((again.attempt, again.run, again.input), (1, 3, job.input));
    assert_eq!(again.created_at, job.created_at);
    db.settle(settlement(
        &ClaimedJob {
            input: String::new(),
            ..again
        },
        Next::Discard,
    ))
    .await;
    let runs: Vec<_> = db
        .job(job.id)
        .await
        .attempts
        .iter()
        .map(|r| (r.run, r.attempt))
        .collect();
    assert_eq!(runs, [(1, 1), (2, 2), (3, 1)]);
}

pub async fn a_cancelled_job_reopens_its_chain(db: Fixture) {
    let [a, b] = db.deploy(["a", "b"]).await;
    let session = db.session().await;
    let first = db.start("a").await;
    let claimed = db.claim_one(session, a).await;
    let second = job("b");
    db.settle(continue_with(&claimed, second.clone())).await;
    db.store.cancel(second.id).await.unwrap();
    assert_eq!(
        db.store.retry(first).await.unwrap(),
        Retried::Not(State::Continued)
    );
    assert_eq!(
        db.store.retry(second.id).await.unwrap(),
        Retried::Was(State::Cancelled)
    );
    let again = db.claim_one(session, b).await;
    assert_eq!((again.id, again.chain_id), (second.id, first.into()));
}

pub async fn a_scheduled_job_at_once(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let id = db.start("a").await;
    let job = db.claim_one(session, a).await;
    db.settle(settlement(
        &job,
        Next::Retry {
            delay_ms: 3_600_000,
        },
    ))
    .await;
    assert_eq!(
        db.store.retry(id).await.unwrap(),
        Retried::Was(State::Scheduled)
    );
    let again = db.claim_one(session, a).await;
    assert_eq!((again.attempt, again.run), (2, 2), "its attempts count on");
}

pub async fn not_what_runs_or_went_well(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let id = db.start("a").await;
    assert_eq!(
        db.store.retry(id).await.unwrap(),
        Retried::Not(State::Ready)
    );
    let claimed = db.claim_one(session, a).await;
    assert_eq!(
        db.store.retry(id).await.unwrap(),
        Retried::Not(State::Running)
    );
    db.settle(complete(&claimed)).await;
    assert_eq!(
        db.store.retry(id).await.unwrap(),
        Retried::Not(State::Completed)
    );
    assert_eq!(db.store.retry(job("a").id).await.unwrap(), Retried::Unknown);
    // Without its input a job cannot run.
    let other = db.start("a").await;
    db.store.cancel(other).await.unwrap();
    db.execute("DELETE FROM hardstop.job_body").await;
    assert_eq!(
        db.store.retry(other).await.unwrap(),
        Retried::Not(State::Cancelled)
    );
    assert_eq!(db.state(other).await, State::Cancelled);
}

pub async fn not_beside_another_live_job_of_the_chain(db: Fixture) {
    db.deploy(["a"]).await;
    let (one, two) = (db.start("a").await, db.start("a").await);
    db.store.cancel(one).await.unwrap();
    // No operation makes this; should anything ever, the chain must not fork.
    db.execute("UPDATE hardstop.job_live SET chain_id = (SELECT chain_id FROM hardstop.job_done)")
        .await;
    assert_eq!(
        db.store.retry(one).await.unwrap(),
        Retried::Not(State::Cancelled)
    );
    assert_eq!(
        (db.state(one).await, db.state(two).await),
        (State::Cancelled, State::Ready)
    );
}

pub async fn two_at_once_reopen_once(db: Fixture) {
    db.deploy(["a"]).await;
    let other = db.another().await;
    for _ in 0..15 {
        let id = db.start("a").await;
        db.store.cancel(id).await.unwrap();
        let (one, two) = tokio::join!(db.store.retry(id), other.retry(id));
        let results = [one.unwrap(), two.unwrap()];
        let won = results
            .iter()
            .filter(|result| **result == Retried::Was(State::Cancelled))
            .count();
        assert_eq!(won, 1, "{results:?}");
        assert_eq!(db.state(id).await, State::Ready);
    }
    other.close().await;
}
