use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hardstop_domain::*;
use hardstop_store::*;
use uuid::{NoContext, Uuid};

use crate::fixture::*;

const DAY: Duration = Duration::from_secs(86_400);

/// The id of a job created so many days ago.
fn old_id(days: u64) -> JobId {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() - DAY * days as u32;
    JobId(Uuid::new_v7(uuid::Timestamp::from_unix(
        NoContext,
        at.as_secs(),
        at.subsec_nanos(),
    )))
}

/// Makes the partitions of the day so many days ago, as they were made on that day.
async fn make_day(db: &Fixture, days: u64) {
    if db.database == Database::Sqlite {
        return;
    }
    for table in ["job_body", "job_done", "job_attempt"] {
        db.execute(&format!(
            "DO $$ DECLARE day date := (now() AT TIME ZONE 'UTC')::date - {days}; BEGIN \
             EXECUTE format('CREATE TABLE hardstop.%I PARTITION OF hardstop.{table} FOR VALUES FROM (%L) TO (%L)', \
             '{table}_' || to_char(day, 'YYYYMMDD'), hardstop.day_id(day), hardstop.day_id(day + 1)); END $$"
        ))
        .await;
    }
}

/// Makes every final job final so many days earlier.
async fn age(db: &Fixture, days: u64) {
    let earlier = match db.database {
        Database::Postgres => format!("interval '{days} days'"),
        Database::Sqlite => (days as i64 * 86_400_000_000).to_string(),
    };
    db.execute(&format!(
        "UPDATE hardstop.job_done SET finished_at = finished_at - {earlier}"
    ))
    .await;
}

/// How many rows a table has.
async fn count(db: &Fixture, table: &str, column: &str) -> u64 {
    db.execute(&format!("UPDATE hardstop.{table} SET {column} = {column}"))
        .await
}

async fn kept(db: &Fixture) -> [u64; 3] {
    [
        count(db, "job_done", "id").await,
        count(db, "job_body", "id").await,
        count(db, "job_attempt", "job_id").await,
    ]
}

fn keep(completed: Option<Duration>, discarded: Option<Duration>) -> Retention {
    Retention {
        completed,
        discarded,
        cancelled: discarded,
    }
}

/// Steps until there is no more to remove.
async fn retain(store: &dyn Store, retention: &Retention) -> Retained {
    let mut all = Retained::default();
    for _ in 0..1_000 {
        let step = store.retain(retention).await.unwrap();
        all.jobs += step.jobs;
        all.partitions += step.partitions;
        if !step.more {
            return all;
        }
    }
    panic!("there is always more: {all:?}");
}

async fn start_old(db: &Fixture, type_name: &str, days: u64) -> JobId {
    let mut new = chain(type_name);
    new.first.id = old_id(days);
    db.enqueue(std::slice::from_ref(&new)).await;
    new.first.id
}

fn literal(db: &Fixture, id: JobId) -> String {
    match db.database {
        Database::Postgres => format!("'{id}'"),
        Database::Sqlite => format!("x'{}'", id.0.simple()),
    }
}

