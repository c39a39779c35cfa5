use hardstop_domain::*;
use hardstop_store::*;
use uuid::Uuid;

use crate::fixture::*;

/// A settlement of a type that keeps failures only.
fn unkept(settlement: Settlement) -> Settlement {
    Settlement {
        keep: Keep::Failures,
        ..settlement
    }
}

async fn one(db: &Fixture) -> (TypeId, SessionId, ClaimedJob) {
    let [a, _] = db.deploy(["a", "b"]).await;
    let session = db.session().await;
    db.start("a").await;
    let job = db.claim_one(session, a).await;
    (a, session, job)
}

/// Fails unless the job is there, completed.
async fn check_kept(db: &Fixture, job: JobId) {
    assert_eq!(db.state(job).await, State::Completed);
    db.check_counts().await;
}

pub async fn a_job_completed_at_once_leaves_nothing(db: Fixture) {
    let (a, session, job) = one(&db).await;
    let settlement = unkept(complete(&job));
    assert_eq!(db.settle(settlement.clone()).await, Settled::Written);
    assert_eq!(db.store.job(job.id).await.unwrap(), None);
    assert_eq!(db.store.chain(job.chain_id).await.unwrap(), []);
    assert_eq!(db.store.chain_detail(job.chain_id).await.unwrap(), None);
    assert_eq!(db.all_jobs().await, []);
    assert_eq!(db.beat(session).await.held, []);
    assert_eq!(db.claim(session, a, 10).await, []);
    assert_eq!(db.store.cancel(job.id).await.unwrap(), Cancelled::Unknown);
    db.check_counts().await;

    let cancelled = db.store.cancel_chain(job.chain_id).await.unwrap();
    assert_eq!(cancelled, CancelledChain::Unknown);

    assert_eq!(db.settle(settlement).await, Settled::Written, "sent again");
    let other = settlement_of_a_retry(&job);
    assert_eq!(db.settle(other).await, Settled::Stale);
    let waits = NewChain {
        first: NewJob {
            blockers: vec![job.chain_id],
            ..self::job("b")
        },
        ..chain("b")
    };
    let refused = db.store.enqueue(&[waits]).await;
    assert!(
        matches!(refused, Err(StoreError::UnknownChain(id)) if id == job.chain_id),
        "{refused:?}"
    );
}

fn job(type_name: &str) -> NewJob {
    crate::fixture::job(type_name)
}

fn settlement_of_a_retry(job: &ClaimedJob) -> Settlement {
    unkept(settlement(job, Next::Retry { delay_ms: 0 }))
}

pub async fn its_payload_goes_with_it_or_with_its_day(db: Fixture) {
    let (_, _, job) = one(&db).await;
    assert_eq!(db.settle(unkept(complete(&job))).await, Settled::Written);
    let id = db.id(job.id);
    let left = db
        .execute(&format!(
            "UPDATE hardstop.job_body SET depth = depth WHERE id = {id}"
        ))
        .await;
    match db.database {
        Database::Sqlite => assert_eq!(left, 0),
        // Nobody can start a job with its id again as long as its payload is there.
        Database::Postgres => {
            assert_eq!(left, 1);
            let mut again = chain("a");
            again.first.id = job.id;
            let refused = db.store.enqueue(&[again]).await;
            assert!(
                matches!(refused, Err(StoreError::DuplicateJob(_))),
                "{refused:?}"
            );
        }
    }
}

pub async fn its_end_is_told(db: Fixture) {
    let (_, _, job) = one(&db).await;
    let new = NewSubscription {
        id: SubscriptionId(Uuid::now_v7()),
        name: "all".parse().unwrap(),
        url: "https://example.com/in".to_owned(),
        kinds: EventKinds::all(),
        type_name: None,
        thresholds: Thresholds::default(),
        actor: "ada".to_owned(),
    };
    db.store.put_subscription(new).await.unwrap().unwrap();
    assert_eq!(db.settle(unkept(complete(&job))).await, Settled::Written);
    let query = DeliveryQuery {
        name: "all".parse().unwrap(),
        state: None,
        before: None,
        limit: DELIVERY_LIMIT_MAX,
    };
    let page = db.store.deliveries(&query).await.unwrap().unwrap();
    let told: Vec<_> = page.iter().rev().map(|it| (it.kind, it.job_id)).collect();
    assert_eq!(
        told,
        [
            (EventKind::JobCompleted, Some(job.id)),
            (EventKind::ChainClosed, Some(job.id))
        ]
    );
}

