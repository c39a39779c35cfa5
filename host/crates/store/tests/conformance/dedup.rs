use hardstop_domain::*;
use hardstop_store::*;

use crate::fixture::*;

fn keyed(type_name: &str, key: &str, scope: DedupScope) -> NewChain {
    NewChain {
        dedup: Some(Dedup {
            key: key.to_owned(),
            scope,
        }),
        ..chain(type_name)
    }
}

const OPEN: DedupScope = DedupScope::Open;
const HOUR: DedupScope = DedupScope::Any {
    window_ms: 3_600_000,
};

async fn start(db: &Fixture, chain: NewChain) -> Started {
    db.enqueue(&[chain]).await[0]
}

pub async fn an_open_chain_makes_a_start_superfluous(db: Fixture) {
    let [a, b] = db.deploy(["a", "b"]).await;
    let first = start(&db, keyed("a", "k", OPEN)).await;
    assert!(!first.deduplicated);
    for scope in [OPEN, HOUR] {
        let again = start(&db, keyed("a", "k", scope)).await;
        assert_eq!((again.chain_id, again.deduplicated), (first.chain_id, true));
    }
    // Another key, another type, no key.
    for chain in [keyed("a", "l", OPEN), keyed("b", "k", OPEN), chain("a")] {
        assert!(!start(&db, chain).await.deduplicated);
    }
    let session = db.session().await;
    // The key stays with the chain while it goes on, with a job of another type too.
    let claimed = db.claim(session, a, 1).await;
    db.settle(continue_with(&claimed[0], job("b"))).await;
    let again = start(&db, keyed("a", "k", OPEN)).await;
    assert_eq!((again.chain_id, again.deduplicated), (first.chain_id, true));
    let jobs = db.claim(session, b, 10).await;
    let last = jobs
        .iter()
        .find(|job| job.chain_id == first.chain_id)
        .unwrap();
    db.settle(complete(last)).await;
    assert!(!start(&db, keyed("a", "k", OPEN)).await.deduplicated);
}

pub async fn every_end_of_a_chain_frees_its_key(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    for next in [
        Next::Discard,
        Next::Cancel,
        Next::Complete {
            output: "1".to_owned(),
        },
    ] {
        assert!(!start(&db, keyed("a", "k", OPEN)).await.deduplicated);
        db.settle(settlement(&db.claim_one(session, a).await, next))
            .await;
    }
    let last = start(&db, keyed("a", "k", OPEN)).await;
    assert!(!last.deduplicated);
    db.store.cancel_chain(last.chain_id).await.unwrap();
    assert!(!start(&db, keyed("a", "k", OPEN)).await.deduplicated);
}

pub async fn a_window_looks_back_at_closed_chains(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let first = start(&db, keyed("a", "k", HOUR)).await;
    db.settle(settlement(&db.claim_one(session, a).await, Next::Discard))
        .await;
    let again = start(&db, keyed("a", "k", HOUR)).await;
    assert_eq!((again.chain_id, again.deduplicated), (first.chain_id, true));
    // The refused start holds nothing.
    let fresh = start(&db, keyed("a", "k", OPEN)).await;
    assert!(!fresh.deduplicated);
    db.store.cancel_chain(fresh.chain_id).await.unwrap();
    // Once the window has passed, none is in the way.
    let past = match db.database {
        Database::Postgres => "clock_timestamp() - interval '2 hours'",
        Database::Sqlite => "started_at - 7200000000",
    };
    db.execute(&format!(
        "UPDATE hardstop.chain_key SET started_at = {past}"
    ))
    .await;
    assert!(!start(&db, keyed("a", "k", HOUR)).await.deduplicated);
}

pub async fn a_key_twice_in_a_batch_starts_once(db: Fixture) {
    db.deploy(["a"]).await;
    let batch = [
        keyed("a", "k", OPEN),
        keyed("a", "k", HOUR),
        chain("a"),
        keyed("a", "k", OPEN),
    ];
    let started = db.enqueue(&batch).await;
    let first = batch[0].id();
    let got: Vec<_> = started
        .iter()
        .map(|s| (s.chain_id, s.deduplicated))
        .collect();
    assert_eq!(
        got,
        [
            (first, false),
            (first, true),
            (batch[2].id(), false),
            (first, true)
        ]
    );
    assert_eq!(db.all_jobs().await.len(), 2);
}

pub async fn a_blocker_that_was_not_started_is_the_chain_in_its_place(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let holder = start(&db, keyed("a", "k", OPEN)).await;
    let superfluous = keyed("a", "k", OPEN);
    let mut dependent = chain("a");
    dependent.first.blockers = vec![superfluous.id()];
    let id = dependent.first.id;
    db.enqueue(&[dependent, superfluous]).await;
    assert_eq!(db.state(id).await, State::Blocked);
    let session = db.session().await;
    db.settle(complete(&db.claim_one(session, a).await)).await;
    let job = db.claim_one(session, a).await;
    assert_eq!((job.id, job.blockers[0].chain_id), (id, holder.chain_id));
}