pub async fn what_is_old_goes_and_what_is_needed_stays(db: Fixture) {
    let [a, b] = db.deploy(["a", "b"]).await;
    let session = db.session().await;
    make_day(&db, 10).await;
    make_day(&db, 9).await;
    let done = start_old(&db, "a", 10).await;
    db.settle(complete(&db.claim_one(session, a).await)).await;
    let discarded = start_old(&db, "a", 10).await;
    let claimed = db.claim_one(session, a).await;
    db.settle(settlement(&claimed, Next::Discard)).await;
    let cancelled = start_old(&db, "a", 9).await;
    db.store.cancel(cancelled).await.unwrap();
    // An open chain whose first job is final.
    let open = start_old(&db, "a", 10).await;
    let claimed = db.claim_one(session, a).await;
    let tail = job("b");
    db.settle(continue_with(&claimed, tail.clone())).await;
    // A live job waits no more for this chain, but still needs its output.
    let needed = start_old(&db, "a", 10).await;
    db.settle(complete(&db.claim_one(session, a).await)).await;
    let dependent = db.start("b").await;
    let (waits, chain) = (literal(&db, dependent), literal(&db, needed));
    for sql in [
        format!(
            "INSERT INTO hardstop.job_blocker (job_id, position, chain_id, closed_by) VALUES ({waits}, 0, {chain}, {chain})"
        ),
        format!("UPDATE hardstop.job_live SET blockers = 1 WHERE id = {waits}"),
    ] {
        assert_eq!(db.execute(&sql).await, 1);
    }
    // A live one, with a failed attempt.
    let live = start_old(&db, "a", 10).await;
    let claimed = db.claim_one(session, a).await;
    db.settle(settlement(&claimed, Next::Retry { delay_ms: 0 }))
        .await;
    age(&db, 8).await;
    let recent = db.start("a").await;
    db.store.cancel(recent).await.unwrap();

    let survivors = [discarded, cancelled, open, needed, live, recent, dependent];
    let mut before = Vec::new();
    for id in survivors {
        before.push(db.job(id).await);
    }
    let removed = retain(&*db.store, &Retention::default()).await;
    match db.database {
        Database::Postgres => assert_eq!((removed.partitions, removed.jobs), (6, 0)),
        Database::Sqlite => assert_eq!((removed.partitions, removed.jobs), (0, 1)),
    }
    assert_eq!(db.store.job(done).await.unwrap(), None);
    for was in &before {
        let is = db.job(was.summary.id).await;
        assert_eq!(is, *was, "it stays readable as it was");
    }
    assert_eq!(kept(&db).await, [5, 8, 2]);

    // Each state has its own time.
    let days = |discarded: u64, cancelled: u64| Retention {
        discarded: Some(DAY * discarded as u32),
        cancelled: Some(DAY * cancelled as u32),
        ..Retention::default()
    };
    let removed = retain(&*db.store, &days(90, 5)).await;
    assert_eq!(removed.jobs, 1);
    assert_eq!(db.store.job(cancelled).await.unwrap(), None);
    assert_eq!(db.state(recent).await, State::Cancelled);
    let removed = retain(&*db.store, &days(5, 5)).await;
    assert_eq!(removed.jobs, 1);
    assert_eq!(db.store.job(discarded).await.unwrap(), None);

    // Once nobody needs it any more, and the chain has closed, the rest goes too.
    assert_eq!(retain(&*db.store, &days(5, 5)).await.jobs, 0);
    db.store.cancel(dependent).await.unwrap();
    db.store.cancel(tail.id).await.unwrap();
    assert_eq!(retain(&*db.store, &days(5, 5)).await.jobs, 2);
    assert_eq!(db.store.job(needed).await.unwrap(), None);
    assert_eq!(db.store.job(open).await.unwrap(), None);
    // The live one runs on, and ends in the default partition.
    let again = db.claim_one(session, a).await;
    assert_eq!((again.id, again.attempt), (live, 2));
    assert_eq!(db.settle(complete(&again)).await, Settled::Written);
    assert_eq!(db.job(live).await.attempts.len(), 1);
    age(&db, 8).await;
    retain(&*db.store, &Retention::default()).await;
    assert_eq!(db.store.job(live).await.unwrap(), None);
    let _ = b;
}

pub async fn steps_are_bounded_and_forever_is_for_ever(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    db.enqueue(&chains("a", 700)).await;
    let jobs = db.claim(session, a, 700).await;
    let batch: Vec<Settlement> = jobs
        .iter()
        .enumerate()
        .map(|(index, job)| match index % 7 {
            0 => settlement(job, Next::Discard),
            1 => settlement(job, Next::Cancel),
            _ => complete(job),
        })
        .collect();
    db.store.settle(&batch).await.unwrap();
    // Jobs of the last millisecond are not older than it.
    tokio::time::sleep(Duration::from_millis(5)).await;
    let forever = keep(None, None);
    assert_eq!(
        db.store.retain(&forever).await.unwrap(),
        Retained::default()
    );
    let soon = Some(Duration::from_millis(1));
    let first = db.store.retain(&keep(soon, None)).await.unwrap();
    assert!(
        first.jobs > 0 && first.jobs <= 500 && first.more,
        "{first:?}"
    );
    let rest = retain(&*db.store, &keep(soon, None)).await;
    assert_eq!(first.jobs + rest.jobs, 500);
    let [done, bodies, attempts] = kept(&db).await;
    assert_eq!((done, bodies, attempts), (200, 200, 200));
    let rest = retain(&*db.store, &keep(None, soon)).await;
    assert_eq!(rest.jobs, 200);
    assert_eq!(kept(&db).await, [0, 0, 0]);
}

