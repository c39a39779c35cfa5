use std::sync::Arc;

use hardstop_domain::*;
use hardstop_store::*;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::*;

fn acting(db: &Fixture, actor: &str) -> Arc<dyn Store> {
    db.store.acting(Acting {
        actor: actor.to_owned(),
        token: Some(TokenId(Uuid::from_u128(7))),
        request: None,
    })
}

async fn records(db: &Fixture) -> Vec<AuditRecord> {
    let query = AuditQuery {
        limit: AUDIT_LIMIT_MAX,
        ..AuditQuery::default()
    };
    let mut records = db.store.audit(&query).await.unwrap();
    records.reverse();
    records
}

fn state(state: &str) -> Option<Value> {
    Some(json!({ "state": state }))
}

pub async fn each_change_is_recorded_with_what_was_and_is(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let ada = acting(&db, "ada");
    let job = db.start("a").await;
    ada.cancel(job).await.unwrap();
    ada.retry(job).await.unwrap();
    let later = Due::After { delay_ms: 60_000 };
    ada.reschedule(job, later, false).await.unwrap();
    ada.cancel_chain(job.into()).await.unwrap();
    let batch = ReplayBatch {
        id: ReplayId(Uuid::now_v7()),
        actor: "ada".to_owned(),
        note: None,
        filter: DeadLetterFilter::default(),
        jobs: vec![job],
    };
    ada.replay(&batch).await.unwrap();
    ada.delete_chain(job.into(), false).await.unwrap();
    let pause = NewPause {
        type_name: Some(name("a")),
        until: None,
        actor: "ada".to_owned(),
        note: Some("why".to_owned()),
    };
    ada.pause(pause).await.unwrap();
    ada.resume(Some(&name("a"))).await.unwrap();
    let seen = records(&db).await;
    let actions: Vec<&str> = seen.iter().map(|it| it.action.name()).collect();
    assert_eq!(
        actions,
        [
            "cancel-job",
            "retry-job",
            "reschedule-job",
            "cancel-chain",
            "replay",
            "delete-chain",
            "pause",
            "resume"
        ]
    );
    for record in &seen {
        assert_eq!(record.actor, "ada");
        assert_eq!(record.token, Some(TokenId(Uuid::from_u128(7))));
    }
    let subject = job.to_string();
    assert_eq!(
        (&seen[0].subject, &seen[0].before, &seen[0].after),
        (&subject, &state("ready"), &state("cancelled"))
    );
    assert_eq!(
        (&seen[1].before, &seen[1].after),
        (&state("cancelled"), &state("ready"))
    );
    assert_eq!(seen[4].after, Some(json!({ "jobs": 1 })));
    assert_eq!(seen[4].subject, batch.id.to_string());
    assert_eq!(
        (&seen[6].before, &seen[6].subject),
        (&None, &"a".to_owned())
    );
    assert_eq!(seen[6].after.as_ref().unwrap()["note"], "why");
    assert_eq!((&seen[7].before, &seen[7].after), (&seen[6].after, &None));
    let _ = a;
}

pub async fn a_deployment_is_recorded_with_limits_and_grants(db: Fixture) {
    let ada = acting(&db, "ada");
    let mut first = deployment_of(b"one", &["a", "b"]);
    first.types[0].capabilities.config = [("key".to_owned(), "a-value".to_owned())].into();
    let first = ada.deploy(first).await.unwrap();
    let mut second = deployment_of(b"two", &["a"]);
    second.types[0].limits.memory_bytes_max = 1 << 20;
    second.types[0].capabilities.chains = true;
    let second = ada.deploy(second).await.unwrap();
    ada.rollback(&name("a"), None).await.unwrap();
    let [made, changed, back] = &records(&db).await[..] else {
        panic!()
    };
    assert_eq!(made.before, Some(json!({})));
    assert_eq!(made.subject, first.id.to_string());
    let (before, after) = (
        changed.before.as_ref().unwrap(),
        changed.after.as_ref().unwrap(),
    );
    assert_eq!(before["a"]["deployment"], json!(first.id));
    assert_eq!(after["a"]["deployment"], json!(second.id));
    assert_eq!(after["a"]["limits"]["memory_bytes_max"], 1 << 20);
    assert_eq!(before["a"]["capabilities"], json!(["config"]));
    assert_eq!(after["a"]["capabilities"], json!(["chains"]));
    assert!(
        before.get("b").is_none(),
        "not of this deployment: {before}"
    );
    assert_eq!(
        (&back.before, &back.after),
        (&changed.after, &changed.before)
    );
    let all = serde_json::to_string(&records(&db).await).unwrap();
    assert!(!all.contains("a-value"), "{all}");
}