pub async fn failures_stay(db: Fixture) {
    let (a, session, failed) = one(&db).await;
    db.enqueue(&chains("a", 2)).await;
    let [cancelled, first] = db.claim(session, a, 2).await.try_into().unwrap();
    let ends = [
        unkept(settlement(&failed, Next::Discard)),
        unkept(settlement(&cancelled, Next::Cancel)),
        settlement_of_a_retry(&first),
    ];
    assert_eq!(
        db.store.settle(&ends).await.unwrap(),
        [Settled::Written, Settled::Written, Settled::Written]
    );
    assert_eq!(db.state(failed.id).await, State::Discarded);
    assert_eq!(db.state(cancelled.id).await, State::Cancelled);
    let second = db.claim_one(session, a).await;
    assert_eq!(db.settle(unkept(complete(&second))).await, Settled::Written);
    check_kept(&db, second.id).await;
    assert_eq!(
        db.job(second.id).await.attempts.len(),
        1,
        "one that failed once stays, with its attempts"
    );
}

pub async fn one_that_was_given_back_stays(db: Fixture) {
    let (a, session, job) = one(&db).await;
    assert_eq!(
        db.settle(unkept(settlement(&job, Next::Release))).await,
        Settled::Written
    );
    let again = db.claim_one(session, a).await;
    assert_eq!(db.settle(unkept(complete(&again))).await, Settled::Written);
    check_kept(&db, job.id).await;
}

pub async fn one_for_which_others_wait_stays(db: Fixture) {
    let (_, session, job) = one(&db).await;
    let mut waits = chain("b");
    waits.first.blockers = vec![job.chain_id];
    db.enqueue(std::slice::from_ref(&waits)).await;
    assert_eq!(db.settle(unkept(complete(&job))).await, Settled::Written);
    check_kept(&db, job.id).await;

    let b = db.store.types().await.unwrap();
    let b = b.iter().find(|it| it.spec.name == name("b")).unwrap().id;
    let waited = db.claim_one(session, b).await;
    assert_eq!(waited.blockers[0].output.as_deref(), Some("42"));
    assert_eq!(db.settle(unkept(complete(&waited))).await, Settled::Written);
    check_kept(&db, waited.id).await;
}

pub async fn one_with_a_key_stays(db: Fixture) {
    let (a, session, _) = one(&db).await;
    let mut keyed = chain("a");
    keyed.dedup = Some(Dedup {
        key: "k".to_owned(),
        scope: DedupScope::Any { window_ms: 60_000 },
    });
    db.enqueue(std::slice::from_ref(&keyed)).await;
    let job = db.claim_one(session, a).await;
    assert_eq!(db.settle(unkept(complete(&job))).await, Settled::Written);
    check_kept(&db, job.id).await;
    let mut again = chain("a");
    again.dedup = keyed.dedup;
    let started = db.enqueue(&[again]).await;
    assert!(started[0].deduplicated, "the window goes on");
}

pub async fn jobs_of_longer_chains_stay(db: Fixture) {
    let (_, session, first) = one(&db).await;
    let next = job("b");
    assert_eq!(
        db.settle(unkept(continue_with(&first, next.clone()))).await,
        Settled::Written
    );
    let types = db.store.types().await.unwrap();
    let b = types.iter().find(|it| it.spec.name == name("b")).unwrap();
    let second = db.claim_one(session, b.id).await;
    assert_eq!(db.settle(unkept(complete(&second))).await, Settled::Written);
    assert_eq!(db.state(first.id).await, State::Continued);
    check_kept(&db, second.id).await;
}

pub async fn one_that_starts_others_stays_and_they_need_not(db: Fixture) {
    let (a, session, parent) = one(&db).await;
    let child = chain("a");
    let settlement = Settlement {
        children: vec![child.clone()],
        ..unkept(complete(&parent))
    };
    assert_eq!(db.settle(settlement).await, Settled::Written);
    check_kept(&db, parent.id).await;
    let job = db.claim_one(session, a).await;
    assert_eq!(job.id, child.first.id);
    assert_eq!(db.settle(unkept(complete(&job))).await, Settled::Written);
    assert_eq!(db.store.job(job.id).await.unwrap(), None);
    db.check_counts().await;
}
