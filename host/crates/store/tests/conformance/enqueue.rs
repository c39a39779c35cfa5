use hardstop_domain::*;
use hardstop_store::*;

use crate::fixture::*;

pub async fn a_job_is_ready_at_once(db: Fixture) {
    db.deploy(["a"]).await;
    let id = db.start("a").await;
    let job = db.job(id).await;
    assert_eq!(job.summary.state, State::Ready);
    assert_eq!(job.summary.chain_id, id.into());
    assert_eq!(job.summary.created_at, job.summary.due_at);
    assert_eq!((job.summary.attempt, job.summary.priority), (0, 0));
    assert_eq!(job.input, "{\"n\": 1}");
    assert_eq!((job.summary.started_at, job.summary.session), (None, None));
}

pub async fn a_delayed_job_is_scheduled(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let mut new = chain("a");
    new.first.delay_ms = 60_000;
    db.enqueue(std::slice::from_ref(&new)).await;
    let job = db.job(new.first.id).await;
    assert_eq!(job.summary.state, State::Scheduled);
    assert_eq!(job.summary.due_at.0 - job.summary.created_at.0, 60_000_000);
    let session = db.session().await;
    assert_eq!(db.claim(session, a, 10).await, []);
}

pub async fn everything_arrives_at_the_claim(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let mut new = chain("a");
    // As large as it may be, with what JSON and SQL might trip over.
    new.first.input = format!("{:?}", "'\\\"\u{1f980}\t".repeat(100_000));
    new.first.priority = Some(-100);
    new.first.limits.set(LimitName::WallTimeout, Some(2_000));
    new.first.trace_parent =
        Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned());
    db.enqueue(std::slice::from_ref(&new)).await;
    let session = db.session().await;
    let job = db.claim_one(session, a).await;
    assert_eq!(job.id, new.first.id);
    assert_eq!(job.chain_id, new.id());
    assert_eq!(job.type_id, a);
    assert!(job.input == new.first.input);
    assert_eq!(job.priority, -100);
    assert_eq!(job.limits, new.first.limits);
    assert_eq!(job.trace_parent, new.first.trace_parent);
    assert!(job.claimed_at >= job.created_at);
    assert_eq!(db.job(job.id).await.limits, new.first.limits);
}

pub async fn an_unknown_type_starts_nothing(db: Fixture) {
    db.deploy(["a"]).await;
    let batch = [chain("a"), chain("nobody")];
    let error = db.store.enqueue(&batch).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::UnknownType(t) if t.as_str() == "nobody"),
        "{error:?}"
    );
    assert!(!error.is_transient());
    assert_eq!(db.store.job(batch[0].first.id).await.unwrap(), None);
    // A type is found as soon as it is deployed, by another host too.
    db.another()
        .await
        .deploy(deployment(&["nobody"]))
        .await
        .unwrap();
    db.enqueue(&batch).await;
}

pub async fn a_known_id_starts_nothing(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let live = chain("a");
    db.enqueue(std::slice::from_ref(&live)).await;
    for state in [State::Ready, State::Running, State::Completed] {
        assert_eq!(db.state(live.first.id).await, state);
        let batch = [chain("a"), live.clone()];
        let error = db.store.enqueue(&batch).await.unwrap_err();
        let id = live.first.id.to_string();
        assert!(
            matches!(&error, StoreError::DuplicateJob(known) if *known == id),
            "{error:?}"
        );
        assert_eq!(db.store.job(batch[0].first.id).await.unwrap(), None);
        match state {
            State::Ready => drop(db.claim_one(session, a).await),
            _ => {
                let held = db.beat(session).await.held;
                for (job, token) in held {
                    let claimed = ClaimedJob {
                        id: job,
                        token,
                        ..a_claimed_job()
                    };
                    assert_eq!(db.settle(complete(&claimed)).await, Settled::Written);
                }
            }
        }
    }
}

fn a_claimed_job() -> ClaimedJob {
    ClaimedJob {
        id: job("a").id,
        chain_id: job("a").id.into(),
        type_id: TypeId(0),
        token: LeaseToken(0),
        attempt: 1,
        run: 1,
        rescues: 0,
        priority: 0,
        input: String::new(),
        limits: LimitsPatch::default(),
        trace_parent: None,
        created_at: Timestamp(0),
        due_at: Timestamp(0),
        claimed_at: Timestamp(0),
        snoozes: 0,
        snoozed_ms: 0,
        larger_memory: false,
        blockers: Vec::new(),
        lineage: Lineage::root(job("a").id.into()),
        descendants: 0,
        unchecked: false,
    }
}

pub async fn an_id_twice_starts_nothing(db: Fixture) {
    db.deploy(["a"]).await;
    let one = chain("a");
    let error = db
        .store
        .enqueue(&[one.clone(), one.clone()])
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::DuplicateJob(_)), "{error:?}");
    assert_eq!(db.store.job(one.first.id).await.unwrap(), None);
}

pub async fn values_that_cannot_be_stored_are_refused(db: Fixture) {
    db.deploy(["a"]).await;
    let spoils: [fn(&mut NewJob); 5] = [
        |job| job.priority = Some(101),
        |job| job.delay_ms = u64::MAX,
        |job| job.input = "\"\0\"".to_owned(),
        |job| job.input = " ".repeat((16 << 20) + 1),
        |job| job.trace_parent = Some("x".repeat(257)),
    ];
    for spoil in spoils {
        let mut bad = chain("a");
        spoil(&mut bad.first);
        let error = db.store.enqueue(&[chain("a"), bad]).await.unwrap_err();
        assert!(matches!(error, StoreError::Invalid(_)), "{error:?}");
    }
    let query = JobQuery {
        limit: 10,
        ..JobQuery::default()
    };
    assert_eq!(db.store.jobs(&query).await.unwrap(), []);
    db.store.enqueue(&[]).await.unwrap();
}

pub async fn a_thousand_at_once(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let batch = chains("a", 1_000);
    db.enqueue(&batch).await;
    let session = db.session().await;
    let claimed = db.claim(session, a, 2_000).await;
    let started: Vec<JobId> = batch.iter().map(|chain| chain.first.id).collect();
    let claimed: Vec<JobId> = claimed.iter().map(|job| job.id).collect();
    assert_eq!(
        claimed, started,
        "in the order of their ids, for they are due at one time"
    );
}

pub async fn two_hosts_at_once_with_the_same_id(db: Fixture) {
    db.deploy(["a"]).await;
    let other = db.another().await;
    for _ in 0..20 {
        let batch = [chain("a")];
        let (one, two) = tokio::join!(db.store.enqueue(&batch), other.enqueue(&batch));
        let refused = [one, two]
            .into_iter()
            .filter_map(Result::err)
            .collect::<Vec<_>>();
        assert!(
            matches!(&refused[..], [StoreError::DuplicateJob(_)]),
            "{refused:?}"
        );
    }
    other.close().await;
}