pub async fn concurrent_starts_with_one_key_start_once(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let other = db.another().await;
    let session = db.session().await;
    for round in 0..25 {
        let scope = if round % 2 == 0 { OPEN } else { HOUR };
        let key = format!("k{round}");
        let batches: Vec<Vec<NewChain>> = (0..8)
            .map(|n| {
                // Some starts are of several keys, in orders of their own.
                let mut batch = vec![
                    keyed("a", &key, scope),
                    keyed("a", &format!("{key}-b"), scope),
                ];
                if n % 2 == 0 {
                    batch.reverse();
                }
                batch
            })
            .collect();
        let tasks: Vec<_> = batches
            .into_iter()
            .enumerate()
            .map(|(n, batch)| {
                let store = if n % 2 == 0 {
                    db.store.clone()
                } else {
                    other.clone()
                };
                tokio::spawn(async move { store.enqueue(&batch).await.unwrap() })
            })
            .collect();
        let mut fresh = 0;
        let mut chains = std::collections::HashSet::new();
        for task in tasks {
            for started in task.await.unwrap() {
                fresh += u32::from(!started.deduplicated);
                chains.insert(started.chain_id);
            }
        }
        assert_eq!((fresh, chains.len()), (2, 2), "round {round}");
        for job in db.claim(session, a, 10).await {
            db.settle(complete(&job)).await;
        }
    }
    assert_eq!(db.all_jobs().await.len(), 50);
    other.close().await;
}

/// A key that is let go while others ask for it.
pub async fn starts_beside_the_end_of_the_holder(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let other = db.another().await;
    let session = db.session().await;
    let holder = start(&db, keyed("a", "k", OPEN)).await;
    let mut expected = holder.chain_id;
    for _ in 0..40 {
        let job = db.claim_one(session, a).await;
        assert_eq!(job.chain_id, expected);
        let next = [keyed("a", "k", OPEN)];
        let ends = [complete(&job)];
        let (started, settled) = tokio::join!(db.store.enqueue(&next), other.settle(&ends));
        assert_eq!(settled.unwrap(), [Settled::Written]);
        let started = started.unwrap()[0];
        expected = match started.deduplicated {
            true => {
                assert_eq!(started.chain_id, expected);
                start(&db, keyed("a", "k", OPEN)).await.chain_id
            }
            false => started.chain_id,
        };
    }
    other.close().await;
}

pub async fn a_replay_takes_the_key_again_or_says_who_has_it(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let first = start(&db, keyed("a", "k", OPEN)).await;
    let failed = db.claim_one(session, a).await;
    db.settle(settlement(&failed, Next::Discard)).await;
    assert_eq!(
        db.store.retry(failed.id).await.unwrap(),
        Retried::Was(State::Discarded)
    );
    let again = start(&db, keyed("a", "k", OPEN)).await;
    assert_eq!((again.chain_id, again.deduplicated), (first.chain_id, true));
    db.settle(settlement(&db.claim_one(session, a).await, Next::Discard))
        .await;
    let rival = start(&db, keyed("a", "k", OPEN)).await;
    assert!(!rival.deduplicated);
    assert_eq!(
        db.store.retry(failed.id).await.unwrap(),
        Retried::KeyTaken(rival.chain_id)
    );
    assert_eq!(db.state(failed.id).await, State::Discarded);
}

pub async fn keys_and_windows_are_bounded(db: Fixture) {
    db.deploy(["a"]).await;
    for (chain, expected) in [
        (keyed("a", "", OPEN), "deduplication key of 0 bytes"),
        (
            keyed("a", &"k".repeat(256), OPEN),
            "deduplication key of 256 bytes is not from 1 to 255",
        ),
        (keyed("a", "a\0b", OPEN), "U+0000"),
        (
            keyed("a", "k", DedupScope::Any { window_ms: 0 }),
            "window of 0s is not from 1ms",
        ),
        (
            keyed(
                "a",
                "k",
                DedupScope::Any {
                    window_ms: u64::MAX,
                },
            ),
            "is not from 1ms to 2160h",
        ),
    ] {
        let error = db.store.enqueue(&[chain]).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(
        !start(&db, keyed("a", &"é".repeat(127), OPEN))
            .await
            .deduplicated
    );
    // A start that comes again after its reply was lost is the same start.
    let twice = keyed("a", "twice", OPEN);
    start(&db, twice.clone()).await;
    let error = db.store.enqueue(&[twice]).await.unwrap_err();
    assert!(matches!(error, StoreError::DuplicateJob(_)), "{error}");
}
