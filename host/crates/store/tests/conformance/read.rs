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
            limit: 1_000,
            ..JobQuery::default()
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

pub async fn pages_meet_while_jobs_finish(db: Fixture) {
    let [a, b] = db.deploy(["a", "b"]).await;
    let session = db.session().await;
    let mut wanted = Vec::new();
    for limit in 1..=7 {
        // Of one millisecond by their ids, and of one time by the database's clock.
        let batch: Vec<_> = (0..15)
            .map(|n| {
                let type_name = if n % 3 == 0 { "b" } else { "a" };
                NewChain::new(job_of_ms(type_name, 1_000, u128::from(limit) * 100 + n))
            })
            .collect();
        db.enqueue(&batch).await;
        wanted.extend(batch.iter().map(|chain| chain.first.id));
        wanted.sort_by_key(|id| std::cmp::Reverse(*id));

        let mut seen = Vec::new();
        let mut query = JobQuery {
            limit,
            ..JobQuery::default()
        };
        let mut settled = 0;
        loop {
            let page = db.store.jobs(&query).await.unwrap();
            let Some(last) = page.last() else { break };
            query.before = Some(last.id);
            seen.extend(page.into_iter().map(|job| job.id));
            // From live to final, in an order that has nothing to do with the ids'.
            let type_id = if settled % 2 == 0 { a } else { b };
            for job in db.claim(session, type_id, 1).await {
                db.settle(complete(&job)).await;
            }
            settled += 1;
        }
        assert_eq!(seen, wanted, "limit {limit}");
    }
    let finished = JobQuery {
        state: Some(State::Completed),
        limit: 1_000,
        ..JobQuery::default()
    };
    let finished = db.store.jobs(&finished).await.unwrap();
    assert!(finished.len() > 50, "jobs finished meanwhile");
}

pub async fn by_the_time_that_the_id_names(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    // Two in each of five milliseconds, half of them final.
    let batch: Vec<_> = (0..10)
        .map(|n| NewChain::new(job_of_ms("a", 5_000 + n / 2, u128::from(n % 2))))
        .collect();
    db.enqueue(&batch).await;
    let claimed = db.claim(session, a, 10).await;
    let half: Vec<_> = claimed.iter().step_by(2).map(complete).collect();
    db.store.settle(&half).await.unwrap();
    let listed = async |query: JobQuery| {
        let jobs = db.store.jobs(&query).await.unwrap();
        let numbers = jobs.iter().map(|job| {
            let place = batch.iter().position(|chain| chain.first.id == job.id);
            place.unwrap()
        });
        numbers.collect::<Vec<_>>()
    };
    let at = |us: i64| Some(Timestamp(us));
    for (since, until, wanted) in [
        (None, None, (0..10).rev().collect::<Vec<_>>()),
        // From its first microsecond to its last, a millisecond is one.
        (at(5_002_000), None, vec![9, 8, 7, 6, 5, 4]),
        (at(5_002_999), None, vec![9, 8, 7, 6, 5, 4]),
        (at(5_003_000), None, vec![9, 8, 7, 6]),
        (None, at(5_002_000), vec![3, 2, 1, 0]),
        (None, at(5_002_999), vec![3, 2, 1, 0]),
        (at(5_001_000), at(5_003_000), vec![5, 4, 3, 2]),
        (at(5_003_000), at(5_001_000), vec![]),
        (at(5_005_000), None, vec![]),
        (at(-1), at(i64::MAX), (0..10).rev().collect()),
        (at(i64::MAX), None, vec![]),
    ] {
        for (type_name, state) in [
            (None, None),
            (Some("a"), None),
            (None, Some(State::Running)),
            (Some("a"), Some(State::Completed)),
        ] {
            let query = JobQuery {
                type_name: type_name.map(name),
                state,
                since,
                until,
                limit: 1_000,
                ..JobQuery::default()
            };
            // The even ones are final.
            let wanted: Vec<_> = wanted
                .iter()
                .copied()
                .filter(|n| state.is_none_or(|s| (s == State::Completed) == (n % 2 == 0)))
                .collect();
            assert_eq!(listed(query).await, wanted, "{since:?} {until:?} {state:?}");
        }
    }
    // The cursor and the bound: whichever is older.
    let cursor = JobQuery {
        until: at(5_002_000),
        before: Some(batch[7].first.id),
        limit: 2,
        ..JobQuery::default()
    };
    assert_eq!(listed(cursor.clone()).await, [3, 2]);
    let cursor = JobQuery {
        before: Some(batch[2].first.id),
        ..cursor
    };
    assert_eq!(listed(cursor).await, [1, 0]);
}

