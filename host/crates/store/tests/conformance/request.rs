use std::sync::Arc;

use hardstop_domain::*;
use hardstop_store::*;
use uuid::Uuid;

use crate::fixture::*;

/// Acts for a request with this key that asks for this.
fn request(store: &Arc<dyn Store>, actor: &str, key: &str, asks: &str) -> Arc<dyn Store> {
    store.acting(Acting {
        actor: actor.to_owned(),
        token: None,
        request: Some(RequestKey {
            key: key.to_owned(),
            fingerprint: Digest::of(asks.as_bytes()),
        }),
    })
}

pub async fn a_request_that_is_sent_again_starts_nothing_more(db: Fixture) {
    db.deploy(["a"]).await;
    let first = request(&db.store, "ada", "k", "x")
        .enqueue(&chains("a", 3))
        .await
        .unwrap();
    // Other ids: they are made anew each time.
    let again = request(&db.another().await, "ada", "k", "x")
        .enqueue(&chains("a", 3))
        .await
        .unwrap();
    assert_eq!(first, again);
    assert_eq!(db.all_jobs().await.len(), 3);
    // Keys of others, and other keys, are theirs.
    request(&db.store, "bob", "k", "x")
        .enqueue(&chains("a", 1))
        .await
        .unwrap();
    request(&db.store, "ada", "l", "x")
        .enqueue(&chains("a", 1))
        .await
        .unwrap();
    assert_eq!(db.all_jobs().await.len(), 5);
}

pub async fn another_request_cannot_have_the_key(db: Fixture) {
    db.deploy(["a"]).await;
    request(&db.store, "ada", "k", "x")
        .enqueue(&[chain("a")])
        .await
        .unwrap();
    let other = request(&db.store, "ada", "k", "y")
        .enqueue(&[chain("a")])
        .await;
    assert!(matches!(other, Err(StoreError::RequestReused)), "{other:?}");
    assert_eq!(db.all_jobs().await.len(), 1);
}

pub async fn a_request_that_failed_leaves_its_key_free(db: Fixture) {
    db.deploy(["a"]).await;
    let unknown = NewChain::new(NewJob {
        blockers: vec![ChainId(Uuid::now_v7())],
        ..job("a")
    });
    let failed = request(&db.store, "ada", "k", "x")
        .enqueue(&[unknown])
        .await;
    assert!(
        matches!(failed, Err(StoreError::UnknownChain(_))),
        "{failed:?}"
    );
    request(&db.store, "ada", "k", "y")
        .enqueue(&[chain("a")])
        .await
        .unwrap();
    assert_eq!(db.all_jobs().await.len(), 1);
}

pub async fn requests_that_come_at_once_start_once(db: Fixture) {
    db.deploy(["a"]).await;
    for round in 0..10 {
        let key = format!("k{round}");
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let store = request(&db.store, "ada", &key, "x");
            tasks.spawn(async move { store.enqueue(&chains("a", 2)).await.unwrap() });
        }
        let answers = tasks.join_all().await;
        assert!(
            answers.iter().all(|answer| *answer == answers[0]),
            "{answers:?}"
        );
        assert_eq!(db.all_jobs().await.len(), 2 * (round + 1));
    }
}

pub async fn everything_that_is_made_is_made_once(db: Fixture) {
    let new = deployment_of(b"one", &["a"]);
    let made = request(&db.store, "ada", "deploy", "x")
        .deploy(new)
        .await
        .unwrap();
    let other = deployment_of(b"one", &["a"]);
    let again = request(&db.store, "ada", "deploy", "x")
        .deploy(other)
        .await
        .unwrap();
    assert_eq!(made, again);
    assert_eq!(db.store.deployments(10).await.unwrap().len(), 1);

    let (one, two) = (Uuid::now_v7(), Uuid::now_v7());
    for id in [one, two] {
        let reserved = request(&db.store, "ada", "reserve", "x")
            .reserve(id)
            .await
            .unwrap();
        assert_eq!(reserved, one);
        assert_eq!(db.store.reserve(id).await.unwrap(), id, "without a key");
    }

    let token = |id| NewToken {
        id: TokenId(id),
        name: "ci".to_owned(),
        hash: Digest::of(b"x"),
        scopes: Scopes::all(),
        actor: "ada".to_owned(),
        time: None,
    };
    let made = request(&db.store, "ada", "token", "x")
        .put_token(token(one))
        .await
        .unwrap();
    let again = request(&db.store, "ada", "token", "x")
        .put_token(token(two))
        .await
        .unwrap();
    assert_eq!(made, again);

    let schedule = NewSchedule {
        name: "s".parse().unwrap(),
        type_name: name("a"),
        input: "{}".to_owned(),
        priority: 0,
        spec: ScheduleSpec {
            timing: Timing::Every {
                interval_ms: 3_600_000.try_into().unwrap(),
            },
            overlap: Overlap::Allow,
            missed: Missed::Skip,
        },
    };
    let name = schedule.name.clone();
    db.store.put_schedule(schedule).await.unwrap();
    let trigger = async || {
        request(&db.store, "ada", "trigger", "x")
            .trigger_schedule(&name)
            .await
            .unwrap()
    };
    assert_eq!(trigger().await, trigger().await);
    assert_eq!(db.all_jobs().await.len(), 1);
    // A key is one for whatever it is used for.
    let reused = request(&db.store, "ada", "token", "y").reserve(two).await;
    assert!(
        matches!(reused, Err(StoreError::RequestReused)),
        "{reused:?}"
    );
    // Each was recorded once.
    let query = AuditQuery {
        limit: 10,
        ..AuditQuery::default()
    };
    let records = db.store.audit(&query).await.unwrap();
    let actions: Vec<&str> = records.iter().rev().map(|it| it.action.name()).collect();
    assert_eq!(actions, ["deploy", "create-token", "trigger-schedule"]);
}

pub async fn keys_are_forgotten_after_a_day(db: Fixture) {
    db.deploy(["a"]).await;
    request(&db.store, "ada", "old", "x")
        .enqueue(&[chain("a")])
        .await
        .unwrap();
    request(&db.store, "ada", "new", "x")
        .enqueue(&[chain("a")])
        .await
        .unwrap();
    let day = db.time_after(-25 * 3_600 * 1_000_000);
    db.execute(&format!(
        "UPDATE hardstop.request SET at = {day} WHERE key = 'old'"
    ))
    .await;
    db.store.maintain().await.unwrap();
    let again = request(&db.store, "ada", "old", "y")
        .enqueue(&[chain("a")])
        .await;
    assert!(again.is_ok(), "{again:?}");
    let kept = request(&db.store, "ada", "new", "y")
        .enqueue(&[chain("a")])
        .await;
    assert!(matches!(kept, Err(StoreError::RequestReused)), "{kept:?}");
}
