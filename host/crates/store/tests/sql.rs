//! The SQL itself: every file can be prepared against a migrated database, and the hot ones have the
//! plans that they were written for.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row, SqlSafeStr, SqliteConnection};

use crate::fixture::*;

pub fn files(database: &str) -> BTreeMap<String, String> {
    let root = env!("CARGO_MANIFEST_DIR");
    std::fs::read_dir(format!("{root}/src/{database}/sql"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// The statements of a file, without comments.
pub fn statements(file: &str) -> Vec<String> {
    let code: Vec<&str> = file
        .lines()
        .filter(|line| !line.trim_start().starts_with("--"))
        .collect();
    let code = code.join("\n");
    let statements = code
        .split(';')
        .map(str::trim)
        .filter(|statement| !statement.is_empty());
    statements.map(str::to_owned).collect()
}

/// Has the planner choose as on the store's connections for lists.
pub async fn set_as_for_lists(connection: &mut PgConnection) {
    let settings = [
        "enable_seqscan = off",
        "enable_bitmapscan = off",
        "enable_sort = off",
        "enable_incremental_sort = off",
        "jit = off",
        "plan_cache_mode = force_custom_plan",
    ];
    set(connection, &settings).await;
}

pub async fn set(connection: &mut PgConnection, settings: &[&str]) {
    for setting in settings {
        let set = AssertSqlSafe(format!("SET {setting}"));
        connection.execute(set).await.unwrap();
    }
}

/// The lines of the plan that Postgres makes of a statement with parameters; `values` are `(1, 2)`, or nothing.
pub async fn explained(
    connection: &mut PgConnection,
    explain: &str,
    statement: &str,
    values: &str,
) -> Vec<String> {
    let prepare = AssertSqlSafe(format!("PREPARE explained AS {statement}"));
    connection.execute(prepare).await.unwrap();
    let explain = AssertSqlSafe(format!("{explain} EXECUTE explained{values}"));
    let rows = sqlx::raw_sql(explain).fetch_all(&mut *connection).await;
    connection.execute("DEALLOCATE explained").await.unwrap();
    rows.unwrap().iter().map(|row| row.get(0)).collect()
}

#[test]
fn both_databases_have_the_same_files() {
    let names = |database| files(database).into_keys().collect::<BTreeSet<_>>();
    let (postgres, sqlite) = (names("postgres"), names("sqlite"));
    let only: Vec<_> = postgres
        .symmetric_difference(&sqlite)
        .map(String::as_str)
        .collect();
    // Differs by necessity: partitions, locks and notifications here, the file itself there. And what follows
    // the end of a chain is in one statement with it here, and in two of their own there; and triggers count jobs here,
    // and the writer there. Events of jobs are written by the statement that ends them here, and by one after it there.
    // What is one statement for all rows here is a search and statements of one row there: claims, and the ends of jobs.
    assert_eq!(
        only,
        [
            "checkpoint",
            "claimable",
            "data_version",
            "drop",
            "drop_day",
            "empty",
            "finishing",
            "fold_counts",
            "fold_lock",
            "free_keys",
            "make_partitions",
            "notify",
            "put_closures",
            "put_counts",
            "queued",
            "ready",
            "retain_lock",
            "shrink",
            "tell_of_jobs",
            "tells_of_jobs"
        ]
    );
}

#[tokio::test]
async fn postgres_prepares_every_file() {
    run(Setting::Postgres, async |db: Fixture| {
        let mut connection = PgConnection::connect(&db.url).await.unwrap();
        // Nothing may be found by accident of the search path.
        connection.execute("SET search_path = ''").await.unwrap();
        for (name, sql) in files("postgres") {
            assert_eq!(
                statements(&sql).len(),
                1,
                "{name}: Postgres prepares one statement at a time"
            );
            let prepared = connection.prepare(AssertSqlSafe(sql).into_sql_str()).await;
            prepared.unwrap_or_else(|error| panic!("{name}.sql: {error}"));
        }
    })
    .await;
}

#[tokio::test]
async fn sqlite_prepares_every_file() {
    run(Setting::Sqlite, async |db: Fixture| {
        let mut connection = SqliteConnection::connect(&db.url).await.unwrap();
        for (name, sql) in files("sqlite") {
            for statement in statements(&sql) {
                let prepared = connection
                    .prepare(AssertSqlSafe(statement).into_sql_str())
                    .await;
                prepared.unwrap_or_else(|error| panic!("{name}.sql: {error}"));
            }
        }
        connection.close().await.unwrap();
    })
    .await;
}

/// A backlog beside which a scan of a table would show: a hundred thousand jobs of each state that waits, and
/// half as many running and final ones, of 20 types. Every blocked job waits for a chain of its own, those of
/// one type also for a chain that all of them wait for, and every tenth ready one has a key.
async fn populate(db: &Fixture) {
    let columns = "id, chain_id, type_id, priority, state, created_at, due_at, lease_token, claimed_at, blockers, \
                   open_blockers, blocking, keyed";
    // n % 7: 0 and 1 ready, 2 and 3 scheduled, 4 and 5 blocked, 6 running.
    let values = "n / 7 % 20, 0, \
                  CASE WHEN n % 7 < 2 THEN 4 WHEN n % 7 < 4 THEN 2 WHEN n % 7 < 6 THEN 1 ELSE 5 END";
    let flags = "CASE WHEN n % 7 IN (4, 5) THEN 1 ELSE 0 END, CASE WHEN n % 7 IN (4, 5) THEN 1 ELSE 0 END, \
                 n % 7 = 0, n % 70 = 0";
    let [insert, finished, some_chain, key, now] = match db.database {
        Database::Postgres => [
            &format!(
                "INSERT INTO hardstop.job_live ({columns}) \
                 SELECT id, id, {values}, now(), now() + n * interval '1 second', \
                 CASE WHEN n % 7 = 6 THEN (n / 7 % 8)::int8 << 32 END, now(), {flags} \
                 FROM (SELECT gen_random_uuid() AS id, n FROM generate_series(1, 350000) n) g"
            ),
            "gen_random_uuid(), gen_random_uuid(), now(), now(), now()",
            "'00000000-0000-0000-0000-000000000001'::uuid",
            "id::text",
            "now()",
        ],
        Database::Sqlite => [
            &format!(
                "INSERT INTO job_live ({columns}) \
                 SELECT id, id, {values}, 0, n, CASE WHEN n % 7 = 6 THEN (n / 7 % 8) << 32 END, 0, {flags} \
                 FROM (WITH RECURSIVE g (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 350000) \
                 SELECT randomblob(16) AS id, n FROM g)"
            ),
            "randomblob(16), randomblob(16), 0, 0, 0",
            "zeroblob(16)",
            "hex(id)",
            "0",
        ],
    };
    for sql in [
        insert,
        "INSERT INTO hardstop.job_body (id, input) SELECT id, '{}' FROM hardstop.job_live WHERE state = 4",
        &format!(
            "INSERT INTO hardstop.job_done (id, chain_id, created_at, due_at, finished_at, type_id, run, snoozes, \
             attempt, rescues, priority, state, outcome) SELECT {finished}, type_id, 1, 0, 1, 0, 0, 13, 30 \
             FROM hardstop.job_live WHERE state = 5"
        ),
        "INSERT INTO hardstop.job_blocker (job_id, position, chain_id) \
         SELECT id, 0, id FROM hardstop.job_live WHERE state = 1",
        &format!(
            "INSERT INTO hardstop.job_blocker (job_id, position, chain_id) \
             SELECT id, 1, {some_chain} FROM hardstop.job_live WHERE state = 1 AND type_id = 0"
        ),
        &format!(
            "INSERT INTO hardstop.chain_key (type_id, key, chain_id, started_at) \
             SELECT type_id, 'key of ' || {key}, id, {now} FROM hardstop.job_live WHERE keyed"
        ),
        "ANALYZE",
    ] {
        db.execute(sql).await;
    }
}

/// The hot files, the index that each must use on `job_live`, and values for a plan of its own.
const HOT: [(&str, &str, &str); 20] = [
    (
        "claim",
        "job_live_ready",
        "'{1,2,3}', '{10,10,10}', 4294967296, 30, '{NULL,0,NULL}', '{NULL,1,NULL}', \
         '{NULL,00000000-0000-0000-0000-000000000001,NULL}'",
    ),
    ("finish", "job_live_pkey", FINISH),
    ("gone", "job_live_pkey", ONE),
    (
        "requeue",
        "job_live_pkey",
        "'{00000000-0000-0000-0000-000000000001}', '{1}', '{0}', '{0}', '{0}', '{0}', '{0}', '{0}', \
         '{false}'",
    ),
    ("promote", "job_live_due", "5000"),
    ("next_due", "job_live_due", ""),
    ("expired", "job_live_deadline", "100"),
    ("next_deadline", "job_live_deadline", ""),
    ("held", "job_live_running", "'{4294967297, 4294967298}'"),
    (
        "lock",
        "job_live_pkey",
        "'00000000-0000-0000-0000-000000000001'",
    ),
    ("orphan", "job_live_running", "3, 100"),
    // What starts with blockers and keys do, and the end of chains.
    ("mark_blocking", "job_live_chain", ONE),
    (
        "tail",
        "job_live_chain",
        "'00000000-0000-0000-0000-000000000001'",
    ),
    ("final_jobs", "job_done", ONE),
    (
        "awaiting",
        "job_blocker_chain",
        "'{00000000-0000-0000-0000-000000000001}', 1000",
    ),
    (
        "close_blockers",
        "job_blocker_pkey",
        "'{00000000-0000-0000-0000-000000000001}', '{0}', '{00000000-0000-0000-0000-000000000002}'",
    ),
    (
        "unblock",
        "job_live_pkey",
        "'{00000000-0000-0000-0000-000000000001}', '{1}'",
    ),
    (
        "blocker_results",
        "job_blocker_pkey",
        "'{00000000-0000-0000-0000-000000000001}', 1000",
    ),
    ("key_holders", "chain_key_open", "'{1}', '{k}'"),
    (
        "recent_chains",
        "chain_key_pkey",
        "'{1}', '{k}', '{00000000-0000-0000-0000-000000000001}', '{1000}'",
    ),
];

const ONE: &str = "'{00000000-0000-0000-0000-000000000001}'";

/// The tables that grow with the backlog. On SQLite a plan names them by their aliases, which are letters.
const LARGE: [&str; 5] = [
    "job_live",
    "job_body",
    "job_done",
    "job_blocker",
    "chain_key",
];

const FINISH: &str = "'{00000000-0000-0000-0000-000000000001}', '{1}', '{1}', '{10}', '{1}', '{x}', '{x}', '{x}', \
    '{00000000-0000-0000-0000-000000000001}', '{1}', '{1}', '{1}', '{1}', '{1}', '{1}', '{1}', '{NULL}', '{NULL}', \
    '{true}'";

#[tokio::test]
async fn postgres_plans_use_their_indexes() {
    run(Setting::Postgres, async |db: Fixture| {
        populate(&db).await;
        let files = files("postgres");
        let mut connection = PgConnection::connect(&db.url).await.unwrap();
        // As the store's own connections have it: what is read whole now has no index to use.
        connection
            .execute("SET enable_seqscan = off")
            .await
            .unwrap();
        for (name, index, values) in HOT {
            // A prepared statement gets plans of its own at first, and perhaps a general one later.
            for mode in ["force_custom_plan", "force_generic_plan"] {
                let sql = &statements(&files[name])[0];
                let values = if values.is_empty() {
                    String::new()
                } else {
                    format!("({values})")
                };
                let set = AssertSqlSafe(format!("SET plan_cache_mode = {mode}"));
                connection.execute(set).await.unwrap();
                let plan = explained(&mut connection, "EXPLAIN", sql, &values).await;
                let plan = plan.join("\n");
                assert!(
                    plan.contains(index),
                    "{name}, {mode}: no {index} in\n{plan}"
                );
                for table in LARGE {
                    let scan = format!("Seq Scan on {table}");
                    assert!(!plan.contains(&scan), "{name}, {mode}: {scan} in\n{plan}");
                }
                assert!(
                    name != "claim" || !plan.contains("Sort Key: j."),
                    "{name} sorts the backlog\n{plan}"
                );
            }
        }
    })
    .await;
}

#[tokio::test]
async fn sqlite_plans_use_their_indexes() {
    run(Setting::Sqlite, async |db: Fixture| {
        populate(&db).await;
        let files = files("sqlite");
        let mut connection = SqliteConnection::connect(&db.url).await.unwrap();
        for (name, index, _) in HOT {
            // What is one statement on Postgres begins with a search here.
            let name = match name {
                "claim" => "ready",
                _ => name,
            };
            let mut plan = String::new();
            for statement in statements(&files[name]) {
                let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
                for row in sqlx::query(explain)
                    .fetch_all(&mut connection)
                    .await
                    .unwrap()
                {
                    plan.push_str(row.get::<&str, _>("detail"));
                    plan.push('\n');
                }
            }
            let index = match index.ends_with("_pkey") {
                true => "USING PRIMARY KEY",
                false => index,
            };
            assert!(plan.contains(index), "{name}: no {index} in\n{plan}");
            for line in plan.lines().filter(|line| line.starts_with("SCAN ")) {
                let table = line.split(' ').nth(1).unwrap();
                assert!(
                    line.contains("USING")
                        // A list of parameters.
                        || line.contains("VIRTUAL TABLE")
                        || !LARGE.contains(&table)
                            && !["b", "c", "d", "j", "k", "l"].contains(&table),
                    "{name}: {line} in\n{plan}"
                );
            }
            assert!(
                name != "ready" || !plan.contains("ORDER BY"),
                "{name} sorts the backlog\n{plan}"
            );
        }
        // A statement that is run for each job makes no table in memory.
        for name in ["insert", "ready", "claim", "finishing", "finish", "drop"] {
            for statement in statements(&files[name]) {
                let explain = AssertSqlSafe(format!("EXPLAIN {statement}"));
                let rows = sqlx::query(explain).fetch_all(&mut connection).await;
                let opcodes: Vec<String> =
                    rows.unwrap().iter().map(|row| row.get("opcode")).collect();
                assert!(opcodes.len() > 5, "{name}: {opcodes:?}");
                assert!(
                    !opcodes.contains(&"OpenEphemeral".to_owned()),
                    "{name} makes a table:\n{statement}"
                );
            }
        }
        connection.close().await.unwrap();
    })
    .await;
}

/// Dead letters are found by indexes of their own, whatever is asked for: values of the file, and the index that is to
/// serve them, or any of two.
const DEAD_LETTERS: [(&str, &str); 3] = [
    (
        "13, NULL, 'ffffffff-ffff-ffff-ffff-ffffffffffff', '00000000-0000-0000-0000-000000000000', NULL, NULL, NULL, 50",
        "default_state_id",
    ),
    (
        "13, 3, 'ffffffff-ffff-ffff-ffff-ffffffffffff', '00000000-0000-0000-0000-000000000000', NULL, NULL, NULL, 50",
        // The second has the type in it, so that others are passed over in the index.
        "default_type_id_state_id|default_state_id_type_id_outcome",
    ),
    (
        "13, NULL, 'ffffffff-ffff-ffff-ffff-ffffffffffff', '00000000-0000-0000-0000-000000000000', NULL, NULL, \
         '{00000000-0000-0000-0000-000000000001}', 50",
        "default_",
    ),
];

#[tokio::test]
async fn postgres_finds_dead_letters_by_index() {
    run(Setting::Postgres, async |db: Fixture| {
        db.deploy(["a", "b", "c"]).await;
        populate(&db).await;
        let sql = &statements(&files("postgres")["dead_letters"])[0];
        let mut connection = PgConnection::connect(&db.url).await.unwrap();
        set_as_for_lists(&mut connection).await;
        for (values, index) in DEAD_LETTERS {
            let explain = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF)";
            let lines = explained(&mut connection, explain, sql, &format!("({values})")).await;
            let plan = lines.join("\n");
            let executed: Vec<&String> = lines
                .iter()
                .filter(|line| {
                    line.contains("on job_done_default") && !line.contains("never executed")
                })
                .collect();
            assert!(
                !values.contains('{') || plan.contains("(id = w.id)"),
                "not by the ids\n{plan}"
            );
            assert!(!executed.is_empty(), "nothing is read in\n{plan}");
            for line in executed {
                assert!(
                    line.contains("Index") && index.split('|').any(|index| line.contains(index)),
                    "{line} is not by {index} in\n{plan}"
                );
            }
        }
    })
    .await;
}

#[tokio::test]
async fn sqlite_finds_dead_letters_by_index() {
    run(Setting::Sqlite, async |db: Fixture| {
        db.deploy(["a", "b", "c"]).await;
        populate(&db).await;
        let sql = &statements(&files("sqlite")["dead_letters"])[0];
        let mut connection = SqliteConnection::connect(&db.url).await.unwrap();
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let rows = sqlx::query(explain)
            .fetch_all(&mut connection)
            .await
            .unwrap();
        let plan: Vec<&str> = rows
            .iter()
            .map(|row| row.get::<&str, _>("detail"))
            .collect();
        let by = |index: &str| plan.iter().filter(|line| line.contains(index)).count();
        assert_eq!(
            (
                by("job_done_dead (state"),
                by("job_done_dead_type (type_id")
            ),
            (3, 2),
            "{plan:#?}"
        );
        assert!(
            !plan.iter().any(|line| line.starts_with("SCAN job_done")),
            "{plan:#?}"
        );
        connection.close().await.unwrap();
    })
    .await;
}