pub async fn by_key_through_the_chains_that_had_it(db: Fixture) {
    let [a, b] = db.deploy(["a", "b"]).await;
    let session = db.session().await;
    let mut wanted = Vec::new();
    for _ in 0..3 {
        let first = db.start("a").await;
        db.key(a, "it's".replace('\'', "''").as_str(), first).await;
        wanted.push(first);
        let claimed = db.claim_one(session, a).await;
        let next = job("b");
        wanted.push(next.id);
        db.settle(continue_with(&claimed, next)).await;
        if wanted.len() < 6 {
            let claimed = db.claim_one(session, b).await;
            db.settle(complete(&claimed)).await;
        }
    }
    // Another key, another type's key, and none.
    let other = db.start("a").await;
    db.key(a, "other", other).await;
    let other = db.start("b").await;
    db.key(b, "it''s", other).await;
    db.start("a").await;
    wanted.sort_by_key(|id| std::cmp::Reverse(*id));
    for limit in 1..=7 {
        let mut seen = Vec::new();
        let mut query = JobQuery {
            type_name: Some(name("a")),
            key: Some("it's".to_owned()),
            limit,
            ..JobQuery::default()
        };
        loop {
            let page = db.store.jobs(&query).await.unwrap();
            let Some(last) = page.last() else { break };
            query.before = Some(last.id);
            seen.extend(page.into_iter().map(|job| job.id));
        }
        assert_eq!(seen, wanted, "limit {limit}");
    }
    let with = async |state, key: &str| {
        let query = JobQuery {
            type_name: Some(name("a")),
            state: Some(state),
            key: Some(key.to_owned()),
            limit: 10,
            ..JobQuery::default()
        };
        db.store.jobs(&query).await.unwrap().len()
    };
    assert_eq!(with(State::Continued, "it's").await, 3);
    assert_eq!(with(State::Completed, "it's").await, 2);
    assert_eq!(with(State::Ready, "it's").await, 1);
    assert_eq!(with(State::Ready, "other").await, 1);
    assert_eq!(with(State::Ready, "nobody's \0").await, 0);
    let query = JobQuery {
        key: Some("it's".to_owned()),
        limit: 1,
        ..JobQuery::default()
    };
    let error = db.store.jobs(&query).await.unwrap_err();
    assert!(matches!(&error, StoreError::Invalid(text) if text.contains("type")));
}

pub async fn rare_states_by_their_own_indexes(db: Fixture) {
    let [a, _] = db.deploy(["a", "b"]).await;
    let session = db.session().await;
    let mut wanted = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..5 {
        for (place, ids) in wanted.iter_mut().enumerate() {
            let id = db.start("a").await;
            let claimed = db.claim_one(session, a).await;
            match place {
                0 => {}
                1 => drop(db.settle(settlement(&claimed, Next::Discard)).await),
                _ => drop(db.settle(settlement(&claimed, Next::Cancel)).await),
            }
            if round < 4 {
                ids.push(id);
            }
        }
    }
    let states = [State::Running, State::Discarded, State::Cancelled];
    for (state, mut ids) in states.into_iter().zip(wanted) {
        ids.reverse();
        let query = |type_name: Option<&str>, before, limit| JobQuery {
            type_name: type_name.map(name),
            state: Some(state),
            before,
            limit,
            ..JobQuery::default()
        };
        let all = db.store.jobs(&query(None, None, 100)).await.unwrap();
        assert_eq!(all.len(), 5);
        assert!(all.iter().all(|job| job.state == state));
        // From the newest but one on.
        let mut cursor = Some(all[0].id);
        let mut seen = Vec::new();
        for _ in 0..4 {
            let page = db.store.jobs(&query(Some("a"), cursor, 1)).await.unwrap();
            assert_eq!(page.len(), 1);
            cursor = Some(page[0].id);
            seen.push(page[0].id);
        }
        assert_eq!(seen, ids);
        assert_eq!(db.store.jobs(&query(None, cursor, 1)).await.unwrap(), []);
        assert_eq!(db.store.jobs(&query(Some("b"), None, 9)).await.unwrap(), []);
    }
}

