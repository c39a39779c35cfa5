use std::time::Duration;

use hardstop_domain::*;

use crate::fixture::*;

async fn schedule(db: &Fixture, count: usize, delay_ms: u64) -> Vec<JobId> {
    let mut batch = chains("a", count);
    for chain in &mut batch {
        chain.first.delay_ms = delay_ms;
    }
    db.enqueue(&batch).await;
    batch.iter().map(|chain| chain.first.id).collect()
}

/// Promotes until as many jobs were made ready.
async fn promote_all(db: &Fixture, count: u64) -> Vec<u64> {
    let mut counts = Vec::new();
    for _ in 0..2_000 {
        let promoted = db.store.promote_due().await.unwrap();
        if promoted.count > 0 {
            counts.push(promoted.count);
        }
        if counts.iter().sum::<u64>() >= count {
            return counts;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("{counts:?} of {count}");
}

pub async fn makes_due_jobs_ready(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let due = schedule(&db, 3, 1).await;
    let later = schedule(&db, 1, 3_600_000).await;
    promote_all(&db, 3).await;
    for id in &due {
        assert_eq!(db.state(*id).await, State::Ready);
    }
    assert_eq!(db.state(later[0]).await, State::Scheduled);
    let session = db.session().await;
    let claimed: Vec<_> = db
        .claim(session, a, 10)
        .await
        .into_iter()
        .map(|job| job.id)
        .collect();
    assert_eq!(claimed, due);
}

pub async fn tells_when_the_next_is_due(db: Fixture) {
    db.deploy(["a"]).await;
    let promoted = db.store.promote_due().await.unwrap();
    assert_eq!((promoted.count, promoted.next_due_in), (0, None));
    schedule(&db, 1, 3_600_000).await;
    schedule(&db, 1, 60_000).await;
    let next = db.store.promote_due().await.unwrap().next_due_in.unwrap();
    assert!(
        next <= Duration::from_secs(60) && next > Duration::from_secs(50),
        "{next:?}"
    );
}

pub async fn is_bounded(db: Fixture) {
    db.deploy(["a"]).await;
    schedule(&db, 5_001, 0).await;
    db.execute("UPDATE hardstop.job_live SET state = 2").await;
    db.recount().await;
    let promoted = db.store.promote_due().await.unwrap();
    assert_eq!(
        (promoted.count, promoted.next_due_in),
        (5_000, Some(Duration::ZERO))
    );
    let promoted = db.store.promote_due().await.unwrap();
    assert_eq!((promoted.count, promoted.next_due_in), (1, None));
}

pub async fn two_at_once_promote_each_job_once(db: Fixture) {
    db.deploy(["a"]).await;
    let other = db.another().await;
    schedule(&db, 500, 0).await;
    db.execute("UPDATE hardstop.job_live SET state = 2").await;
    db.recount().await;
    let mut count = 0;
    while count < 500 {
        let (one, two) = tokio::join!(db.store.promote_due(), other.promote_due());
        count += one.unwrap().count + two.unwrap().count;
    }
    assert_eq!(count, 500);
    other.close().await;
}