pub async fn what_changes_nothing_leaves_no_record(db: Fixture) {
    db.deploy(["a"]).await;
    let ada = acting(&db, "ada");
    let unknown = JobId(Uuid::now_v7());
    ada.cancel(unknown).await.unwrap();
    ada.retry(unknown).await.unwrap();
    ada.cancel_chain(unknown.into()).await.unwrap();
    ada.delete_chain(unknown.into(), false).await.unwrap();
    ada.resume(None).await.unwrap();
    ada.release(&name("a")).await.unwrap();
    ada.rollback(&name("a"), None).await.unwrap();
    ada.revoke_token(TokenId(Uuid::now_v7())).await.unwrap();
    let mut bad = deployment_of(b"one", &["b"]);
    bad.canary_percent = Some(50);
    ada.deploy(bad).await.unwrap_err();
    // Starts leave jobs, and no records.
    ada.enqueue(&[chain("a")]).await.unwrap();
    // What nobody answers for is not recorded: the host itself.
    let job = db.start("a").await;
    db.store.cancel(job).await.unwrap();
    assert_eq!(records(&db).await, []);
}

pub async fn a_token_is_recorded_without_its_hash(db: Fixture) {
    let ada = acting(&db, "ada");
    let token = NewToken {
        id: TokenId(Uuid::now_v7()),
        name: "ci".to_owned(),
        hash: Digest::of(b"secret"),
        scopes: [Scope::Deploy].into_iter().collect(),
        actor: "ada".to_owned(),
        time: None,
    };
    ada.put_token(token.clone()).await.unwrap();
    ada.revoke_token(token.id).await.unwrap();
    let seen = records(&db).await;
    let subject = token.id.to_string();
    assert_eq!((&seen[0].before, &seen[0].subject), (&None, &subject));
    assert_eq!(seen[0].after.as_ref().unwrap()["scopes"], json!(["deploy"]));
    assert_eq!(seen[1].before, seen[0].after);
    assert_eq!(seen[1].after.as_ref().unwrap()["revoked"], true);
    let hash = token.hash.to_string();
    let hash = hash.strip_prefix("sha256:").unwrap();
    assert!(!serde_json::to_string(&seen).unwrap().contains(hash));
}

pub async fn records_are_filtered_and_paged(db: Fixture) {
    db.deploy(["a"]).await;
    let (ada, bob) = (acting(&db, "ada"), acting(&db, "bob"));
    let mut jobs = Vec::new();
    for store in [&ada, &bob, &ada, &bob, &ada] {
        let job = db.start("a").await;
        store.cancel(job).await.unwrap();
        jobs.insert(0, job.to_string());
    }
    let list =
        async |query: AuditQuery| -> Vec<AuditRecord> { db.store.audit(&query).await.unwrap() };
    let query = AuditQuery {
        limit: 2,
        ..AuditQuery::default()
    };
    let subjects = |records: &[AuditRecord]| -> Vec<String> {
        records
            .iter()
            .map(|record| record.subject.clone())
            .collect()
    };
    let first = list(query.clone()).await;
    assert_eq!(subjects(&first), jobs[..2]);
    let rest = AuditQuery {
        before: Some(first[1].id),
        limit: 10,
        ..query.clone()
    };
    assert_eq!(subjects(&list(rest).await), jobs[2..]);
    for (query, expected) in [
        (
            AuditQuery {
                actor: Some("bob".to_owned()),
                limit: 10,
                ..query.clone()
            },
            vec![1, 3],
        ),
        (
            AuditQuery {
                subject: Some(jobs[2].clone()),
                ..query.clone()
            },
            vec![2],
        ),
        (
            AuditQuery {
                action: Some(AuditAction::Pause),
                ..query.clone()
            },
            vec![],
        ),
        (
            AuditQuery {
                until: Some(Timestamp(0)),
                ..query.clone()
            },
            vec![],
        ),
        (
            AuditQuery {
                since: Some(Timestamp(0)),
                limit: 10,
                ..query.clone()
            },
            vec![0, 1, 2, 3, 4],
        ),
    ] {
        let expected: Vec<String> = expected
            .into_iter()
            .map(|at: usize| jobs[at].clone())
            .collect();
        assert_eq!(subjects(&list(query).await), expected);
    }
    for limit in [0, AUDIT_LIMIT_MAX + 1] {
        let refused = db
            .store
            .audit(&AuditQuery {
                limit,
                ..query.clone()
            })
            .await;
        assert!(matches!(refused, Err(StoreError::Invalid(_))), "{limit}");
    }
}
