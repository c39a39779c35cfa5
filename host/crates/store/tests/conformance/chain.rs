use hardstop_domain::*;
use hardstop_store::*;
use uuid::Uuid;

use crate::fixture::*;

/// Every page of a query, put together.
async fn walk(db: &Fixture, query: ChainQuery) -> Vec<ChainSummary> {
    let mut seen: Vec<ChainSummary> = Vec::new();
    let mut query = query;
    loop {
        let page = db.store.chains(&query).await.unwrap();
        let Some(last) = page.last() else { return seen };
        assert!(page.len() <= query.limit as usize);
        query.before = Some(last.id);
        seen.extend(page);
    }
}

/// Starts a chain of `jobs` jobs: the first of type `a`, the others of type `b`. All but the last have
/// continued.
async fn chain_of(db: &Fixture, types: [TypeId; 2], session: SessionId, jobs: usize) -> Vec<JobId> {
    let mut ids = vec![db.start("a").await];
    for number in 1..jobs {
        let claimed = db.claim_one(session, types[usize::from(number > 1)]).await;
        let next = job("b");
        ids.push(next.id);
        db.settle(continue_with(&claimed, next)).await;
    }
    ids
}

pub async fn is_listed_with_its_first_type_and_last_state(db: Fixture) {
    let types = db.deploy(["a", "b"]).await;
    let session = db.session().await;
    let mut wanted = Vec::new();
    for (jobs, end, state) in [
        (1, Some(Next::Discard), State::Discarded),
        (3, Some(Next::Discard), State::Discarded),
        (2, Some(Next::Cancel), State::Cancelled),
        (1, None, State::Completed),
        (3, None, State::Completed),
        (3, Some(Next::Retry { delay_ms: 60_000 }), State::Scheduled),
    ] {
        let ids = chain_of(&db, types, session, jobs).await;
        let claimed = db.claim_one(session, types[usize::from(jobs > 1)]).await;
        let settlement = match end {
            Some(next) => settlement(&claimed, next),
            None => complete(&claimed),
        };
        db.settle(settlement).await;
        wanted.push((ids, state));
    }
    let running = chain_of(&db, types, session, 2).await;
    db.claim_one(session, types[1]).await;
    wanted.push((running, State::Running));
    wanted.push((chain_of(&db, types, session, 2).await, State::Ready));
    wanted.reverse();

    let all = ChainQuery {
        limit: 100,
        ..ChainQuery::default()
    };
    let states = [
        None,
        Some(State::Blocked),
        Some(State::Scheduled),
        Some(State::Ready),
        Some(State::Running),
        Some(State::Completed),
        Some(State::Discarded),
        Some(State::Cancelled),
    ];
    for state in states {
        for (type_name, limit) in [(None, 100), (None, 1), (Some("a"), 100), (Some("a"), 1)] {
            let query = ChainQuery {
                type_name: type_name.map(name),
                state,
                limit,
                ..all.clone()
            };
            let seen: Vec<_> = walk(&db, query)
                .await
                .into_iter()
                .map(|chain| (chain.id, chain.state, chain.jobs as usize, chain.last_job))
                .collect();
            let wanted: Vec<_> = wanted
                .iter()
                .filter(|(_, last)| state.is_none_or(|state| state == *last))
                .map(|(ids, state)| (ids[0].into(), *state, ids.len(), ids[ids.len() - 1]))
                .collect();
            assert_eq!(seen, wanted, "{state:?} {type_name:?} {limit}");
        }
        // The type is the first job's, not the last one's.
        let query = ChainQuery {
            type_name: Some(name("b")),
            state,
            ..all.clone()
        };
        assert_eq!(walk(&db, query).await, [], "{state:?}");
    }
    for chain in walk(&db, all).await {
        assert_eq!(chain.type_name, name("a"));
        let jobs = db.store.chain(chain.id).await.unwrap();
        let last = jobs.last().unwrap();
        assert_eq!(chain.created_at, jobs[0].created_at);
        assert_eq!(
            (chain.outcome, chain.finished_at, chain.priority),
            (last.outcome, last.finished_at, last.priority)
        );
    }
}