pub async fn what_is_gone_leaves_nothing_behind(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let gone = start_old(&db, "a", 100).await;
    let claimed = db.claim_one(session, a).await;
    db.settle(settlement(&claimed, Next::Discard)).await;
    let replay = ReplayBatch {
        id: ReplayId(old_id(95).0),
        actor: "mara".to_owned(),
        note: None,
        filter: DeadLetterFilter::default(),
        jobs: vec![gone],
    };
    db.store.replay(&replay).await.unwrap();
    let claimed = db.claim_one(session, a).await;
    db.settle(settlement(&claimed, Next::Discard)).await;
    let live = start_old(&db, "a", 100).await;
    let now = match db.database {
        Database::Postgres => "now()",
        Database::Sqlite => "1792000000000000",
    };
    let long_ago = match db.database {
        Database::Postgres => "now() - interval '91 days'",
        Database::Sqlite => "1",
    };
    for (id, key) in [(gone, "gone"), (live, "live")] {
        let id = literal(&db, id);
        for sql in [
            format!(
                "INSERT INTO hardstop.chain_key (type_id, key, chain_id, started_at, open) \
                 VALUES (1, '{key}', {id}, {long_ago}, {})",
                key == "live"
            ),
            format!("INSERT INTO hardstop.lineage (root_chain, descendants) VALUES ({id}, 1)"),
            format!(
                "INSERT INTO hardstop.job_blocker (job_id, position, chain_id) VALUES ({id}, 0, {})",
                literal(&db, job("a").id)
            ),
        ] {
            db.execute(&sql).await;
        }
    }
    // A closed one within the longest window of deduplication.
    let id = literal(&db, gone);
    db.execute(&format!(
        "INSERT INTO hardstop.chain_key (type_id, key, chain_id, started_at, open) VALUES (2, 'new', {id}, {now}, false)"
    ))
    .await;
    age(&db, 91).await;
    assert_eq!(retain(&*db.store, &Retention::default()).await.jobs, 1);
    // The replay itself goes with the sweep after that of its jobs.
    retain(&*db.store, &Retention::default()).await;
    for (table, column, wanted) in [
        ("chain_key", "type_id", 2),
        ("lineage", "root_chain", 1),
        ("job_blocker", "job_id", 1),
        ("replay_job", "job_id", 0),
        ("replay", "id", 0),
        ("job_done", "id", 0),
        ("job_body", "id", 1),
    ] {
        assert_eq!(count(&db, table, column).await, wanted, "{table}");
    }
}

pub async fn many_hosts_at_once_remove_each_job_once(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    for days in [12, 11, 10] {
        make_day(&db, days).await;
    }
    let mut all = chains("a", 600);
    for (index, chain) in all.iter_mut().enumerate() {
        chain.first.id = old_id(10 + index as u64 % 3);
    }
    db.enqueue(&all).await;
    let jobs = db.claim(session, a, 600).await;
    let batch: Vec<Settlement> = jobs
        .iter()
        .enumerate()
        .map(|(index, job)| match index % 2 {
            0 => settlement(job, Next::Discard),
            _ => complete(job),
        })
        .collect();
    db.store.settle(&batch).await.unwrap();
    age(&db, 10).await;
    let recent = db.start("a").await;
    let (two, three) = (db.another().await, db.another().await);
    let retention = keep(Some(DAY), Some(DAY));
    let (one, two_did, three_did) = tokio::join!(
        retain(&*db.store, &retention),
        retain(&*two, &retention),
        retain(&*three, &retention)
    );
    // Who found another at it has stopped.
    let last = retain(&*db.store, &retention).await;
    let all = [one, two_did, three_did, last];
    let jobs: u64 = all.iter().map(|did| did.jobs).sum();
    let partitions: u32 = all.iter().map(|did| did.partitions).sum();
    match db.database {
        Database::Postgres => {
            assert_eq!(partitions, 9, "{all:?}");
            assert!(
                jobs <= 300,
                "only dead letters are removed one by one: {all:?}"
            );
        }
        Database::Sqlite => assert_eq!((partitions, jobs), (0, 600), "{all:?}"),
    }
    assert_eq!(kept(&db).await, [0, 1, 0]);
    assert_eq!(db.state(recent).await, State::Ready);
    two.close().await;
    three.close().await;
}
