use std::collections::BTreeMap;
use std::time::Duration;

use hardstop_domain::*;
use hardstop_store::*;

use crate::fixture::*;

const MINUTE_US: i64 = 60_000_000;

pub async fn counters_hold_while_sessions_work_at_once(db: Fixture) {
    let types = db.deploy(["a", "b"]).await;
    let workers = (0..4).map(|number| {
        let db = db.clone();
        tokio::spawn(async move {
            let store = db.another().await;
            let session = store.open_session("host", LONG, None).await.unwrap();
            for round in 0..12_u32 {
                let name = ["a", "b"][(number + round as usize) % 2];
                let mut new = chains(name, 5);
                new[0].first.delay_ms = 3_600_000;
                store.enqueue(&new).await.unwrap();
                store.cancel(new[1].first.id).await.unwrap();
                store.retry(new[0].first.id).await.unwrap();
                let request = ClaimRequest {
                    token: LeaseToken::new(session, round),
                    quotas: types.map(|id| (id, 10)).into(),
                    total: 10,
                };
                let mut ends = Vec::new();
                for (n, job) in store.claim(&request).await.unwrap().iter().enumerate() {
                    let next = match n % 4 {
                        0 => Next::Retry { delay_ms: 0 },
                        1 => Next::Discard,
                        2 => Next::Continue {
                            job: crate::fixture::job(name),
                        },
                        _ => Next::Complete {
                            output: "1".to_owned(),
                        },
                    };
                    ends.push(settlement(job, next));
                }
                store.settle(&ends).await.unwrap();
                store.fold().await.unwrap();
                store.counts().await.unwrap();
            }
            store.close().await;
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    db.check_counts().await;
    db.store.fold().await.unwrap();
    db.check_counts().await;
    let all: u64 = db
        .store
        .counts()
        .await
        .unwrap()
        .iter()
        .map(|it| it.count)
        .sum();
    assert!(
        all >= 4 * 12 * 5,
        "every chain has a job at the least: {all}"
    );
}

pub async fn the_oldest_ready_job_is_found_in_any_priority(db: Fixture) {
    let [a, _, _] = db.deploy(["a", "b", "c"]).await;
    assert_eq!(db.store.oldest_ready().await.unwrap(), []);
    for (type_name, priority, count) in [("a", 5, 2), ("a", -3, 2), ("b", 0, 1)] {
        for _ in 0..count {
            let mut new = chain(type_name);
            new.first.priority = Some(priority);
            db.enqueue(&[new]).await;
        }
    }
    let mut later = chain("c");
    later.first.delay_ms = 3_600_000;
    db.enqueue(&[later]).await;
    // The one that is claimed last is the oldest.
    let oldest = db.time_after(-3_600_000_000);
    let last = match db.database {
        Database::Postgres => "max(id::text)::uuid",
        Database::Sqlite => "max(id)",
    };
    db.execute(&format!(
        "UPDATE hardstop.job_live SET due_at = {oldest} \
         WHERE id = (SELECT {last} FROM hardstop.job_live WHERE priority = 5)"
    ))
    .await;
    let found = db.store.oldest_ready().await.unwrap();
    let names: Vec<&str> = found.iter().map(|it| it.type_name.as_str()).collect();
    assert_eq!(names, ["a", "b"], "no scheduled job is ready");
    assert!(found[0].age >= Duration::from_secs(3_600), "{found:?}");
    assert!(found[1].age < Duration::from_secs(3_600), "{found:?}");
    let session = db.session().await;
    db.claim(session, a, 10).await;
    let found = db.store.oldest_ready().await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
}

/// What a session may have seen: so many attempts that completed after a second.
fn seen(count: u64) -> Statistic {
    let mut statistic = Statistic::default();
    for _ in 0..count {
        *statistic
            .outcomes
            .entry(OutcomeKind::Completed)
            .or_default() += 1;
        statistic.wait.record(2_000);
        statistic.run.record(1_000_000);
    }
    statistic
}

fn row(at: i64, type_id: TypeId, count: u64) -> TypeStatistic {
    TypeStatistic {
        at: Timestamp(at),
        type_id,
        statistic: seen(count),
    }
}

/// The begin of the minute so many minutes ago.
fn minutes_ago(minutes: i64) -> i64 {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_micros() as i64;
    now - now % MINUTE_US - minutes * MINUTE_US
}

async fn read(db: &Fixture, query: StatisticQuery) -> Vec<(i64, u32, String, u64)> {
    let points = db.store.statistics(&query).await.unwrap().into_iter();
    points
        .map(|it| {
            (
                it.at.0,
                it.seconds,
                it.type_name.to_string(),
                it.statistic.attempts(),
            )
        })
        .collect()
}

pub async fn what_a_session_saw_is_read_by_steps(db: Fixture) {
    let [a, b] = db.deploy(["a", "b"]).await;
    let (one, two) = (db.session().await, db.session().await);
    // The begin of an hour, so that no step ends among them.
    let base = minutes_ago(0) / (60 * MINUTE_US) * (60 * MINUTE_US);
    let put = async |session, rows: &[TypeStatistic]| {
        db.store.put_statistics(session, rows).await.unwrap();
    };
    put(one, &[row(base, a, 1), row(base, b, 2)]).await;
    put(two, &[row(base, a, 4), row(base + MINUTE_US, a, 8)]).await;
    // In the place of what it wrote before.
    put(one, &[row(base, a, 16)]).await;
    put(one, &[]).await;
    let query = |type_name: Option<&str>, step_s| StatisticQuery {
        type_name: type_name.map(name),
        // Begins with the step that it lies in.
        from: Timestamp(base + 1),
        to: Timestamp(base + 60 * MINUTE_US),
        step_s,
    };
    let point = |at, seconds, name: &str, count| (at, seconds, name.to_owned(), count);
    assert_eq!(
        read(&db, query(None, 60)).await,
        [
            point(base, 60, "a", 20),
            point(base, 60, "b", 2),
            point(base + MINUTE_US, 60, "a", 8),
        ]
    );
    assert_eq!(
        read(&db, query(Some("a"), 3_600)).await,
        [point(base, 3_600, "a", 28)]
    );
    let before = StatisticQuery {
        to: Timestamp(base),
        from: Timestamp(base - 60 * MINUTE_US),
        ..query(None, 60)
    };
    assert_eq!(read(&db, before).await, []);
}

pub async fn folding_loses_nothing(db: Fixture) {
    let [a, b] = db.deploy(["a", "b"]).await;
    let sessions = [db.session().await, db.session().await];
    let ages = [1, 5, 30, 31, 400, 401, 500];
    for session in sessions {
        for minutes in ages {
            let at = minutes_ago(minutes);
            let rows = [row(at, a, 3), row(at, b, 1)];
            db.store.put_statistics(session, &rows).await.unwrap();
        }
    }
    let query = StatisticQuery {
        type_name: None,
        from: Timestamp(minutes_ago(1_000)),
        to: Timestamp(minutes_ago(-1)),
        step_s: 60,
    };
    let sums = async || {
        let mut sums: BTreeMap<String, Statistic> = BTreeMap::new();
        for point in db.store.statistics(&query).await.unwrap() {
            let sum = sums.entry(point.type_name.to_string()).or_default();
            sum.merge(&point.statistic);
        }
        sums
    };
    let before = sums().await;
    assert_eq!(before["a"].attempts(), 3 * 2 * ages.len() as u64);
    let rows = async || {
        let sql =
            "UPDATE hardstop.statistic SET seconds = seconds WHERE session = 0 AND seconds = ";
        let (minutes, hours) = (format!("{sql}60"), format!("{sql}3600"));
        (db.execute(&minutes).await, db.execute(&hours).await)
    };
    assert_eq!(rows().await, (0, 0));
    db.store.fold().await.unwrap();
    assert_eq!(sums().await, before);
    // The hours of those that are 400 and 401 minutes old are one or two.
    let (minutes, hours) = rows().await;
    assert_eq!(
        minutes,
        2 * 2,
        "what is 30 and 31 minutes old, of each type"
    );
    assert!((4..=6).contains(&hours), "{hours}");
    // A session that wrote late is counted with the rest, and a second fold changes nothing.
    let late = [row(minutes_ago(30), a, 5), row(minutes_ago(400), a, 7)];
    let third = db.session().await;
    db.store.put_statistics(third, &late).await.unwrap();
    for _ in 0..2 {
        db.store.fold().await.unwrap();
        assert_eq!(sums().await["a"].attempts(), before["a"].attempts() + 12);
        assert_eq!(sums().await["b"], before["b"]);
        assert_eq!(rows().await, (minutes, hours));
    }
    // What nobody needs any more goes.
    let old = match db.database {
        Database::Postgres => "at - interval '91 days'",
        Database::Sqlite => "at - 91 * 86400000000",
    };
    db.execute(&format!(
        "UPDATE hardstop.statistic SET at = {old} WHERE seconds = 3600"
    ))
    .await;
    db.store.fold().await.unwrap();
    assert_eq!(rows().await, (minutes, 0));
}

pub async fn statistics_that_cannot_be_are_refused(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let at = minutes_ago(0);
    for rows in [vec![row(at, a, 1), row(at, a, 2)], vec![row(at + 1, a, 1)]] {
        let refused = db.store.put_statistics(session, &rows).await;
        assert!(
            matches!(refused, Err(StoreError::Invalid(_))),
            "{refused:?}"
        );
    }
    let query = |step_s, minutes: i64| StatisticQuery {
        type_name: None,
        from: Timestamp(at),
        to: Timestamp(at + minutes * MINUTE_US),
        step_s,
    };
    for query in [query(0, 1), query(59, 1), query(90, 1), query(60, 1_501)] {
        let refused = db.store.statistics(&query).await;
        assert!(
            matches!(refused, Err(StoreError::Invalid(_))),
            "{refused:?}"
        );
    }
    assert_eq!(db.store.statistics(&query(60, 1_500)).await.unwrap(), []);
    let unknown = StatisticQuery {
        type_name: Some(name("unknown")),
        ..query(60, 1)
    };
    let refused = db.store.statistics(&unknown).await;
    assert!(
        matches!(refused, Err(StoreError::UnknownType(_))),
        "{refused:?}"
    );
}
