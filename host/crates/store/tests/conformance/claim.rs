use std::collections::HashSet;

use hardstop_domain::*;
use hardstop_store::*;

use crate::fixture::*;

pub async fn counts_attempts_and_runs(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let id = db.start("a").await;
    let session = db.session().await;
    let job = db.claim_one(session, a).await;
    assert_eq!((job.attempt, job.run, job.rescues), (1, 1, 0));
    assert_eq!(job.token.session(), session);
    let shown = db.job(id).await.summary;
    assert_eq!(shown.state, State::Running);
    assert_eq!(shown.session, Some(session));
    assert_eq!(shown.started_at, Some(job.claimed_at));
    db.settle(settlement(&job, Next::Retry { delay_ms: 0 }))
        .await;
    let job = db.claim_one(session, a).await;
    assert_eq!((job.attempt, job.run), (2, 2));
    db.settle(settlement(&job, Next::Release)).await;
    let job = db.claim_one(session, a).await;
    assert_eq!((job.attempt, job.run), (2, 3));
}

pub async fn goes_by_priority_due_time_and_id(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let mut wanted = Vec::new();
    // Later starts are due later; inside one start the ids decide, even against the batch's order.
    for priority in [5, -5, 0] {
        for _ in 0..2 {
            let mut batch = chains("a", 2);
            batch.reverse();
            for chain in &mut batch {
                chain.first.priority = Some(priority);
            }
            db.enqueue(&batch).await;
            batch.reverse();
            wanted.extend(batch.iter().map(|chain| (priority, chain.first.id)));
        }
    }
    wanted.sort_by_key(|(priority, _)| *priority);
    let wanted: Vec<JobId> = wanted.into_iter().map(|(_, id)| id).collect();
    let session = db.session().await;
    let mut claimed = db.claim(session, a, 5).await;
    claimed.extend(db.claim(session, a, 100).await);
    let claimed: Vec<JobId> = claimed.iter().map(|job| job.id).collect();
    assert_eq!(claimed, wanted);
}

pub async fn takes_turns_between_types_within_quotas(db: Fixture) {
    let [a, b, c] = db.deploy(["a", "b", "c"]).await;
    for type_name in ["a", "b", "c"] {
        db.enqueue(&chains(type_name, 5)).await;
    }
    let session = db.session().await;
    let claim = async |quotas: &[(TypeId, u32)], total| {
        let request = ClaimRequest {
            token: db.token(session),
            quotas: quotas.to_vec(),
            total,
        };
        let jobs = db.store.claim(&request).await.unwrap();
        jobs.iter().map(|job| job.type_id).collect::<Vec<_>>()
    };
    assert_eq!(claim(&[(b, 2), (a, 3), (c, 1)], 5).await, [b, a, c, b, a]);
    assert_eq!(claim(&[(b, 0), (a, 1)], 10).await, [a]);
    assert_eq!(claim(&[(a, 10), (b, 10), (c, 10)], 0).await, []);
    assert_eq!(claim(&[], 10).await, []);
    assert_eq!(
        claim(&[(a, 100), (b, 100), (c, 100)], 100).await,
        [a, b, c, a, b, c, b, c, c]
    );
}

pub async fn leaves_types_that_are_not_named(db: Fixture) {
    let [a, _] = db.deploy(["a", "b"]).await;
    let id = db.start("b").await;
    let session = db.session().await;
    assert_eq!(db.claim(session, a, 10).await, []);
    assert_eq!(db.claim(session, TypeId(i32::MAX), 10).await, []);
    assert_eq!(db.state(id).await, State::Ready);
}

pub async fn claimers_never_get_the_same_job(db: Fixture) {
    const JOBS: usize = 600;
    let [a] = db.deploy(["a"]).await;
    db.enqueue(&chains("a", JOBS)).await;
    let other = db.another().await;
    let mut claimers = Vec::new();
    for number in 0..8 {
        let store = if number % 2 == 0 {
            db.store.clone()
        } else {
            other.clone()
        };
        claimers.push(tokio::spawn(async move {
            let session = store.open_session("claimer", LONG, None).await.unwrap();
            let mut mine = Vec::new();
            for batch in 0.. {
                let request = ClaimRequest {
                    token: LeaseToken::new(session, batch),
                    quotas: vec![(a, 7)],
                    total: 7,
                };
                let jobs = store.claim(&request).await.unwrap();
                // Rows that others lock are skipped, so one empty claim proves nothing.
                if jobs.is_empty() && batch > 40 {
                    break;
                }
                mine.extend(jobs.into_iter().map(|job| job.id));
            }
            mine
        }));
    }
    let mut all = Vec::new();
    for claimer in claimers {
        all.extend(claimer.await.unwrap());
    }
    assert_eq!(all.len(), JOBS);
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), JOBS);
    other.close().await;
}

pub async fn is_refused_to_a_session_that_ended(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let id = db.start("a").await;
    let closed = db.session().await;
    db.store.close_session(closed).await.unwrap();
    for session in [closed, SessionId(closed.0 + 1000)] {
        let request = ClaimRequest {
            token: db.token(session),
            quotas: vec![(a, 1)],
            total: 1,
        };
        let error = db.store.claim(&request).await.unwrap_err();
        assert!(
            matches!(error, StoreError::SessionEnded(ended) if ended == session),
            "{error:?}"
        );
    }
    assert_eq!(db.state(id).await, State::Ready);
}

pub async fn gives_nothing_to_a_session_that_expired(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let id = db.start("a").await;
    let session = db.session().await;
    db.expire(session).await;
    assert_eq!(db.claim(session, a, 1).await, []);
    assert_eq!(db.state(id).await, State::Ready);
    // Nobody has ended it: its heartbeat brings it back.
    assert!(db.beat(session).await.alive);
    assert_eq!(db.claim_one(session, a).await.id, id);
}

pub async fn takes_a_type_named_twice_once(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    db.enqueue(&chains("a", 5)).await;
    let session = db.session().await;
    let request = ClaimRequest {
        token: db.token(session),
        quotas: vec![(a, 2), (a, 3)],
        total: 10,
    };
    assert_eq!(db.store.claim(&request).await.unwrap().len(), 3);
}
