use std::time::Duration;

use hardstop_domain::*;
use hardstop_store::*;

use crate::fixture::*;

async fn hear(listener: &mut Box<dyn Listener>) -> Wake {
    let heard = tokio::time::timeout(Duration::from_secs(20), listener.wait()).await;
    heard.expect("a wake-up")
}

/// Waits for one of these; what was heard before is forgotten.
async fn hear_any(listener: &mut Box<dyn Listener>, wanted: &[Wake]) {
    while !wanted.contains(&hear(listener).await) {}
}

pub async fn a_start_is_heard_here_and_elsewhere(db: Fixture) {
    db.deploy(["a"]).await;
    let other = db.another().await;
    let mut here = db.store.listen().await.unwrap();
    let mut there = other.listen().await.unwrap();
    for _ in 0..5 {
        db.start("a").await;
        hear_any(&mut here, &[Wake::Ready]).await;
        // SQLite tells other processes that something was committed, not what.
        hear_any(&mut there, &[Wake::Ready, Wake::Any]).await;
    }
    other.close().await;
}

pub async fn only_what_makes_work_wakes(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    db.enqueue(&chains("a", 2)).await;
    let jobs = db.claim(session, a, 2).await;
    let mut listener = db.store.listen().await.unwrap();
    // What came before the listener may still be on its way; this ends it.
    db.store.deploy(deployment(&["a"])).await.unwrap();
    hear_any(&mut listener, &[Wake::Deployed]).await;

    let mut later = chain("a");
    later.first.delay_ms = 60_000;
    db.enqueue(std::slice::from_ref(&later)).await;
    db.settle(complete(&jobs[0])).await;
    db.settle(settlement(&jobs[1], Next::Retry { delay_ms: 60_000 }))
        .await;
    db.beat(session).await;
    db.store.promote_due().await.unwrap();
    db.store.rescue().await.unwrap();
    db.store.cancel(later.first.id).await.unwrap();
    // Kinds come in the order in which they were raised or in that of their names: a wake-up for
    // any of the above would be heard before this one.
    db.store.deploy(deployment(&["a"])).await.unwrap();
    assert_eq!(hear(&mut listener).await, Wake::Deployed);
}

pub async fn a_cancellation_is_heard(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let id = db.start("a").await;
    db.claim_one(session, a).await;
    let mut listener = db.store.listen().await.unwrap();
    db.store.cancel(id).await.unwrap();
    hear_any(&mut listener, &[Wake::Cancelled]).await;
}

pub async fn every_change_that_makes_jobs_ready_is_heard(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let mut listener = db.store.listen().await.unwrap();
    db.start("a").await;
    hear_any(&mut listener, &[Wake::Ready]).await;

    let job = db.claim_one(session, a).await;
    db.settle(settlement(&job, Next::Release)).await;
    hear_any(&mut listener, &[Wake::Ready]).await;

    let job = db.claim_one(session, a).await;
    db.settle(continue_with(&job, crate::fixture::job("a")))
        .await;
    hear_any(&mut listener, &[Wake::Ready]).await;

    let job = db.claim_one(session, a).await;
    let children = vec![chain("a")];
    db.settle(Settlement {
        children,
        ..complete(&job)
    })
    .await;
    hear_any(&mut listener, &[Wake::Ready]).await;

    let job = db.claim_one(session, a).await;
    db.store.close_session(session).await.unwrap();
    hear_any(&mut listener, &[Wake::Ready]).await;

    let session = db.session().await;
    db.claim_one(session, a).await;
    db.expire(session).await;
    db.store.rescue().await.unwrap();
    hear_any(&mut listener, &[Wake::Ready]).await;

    db.store.cancel(job.id).await.unwrap();
    db.store.retry(job.id).await.unwrap();
    hear_any(&mut listener, &[Wake::Ready]).await;

    db.execute("UPDATE hardstop.job_live SET state = 2").await;
    db.recount().await;
    db.store.promote_due().await.unwrap();
    hear_any(&mut listener, &[Wake::Ready]).await;
}
