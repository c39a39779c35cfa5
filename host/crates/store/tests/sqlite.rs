//! What only SQLite can do.

use std::time::Duration;

use hardstop_domain::*;
use hardstop_store::*;
use sqlx::{Connection, Executor, Row, SqliteConnection};

use crate::fixture::*;

fn create() -> ConnectOptions {
    ConnectOptions {
        create: true,
        ..ConnectOptions::default()
    }
}

#[tokio::test]
async fn a_missing_file_is_made_only_where_that_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("new.db").display());
    let Err(error) = connect(&url, &ConnectOptions::default()).await else {
        panic!("opened");
    };
    assert!(error.to_string().contains("does not exist"), "{error}");
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);

    let store = connect(&url, &create()).await.unwrap();
    store.check_schema().await.unwrap();
    store.deploy(deployment(&["a"])).await.unwrap();
    store.close().await;
    let error = store.enqueue(&[chain("a")]).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");

    let again = connect(&url, &ConnectOptions::default()).await.unwrap();
    assert_eq!(again.types().await.unwrap().len(), 1);
    again.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_that_make_the_file_at_once_agree() {
    for _ in 0..5 {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("new.db").display());
        let options = create();
        let (one, two, three) = tokio::join!(
            connect(&url, &options),
            connect(&url, &options),
            connect(&url, &options)
        );
        for store in [one.unwrap(), two.unwrap(), three.unwrap()] {
            store.check_schema().await.unwrap();
            store.deploy(deployment(&["a"])).await.unwrap();
            store.close().await;
        }
    }
}

