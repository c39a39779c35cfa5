//! What only Postgres can do.

use std::sync::Arc;
use std::time::Duration;

use hardstop_domain::*;
use hardstop_store::*;
use sqlx::{Connection, Executor, PgConnection, Row};
use uuid::Uuid;

use crate::fixture::*;
use crate::plan::pages;
use crate::sql::{explained, files, set, statements};

#[tokio::test]
async fn jobs_lie_in_the_partition_of_their_day() {
    run(Setting::Postgres, async |db: Fixture| {
        let [a] = db.deploy(["a"]).await;
        let session = db.session().await;
        // Today's, and one whose id names a day long gone.
        db.start("a").await;
        let mut old = chain("a");
        old.first.id = JobId(Uuid::from_u128((1_000 << 80) | (7 << 76) | (2 << 62)));
        db.enqueue(std::slice::from_ref(&old)).await;
        for job in db.claim(session, a, 2).await {
            db.settle(settlement(&job, Next::Discard)).await;
        }
        let mut connection = PgConnection::connect(&db.url).await.unwrap();
        for table in ["job_body", "job_done", "job_attempt"] {
            let sql = format!(
                "SELECT (SELECT count(*) FROM hardstop.{table}_default), (SELECT count(*) FROM hardstop.{table}), \
                 (SELECT count(*) FROM pg_inherits WHERE inhparent = 'hardstop.{table}'::regclass)"
            );
            let row = connection.fetch_one(sqlx::AssertSqlSafe(sql)).await.unwrap();
            let counts: (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
            // The default, today and the three days ahead; another, should midnight have passed.
            assert!(matches!(counts, (1, 2, 5 | 6)), "{table}: {counts:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_day_that_lies_in_the_default_partition_stays_there() {
    run(Setting::Postgres, async |db: Fixture| {
        db.deploy(["a"]).await;
        // A host that was not maintained for days: its jobs went to the default partition.
        db.execute(
            "DO $$ DECLARE part text; BEGIN FOR part IN SELECT c.oid::regclass FROM pg_inherits i \
             JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'hardstop.job_body'::regclass \
             AND c.relname <> 'job_body_default' LOOP EXECUTE 'DROP TABLE ' || part; END LOOP; END $$",
        )
        .await;
        let id = db.start("a").await;
        db.store.maintain().await.unwrap();
        db.start("a").await;
        assert_eq!(db.state(id).await, State::Ready);
        let mut connection = PgConnection::connect(&db.url).await.unwrap();
        let count = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'hardstop.job_body'::regclass";
        let row = connection.fetch_one(count).await.unwrap();
        assert_eq!(row.get::<i64, _>(0), 4, "the default and the three days ahead");
    })
    .await;
}

/// Ends every connection to the database but this one, as a restart of the server does.
async fn cut(db: &Fixture) {
    let mut connection = PgConnection::connect(&db.url).await.unwrap();
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    connection.execute(cut).await.unwrap();
}

#[tokio::test]
async fn goes_on_after_its_connections_were_cut() {
    run(Setting::Postgres, async |db: Fixture| {
        let [a] = db.deploy(["a"]).await;
        let session = db.session().await;
        db.start("a").await;
        let job = db.claim_one(session, a).await;
        for _ in 0..3 {
            cut(&db).await;
            // What may be sent twice does not even notice.
            assert!(db.beat(session).await.alive);
            assert_eq!(db.settle(complete(&job)).await, Settled::Written);
            cut(&db).await;
            // A start may not be sent twice by the store; it says that it may be tried again.
            for attempt in 0.. {
                match db.store.enqueue(&[chain("a")]).await {
                    Ok(_) => break,
                    Err(error) => assert!(error.is_transient() && attempt < 10, "{error:?}"),
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_listener_that_lost_its_connection_wakes_and_listens_on() {
    run(Setting::Postgres, async |db: Fixture| {
        db.deploy(["a"]).await;
        let mut listener = db.store.listen().await.unwrap();
        cut(&db).await;
        let limit = Duration::from_secs(20);
        while tokio::time::timeout(limit, listener.wait()).await.unwrap() != Wake::Any {}
        while db.store.enqueue(&[chain("a")]).await.is_err() {}
        assert_eq!(
            tokio::time::timeout(limit, listener.wait()).await.unwrap(),
            Wake::Ready
        );
    })
    .await;
}

#[tokio::test]
async fn a_locked_table_is_a_timeout() {
    run(Setting::Postgres, async |db: Fixture| {
        db.deploy(["a"]).await;
        let options = ConnectOptions {
            statement_timeout: Duration::from_millis(500),
            ..ConnectOptions::default()
        };
        let store = connect(&db.url, &options).await.unwrap();
        let mut connection = PgConnection::connect(&db.url).await.unwrap();
        let mut transaction = connection.begin().await.unwrap();
        transaction
            .execute("LOCK TABLE hardstop.job_live")
            .await
            .unwrap();
        let error = store.enqueue(&[chain("a")]).await.unwrap_err();
        assert!(
            matches!(error, StoreError::Timeout(_)) && error.is_transient(),
            "{error:?}"
        );
        transaction.rollback().await.unwrap();
        store.enqueue(&[chain("a")]).await.unwrap();
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn what_was_given_up_in_the_middle_holds_nothing() {
    run(Setting::Postgres, async |db: Fixture| {
        db.deploy(["a"]).await;
        let options = ConnectOptions {
            connections: 1,
            ..ConnectOptions::default()
        };
        let store = connect(&db.url, &options).await.unwrap();
        let mut connection = PgConnection::connect(&db.url).await.unwrap();
        let mut watcher = PgConnection::connect(&db.url).await.unwrap();
        for _ in 0..3 {
            let mut locked = connection.begin().await.unwrap();
            let lock = "LOCK TABLE hardstop.job_live";
            locked.execute(lock).await.unwrap();
            let new = chain("a");
            let start = tokio::spawn({
                let store = Arc::clone(&store);
                async move { store.enqueue(&[new]).await }
            });
            wait_blocked(&mut watcher).await;
            start.abort();
            assert!(start.await.unwrap_err().is_cancelled());
            // The server is at work on it still: the next one has to wait for the only connection that there may be.
            let next = chain("a");
            let waiting = tokio::spawn({
                let (store, next) = (Arc::clone(&store), next.clone());
                async move { store.enqueue(&[next]).await }
            });
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert_eq!(blocked(&mut watcher).await, 1);
            locked.rollback().await.unwrap();
            let started = waiting.await.unwrap().unwrap();
            assert_eq!(started[0].chain_id, next.id());
        }
        store.close().await;
        let error = store.enqueue(&[chain("a")]).await.unwrap_err();
        assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
    })
    .await;
}

#[tokio::test]
async fn a_read_only_database_is_told_apart() {
    run(Setting::Postgres, async |db: Fixture| {
        db.deploy(["a"]).await;
        let name = db
            .url
            .split('?')
            .next()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap();
        db.execute(&format!(
            "ALTER DATABASE {name} SET default_transaction_read_only = on"
        ))
        .await;
        let store = db.another().await;
        let error = store.enqueue(&[chain("a")]).await.unwrap_err();
        assert!(
            matches!(error, StoreError::ReadOnly { .. }) && !error.is_transient(),
            "{error:?}"
        );
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_database_that_is_not_there_is_unreachable_and_no_password_is_shown() {
    let nowhere = "postgres://user:hunter2@127.0.0.1:1/nothing";
    let bad = "postgres://user:hunter2@host:port/nothing";
    for (url, wanted) in [
        (nowhere, "127.0.0.1:1/nothing"),
        (bad, "not a Postgres URL"),
    ] {
        let Err(error) = connect(url, &ConnectOptions::default()).await else {
            panic!("connected to {url}");
        };
        let text = format!("{error} {error:?}");
        assert!(text.contains(wanted) && !text.contains("hunter2"), "{text}");
    }
}

/// Drops the partitions of every day but today.
const FORGET_DAYS: &str = "DO $$ DECLARE part text; BEGIN FOR part IN SELECT c.oid::regclass FROM pg_inherits i \
    JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'hardstop.job_body'::regclass \
    AND c.relname > 'job_body_' || to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYYMMDD') \
    AND c.relname <> 'job_body_default' LOOP EXECUTE 'DROP TABLE ' || part; END LOOP; END $$";

#[tokio::test]
async fn a_full_default_partition_is_validated_before_a_day_is_attached() {
    run(Setting::Postgres, async |db: Fixture| {
        let [a] = db.deploy(["a"]).await;
        let mut old = chain("a");
        old.first.id = JobId(Uuid::from_u128((1_000 << 80) | (7 << 76) | (2 << 62)));
        db.enqueue(std::slice::from_ref(&old)).await;
        db.execute(FORGET_DAYS).await;
        let mut connection = PgConnection::connect(&db.url).await.unwrap();
        let step = "SELECT hardstop.make_partitions('job_body')";
        let guards = "SELECT count(*), count(*) FILTER (WHERE convalidated) FROM pg_constraint \
                      WHERE conrelid = 'hardstop.job_body_default'::regclass AND conname LIKE '%_without_%'";
        let mut seen = Vec::new();
        for _ in 0..4 {
            let row = connection.fetch_one(step).await.unwrap();
            let done: i32 = row.get(0);
            let row = connection.fetch_one(guards).await.unwrap();
            seen.push((done > 0, row.get::<i64, _>(0) > 0, row.get::<i64, _>(1) > 0));
            // Jobs start in between.
            db.start("a").await;
        }
        assert_eq!(
            seen,
            [
                (true, true, false),
                (true, true, true),
                (true, false, false),
                (false, false, false)
            ]
        );
        let session = db.session().await;
        assert_eq!(db.claim(session, a, 10).await.len(), 5);
    })
    .await;
}

/// How many statements of other connections wait for a lock.
async fn blocked(connection: &mut PgConnection) -> i64 {
    let blocked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    connection.fetch_one(blocked).await.unwrap().get(0)
}

/// Waits until one does.
async fn wait_blocked(connection: &mut PgConnection) {
    for _ in 0..2_000 {
        if blocked(connection).await > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("nobody waits");
}

/// While somebody's snapshot is kept, so are the index entries of all jobs that were claimed since.
#[tokio::test]
async fn claims_and_heartbeats_pass_over_what_a_snapshot_keeps() {
    run(Setting::Postgres, async |db: Fixture| {
        let [a] = db.deploy(["a"]).await;
        let session = db.session().await;
        let mut holder = PgConnection::connect(&db.url).await.unwrap();
        for sql in ["BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT 1"] {
            holder.execute(sql).await.unwrap();
        }
        for _ in 0..6 {
            db.enqueue(&chains("a", 1_000)).await;
            let settlements: Vec<Settlement> =
                db.claim(session, a, 1_000).await.iter().map(complete).collect();
            db.store.settle(&settlements).await.unwrap();
        }
        let started = chains("a", 30);
        let mut ids: Vec<JobId> = started.iter().map(|chain| chain.first.id).collect();
        for chain in started {
            db.enqueue(&[chain]).await;
        }

        // The statement, from the beginning and from the first job that is there.
        let mut connection = PgConnection::connect(&db.url).await.unwrap();
        let first = connection
            .fetch_one(
                "SELECT priority::text, (extract(epoch FROM due_at) * 1000000)::int8::text, id::text \
                 FROM hardstop.job_live WHERE state = 4 ORDER BY priority, due_at, id LIMIT 1",
            )
            .await
            .unwrap();
        let place: [String; 3] = [0, 1, 2].map(|column| first.get(column));
        set(&mut connection, &["enable_seqscan = off", "jit = off"]).await;
        let sql = &statements(&files("postgres")["claim"])[0];
        let mut touched = Vec::new();
        for [priority, due_us, id] in [["NULL"; 3], [&place[0], &place[1], &place[2]]] {
            connection.execute("BEGIN").await.unwrap();
            let values = format!(
                "('{{{}}}', '{{5}}', {}, 5, '{{{priority}}}', '{{{due_us}}}', '{{{id}}}')",
                a.0,
                db.token(session).0
            );
            let explain = "EXPLAIN (ANALYZE, BUFFERS, TIMING off)";
            let plan = explained(&mut connection, explain, sql, &values).await;
            touched.push(pages(&plan));
            connection.execute("ROLLBACK").await.unwrap();
        }
        assert!(
            touched[1] + 100 < touched[0],
            "from the beginning {} pages, from the first job {}",
            touched[0],
            touched[1]
        );

        // What is held under a lease is found beside all that was held, and so is what nobody holds any more.
        let lease = db.token(session).0;
        let mut read = async |sql: &str, values: &str| {
            let explain = "EXPLAIN (ANALYZE, BUFFERS, TIMING off)";
            pages(&explained(&mut connection, explain, sql, values).await)
        };
        let all = "SELECT id, lease_token FROM hardstop.job_live WHERE state = 5";
        let all = read(all, "").await;
        let files = files("postgres");
        let one = read(&files["held"], &format!("('{{{lease}}}')")).await;
        let lost = read(&files["orphan"], "(NULL, 100)").await;
        assert!(
            one + 100 < all && lost + 100 < all,
            "all that is held {all} pages, under one lease {one}, by nobody {lost}"
        );

        // Whatever a claim passes over is claimed in the end: an urgent job, and one that was given back.
        let mut claimed = Vec::new();
        let given_back = db.claim(session, a, 1).await.remove(0);
        claimed.extend(db.claim(session, a, 5).await.iter().map(|job| job.id));
        let release = settlement(&given_back, Next::Release);
        assert_eq!(db.settle(release).await, Settled::Written);
        let mut urgent = chain("a");
        urgent.first.priority = Some(-1);
        ids.push(urgent.first.id);
        db.enqueue(&[urgent]).await;
        loop {
            let jobs = db.claim(session, a, 5).await;
            if jobs.is_empty() {
                break;
            }
            claimed.extend(jobs.iter().map(|job| job.id));
        }
        ids.sort();
        claimed.sort();
        assert_eq!(claimed, ids);
        holder.execute("ROLLBACK").await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_sees_the_start_that_it_waited_for() {
    run(Setting::Postgres, async |db: Fixture| {
        let [a] = db.deploy(["a"]).await;
        let session = db.session().await;
        let mut starter = PgConnection::connect(&db.url).await.unwrap();
        let mut watcher = PgConnection::connect(&db.url).await.unwrap();
        for closed in [false, true] {
            let id = db.start("a").await;
            if closed {
                db.settle(complete(&db.claim_one(session, a).await)).await;
            }
            let dependent = job("a").id;
            // As a start does that names the chain: it locks the chain's live row, or its last one.
            let lock = match closed {
                false => format!("SELECT FROM hardstop.job_live WHERE chain_id = '{id}' FOR UPDATE"),
                true => format!("SELECT FROM hardstop.job_done WHERE id = '{id}' FOR SHARE"),
            };
            for sql in [
                "BEGIN".to_owned(),
                lock,
                format!(
                    "INSERT INTO hardstop.job_live (id, chain_id, type_id, priority, state, created_at, due_at, blockers) \
                     VALUES ('{dependent}', '{dependent}', {}, 0, 2, now(), now() + interval '1 hour', 1)",
                    a.0
                ),
                format!(
                    "INSERT INTO hardstop.job_blocker (job_id, position, chain_id) VALUES ('{dependent}', 0, '{id}')"
                ),
            ] {
                starter.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
            }
            let store = db.store.clone();
            let deletion = tokio::spawn(async move { store.delete_chain(id.into(), false).await });
            wait_blocked(&mut watcher).await;
            starter.execute("COMMIT").await.unwrap();
            let deleted = deletion.await.unwrap().unwrap();
            assert_eq!(
                deleted,
                Deleted::Waited {
                    jobs: vec![dependent]
                },
                "closed: {closed}"
            );
            db.store.delete_chain(id.into(), true).await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_whose_tables_are_in_use_is_dropped_later() {
    run(Setting::Postgres, async |db: Fixture| {
        db.deploy(["a"]).await;
        db.execute(
            "DO $$ DECLARE day date := (now() AT TIME ZONE 'UTC')::date - 20; BEGIN \
             EXECUTE format('CREATE TABLE hardstop.%I PARTITION OF hardstop.job_done FOR VALUES FROM (%L) TO (%L)', \
             'job_done_' || to_char(day, 'YYYYMMDD'), hardstop.day_id(day), hardstop.day_id(day + 1)); END $$",
        )
        .await;
        let mut reader = PgConnection::connect(&db.url).await.unwrap();
        let mut transaction = reader.begin().await.unwrap();
        transaction
            .execute("SELECT count(*) FROM hardstop.job_done")
            .await
            .unwrap();
        let retention = Retention::default();
        let step = db.store.retain(&retention).await.unwrap();
        assert_eq!((step.partitions, step.more), (0, false));
        transaction.rollback().await.unwrap();
        let step = db.store.retain(&retention).await.unwrap();
        assert_eq!((step.partitions, step.more), (1, true));
    })
    .await;
}

#[tokio::test]
async fn an_event_that_commits_late_is_heard_once_and_nothing_is_skipped() {
    run(Setting::Postgres, async |db: Fixture| {
        let [a] = db.deploy(["a"]).await;
        let id = SubscriptionId(Uuid::now_v7());
        let new = NewListener {
            id,
            kinds: [EventKind::JobDiscarded].into_iter().collect(),
            types: Vec::new(),
            actor: "ada".to_owned(),
        };
        let lease = db.store.put_listener(new).await.unwrap().unwrap();
        let hear = async |after| {
            let query = HearQuery {
                id,
                lease,
                after,
                limit: 10,
            };
            match db.store.hear(query).await.unwrap() {
                Heard::Events(events) => events,
                other => panic!("{other:?}"),
            }
        };
        let session = db.session().await;
        let discard = async || {
            db.start("a").await;
            let job = db.claim_one(session, a).await;
            db.settle(settlement(&job, Next::Discard)).await;
        };
        discard().await;
        // A settlement that has drawn its number and stands still before it commits.
        let mut late = PgConnection::connect(&db.url).await.unwrap();
        let mut held = late.begin().await.unwrap();
        let insert = "INSERT INTO hardstop.delivery (subscription, kind, type_id, job_id) \
                      VALUES ($1, 1, $2, $1) RETURNING id";
        let row = sqlx::query(insert)
            .bind(id.0)
            .bind(a.0)
            .fetch_one(&mut *held)
            .await
            .unwrap();
        let number: i64 = row.get(0);
        discard().await;
        let first = hear(0).await;
        assert_eq!(first.len(), 2);
        assert!(first[0].delivery.id < number && number < first[1].delivery.id);
        assert_eq!(hear(2).await, []);
        held.commit().await.unwrap();
        discard().await;
        let rest = hear(2).await;
        let places: Vec<i64> = rest.iter().map(|it| it.position).collect();
        assert_eq!(places, [3, 4]);
        assert_eq!(rest[0].delivery.id, number);
        assert_eq!(hear(4).await, []);
        // Whoever goes on from the beginning hears the same.
        assert_eq!(hear(0).await, [first, rest].concat());
    })
    .await;
}

/// A job that leaves nothing may end between a schedule's look whether its chain is open and the start that is to wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queueing_schedule_fires_where_its_last_chain_vanishes_meanwhile() {
    run(Setting::Postgres, async |db: Fixture| {
        db.deploy(["a"]).await;
        let schedule: ScheduleName = "queue".parse().unwrap();
        let new = NewSchedule {
            name: schedule.clone(),
            type_name: name("a"),
            input: "{}".to_owned(),
            priority: 0,
            spec: ScheduleSpec {
                timing: Timing::Every {
                    interval_ms: 3_600_000_u64.try_into().unwrap(),
                },
                overlap: Overlap::Queue,
                missed: Missed::Once,
            },
        };
        db.store.put_schedule(new).await.unwrap();
        let due = "UPDATE hardstop.schedule SET next_at = clock_timestamp() - interval '1 second'";
        let check: FireCheck = Arc::new(|_, _| Ok(()));
        db.execute(due).await;
        let first = db.store.fire_due(&check).await.unwrap().started.remove(0).1;

        let mut settler = PgConnection::connect(&db.url).await.unwrap();
        let mut watcher = PgConnection::connect(&db.url).await.unwrap();
        db.execute(due).await;
        settler.execute("BEGIN").await.unwrap();
        settler
            .execute("DELETE FROM hardstop.job_live")
            .await
            .unwrap();
        let store = db.store.clone();
        let firing = tokio::spawn(async move { store.fire_due(&check).await });
        wait_blocked(&mut watcher).await;
        settler.execute("COMMIT").await.unwrap();
        let fired = firing.await.unwrap().unwrap();
        assert_eq!(fired.failed.len(), 0, "{fired:?}");
        let second = fired.started[0].1;
        assert_ne!(first, second);
        assert_eq!(db.state(second.into()).await, State::Ready);
    })
    .await;
}

#[tokio::test]
async fn a_payload_that_no_day_takes_along_goes_with_its_job() {
    run(Setting::Postgres, async |db: Fixture| {
        let [a] = db.deploy(["a"]).await;
        let session = db.session().await;
        let mut old = chain("a");
        old.first.id = JobId(Uuid::from_u128((1_000 << 80) | (7 << 76) | (2 << 62)));
        db.enqueue(std::slice::from_ref(&old)).await;
        let job = db.claim_one(session, a).await;
        let settlement = Settlement {
            keep: Keep::Failures,
            ..complete(&job)
        };
        assert_eq!(db.settle(settlement).await, Settled::Written);
        assert_eq!(db.execute("DELETE FROM hardstop.job_body").await, 0);
    })
    .await;
}
