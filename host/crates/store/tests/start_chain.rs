//! Starting chains inside the caller's own transaction: the SQL function on Postgres, and the Rust function of each
//! database.

use std::time::Duration;

use hardstop_domain::*;
use hardstop_store::*;
use sqlx::postgres::{PgConnection, PgDatabaseError, PgListener};
use sqlx::{Connection, Executor, Row, SqliteConnection};
use uuid::Uuid;

use crate::fixture::*;

/// Calls the function. The chain and whether it was deduplicated, or code, message and hint.
async fn call(
    connection: &mut PgConnection,
    type_name: &str,
    input: &str,
    options: &str,
) -> Result<(ChainId, bool), (String, String, String)> {
    let row = sqlx::query("SELECT * FROM hardstop.start_chain($1, $2::jsonb, $3::jsonb)")
        .bind(type_name)
        .bind(input)
        .bind(options)
        .fetch_one(connection)
        .await;
    match row {
        Ok(row) => Ok((ChainId(row.get("chain_id")), row.get("deduplicated"))),
        Err(sqlx::Error::Database(error)) => {
            let error = error.downcast_ref::<PgDatabaseError>();
            Err((
                error.code().to_owned(),
                error.message().to_owned(),
                error.hint().unwrap_or_default().to_owned(),
            ))
        }
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_call_starts_what_it_names_when_it_commits() {
    run(Setting::Postgres, async |db: Fixture| {
        let [a] = db.deploy(["a"]).await;
        let mut connection = PgConnection::connect(&db.url).await.unwrap();
        let mut tx = connection.begin().await.unwrap();
        let options = r#"{"priority": -7, "limits": {"wall_timeout": "2s", "memory": 1048576}, "trace_parent": "00-ab"}"#;
        let (chain, deduplicated) = call(&mut tx, "a", r#"{"n": 1}"#, options).await.unwrap();
        assert!(!deduplicated);
        assert_eq!(chain.0.get_version_num(), 7, "{chain}");
        assert_eq!(db.store.job(chain.into()).await.unwrap(), None, "not before the commit");
        tx.commit().await.unwrap();
        let session = db.session().await;
        let job = db.claim_one(session, a).await;
        assert_eq!((ChainId::from(job.id), job.chain_id), (chain, chain));
        assert_eq!((job.priority, job.input.as_str()), (-7, r#"{"n": 1}"#));
        assert_eq!(job.limits.get(LimitName::WallTimeout), Some(2_000));
        assert_eq!(job.limits.get(LimitName::Memory), Some(1 << 20));
        assert_eq!(job.trace_parent.as_deref(), Some("00-ab"));
        assert!(job.unchecked, "nobody has compared the input with the schema");
        assert_eq!(db.settle(complete(&job)).await, Settled::Written);

        // Each limit that one job may lower, as the other doors take it.
        let lowered: LimitsPatch = LimitName::ALL
            .into_iter()
            .filter(|name| name.flag().is_some())
            .map(|name| (name, name.minimum() + 2_000))
            .collect();
        let options = serde_json::json!({ "limits": lowered }).to_string();
        call(&mut connection, "a", "{}", &options).await.unwrap();
        let job = db.claim_one(session, a).await;
        assert_eq!(job.limits, lowered);
        assert_eq!(db.settle(complete(&job)).await, Settled::Written);

        // Its time has not come.
        for options in [r#"{"delay_ms": 60000}"#, r#"{"at": "2900-01-01T00:00:00Z"}"#] {
            let (chain, _) = call(&mut connection, "a", "{}", options).await.unwrap();
            assert_eq!(db.state(chain.into()).await, State::Scheduled, "{options}");
        }
        let past = r#"{"at": "2001-01-01T00:00:00Z"}"#;
        let (chain, _) = call(&mut connection, "a", "{}", past).await.unwrap();
        assert_eq!(db.state(chain.into()).await, State::Ready);
        let id = Uuid::now_v7();
        let (chain, _) = call(&mut connection, "a", "{}", &format!(r#"{{"id": "{id}"}}"#)).await.unwrap();
        assert_eq!(chain.0, id);
    })
    .await;
}

#[tokio::test]
async fn a_rollback_leaves_nothing_and_wakes_nobody() {
    run(Setting::Postgres, async |db: Fixture| {
        let mut listener = PgListener::connect(&db.url).await.unwrap();
        listener.listen("hardstop").await.unwrap();
        db.deploy(["a"]).await;
        let heard = listener.recv().await.unwrap();
        // And which store it was.
        assert!(heard.payload().starts_with("deployed "), "{heard:?}");
        let mut connection = PgConnection::connect(&db.url).await.unwrap();
        let mut tx = connection.begin().await.unwrap();
        let (chain, _) = call(&mut tx, "a", "{}", r#"{"key": "k"}"#).await.unwrap();
        let own = hardstop_store::postgres::start_chains(&mut tx, &[super::fixture::chain("a")])
            .await
            .unwrap();
        tx.rollback().await.unwrap();
        for chain in [chain, own[0].chain_id] {
            assert_eq!(db.store.job(chain.into()).await.unwrap(), None);
        }
        // Scheduled: nothing to do for anybody. Then a mark of our own, which is the first that is heard.
        call(&mut connection, "a", "{}", r#"{"delay_ms": 60000}"#)
            .await
            .unwrap();
        connection
            .execute("SELECT pg_notify('hardstop', 'mark')")
            .await
            .unwrap();
        assert_eq!(listener.recv().await.unwrap().payload(), "mark");
        // The key is free again, and this commit is heard.
        let (again, deduplicated) = call(&mut connection, "a", "{}", r#"{"key": "k"}"#)
            .await
            .unwrap();
        assert!(!deduplicated && again != chain);
        assert_eq!(listener.recv().await.unwrap().payload(), "ready");
        let mut tx = connection.begin().await.unwrap();
        hardstop_store::postgres::start_chains(&mut tx, &chains("a", 3))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        assert_eq!(listener.recv().await.unwrap().payload(), "ready");
    })
    .await;
}

#[tokio::test]
async fn a_key_is_started_once() {
    run(Setting::Postgres, async |db: Fixture| {
        let [a, _] = db.deploy(["a", "b"]).await;
        let mut connection = PgConnection::connect(&db.url).await.unwrap();
        let key = r#"{"key": "k"}"#;
        let (first, _) = call(&mut connection, "a", "{}", key).await.unwrap();
        assert_eq!(
            call(&mut connection, "a", "{}", key).await,
            Ok((first, true))
        );
        // The store's own starts see it, and another type has keys of its own.
        let mut own = chain("a");
        own.dedup = Some(Dedup {
            key: "k".to_owned(),
            scope: DedupScope::Open,
        });
        assert_eq!(
            db.enqueue(&[own]).await[0],
            Started {
                chain_id: first,
                deduplicated: true
            }
        );
        assert!(!call(&mut connection, "b", "{}", key).await.unwrap().1);
        // Once closed the key is free, but for a window that reaches back to it.
        let session = db.session().await;
        let job = db.claim_one(session, a).await;
        db.settle(complete(&job)).await;
        let window = r#"{"key": "k", "key_window_ms": 60000}"#;
        assert_eq!(
            call(&mut connection, "a", "{}", window).await,
            Ok((first, true))
        );
        let (second, deduplicated) = call(&mut connection, "a", "{}", key).await.unwrap();
        assert!(!deduplicated && second != first);
        // Many at once: one of them.
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let url = db.url.clone();
            calls.spawn(async move {
                let mut connection = PgConnection::connect(&url).await.unwrap();
                call(&mut connection, "a", "{}", r#"{"key": "at once"}"#)
                    .await
                    .unwrap()
            });
        }
        let answers = calls.join_all().await;
        assert_eq!(
            answers
                .iter()
                .filter(|(_, deduplicated)| !deduplicated)
                .count(),
            1,
            "{answers:?}"
        );
        assert!(
            answers.iter().all(|(chain, _)| *chain == answers[0].0),
            "{answers:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn blockers_are_waited_for() {
    run(Setting::Postgres, async |db: Fixture| {
        let [a, b] = db.deploy(["a", "b"]).await;
        let session = db.session().await;
        let mut connection = PgConnection::connect(&db.url).await.unwrap();
        let closed = db.start("a").await;
        let job = db.claim_one(session, a).await;
        db.settle(complete(&job)).await;
        let open = db.start("a").await;
        let options = format!(r#"{{"blockers": ["{open}", "{closed}", "{open}"]}}"#);
        let (waits, _) = call(&mut connection, "b", "{}", &options).await.unwrap();
        assert_eq!(db.state(waits.into()).await, State::Blocked);
        let options = format!(r#"{{"blockers": ["{closed}"]}}"#);
        let (ready, _) = call(&mut connection, "b", "{}", &options).await.unwrap();
        assert_eq!(db.state(ready.into()).await, State::Ready);
        let job = db.claim_one(session, a).await;
        db.settle(complete(&job)).await;
        let jobs = db.claim(session, b, 10).await;
        let job = jobs.iter().find(|job| job.chain_id == waits).unwrap();
        let chains: Vec<_> = job
            .blockers
            .iter()
            .map(|blocker| (blocker.chain_id, blocker.output.as_deref()))
            .collect();
        assert_eq!(
            chains,
            [open, closed, open].map(|id| (id.into(), Some("42")))
        );
        // One that has failed already.
        let failed = db.start("a").await;
        let job = db.claim_one(session, a).await;
        db.settle(settlement(&job, Next::Discard)).await;
        let with = |policy: &str| {
            format!(r#"{{"blockers": ["{failed}"], "on_blocker_failure": "{policy}"}}"#)
        };
        let (runs, _) = call(&mut connection, "b", "{}", &with("run"))
            .await
            .unwrap();
        assert_eq!(db.state(runs.into()).await, State::Ready);
        let (holds, _) = call(&mut connection, "b", "{}", &with("hold"))
            .await
            .unwrap();
        assert_eq!(db.state(holds.into()).await, State::Blocked);
    })
    .await;
}

/// The chain is started and cancelled in one, through the function as through the store.
#[tokio::test]
async fn a_blocker_that_had_failed_cancels_at_the_start() {
    run(Setting::Postgres, async |db: Fixture| {
        let [a, _] = db.deploy(["a", "b"]).await;
        let session = db.session().await;
        let closed = db.start("a").await;
        let job = db.claim_one(session, a).await;
        db.settle(complete(&job)).await;
        let discarded = db.start("a").await;
        let job = db.claim_one(session, a).await;
        db.settle(settlement(&job, Next::Discard)).await;
        let cancelled = db.start("a").await;
        db.store.cancel(cancelled).await.unwrap();
        let open = db.start("a").await;
        let mut connection = PgConnection::connect(&db.url).await.unwrap();
        for blockers in [
            vec![discarded],
            vec![discarded, cancelled],
            vec![cancelled, open, discarded, closed],
            vec![discarded, cancelled, discarded, cancelled],
        ] {
            let mut own = chain("b");
            own.first.priority = Some(-7);
            own.first.delay_ms = 60_000;
            own.first.input = "{\"n\": 1}".to_owned();
            own.first.blockers = blockers.iter().map(|id| ChainId(id.0)).collect();
            own.dedup = Some(Dedup {
                key: "k".to_owned(),
                scope: DedupScope::Open,
            });
            let mut tx = connection.begin().await.unwrap();
            let started = hardstop_store::postgres::start_chains(&mut tx, &[own.clone()])
                .await
                .unwrap();
            tx.commit().await.unwrap();
            assert!(!started[0].deduplicated);
            let options = format!(
                r#"{{"priority": -7, "delay_ms": 60000, "key": "k", "blockers": {}}}"#,
                serde_json::to_string(&blockers).unwrap()
            );
            // Its key is free again at once, so the second start is one, too.
            let (chain, deduplicated) = call(&mut connection, "b", r#"{"n": 1}"#, &options)
                .await
                .unwrap();
            assert!(!deduplicated);
            let [theirs, ours] = [own.first.id, chain.into()].map(|id| db.job(id));
            let (mut theirs, mut ours) = (theirs.await, ours.await);
            assert_eq!(ours.summary.state, State::Cancelled);
            assert_eq!(ours.summary.outcome, Some(OutcomeKind::Cancelled));
            for (job, id) in [(&mut theirs, own.first.id), (&mut ours, chain.into())] {
                let summary = &mut job.summary;
                assert_eq!((summary.id, summary.chain_id), (id, id.into()));
                assert!(summary.finished_at.unwrap() >= summary.created_at);
                assert_eq!(summary.due_at.0 - summary.created_at.0, 60_000_000);
                assert_eq!(job.lineage, Lineage::root(id.into()));
                // What no two jobs have in common.
                (summary.id, summary.chain_id) = (discarded, discarded.into());
                (summary.created_at, summary.due_at) = (Timestamp(0), Timestamp(0));
                summary.finished_at = None;
                job.lineage = Lineage::root(discarded.into());
                for blocker in &mut job.blockers {
                    assert_eq!(blocker.job, id);
                    blocker.job = discarded;
                }
            }
            assert_eq!(ours, theirs);
        }
        // Neither is left among the open ones, and the jobs that they would have waited for are as they were.
        assert_eq!(db.state(open).await, State::Ready);
        let live = "SELECT FROM hardstop.job_live WHERE state = 1";
        assert_eq!(db.execute(live).await, 0);
        let held = "SELECT FROM hardstop.chain_key WHERE open";
        assert_eq!(db.execute(held).await, 0);
    })
    .await;
}

/// The continuation is committed while the start waits for the blocker's row.
#[tokio::test]
async fn a_blocker_that_continues_meanwhile_is_still_waited_for() {
    run(Setting::Postgres, async |db: Fixture| {
        let [a, _] = db.deploy(["a", "b"]).await;
        let session = db.session().await;
        for _ in 0..20 {
            let blocker = db.start("a").await;
            let held = db.claim_one(session, a).await;
            let mut connection = PgConnection::connect(&db.url).await.unwrap();
            let options = format!(r#"{{"blockers": ["{blocker}"]}}"#);
            let (settled, started) = tokio::join!(
                db.settle(continue_with(&held, job("a"))),
                call(&mut connection, "b", "{}", &options)
            );
            assert_eq!(settled, Settled::Written);
            assert_eq!(db.state(started.unwrap().0.into()).await, State::Blocked);
            let last = db.claim_one(session, a).await;
            db.settle(complete(&last)).await;
        }
        let ready = db
            .store
            .jobs(&JobQuery {
                state: Some(State::Ready),
                limit: 100,
                ..JobQuery::default()
            })
            .await;
        assert_eq!(ready.unwrap().len(), 20);
    })
    .await;
}

#[tokio::test]
async fn every_error_has_its_code_and_a_remedy() {
    run(Setting::Postgres, async |db: Fixture| {
        db.deploy(["a"]).await;
        let known = db.start("a").await;
        let nobody = Uuid::now_v7();
        let mut connection = PgConnection::connect(&db.url).await.unwrap();
        let many = format!(
            r#"{{"blockers": [{}]}}"#,
            vec![format!("\"{nobody}\""); 10_001].join(",")
        );
        let cases: Vec<(&str, String, &str, &str)> = vec![
            ("b", "{}".into(), "HS001", "type `b` is not deployed"),
            ("a", "[]".into(), "HS002", "options = [] is not an object"),
            (
                "a",
                r#"{"prio": 1}"#.into(),
                "HS002",
                "there is no option `prio`",
            ),
            (
                "a",
                r#"{"priority": 101}"#.into(),
                "HS002",
                "priority 101 of job",
            ),
            (
                "a",
                r#"{"priority": 1.5}"#.into(),
                "HS002",
                "option `priority` = 1.5 is not a whole number",
            ),
            (
                "a",
                r#"{"priority": "5"}"#.into(),
                "HS002",
                "option `priority` = \"5\" is not a whole number",
            ),
            (
                "a",
                r#"{"delay_ms": -1}"#.into(),
                "HS002",
                "delay of -1 ms of job",
            ),
            (
                "a",
                r#"{"delay_ms": 31622400001}"#.into(),
                "HS002",
                "is over the maximum of 31622400000 ms",
            ),
            (
                "a",
                r#"{"at": "soon"}"#.into(),
                "HS002",
                "`soon` is not a time such as 2026-03-01T09:00:00Z",
            ),
            (
                "a",
                r#"{"at": 5}"#.into(),
                "HS002",
                "option `at` = 5 is not a text",
            ),
            (
                "a",
                r#"{"limits": 5}"#.into(),
                "HS002",
                "option `limits` = 5 is not an object",
            ),
            (
                "a",
                r#"{"limits": {"stack": "1MiB"}}"#.into(),
                "HS002",
                "limit `stack` cannot be set for one job",
            ),
            (
                "a",
                r#"{"limits": {"wall_timeout": "2"}}"#.into(),
                "HS002",
                "limit `wall_timeout` = \"2\" is not a duration",
            ),
            (
                "a",
                r#"{"limits": {"memory": "2 MiB"}}"#.into(),
                "HS002",
                "limit `memory` = \"2 MiB\" is not a size",
            ),
            (
                "a",
                r#"{"limits": {"fuel": -1}}"#.into(),
                "HS002",
                "limit `fuel` = -1 is not a number",
            ),
            (
                "a",
                format!(r#"{{"trace_parent": "{}"}}"#, "x".repeat(257)),
                "HS002",
                "the trace parent of job",
            ),
            (
                "a",
                r#"{"key": ""}"#.into(),
                "HS002",
                "deduplication key of 0 bytes",
            ),
            (
                "a",
                format!(r#"{{"key": "{}"}}"#, "é".repeat(128)),
                "HS002",
                "deduplication key of 256 bytes",
            ),
            (
                "a",
                r#"{"key_window_ms": 5}"#.into(),
                "HS002",
                "is given without `key`",
            ),
            (
                "a",
                r#"{"key": "k", "key_window_ms": 0}"#.into(),
                "HS002",
                "deduplication window of 0 ms is not from 1 to 7776000000 ms",
            ),
            (
                "a",
                r#"{"on_blocker_failure": "wait"}"#.into(),
                "HS002",
                "is not one of cancel, run, hold",
            ),
            (
                "a",
                r#"{"id": "5"}"#.into(),
                "HS002",
                "`5` is not a chain id",
            ),
            (
                "a",
                r#"{"blockers": "5"}"#.into(),
                "HS002",
                "option `blockers` = 5 is not an array",
            ),
            (
                "a",
                r#"{"blockers": [null]}"#.into(),
                "HS002",
                "`null` is not a chain id",
            ),
            (
                "a",
                many,
                "HS002",
                "names 10001 blockers, over the maximum of 10000",
            ),
            (
                "a",
                format!(r#"{{"id": "{nobody}", "blockers": ["{nobody}"]}}"#),
                "HS002",
                "chains block each other",
            ),
            (
                "a",
                format!(r#"{{"blockers": ["{known}", "{nobody}"]}}"#),
                "HS003",
                "there is no chain",
            ),
            (
                "a",
                format!(r#"{{"id": "{known}"}}"#),
                "HS006",
                "exists already",
            ),
        ];
        for (type_name, options, code, message) in cases {
            let error = call(&mut connection, type_name, "{}", &options)
                .await
                .unwrap_err();
            assert_eq!(error.0, code, "{error:?}");
            assert!(error.1.contains(message), "{error:?}");
            assert!(!error.2.is_empty(), "{error:?}");
        }
        let large = format!("\"{}\"", "x".repeat(16 << 20));
        let (code, message, _) = call(&mut connection, "a", &large, "{}").await.unwrap_err();
        assert_eq!(
            (code.as_str(), message.as_str()),
            (
                "HS004",
                "input of 16777218 bytes is over the maximum of 16777216 bytes"
            )
        );
        let jobs = db
            .store
            .jobs(&JobQuery {
                limit: 100,
                ..JobQuery::default()
            })
            .await
            .unwrap();
        assert_eq!(jobs.len(), 1, "none of them started anything");
    })
    .await;
}

#[tokio::test]
async fn a_call_of_an_external_type_gets_a_token_and_a_deadline() {
    run(Setting::Postgres, async |db: Fixture| {
        db.store
            .deploy(external_deployment("approve", 60_000))
            .await
            .unwrap();
        let mut connection = PgConnection::connect(&db.url).await.unwrap();
        let (chain, _) = call(&mut connection, "approve", "{}", "{}").await.unwrap();
        let completion = db
            .store
            .completion_token(chain.into())
            .await
            .unwrap()
            .unwrap();
        let due_at = db.job(chain.into()).await.summary.due_at;
        assert_eq!(completion.deadline_at.unwrap().0 - due_at.0, 60_000_000);
    })
    .await;
}

#[tokio::test]
async fn outside_a_transaction_the_rust_function_is_refused() {
    run(Setting::Postgres, async |db: Fixture| {
        db.deploy(["a"]).await;
        let mut connection = PgConnection::connect(&db.url).await.unwrap();
        let chain = chain("a");
        let error =
            hardstop_store::postgres::start_chains(&mut connection, std::slice::from_ref(&chain))
                .await;
        assert!(matches!(error, Err(StoreError::Database(_))), "{error:?}");
        assert_eq!(db.store.job(chain.first.id).await.unwrap(), None);
    })
    .await;
}

/// The application's own row and the chain come together or not at all, and an error leaves the transaction usable.
macro_rules! with_own_table {
    ($db:expr, $connection:ty, $start:path) => {{
        let db = $db;
        let [a] = db.deploy(["a"]).await;
        let mut listener = db.store.listen().await.unwrap();
        let mut connection = <$connection>::connect(&db.url).await.unwrap();
        connection
            .execute("CREATE TABLE orders (n int)")
            .await
            .unwrap();
        let kept = [chain("a")];
        for (commits, chains) in [(false, [chain("a")]), (true, kept.clone())] {
            let mut tx = connection.begin().await.unwrap();
            tx.execute("INSERT INTO orders VALUES (1)").await.unwrap();
            let error = $start(&mut tx, &[chain("a"), chain("nobody")])
                .await
                .unwrap_err();
            assert!(matches!(error, StoreError::UnknownType(_)), "{error:?}");
            let started = $start(&mut tx, &chains).await.unwrap();
            assert_eq!(started[0].chain_id, chains[0].id());
            let error = $start(&mut tx, &chains).await.unwrap_err();
            assert!(matches!(error, StoreError::DuplicateJob(_)), "{error:?}");
            match commits {
                true => tx.commit().await.unwrap(),
                false => tx.rollback().await.unwrap(),
            }
            let rows = connection.fetch_all("SELECT n FROM orders").await.unwrap();
            assert_eq!(rows.len(), usize::from(commits));
            let found = db.store.job(chains[0].first.id).await.unwrap();
            assert_eq!(found.is_some(), commits);
        }
        let heard = tokio::time::timeout(Duration::from_secs(20), listener.wait()).await;
        assert!(heard.is_ok(), "the commit wakes workers");
        let session = db.session().await;
        let job = db.claim_one(session, a).await;
        assert_eq!(job.id, kept[0].first.id);
        assert!(job.unchecked);
        connection.close().await.unwrap();
    }};
}

#[tokio::test]
async fn postgres_starts_with_the_applications_own_rows() {
    run(Setting::Postgres, async |db: Fixture| {
        with_own_table!(db, PgConnection, hardstop_store::postgres::start_chains)
    })
    .await;
}

#[tokio::test]
async fn sqlite_starts_with_the_applications_own_rows() {
    run(Setting::Sqlite, async |db: Fixture| {
        with_own_table!(db, SqliteConnection, hardstop_store::sqlite::start_chains)
    })
    .await;
}

#[path = "../examples/own_transaction.rs"]
mod own_transaction;

async fn the_example(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    assert!(own_transaction::order(&db.url, "a", -1).await.is_err());
    let chain = own_transaction::order(&db.url, "a", 99).await.unwrap();
    let session = db.session().await;
    assert_eq!(
        db.claim_one(session, a).await.chain_id,
        chain,
        "the other one never was"
    );
}

#[tokio::test]
async fn postgres_runs_the_example() {
    run(Setting::Postgres, the_example).await;
}

#[tokio::test]
async fn sqlite_runs_the_example() {
    run(Setting::Sqlite, the_example).await;
}
