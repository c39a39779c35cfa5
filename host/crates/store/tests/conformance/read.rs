use hardstop_domain::*;
use hardstop_store::*;
use uuid::Uuid;

use crate::fixture::*;

pub async fn a_job_in_full(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let id = db.start("a").await;
    for next in [
        Next::Snooze { delay_ms: 0 },
        Next::Release,
        Next::Retry { delay_ms: 0 },
    ] {
        let job = db.claim_one(session, a).await;
        db.settle(settlement(&job, next)).await;
    }
    let claimed = db.claim_one(session, a).await;
    db.settle(complete(&claimed)).await;
    let job = db.job(id).await;
    let records: Vec<_> = job
        .attempts
        .iter()
        .map(|r| (r.run, r.attempt, r.outcome))
        .collect();
    let wanted = [
        (1, 1, OutcomeKind::Snoozed),
        (2, 1, OutcomeKind::Interrupted),
        (3, 1, OutcomeKind::FailedRetryable),
    ];
    assert_eq!(records, wanted);
    assert_eq!((job.summary.attempt, job.summary.snoozes), (2, 1));
    // As the CLI writes it: payloads are JSON, not text in text.
    let json = serde_json::to_value(&job).unwrap();
    assert_eq!(
        (&json["input"]["n"], &json["output"], &json["type"]),
        (&1.into(), &42.into(), &"a".into())
    );
}

pub async fn pages_meet_exactly_within_a_millisecond(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    // Ids of one millisecond differ in their last bits alone.
    let base = Uuid::now_v7().as_u128() & !0xffff;
    let mut batch = chains("a", 25);
    for (index, chain) in batch.iter_mut().enumerate() {
        chain.first.id = JobId(Uuid::from_u128(base + index as u128));
    }
    db.enqueue(&batch).await;
    // Live and final ones take turns.
    let session = db.session().await;
    let claimed = db.claim(session, a, 25).await;
    let half: Vec<_> = claimed.iter().step_by(2).map(complete).collect();
    db.store.settle(&half).await.unwrap();

    let mut seen = Vec::new();
    let mut query = JobQuery {
        limit: 4,
        ..JobQuery::default()
    };
    loop {
        let page = db.store.jobs(&query).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 4);
        query.before = Some(last.id);
        seen.extend(page.into_iter().map(|job| job.id));
    }
    let mut wanted: Vec<_> = batch.iter().map(|chain| chain.first.id).collect();
    wanted.reverse();
    assert_eq!(seen, wanted);
}

pub async fn by_type_and_state(db: Fixture) {
    let [a, _] = db.deploy(["a", "b"]).await;
    let session = db.session().await;
    for type_name in ["a", "b", "a", "b"] {
        db.start(type_name).await;
    }
    let job = &db.claim(session, a, 1).await[0];
    db.settle(complete(job)).await;
    db.claim(session, a, 1).await;
    let count = async |type_name: Option<&str>, state| {
        let query = JobQuery {
            type_name: type_name.map(name),
            state,
            before: None,
            limit: 1_000,
        };
        let jobs = db.store.jobs(&query).await.unwrap();
        for job in &jobs {
            assert!(state.is_none_or(|state| state == job.state));
            assert!(type_name.is_none_or(|name| name == job.type_name.as_str()));
        }
        jobs.len()
    };
    assert_eq!(count(None, None).await, 4);
    assert_eq!(count(Some("a"), None).await, 2);
    assert_eq!(count(Some("a"), Some(State::Completed)).await, 1);
    assert_eq!(count(Some("b"), Some(State::Completed)).await, 0);
    assert_eq!(count(None, Some(State::Running)).await, 1);
    assert_eq!(count(None, Some(State::Ready)).await, 2);
    assert_eq!(count(None, Some(State::Blocked)).await, 0);

    for limit in [0, 1_001] {
        let query = JobQuery {
            limit,
            ..JobQuery::default()
        };
        assert!(matches!(
            db.store.jobs(&query).await,
            Err(StoreError::Invalid(_))
        ));
    }
    let query = JobQuery {
        type_name: Some(name("nobody")),
        limit: 1,
        ..JobQuery::default()
    };
    assert!(matches!(
        db.store.jobs(&query).await,
        Err(StoreError::UnknownType(_))
    ));
}

pub async fn a_chain_oldest_first(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let first = db.start("a").await;
    db.start("a").await;
    let mut wanted = vec![first];
    for _ in 0..3 {
        let claimed = db.claim(session, a, 1).await;
        let next = job("a");
        wanted.push(next.id);
        // Due before the other chain, so that it is claimed next.
        let next = NewJob {
            priority: Some(-1),
            ..next
        };
        db.settle(continue_with(&claimed[0], next)).await;
    }
    let chain = db.store.chain(first.into()).await.unwrap();
    let (ids, states): (Vec<_>, Vec<_>) = chain.iter().map(|job| (job.id, job.state)).unzip();
    assert_eq!(ids, wanted);
    assert_eq!(
        states,
        [
            State::Continued,
            State::Continued,
            State::Continued,
            State::Ready
        ]
    );
    assert_eq!(
        db.store.chain(ChainId(wanted[1].0)).await.unwrap(),
        [],
        "named by its first job only"
    );
}

pub async fn nothing_where_there_is_nothing(db: Fixture) {
    assert_eq!(db.store.job(job("a").id).await.unwrap(), None);
    assert_eq!(db.store.chain(job("a").id.into()).await.unwrap(), []);
    assert_eq!(db.store.sessions().await.unwrap(), []);
    assert_eq!(db.store.components().await.unwrap(), []);
    let text = db.store.describe().await.unwrap();
    let product = match db.database {
        Database::Sqlite => "SQLite 3.",
        Database::Postgres => "Postgres 1",
    };
    assert!(
        text.starts_with(product) && text.contains("hardstop"),
        "{text}"
    );
}