pub async fn pages_meet_while_chains_go_on_and_close(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let mut wanted: Vec<ChainId> = Vec::new();
    for limit in 1..=7 {
        let batch: Vec<_> = (0..10)
            .map(|n| NewChain::new(job_of_ms("a", 1_000, u128::from(limit) * 100 + n)))
            .collect();
        db.enqueue(&batch).await;
        wanted.extend(batch.iter().map(NewChain::id));
        wanted.sort_by_key(|id| std::cmp::Reverse(*id));

        let mut seen = Vec::new();
        let mut query = ChainQuery {
            limit,
            ..ChainQuery::default()
        };
        let mut pages = 0;
        loop {
            let page = db.store.chains(&query).await.unwrap();
            let Some(last) = page.last() else { break };
            query.before = Some(last.id);
            seen.extend(page.into_iter().map(|chain| chain.id));
            // One closes and one goes on, its next job of the same millisecond as all the others.
            for job in db.claim(session, a, 2).await {
                pages += 1;
                let next = job_of_ms("a", 1_000, 10_000 + u128::from(limit) * 1_000 + pages);
                match pages % 2 {
                    0 => db.settle(complete(&job)).await,
                    _ => db.settle(continue_with(&job, next)).await,
                };
            }
        }
        assert_eq!(seen, wanted, "limit {limit}");
    }
    let closed = ChainQuery {
        state: Some(State::Completed),
        limit: 1_000,
        ..ChainQuery::default()
    };
    let closed = db.store.chains(&closed).await.unwrap();
    assert!(closed.iter().any(|chain| chain.jobs > 1) && closed.len() > 20);
}

pub async fn by_the_time_that_the_id_names(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let batch: Vec<_> = (0..6)
        .map(|n| NewChain::new(job_of_ms("a", 5_000 + n, 0)))
        .collect();
    db.enqueue(&batch).await;
    let claimed = db.claim(session, a, 3).await;
    db.settle(complete(&claimed[0])).await;
    db.settle(settlement(&claimed[1], Next::Discard)).await;
    for chain in &batch {
        db.key(a, "k", chain.id()).await;
    }
    let at = |ms: i64| Some(Timestamp(ms * 1_000 + 500));
    for (since, until, wanted) in [
        (at(5_002), None, vec![5, 4, 3, 2]),
        (None, at(5_002), vec![1, 0]),
        (at(5_001), at(5_004), vec![3, 2, 1]),
    ] {
        for (type_name, key, state) in [
            (None, None, None),
            (Some("a"), None, None),
            (Some("a"), Some("k"), None),
            (None, None, Some(State::Discarded)),
            (None, None, Some(State::Running)),
            (Some("a"), None, Some(State::Completed)),
        ] {
            let query = ChainQuery {
                type_name: type_name.map(name),
                state,
                key: key.map(str::to_owned),
                since,
                until,
                limit: 3,
                ..ChainQuery::default()
            };
            let seen: Vec<_> = walk(&db, query)
                .await
                .iter()
                .map(|chain| chain.id)
                .collect();
            let state_of = |n: u64| match n {
                0 => State::Completed,
                1 => State::Discarded,
                2 => State::Running,
                _ => State::Ready,
            };
            let wanted: Vec<_> = wanted
                .iter()
                .filter(|n| state.is_none_or(|state| state == state_of(**n)))
                .map(|n| batch[*n as usize].id())
                .collect();
            assert_eq!(seen, wanted, "{since:?} {until:?} {key:?} {state:?}");
        }
    }
}

