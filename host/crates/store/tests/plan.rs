//! What reads cost beside a backlog and a history: none may walk them.
//!
//! On Postgres the pages that a statement touches are counted; on SQLite, which does not tell, the plan
//! is read.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row, SqliteConnection};

use crate::fixture::*;
use crate::sql::{explained, files, set, set_as_for_lists, statements};

/// 30,000 live and 30,000 final jobs of 20 types, and as many schedules. Few run, few were discarded or cancelled, one in
/// twenty chains has continued, and one key was used thirty times.
async fn populate(db: &Fixture) {
    let names: Vec<String> = (0..20).map(|n| format!("t{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    db.store.deploy(deployment(&names)).await.unwrap();
    let (uuid, now, numbers) = match db.database {
        Database::Postgres => (
            "gen_random_uuid()",
            "now()",
            "(SELECT gen_random_uuid() AS id, n FROM generate_series(1, 30000) n) g",
        ),
        Database::Sqlite => (
            "randomblob(16)",
            "1",
            "(WITH RECURSIVE g (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 30000) \
              SELECT randomblob(16) AS id, n FROM g) g",
        ),
    };
    let done = "id, chain_id, created_at, due_at, finished_at, type_id, run, snoozes, attempt, rescues, \
                priority, state, outcome, output, continued_to";
    for sql in [
        format!(
            "INSERT INTO hardstop.job_live (id, chain_id, type_id, priority, state, created_at, due_at, \
             lease_token, claimed_at, blockers, open_blockers) \
             SELECT id, id, n % 20 + 1, 0, CASE WHEN n <= 20 THEN 5 WHEN n % 3 = 0 THEN 4 WHEN n % 3 = 1 THEN 2 ELSE 1 END, \
             {now}, {now}, CASE WHEN n <= 20 THEN 4294967296 + n END, {now}, 1, \
             CASE WHEN n > 20 AND n % 3 = 2 THEN 1 ELSE 0 END FROM {numbers}"
        ),
        format!(
            "INSERT INTO hardstop.job_done ({done}) SELECT id, id, {now}, {now}, {now}, n % 20 + 1, 1, 0, 1, 0, 0, \
             CASE WHEN n <= 20 THEN 12 WHEN n <= 40 THEN 13 WHEN n % 20 = 0 THEN 11 ELSE 10 END, 1, \
             CASE WHEN n > 40 AND n % 20 <> 0 THEN '{{}}' END, CASE WHEN n > 40 AND n % 20 = 0 THEN {uuid} END \
             FROM {numbers}"
        ),
        format!(
            "INSERT INTO hardstop.job_done ({done}) SELECT {uuid}, id, {now}, {now}, {now}, type_id, 1, 0, 1, 0, 0, \
             10, 1, '{{}}', NULL FROM hardstop.job_done WHERE state = 11"
        ),
        "INSERT INTO hardstop.job_body (id, input) SELECT id, '{}' FROM hardstop.job_done".to_owned(),
        "INSERT INTO hardstop.job_blocker (job_id, position, chain_id) SELECT id, 0, id FROM hardstop.job_live"
            .to_owned(),
        format!(
            "INSERT INTO hardstop.chain_key (type_id, key, chain_id, started_at, open) \
             SELECT type_id, CAST(id AS text), id, {now}, false FROM hardstop.job_done WHERE id = chain_id"
        )
        .replace(
            "CAST(id AS text)",
            match db.database {
                Database::Postgres => "id::text",
                Database::Sqlite => "hex(id)",
            },
        ),
        format!(
            "INSERT INTO hardstop.chain_key (type_id, key, chain_id, started_at, open) \
             SELECT 2, 'k', id, {now}, false FROM hardstop.job_done WHERE id = chain_id LIMIT 30"
        ),
        format!(
            "INSERT INTO hardstop.schedule (name, type_id, priority, next_at, created_at, updated_at, spec, input) \
             SELECT 's' || n, 1, 0, {now}, {now}, {now}, '{}', '{{}}' FROM {numbers}",
            "x".repeat(600)
        ),
        "ANALYZE".to_owned(),
    ] {
        db.execute(&sql).await;
    }
}

const ALL: &str = "'ffffffff-ffff-ffff-ffff-ffffffffffff'";
const NONE: &str = "'00000000-0000-0000-0000-000000000000'";
/// A live and a final job, where a statement wants one.
const LIVE: &str = "{LIVE}";
const DONE: &str = "{DONE}";

/// Each file with the values of a call.
const CALLS: [(&str, &str); 34] = [
    (
        "jobs",
        "ALL, NULL, '{1,2,4,5,10,11,12,13}', 20, true, true, NONE",
    ),
    (
        "jobs",
        "ALL, 2, '{1,2,4,5,10,11,12,13}', 20, true, true, NONE",
    ),
    ("jobs", "ALL, NULL, '{10}', 20, false, true, NONE"),
    ("jobs", "ALL, 2, '{10}', 20, false, true, NONE"),
    ("jobs", "ALL, NULL, '{1}', 20, true, false, NONE"),
    ("jobs", "ALL, 2, '{1,2,4}', 20, true, false, NONE"),
    ("jobs_by_state", "ALL, NULL, 5, 20, NONE"),
    ("jobs_by_state", "ALL, 2, 5, 20, NONE"),
    ("jobs_by_state", "ALL, NULL, 12, 20, NONE"),
    ("jobs_by_state", "ALL, 2, 12, 20, NONE"),
    ("jobs_by_state", "ALL, NULL, 13, 20, NONE"),
    ("jobs_by_state", "ALL, NULL, 11, 20, NONE"),
    ("dead_letter_bound", "12, NULL, ALL, 9"),
    ("dead_letter_bound", "12, 3, ALL, 0"),
    (
        "jobs_by_key",
        "ALL, 2, '{1,2,4,5,10,11,12,13}', 20, NONE, 'k'",
    ),
    (
        "chains",
        "ALL, NULL, '{1,2,4,5,10,12,13}', 20, true, true, NONE",
    ),
    (
        "chains",
        "ALL, 2, '{1,2,4,5,10,12,13}', 20, true, true, NONE",
    ),
    ("chains", "ALL, 2, '{10}', 20, false, true, NONE"),
    ("chains_by_state", "ALL, NULL, 5, 20, NONE"),
    ("chains_by_state", "ALL, NULL, 12, 20, NONE"),
    ("chains_by_state", "ALL, 2, 12, 20, NONE"),
    ("chains_by_state", "ALL, NULL, 13, 20, NONE"),
    ("chains_by_state", "ALL, 2, 13, 20, NONE"),
    (
        "chains_by_key",
        "ALL, 2, '{1,2,4,5,10,12,13}', 20, NONE, 'k'",
    ),
    ("chain_detail", LIVE),
    ("chain_detail", DONE),
    ("chain", DONE),
    ("chain_dependents", "{LIVE}, 101"),
    ("job_blockers", "ARRAY[{LIVE}]::uuid[], 20, false"),
    ("job_blockers", "ARRAY[{LIVE}]::uuid[], 20, true"),
    ("explain_job", LIVE),
    ("explain_ahead", "{LIVE}, 101"),
    ("job", DONE),
    ("due_schedules", "20"),
];

/// Those of them that are read as lists.
const LISTS: [&str; 9] = [
    "jobs",
    "jobs_by_state",
    "jobs_by_key",
    "dead_letter_bound",
    "chains",
    "chains_by_state",
    "chains_by_key",
    "explain_job",
    "explain_ahead",
];

/// How many pages any of them may touch. One that walked either table would touch some thousands.
const PAGES_MAX: i64 = 1_500;

#[tokio::test]
async fn postgres_reads_touch_few_pages() {
    run(Setting::Postgres, async |db: Fixture| {
        populate(&db).await;
        let files = files("postgres");
        let mut connection = PgConnection::connect(&db.url).await.unwrap();
        let one = async |connection: &mut PgConnection, sql: &'static str| {
            let row = connection.fetch_one(sql).await.unwrap();
            format!("'{}'", row.get::<uuid::Uuid, _>(0))
        };
        let live = "SELECT id FROM hardstop.job_live WHERE state = 4 LIMIT 1";
        let live = one(&mut connection, live).await;
        let done = "SELECT id FROM hardstop.job_done WHERE state = 11 LIMIT 1";
        let done = one(&mut connection, done).await;
        let mut most = 0;
        for (name, values) in CALLS {
            let values = values
                .replace("ALL", ALL)
                .replace("NONE", NONE)
                .replace(LIVE, &live)
                .replace(DONE, &done);
            // As the store's connections have it. In an application's own transaction, plans are as they come.
            let modes: &[&str] = match LISTS.contains(&name) {
                true => &["force_custom_plan"],
                false => &["force_custom_plan", "force_generic_plan"],
            };
            for mode in modes {
                connection.execute("RESET ALL").await.unwrap();
                match LISTS.contains(&name) {
                    true => set_as_for_lists(&mut connection).await,
                    false => set(&mut connection, &["enable_seqscan = off", "jit = off"]).await,
                }
                set(&mut connection, &[&format!("plan_cache_mode = {mode}")]).await;
                let explain = "EXPLAIN (ANALYZE, BUFFERS, TIMING off)";
                let statement = &statements(&files[name])[0];
                let bound = format!("({values})");
                let lines = explained(&mut connection, explain, statement, &bound).await;
                let plan = lines.join("\n");
                let rows = lines[0].rsplit("rows=").next().unwrap();
                let found: u32 = rows.split(' ').next().unwrap().parse().unwrap();
                assert!(found > 0, "{name} ({values}) finds nothing\n{plan}");
                let pages = pages(&lines);
                assert!(
                    pages <= PAGES_MAX,
                    "{name} ({values}), {mode}: {pages} pages\n{plan}"
                );
                most = most.max(pages);
            }
        }
        assert!(most > 0, "pages are counted");
    })
    .await;
}

/// The pages of the whole plan, from its first line such as `Buffers: shared hit=12 read=3`.
pub fn pages(lines: &[String]) -> i64 {
    let line = lines.iter().find(|line| line.contains("Buffers: shared"));
    let numbers = line.expect("buffers are counted").split([' ', '=']);
    numbers.filter_map(|word| word.parse::<i64>().ok()).sum()
}

/// What the plan of each file must hold on SQLite, and how often it may sort: pages and what is rare, never
/// a backlog. Arms of `chains` and `chains_by_state` are sorted after their limit.
const SQLITE: [(&str, &[&str], usize); 13] = [
    (
        "jobs",
        &[
            "SEARCH job_live USING PRIMARY KEY (id>? AND id<?)",
            "SEARCH job_done USING INDEX sqlite_autoindex_job_done_1 (id>? AND id<?)",
            "SEARCH job_done USING INDEX job_done_type (type_id=? AND id>? AND id<?)",
        ],
        1,
    ),
    (
        "jobs_by_state",
        &[
            "SCAN job_live USING INDEX job_live_running",
            "SEARCH job_done USING INDEX job_done_dead (state=? AND id>? AND id<?)",
            "SEARCH job_done USING INDEX job_done_continued (id>? AND id<?)",
        ],
        2,
    ),
    (
        "dead_letter_bound",
        &[
            "SEARCH job_done USING COVERING INDEX job_done_dead (state=? AND id<?)",
            "SEARCH job_done USING COVERING INDEX job_done_dead_type (type_id=? AND state=? AND id<?)",
        ],
        0,
    ),
    (
        "jobs_by_key",
        &[
            "SEARCH k USING PRIMARY KEY (type_id=? AND key=?)",
            "SEARCH l USING PRIMARY KEY (id=?)",
            "SEARCH l USING INDEX job_live_chain (chain_id=?",
            "SEARCH d USING INDEX sqlite_autoindex_job_done_1 (id=?)",
            "SEARCH d USING INDEX job_done_chain (chain_id=?)",
        ],
        1,
    ),
    (
        "chains",
        &[
            "SEARCH l USING PRIMARY KEY (id>? AND id<?)",
            "SEARCH l USING INDEX job_live_chain (chain_id>? AND chain_id<?)",
            "SEARCH f USING INDEX sqlite_autoindex_job_done_1 (id>? AND id<?)",
            "SEARCH f USING INDEX job_done_type (type_id=? AND id>? AND id<?)",
            "SEARCH e USING INDEX job_done_chain (chain_id=?)",
        ],
        4,
    ),
    (
        "chains_by_state",
        &[
            "SCAN l USING INDEX job_live_running",
            "SEARCH d USING INDEX job_done_dead_chain (state=? AND chain_id>? AND chain_id<?)",
            "SEARCH d USING INDEX job_done_dead_type (type_id=? AND state=? AND id>? AND id<?)",
            "SEARCH d USING INDEX job_done_dead_continued (state=? AND chain_id>? AND chain_id<?)",
        ],
        5,
    ),
    (
        "chains_by_key",
        &["SEARCH k USING PRIMARY KEY (type_id=? AND key=? AND chain_id>? AND chain_id<?)"],
        0,
    ),
    (
        "chain_detail",
        &[
            "SEARCH job_live USING PRIMARY KEY (id=?)",
            "SEARCH job_live USING INDEX job_live_chain (chain_id=?)",
        ],
        0,
    ),
    (
        "chain_dependents",
        &["SEARCH w USING INDEX job_blocker_chain (chain_id=?)"],
        1,
    ),
    (
        "job_blockers",
        &["SEARCH w USING PRIMARY KEY (job_id=?)"],
        1,
    ),
    (
        "explain_job",
        &["SEARCH job_live USING PRIMARY KEY (id=?)"],
        0,
    ),
    (
        "explain_ahead",
        &[
            "SEARCH j USING COVERING INDEX job_live_ready (type_id=? AND (priority,due_at,id)<(?,?,?))",
        ],
        0,
    ),
    (
        "due_schedules",
        &["SEARCH schedule USING INDEX schedule_due"],
        0,
    ),
];

#[tokio::test]
async fn sqlite_reads_use_their_indexes() {
    run(Setting::Sqlite, async |db: Fixture| {
        populate(&db).await;
        let files = files("sqlite");
        let mut connection = SqliteConnection::connect(&db.url).await.unwrap();
        for (name, parts, sorts) in SQLITE {
            let explain = format!("EXPLAIN QUERY PLAN {}", statements(&files[name])[0]);
            let rows = sqlx::query(AssertSqlSafe(explain));
            let rows = rows.fetch_all(&mut connection).await.unwrap();
            let lines: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
            let plan = lines.join("\n");
            for part in parts {
                assert!(plan.contains(part), "{name}: no `{part}` in\n{plan}");
            }
            for line in lines.iter().filter(|line| line.starts_with("SCAN ")) {
                let table = line.split(' ').nth(1).unwrap();
                assert!(
                    line.contains("job_live_running")
                        || !["l", "d", "f", "e", "job_live", "job_done"].contains(&table),
                    "{name}: {line} in\n{plan}"
                );
            }
            let sorted = plan.matches("USE TEMP B-TREE FOR ORDER BY").count();
            assert!(sorted <= sorts, "{name} sorts {sorted} times\n{plan}");
        }
        connection.close().await.unwrap();
    })
    .await;
}