#[tokio::test]
async fn what_is_no_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let inside = directory.path().display();
    for (url, wanted) in [
        ("sqlite://".to_owned(), "expected a path"),
        ("sqlite://a.db?mode=ro".to_owned(), "no parameters"),
        (format!("sqlite://{inside}"), "cannot reach"),
        (format!("sqlite://{inside}/missing/a.db"), "cannot reach"),
    ] {
        let Err(error) = connect(&url, &create()).await else {
            panic!("opened {url}");
        };
        assert!(error.to_string().contains(wanted), "{url}: {error}");
    }
    let text = directory.path().join("text.db");
    std::fs::write(
        &text,
        "not a database, but longer than a header of one would be ".repeat(100),
    )
    .unwrap();
    let Err(error) = connect(&format!("sqlite://{}", text.display()), &create()).await else {
        panic!("opened");
    };
    assert!(
        matches!(&error, StoreError::Unreachable { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn the_lock_of_another_process_is_waited_for_and_then_a_timeout() {
    run(Setting::Sqlite, async |db: Fixture| {
        db.deploy(["a"]).await;
        let options = ConnectOptions {
            statement_timeout: Duration::from_millis(100),
            ..ConnectOptions::default()
        };
        let store = connect(&db.url, &options).await.unwrap();
        let mut other = SqliteConnection::connect(&db.url).await.unwrap();
        other.execute("BEGIN IMMEDIATE").await.unwrap();
        let error = store.enqueue(&[chain("a")]).await.unwrap_err();
        assert!(
            matches!(error, StoreError::Timeout(_)) && error.is_transient(),
            "{error:?}"
        );
        // Readers go on, and a writer with patience is served.
        assert_eq!(store.types().await.unwrap().len(), 1);
        let patient = [chain("a")];
        let (started, freed) = tokio::join!(db.store.enqueue(&patient), other.execute("COMMIT"));
        started.unwrap();
        freed.unwrap();
        store.enqueue(&[chain("a")]).await.unwrap();
        store.close().await;
        other.close().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_log_of_lone_writes_is_copied_to_the_file() {
    run(Setting::Sqlite, async |db: Fixture| {
        db.deploy(["a"]).await;
        let path = db.url.strip_prefix("sqlite://").unwrap();
        let size = |name: &str| std::fs::metadata(format!("{path}{name}")).unwrap().len();
        let before = size("");
        // Each appends some ten pages of 4 KiB.
        for _ in 0..1_000 {
            db.start("a").await;
        }
        assert!(size("") > before, "the file is as it was");
        assert!(
            size("-wal") < 16 << 20,
            "the log has {} bytes",
            size("-wal")
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_fails_leaves_those_of_its_group_alone() {
    run(Setting::Sqlite, async |db: Fixture| {
        db.deploy(["a"]).await;
        let taken = chain("a");
        db.enqueue(std::slice::from_ref(&taken)).await;
        // While another process holds the lock, these wait together and are committed together.
        let mut other = SqliteConnection::connect(&db.url).await.unwrap();
        other.execute("BEGIN IMMEDIATE").await.unwrap();
        let mut waiting = Vec::new();
        for index in 0..60 {
            let store = db.store.clone();
            let new = if index % 7 == 3 {
                taken.clone()
            } else {
                chain("a")
            };
            let id = new.first.id;
            waiting.push((
                id,
                index,
                tokio::spawn(async move { store.enqueue(&[new]).await }),
            ));
        }
        tokio::task::yield_now().await;
        other.execute("COMMIT").await.unwrap();
        for (id, index, task) in waiting {
            match task.await.unwrap() {
                Ok(_) => assert_eq!(db.state(id).await, State::Ready),
                Err(StoreError::DuplicateJob(_)) => assert_eq!(index % 7, 3),
                Err(error) => panic!("{error:?}"),
            }
        }
        other.close().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_database_keeps_its_settings() {
    run(Setting::Sqlite, async |db: Fixture| {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("new.db").display());
        connect(&url, &create()).await.unwrap().close().await;
        for (url, vacuum) in [(&url, 2), (&db.url, 2)] {
            let mut connection = SqliteConnection::connect(url).await.unwrap();
            let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
                .fetch_one(&mut connection)
                .await
                .unwrap();
            let auto: i64 = sqlx::query_scalar("PRAGMA auto_vacuum")
                .fetch_one(&mut connection)
                .await
                .unwrap();
            assert_eq!((mode.as_str(), auto), ("wal", vacuum));
            connection.close().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn subscriptions_and_their_events_outlive_the_tables_that_they_were_in() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("old.db").display());
    let options: sqlx::sqlite::SqliteConnectOptions = url.parse().unwrap();
    let options = options.create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../migrations/sqlite");
    let read = |name: &str| std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
    let old = [
        "CREATE TABLE job_type (id INTEGER PRIMARY KEY, name TEXT)".to_owned(),
        read("20261121230000_subscriptions.sql"),
        "INSERT INTO subscription (id, name, url, kinds, thresholds, actor, created_at, next_at) \
         VALUES (zeroblob(16), 's', 'https://example.com', 15, '{}', 'ada', 1, 2);
         INSERT INTO delivery (subscription, kind, at, type_id, failures) \
         VALUES (zeroblob(16), 8, 3, 4, 5), (zeroblob(16), 2, 6, 7, 0), (zeroblob(16), 1, 8, 9, 0);
         DELETE FROM delivery WHERE id = 3"
            .to_owned(),
        read("20261122010000_listeners.sql"),
        "INSERT INTO delivery (subscription, kind, at, type_id) VALUES (zeroblob(16), 64, 10, 11)"
            .to_owned(),
    ];
    for sql in old {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut connection)
            .await
            .unwrap();
    }
    let kept: Vec<(i64, i64, i64, i64)> =
        sqlx::query_as("SELECT id, kind, at, failures FROM delivery ORDER BY id")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    // The number of one that was forgotten is not given again.
    assert_eq!(kept, [(1, 8, 3, 5), (2, 2, 6, 0), (4, 64, 10, 0)]);
    let kept: (String, i64, i64, i64) =
        sqlx::query_as("SELECT name, kinds, created_at, next_at FROM subscription")
            .fetch_one(&mut connection)
            .await
            .unwrap();
    assert_eq!(kept, ("s".to_owned(), 15, 1, 2));
    connection.close().await.unwrap();
}

/// Migrations in order: those before this one, and this one.
fn migrations(name: &str) -> (Vec<String>, String) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../migrations/sqlite");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let is_before = |path: &&std::path::PathBuf| path.file_stem().unwrap() != name;
    let before: Vec<_> = files.iter().take_while(is_before).collect();
    let read = |path: &std::path::PathBuf| std::fs::read_to_string(path).unwrap();
    (
        before.iter().map(|path| read(path)).collect(),
        read(&files[before.len()]),
    )
}

#[tokio::test]
async fn checks_became_comparisons_and_refuse_what_they_refused() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("old.db").display());
    let options: sqlx::sqlite::SqliteConnectOptions = url.parse().unwrap();
    let options = options.create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let (before, migration) = migrations("20261122050000_plain_checks");
    let run = async |connection: &mut SqliteConnection, sql: &str| {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        sqlx::raw_sql(sql).execute(connection).await
    };
    for sql in before {
        run(&mut connection, &sql).await.unwrap();
    }
    run(
        &mut connection,
        "INSERT INTO job_live (id, chain_id, created_at, due_at, type_id, priority, state) \
         VALUES (zeroblob(16), zeroblob(16), 1, 2, 3, 4, 4);
         INSERT INTO job_done (id, chain_id, created_at, due_at, finished_at, type_id, run, snoozes, attempt, rescues, priority, \
         state, outcome) VALUES (zeroblob(16), zeroblob(16), 1, 2, 3, 4, 1, 0, 1, 0, 0, 12, 1);
         INSERT INTO closure (chain_id, job_id, state, created_at) VALUES (zeroblob(16), zeroblob(16), 12, 1);
         INSERT INTO delivery (subscription, kind, at, type_id) VALUES (zeroblob(16), 64, 10, 11)",
    )
    .await
    .unwrap();
    // It has read the tables as they were.
    let mut other = SqliteConnection::connect(&url).await.unwrap();
    let states = "SELECT (SELECT state FROM job_live), (SELECT state FROM job_done), (SELECT state FROM closure), \
                  (SELECT kind FROM delivery)";
    let seen: (i64, i64, i64, i64) = sqlx::query_as(states).fetch_one(&mut other).await.unwrap();
    assert_eq!(seen, (4, 12, 12, 64));

    let sql = format!("BEGIN IMMEDIATE;\n{migration}COMMIT");
    run(&mut connection, &sql).await.unwrap();
    for connection in [&mut connection, &mut other] {
        for (table, column, good, bad) in [
            ("job_live", "state", [3, 2], [0, 6]),
            ("job_done", "state", [13, 12], [9, 14]),
            ("closure", "state", [13, 12], [11, 14]),
            ("delivery", "kind", [32, 1], [3, 128]),
        ] {
            let set = |value: i64| format!("UPDATE {table} SET {column} = {value}");
            for value in good {
                run(connection, &set(value)).await.unwrap();
            }
            for value in bad {
                let error = run(connection, &set(value)).await.unwrap_err();
                let error = error.to_string();
                assert!(error.contains("CHECK constraint failed"), "{error}");
            }
        }
        let mut opened: Vec<String> = Vec::new();
        for sql in [
            "EXPLAIN UPDATE job_live SET state = 2",
            "EXPLAIN UPDATE job_done SET state = 12",
            "EXPLAIN UPDATE closure SET state = 12",
            "EXPLAIN UPDATE delivery SET kind = 1",
        ] {
            let rows = sqlx::query(sql).fetch_all(&mut *connection).await.unwrap();
            opened.extend(rows.iter().map(|row| row.get("opcode")));
        }
        assert!(!opened.is_empty());
        assert!(!opened.contains(&"OpenEphemeral".to_owned()), "{opened:?}");
        let sound: String = sqlx::query_scalar("PRAGMA integrity_check")
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        assert_eq!(sound, "ok");
    }
    connection.close().await.unwrap();
    other.close().await.unwrap();
}