pub async fn by_key(db: Fixture) {
    let types = db.deploy(["a", "b"]).await;
    let [a, b] = types;
    let session = db.session().await;
    let mut wanted = Vec::new();
    for jobs in [1, 3, 2, 1] {
        let ids = chain_of(&db, types, session, jobs).await;
        db.key(a, "k", ids[0]).await;
        wanted.push(ids);
        if wanted.len() < 4 {
            let claimed = db.claim_one(session, if jobs > 1 { b } else { a }).await;
            db.settle(complete(&claimed)).await;
        }
    }
    let other = db.start("a").await;
    db.key(a, "other", other).await;
    let other = db.start("b").await;
    db.key(b, "k", other).await;
    // A chain of which nothing is kept any more.
    db.key(a, "k", job("a").id).await;
    wanted.reverse();
    for limit in 1..=7 {
        let query = ChainQuery {
            type_name: Some(name("a")),
            key: Some("k".to_owned()),
            limit,
            ..ChainQuery::default()
        };
        let seen = walk(&db, query.clone()).await;
        let lines: Vec<_> = seen
            .iter()
            .map(|chain| (chain.id, chain.jobs as usize, chain.last_job))
            .collect();
        let lines_wanted: Vec<_> = wanted
            .iter()
            .map(|ids| (ids[0].into(), ids.len(), ids[ids.len() - 1]))
            .collect();
        assert_eq!(lines, lines_wanted);
        assert!(seen.iter().all(|chain| chain.key.as_deref() == Some("k")));
        assert!(seen.iter().all(|chain| chain.type_name == name("a")));
        let closed = ChainQuery {
            state: Some(State::Completed),
            ..query
        };
        let closed: Vec<_> = walk(&db, closed)
            .await
            .iter()
            .map(|chain| chain.id)
            .collect();
        let closed_wanted: Vec<_> = wanted[1..].iter().map(|ids| ids[0].into()).collect();
        assert_eq!(closed, closed_wanted);
    }
}

pub async fn what_cannot_be_asked_for_is_refused(db: Fixture) {
    db.deploy(["a"]).await;
    let good = ChainQuery {
        limit: 1,
        ..ChainQuery::default()
    };
    assert_eq!(db.store.chains(&good).await.unwrap(), []);
    let bad = [
        ChainQuery {
            limit: 0,
            ..good.clone()
        },
        ChainQuery {
            limit: CHAIN_QUERY_LIMIT_MAX + 1,
            ..good.clone()
        },
        ChainQuery {
            state: Some(State::Continued),
            ..good.clone()
        },
        ChainQuery {
            key: Some("k".to_owned()),
            ..good.clone()
        },
    ];
    for query in bad {
        let error = db.store.chains(&query).await.unwrap_err();
        assert!(matches!(error, StoreError::Invalid(_)), "{error:?}");
    }
    let query = ChainQuery {
        type_name: Some(name("nobody")),
        ..good
    };
    let error = db.store.chains(&query).await.unwrap_err();
    assert!(matches!(error, StoreError::UnknownType(_)), "{error:?}");
}

