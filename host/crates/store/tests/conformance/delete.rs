use std::time::Duration;

use hardstop_domain::*;
use hardstop_store::*;

use crate::fixture::*;

/// Makes `job` one that waits, or waited, for `chain`.
async fn depend(db: &Fixture, job: JobId, chain: ChainId) {
    let (job, chain) = (job.0, chain.0);
    let sql = match db.database {
        Database::Postgres => format!(
            "INSERT INTO hardstop.job_blocker (job_id, position, chain_id) VALUES ('{job}', 0, '{chain}')"
        ),
        Database::Sqlite => format!(
            "INSERT INTO job_blocker (job_id, position, chain_id) VALUES (x'{}', 0, x'{}')",
            job.simple(),
            chain.simple()
        ),
    };
    assert_eq!(db.execute(&sql).await, 1);
    let sql = match db.database {
        Database::Postgres => {
            format!("UPDATE hardstop.job_live SET blockers = blockers + 1 WHERE id = '{job}'")
        }
        Database::Sqlite => format!(
            "UPDATE job_live SET blockers = blockers + 1 WHERE id = x'{}'",
            job.simple()
        ),
    };
    db.execute(&sql).await;
}

async fn is_gone(db: &Fixture, job: JobId) -> bool {
    db.store.job(job).await.unwrap().is_none()
}

/// How many rows there are that belong to any job or chain at all.
async fn rows(db: &Fixture) -> u64 {
    let mut count = 0;
    for table in [
        "job_live",
        "job_done",
        "job_body",
        "job_attempt",
        "job_blocker",
        "chain_key",
        "lineage",
        "closure",
    ] {
        count += db
            .execute(&format!(
                "UPDATE hardstop.{table} SET {0} = {0}",
                match table {
                    "job_attempt" | "job_blocker" => "job_id",
                    "chain_key" | "closure" => "chain_id",
                    "lineage" => "root_chain",
                    _ => "id",
                }
            ))
            .await;
    }
    count
}

pub async fn takes_everything_of_a_chain(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let id = db.start("a").await;
    let first = db.claim_one(session, a).await;
    db.settle(settlement(&first, Next::Retry { delay_ms: 0 }))
        .await;
    let first = db.claim_one(session, a).await;
    let next = job("a");
    db.settle(continue_with(&first, next.clone())).await;
    let second = db.claim_one(session, a).await;
    db.settle(settlement(&second, Next::Discard)).await;
    let chain: ChainId = id.into();
    let (one, last) = match db.database {
        Database::Postgres => (format!("'{chain}'"), format!("'{}'", next.id)),
        Database::Sqlite => (
            format!("x'{}'", chain.0.simple()),
            format!("x'{}'", next.id.0.simple()),
        ),
    };
    for sql in [
        format!(
            "INSERT INTO hardstop.chain_key (type_id, key, chain_id, started_at) SELECT type_id, 'k', {one}, created_at \
             FROM hardstop.job_done WHERE id = {one}"
        ),
        format!("INSERT INTO hardstop.lineage (root_chain, descendants) VALUES ({one}, 3)"),
        format!(
            "INSERT INTO hardstop.closure (chain_id, job_id, state, created_at) SELECT {one}, {last}, 12, created_at \
             FROM hardstop.job_done WHERE id = {one}"
        ),
    ] {
        assert_eq!(db.execute(&sql).await, 1);
    }
    assert_eq!(rows(&db).await, 9);
    let deleted = db.store.delete_chain(chain, false).await.unwrap();
    assert_eq!(
        deleted,
        Deleted::Deleted {
            chains: vec![chain],
            jobs: 2
        }
    );
    assert_eq!(rows(&db).await, 0);
    assert_eq!(
        db.store.delete_chain(chain, false).await.unwrap(),
        Deleted::Unknown
    );
    // A job that is not the first of a chain names none.
    let id = db.start("a").await;
    let claimed = db.claim_one(session, a).await;
    let next = job("a");
    db.settle(continue_with(&claimed, next.clone())).await;
    let wrong = ChainId(next.id.0);
    assert_eq!(
        db.store.delete_chain(wrong, true).await.unwrap(),
        Deleted::Unknown
    );
    assert!(!is_gone(&db, id).await);
}

pub async fn stops_what_runs(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let id = db.start("a").await;
    let claimed = db.claim_one(session, a).await;
    let mut listener = db.store.listen().await.unwrap();
    db.store.delete_chain(id.into(), false).await.unwrap();
    loop {
        let heard = tokio::time::timeout(Duration::from_secs(20), listener.wait());
        if matches!(heard.await.expect("a wake-up"), Wake::Cancelled | Wake::Any) {
            break;
        }
    }
    let beat = db.beat(session).await;
    assert_eq!((beat.alive, beat.held), (true, Vec::new()));
    assert_eq!(db.settle(complete(&claimed)).await, Settled::Stale);
    assert_eq!(rows(&db).await, 0);
}

