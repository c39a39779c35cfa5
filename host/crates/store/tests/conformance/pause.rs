use std::time::Duration;

use hardstop_domain::*;
use hardstop_store::*;

use crate::fixture::*;

async fn pause(db: &Fixture, type_name: Option<&str>, until: Option<PauseEnd>) -> Pause {
    let pause = NewPause {
        type_name: type_name.map(name),
        until,
        actor: "ada".to_owned(),
        note: Some("why".to_owned()),
    };
    db.store.pause(pause).await.unwrap()
}

/// The types of the jobs that a claim gets of both types.
async fn claim_both(db: &Fixture, types: [TypeId; 2]) -> Vec<TypeId> {
    let session = db.session().await;
    let request = ClaimRequest {
        token: db.token(session),
        quotas: types.map(|id| (id, 10)).to_vec(),
        total: 20,
    };
    let jobs = db.store.claim(&request).await.unwrap();
    jobs.iter().map(|job| job.type_id).collect()
}

pub async fn a_paused_type_is_not_claimed_and_others_are(db: Fixture) {
    let [a, b] = db.deploy(["a", "b"]).await;
    db.start("a").await;
    db.start("b").await;
    let paused = pause(&db, Some("a"), None).await;
    assert_eq!(
        (paused.type_name, paused.until, paused.actor, paused.note),
        (
            Some(name("a")),
            None,
            "ada".to_owned(),
            Some("why".to_owned())
        )
    );
    assert_eq!(claim_both(&db, [a, b]).await, [b]);
    // Another host sees it too.
    let other = db.another().await;
    let session = db.session().await;
    let request = ClaimRequest {
        token: db.token(session),
        quotas: vec![(a, 10)],
        total: 10,
    };
    assert!(other.claim(&request).await.unwrap().is_empty());
    other.close().await;
    assert!(db.store.resume(Some(&name("a"))).await.unwrap());
    assert_eq!(claim_both(&db, [a, b]).await, [a]);
    assert!(
        !db.store.resume(Some(&name("a"))).await.unwrap(),
        "not twice"
    );
}

pub async fn everything_may_be_paused(db: Fixture) {
    let [a, b] = db.deploy(["a", "b"]).await;
    db.start("a").await;
    db.start("b").await;
    pause(&db, None, None).await;
    pause(&db, Some("b"), None).await;
    assert!(claim_both(&db, [a, b]).await.is_empty());
    let pauses = db.store.pauses().await.unwrap();
    let types: Vec<_> = pauses.into_iter().map(|pause| pause.type_name).collect();
    assert_eq!(types, [None, Some(name("b"))]);
    // Each is a pause of its own.
    assert!(db.store.resume(None).await.unwrap());
    assert_eq!(claim_both(&db, [a, b]).await, [a]);
    assert!(db.store.resume(Some(&name("b"))).await.unwrap());
    assert_eq!(claim_both(&db, [a, b]).await, [b]);
}

pub async fn what_runs_goes_on(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    db.start("a").await;
    let session = db.session().await;
    let job = db.claim_one(session, a).await;
    pause(&db, Some("a"), None).await;
    assert_eq!(db.beat(session).await.held.len(), 1);
    assert_eq!(db.settle(complete(&job)).await, Settled::Written);
    assert_eq!(db.state(job.id).await, State::Completed);
}

pub async fn a_pause_ends_at_its_time(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    db.start("a").await;
    let ended = db.store.end_pauses().await.unwrap();
    assert_eq!((ended.count, ended.next_due_in), (0, None));
    let hour = Duration::from_secs(3_600);
    let paused = pause(&db, Some("a"), Some(PauseEnd::After(hour))).await;
    assert_eq!(paused.until.unwrap().since(paused.paused_at), hour);
    let next = db.store.end_pauses().await.unwrap().next_due_in.unwrap();
    assert!(next <= hour && next > hour - Duration::from_secs(60));
    // A later pause replaces it.
    let until = Timestamp(paused.paused_at.0 + 7_200_000_000);
    let paused = pause(&db, Some("a"), Some(PauseEnd::At(until))).await;
    assert_eq!(paused.until, Some(until));
    let session = db.session().await;
    assert!(db.claim(session, a, 1).await.is_empty());
    // Over, though nobody has forgotten it yet.
    let past = match db.database {
        Database::Postgres => "clock_timestamp() - interval '1 millisecond'",
        Database::Sqlite => "1",
    };
    db.execute(&format!("UPDATE hardstop.pause SET until = {past}"))
        .await;
    assert!(db.store.pauses().await.unwrap().is_empty());
    assert_eq!(db.claim(session, a, 1).await.len(), 1);
    assert!(!db.store.resume(Some(&name("a"))).await.unwrap());
    // Forgotten once, and that wakes.
    pause(&db, Some("a"), None).await;
    db.execute(&format!("UPDATE hardstop.pause SET until = {past}"))
        .await;
    let mut listener = db.store.listen().await.unwrap();
    let ended = db.store.end_pauses().await.unwrap();
    assert_eq!((ended.count, ended.next_due_in), (1, None));
    let wake = tokio::time::timeout(Duration::from_secs(30), listener.wait()).await;
    assert_eq!(wake.unwrap(), Wake::Ready);
    assert_eq!(db.store.end_pauses().await.unwrap().count, 0);
}

pub async fn bad_pauses_are_refused(db: Fixture) {
    db.deploy(["a"]).await;
    let good = NewPause {
        type_name: Some(name("a")),
        until: None,
        actor: "ada".to_owned(),
        note: None,
    };
    for (pause, expected) in [
        (
            NewPause {
                type_name: Some(name("b")),
                ..good.clone()
            },
            "type `b` is not deployed",
        ),
        (
            NewPause {
                until: Some(PauseEnd::At(Timestamp(1_000_000))),
                ..good.clone()
            },
            "a pause until 1970-01-01T00:00:01.000000Z would be over already",
        ),
        (
            NewPause {
                until: Some(PauseEnd::After(Duration::ZERO)),
                ..good.clone()
            },
            "a pause of no time",
        ),
        (
            NewPause {
                until: Some(PauseEnd::After(Duration::MAX)),
                ..good.clone()
            },
            "is over the maximum of 31622400000 ms",
        ),
        (
            NewPause {
                actor: String::new(),
                ..good.clone()
            },
            "an actor of 0 bytes is not from 1 to 128",
        ),
        (
            NewPause {
                note: Some("x".repeat(1_025)),
                ..good.clone()
            },
            "a note of 1025 bytes is over the maximum of 1024",
        ),
        (
            NewPause {
                note: Some("\0".to_owned()),
                ..good.clone()
            },
            "NUL",
        ),
    ] {
        let error = db.store.pause(pause).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(db.store.resume(Some(&name("b"))).await.is_err());
    assert!(!db.store.resume(None).await.unwrap());
    assert!(db.store.pauses().await.unwrap().is_empty());
}
