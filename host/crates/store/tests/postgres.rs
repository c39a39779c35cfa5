//! What only Postgres can do.

use std::time::Duration;

use hardstop_domain::*;
use hardstop_store::*;
use sqlx::{Connection, Executor, PgConnection, Row};
use uuid::Uuid;

use crate::fixture::*;

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
            assert!(db.store.heartbeat(session).await.unwrap().alive);
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