pub async fn is_refused_while_others_wait_or_takes_them_along(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    // A diamond: two wait for the top, one for both of them; and a stranger.
    let top = db.start("a").await;
    let left = db.start("a").await;
    let right = db.start("a").await;
    let bottom = db.start("a").await;
    let stranger = db.start("a").await;
    depend(&db, left, top.into()).await;
    depend(&db, right, top.into()).await;
    depend(&db, bottom, left.into()).await;
    let sql = match db.database {
        Database::Postgres => format!(
            "INSERT INTO hardstop.job_blocker (job_id, position, chain_id) VALUES ('{bottom}', 1, '{right}')"
        ),
        Database::Sqlite => format!(
            "INSERT INTO job_blocker (job_id, position, chain_id) VALUES (x'{}', 1, x'{}')",
            bottom.0.simple(),
            right.0.simple()
        ),
    };
    db.execute(&sql).await;
    let refused = db.store.delete_chain(top.into(), false).await.unwrap();
    assert_eq!(
        refused,
        Deleted::Waited {
            jobs: vec![left, right]
        }
    );
    // A closed chain too, as long as its output is needed.
    let claimed = db.claim(session, a, 1).await;
    assert_eq!(claimed[0].id, top);
    db.settle(complete(&claimed[0])).await;
    let refused = db.store.delete_chain(top.into(), false).await.unwrap();
    assert!(matches!(refused, Deleted::Waited { .. }), "{refused:?}");
    assert_eq!(db.state(top).await, State::Completed);

    let deleted = db.store.delete_chain(top.into(), true).await.unwrap();
    let Deleted::Deleted { chains, jobs } = deleted else {
        panic!("{deleted:?}");
    };
    assert_eq!((chains[0], chains.len(), jobs), (top.into(), 4, 4));
    for id in [top, left, right, bottom] {
        assert!(is_gone(&db, id).await);
    }
    assert_eq!(db.state(stranger).await, State::Ready);
    assert_eq!(rows(&db).await, 2, "the stranger and its payload");
    // What waited and is final needs nothing any more.
    let (one, two) = (db.start("a").await, db.start("a").await);
    depend(&db, two, one.into()).await;
    db.store.cancel(two).await.unwrap();
    let deleted = db.store.delete_chain(one.into(), false).await.unwrap();
    assert!(matches!(deleted, Deleted::Deleted { .. }), "{deleted:?}");
    assert_eq!(db.state(two).await, State::Cancelled);
}

pub async fn a_chain_that_goes_on_meanwhile_is_deleted_whole(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let other = db.another().await;
    for _ in 0..30 {
        let id = db.start("a").await;
        let claimed = db.claim_one(session, a).await;
        let batch = [continue_with(&claimed, job("a"))];
        let (settled, deleted) =
            tokio::join!(db.store.settle(&batch), other.delete_chain(id.into(), true));
        let settled = settled.unwrap().remove(0);
        let Deleted::Deleted { jobs, .. } = deleted.unwrap() else {
            panic!("not deleted");
        };
        assert_eq!(jobs, if settled == Settled::Written { 2 } else { 1 });
        assert_eq!(rows(&db).await, 0, "{settled:?}");
    }
    other.close().await;
}

pub async fn two_at_once_delete_once(db: Fixture) {
    db.deploy(["a"]).await;
    let other = db.another().await;
    for round in 0..20 {
        let id = db.start("a").await;
        if round % 2 == 0 {
            db.store.cancel(id).await.unwrap();
        }
        let (one, two) = tokio::join!(
            db.store.delete_chain(id.into(), false),
            other.delete_chain(id.into(), false)
        );
        let answers = [one.unwrap(), two.unwrap()];
        assert!(answers.contains(&Deleted::Unknown), "{answers:?}");
        assert_ne!(answers[0], answers[1]);
    }
    other.close().await;
}

/// Of a deletion and a start that names the chain, one wins: either the start finds no such chain, or
/// the deletion is refused because a job waits.
pub async fn racing_a_start_that_names_the_chain_one_wins(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let other = db.another().await;
    let mut wins = [0, 0];
    for round in 0..50 {
        let id = db.start("a").await;
        if round % 2 == 0 {
            let claimed = db.claim_one(session, a).await;
            db.settle(complete(&claimed)).await;
        }
        let mut dependent = chain("a");
        dependent.first.blockers = vec![id.into()];
        let batch = [dependent.clone()];
        let (started, deleted) = tokio::join!(
            db.store.enqueue(&batch),
            other.delete_chain(id.into(), false)
        );
        match (started, deleted.unwrap()) {
            (Ok(_), Deleted::Waited { jobs }) => {
                assert_eq!(jobs, [dependent.first.id]);
                assert!(!is_gone(&db, id).await);
                wins[0] += 1;
            }
            (Err(StoreError::UnknownChain(unknown)), Deleted::Deleted { .. }) => {
                assert_eq!(unknown, id.into());
                assert!(is_gone(&db, id).await && is_gone(&db, dependent.first.id).await);
                wins[1] += 1;
            }
            neither => panic!("{neither:?}"),
        }
        db.store.delete_chain(id.into(), true).await.unwrap();
    }
    assert_eq!(wins[0] + wins[1], 50);
    other.close().await;
}