pub async fn a_job_with_all_that_surrounds_it(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let (root, parent) = (db.start("a").await, db.start("a").await);
    let finished = db.claim(session, a, 1).await.remove(0);
    db.settle(complete(&finished)).await;
    let first = db.start("a").await;
    let bare = db.job(first).await;
    assert_eq!(bare.lineage, Lineage::root(first.into()));
    assert_eq!(
        (bare.parent_job, bare.key, bare.deadline_at),
        (None, None, None)
    );
    assert_eq!((bare.completion_token, bare.blockers), (None, vec![]));

    let token = Uuid::now_v7();
    let (id, token_text) = (db.id(first), db.id(JobId(token)));
    db.execute(&format!(
        "UPDATE hardstop.job_body SET root_chain = {}, depth = 2, parent_job = {}, completion_token = {token_text} \
         WHERE id = {id}",
        db.id(root),
        db.id(parent)
    ))
    .await;
    db.execute(&format!(
        "UPDATE hardstop.job_live SET deadline_at = {} WHERE id = {id}",
        db.time_after(60_000_000)
    ))
    .await;
    db.key(a, "k", first).await;
    db.block(
        first,
        &[parent.into(), root.into(), ChainId(Uuid::now_v7())],
    )
    .await;
    let job = db.job(first).await;
    assert_eq!(
        (job.parent_job, job.key.as_deref()),
        (Some(parent), Some("k"))
    );
    assert_eq!(job.completion_token, Some(token));
    assert!(job.deadline_at.unwrap() > job.summary.created_at);
    let lineage = Lineage {
        root: root.into(),
        depth: 2,
    };
    assert_eq!(job.lineage, lineage);
    let blockers: Vec<_> = job
        .blockers
        .iter()
        .map(|b| (b.job, b.position, b.chain_id.into(), b.state, b.awaited))
        .collect();
    assert_eq!(
        blockers[..2],
        [
            (first, 0, parent, Some(State::Ready), true),
            (first, 1, root, Some(State::Completed), true),
        ]
    );
    assert_eq!(
        (blockers.len(), blockers[2].3),
        (3, None),
        "nothing of it is kept"
    );

    // Once it is final, nothing is awaited and the token is of no use.
    db.store.cancel(first).await.unwrap();
    let job = db.job(first).await;
    assert_eq!((job.completion_token, job.deadline_at), (None, None));
    assert!(job.blockers.iter().all(|blocker| !blocker.awaited));
    assert_eq!(job.blockers.len(), 3);
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

pub async fn what_jobs_of_a_type_used_newest_first(db: Fixture) {
    let [a, _] = db.deploy(["a", "b"]).await;
    let session = db.session().await;
    for wall_us in [1, 2, 3] {
        db.start("a").await;
        let job = db.claim_one(session, a).await;
        let mut settlement = complete(&job);
        settlement.usage.wall_us = wall_us;
        db.settle(settlement).await;
    }
    // One that ended badly, and one that waits: neither says what a good run needs.
    db.start("a").await;
    let job = db.claim_one(session, a).await;
    db.settle(settlement(&job, Next::Discard)).await;
    db.start("a").await;

    let name = "a".parse().unwrap();
    let used = db.store.type_usage(&name, 2).await.unwrap();
    let walls: Vec<_> = used.iter().map(|used| used.usage.wall_us).collect();
    assert_eq!(walls, [3, 2]);
    assert_eq!(used[0].usage.detail, usage().detail);
    assert_eq!(used[0].deployment, None);
    assert_eq!(db.store.type_usage(&name, 10).await.unwrap().len(), 3);
    let none = db.store.type_usage(&"b".parse().unwrap(), 10).await;
    assert_eq!(none.unwrap(), []);
    let unknown = db.store.type_usage(&"c".parse().unwrap(), 10).await;
    assert!(
        matches!(unknown, Err(StoreError::UnknownType(_))),
        "{unknown:?}"
    );
    for limit in [0, 10_001] {
        let refused = db.store.type_usage(&name, limit).await;
        assert!(
            matches!(refused, Err(StoreError::Invalid(_))),
            "{refused:?}"
        );
    }
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