pub async fn in_full(db: Fixture) {
    let types = db.deploy(["a", "b"]).await;
    let session = db.session().await;
    let ids = chain_of(&db, types, session, 3).await;
    let chain = ChainId::from(ids[0]);
    let (waiting, other) = (db.start("a").await, db.start("a").await);
    db.block(waiting, &[other.into(), chain]).await;
    let (root, parent) = (ChainId(Uuid::now_v7()), JobId(Uuid::now_v7()));
    let sql = format!(
        "UPDATE hardstop.job_body SET root_chain = {}, depth = 3, parent_job = {} WHERE id = {}",
        db.id(root),
        db.id(parent),
        db.id(ids[0])
    );
    assert_eq!(db.execute(&sql).await, 1);

    let detail = db.store.chain_detail(chain).await.unwrap().unwrap();
    assert_eq!(detail.jobs, db.store.chain(chain).await.unwrap());
    assert_eq!(
        detail.jobs.iter().map(|job| job.id).collect::<Vec<_>>(),
        ids
    );
    assert_eq!(
        (detail.summary.state, detail.summary.jobs),
        (State::Ready, 3)
    );
    assert_eq!((detail.output, detail.failure), (None, None));
    assert_eq!(detail.parent_job, Some(parent));
    assert_eq!(detail.lineage, Lineage { root, depth: 3 });
    assert_eq!(db.job(ids[2]).await.parent_job, Some(parent), "its chain's");
    assert_eq!(detail.blockers, []);
    let dependent = Dependent {
        job: waiting,
        chain_id: waiting.into(),
        type_name: name("a"),
        state: State::Blocked,
        position: 1,
        awaited: true,
    };
    assert_eq!(detail.dependents, std::slice::from_ref(&dependent));
    assert!(!detail.more_dependents);

    // It closes; for the dependent, as the operations that tell it would note.
    let claimed = db.claim_one(session, types[1]).await;
    db.settle(complete(&claimed)).await;
    let sql = format!(
        "UPDATE hardstop.job_blocker SET closed_by = {} WHERE job_id = {} AND position = 1",
        db.id(ids[2]),
        db.id(waiting)
    );
    assert_eq!(db.execute(&sql).await, 1);
    let detail = db.store.chain_detail(chain).await.unwrap().unwrap();
    assert_eq!(detail.output.as_deref(), Some("42"));
    assert_eq!(detail.summary.state, State::Completed);
    assert_eq!(detail.summary.finished_at, detail.jobs[2].finished_at);
    let told = Dependent {
        awaited: false,
        ..dependent
    };
    assert_eq!(detail.dependents, [told]);
    // The other side of it.
    let detail = db
        .store
        .chain_detail(waiting.into())
        .await
        .unwrap()
        .unwrap();
    let seen: Vec<_> = detail
        .blockers
        .iter()
        .map(|b| (b.position, b.chain_id, b.state, b.awaited, b.closed_by))
        .collect();
    let wanted = [
        (0, other.into(), Some(State::Ready), true, None),
        (1, chain, Some(State::Completed), false, Some(ids[2])),
    ];
    assert_eq!(seen, wanted);
    // As the CLI writes it.
    let json = serde_json::to_value(&detail).unwrap();
    assert_eq!(
        (&json["jobs"], &json["job_list"][0]["state"], &json["type"]),
        (&1.into(), &"blocked".into(), &"a".into())
    );

    // The job that was waited for would be claimed too.
    db.store.cancel(other).await.unwrap();
    let failing = chain_of(&db, types, session, 2).await;
    let claimed = db.claim_one(session, types[1]).await;
    db.settle(settlement(&claimed, Next::Discard)).await;
    let detail = db.store.chain_detail(failing[0].into()).await.unwrap();
    let detail = detail.unwrap();
    assert_eq!(detail.failure.unwrap().kind, OutcomeKind::FailedFatal);
    assert_eq!(detail.lineage, Lineage::root(failing[0].into()));
    assert_eq!((detail.output, detail.parent_job), (None, None));
}

pub async fn with_the_first_hundred_dependents(db: Fixture) {
    db.deploy(["a"]).await;
    let chain = db.start("a").await;
    let waiting = chains("a", CHAIN_DEPENDENTS_MAX);
    db.enqueue(&waiting).await;
    for dependent in &waiting {
        db.block(dependent.first.id, &[chain.into()]).await;
    }
    let detail = db.store.chain_detail(chain.into()).await.unwrap().unwrap();
    let seen: Vec<_> = detail.dependents.iter().map(|d| d.job).collect();
    let wanted: Vec<_> = waiting.iter().map(|chain| chain.first.id).collect();
    assert_eq!((seen, detail.more_dependents), (wanted.clone(), false));
    let late = db.start("a").await;
    db.block(late, &[chain.into()]).await;
    let detail = db.store.chain_detail(chain.into()).await.unwrap().unwrap();
    let seen: Vec<_> = detail.dependents.iter().map(|d| d.job).collect();
    assert_eq!((seen, detail.more_dependents), (wanted, true));
}

pub async fn nothing_where_there_is_nothing(db: Fixture) {
    let types = db.deploy(["a", "b"]).await;
    let session = db.session().await;
    let unknown = ChainId(Uuid::now_v7());
    assert_eq!(db.store.chain_detail(unknown).await.unwrap(), None);
    let ids = chain_of(&db, types, session, 2).await;
    let second = ChainId::from(ids[1]);
    assert_eq!(db.store.chain_detail(second).await.unwrap(), None);
    let claimed = db.claim_one(session, types[1]).await;
    db.settle(complete(&claimed)).await;
    assert_eq!(db.store.chain_detail(second).await.unwrap(), None);
}
