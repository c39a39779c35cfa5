use std::time::Duration;

use hardstop_domain::*;
use hardstop_store::*;
use uuid::Uuid;

use crate::fixture::*;

/// Deploys type `a` with this component, whose limit on input tells the deployment apart.
async fn deploy(db: &Fixture, bytes: &[u8], input_bytes_max: u64) -> DeploymentId {
    let mut new = deployment_of(bytes, &["a"]);
    new.types[0].limits.input_bytes_max = input_bytes_max;
    db.store.deploy(new).await.unwrap().id
}

async fn canary(db: &Fixture, bytes: &[u8], percent: u8) -> Result<DeploymentId, StoreError> {
    let mut new = deployment_of(bytes, &["a"]);
    new.canary_percent = Some(percent);
    Ok(db.store.deploy(new).await?.id)
}

async fn active(db: &Fixture) -> ActiveType {
    let types = db.store.types().await.unwrap();
    let found = types
        .into_iter()
        .find(|active| active.spec.name == name("a"));
    found.expect("a is deployed")
}

async fn rollback(db: &Fixture, to: Option<DeploymentId>) -> RolledBack {
    db.store.rollback(&name("a"), to).await.unwrap()
}

async fn kinds(db: &Fixture) -> Vec<(TypeEventKind, DeploymentId)> {
    let history = db.store.type_history(&name("a")).await.unwrap();
    let events = history.events.iter().rev();
    events.map(|event| (event.kind, event.deployment)).collect()
}

/// Attempts with a component of type `a`, claimed just now.
async fn tally(db: &Fixture, bytes: &[u8], attempts: u32, faults: u32) -> NewTally {
    let component = Digest::of(bytes);
    let history = db.store.type_history(&name("a")).await.unwrap();
    let ran = history
        .deployments
        .iter()
        .find(|it| it.component == Some(component));
    NewTally {
        type_id: active(db).await.id,
        type_name: name("a"),
        component,
        deployment: ran.expect("it was deployed").id,
        tally: Tally { attempts, faults },
        claimed_at: now(),
        failure: "trapped: unreachable".to_owned(),
        policy: QuarantinePolicy::default(),
    }
}

/// The database's clock is this machine's.
fn now() -> Timestamp {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp(i64::try_from(now.unwrap().as_micros()).unwrap())
}

async fn count(
    db: &Fixture,
    bytes: &[u8],
    attempts: u32,
    faults: u32,
) -> Option<(Quarantine, bool)> {
    let tally = tally(db, bytes, attempts, faults).await;
    db.store.count(tally).await.unwrap()
}

pub async fn the_history_tells_of_each_deployment_and_change(db: Fixture) {
    let unknown = db.store.type_history(&name("a")).await;
    assert!(
        matches!(unknown, Err(StoreError::UnknownType(_))),
        "{unknown:?}"
    );
    let one = deploy(&db, b"one", 1_000).await;
    let mut both = deployment_of(b"two", &["b", "a"]);
    both.name = "both".to_owned();
    let two = db.store.deploy(both).await.unwrap().id;
    let history = db.store.type_history(&name("a")).await.unwrap();
    let [newest, oldest] = &history.deployments[..] else {
        panic!("{history:?}")
    };
    assert_eq!(
        (newest.id, newest.name.as_str(), newest.in_force),
        (two, "both", true)
    );
    assert_eq!(
        (oldest.id, oldest.component),
        (one, Some(Digest::of(b"one")))
    );
    assert!(!oldest.in_force && !oldest.quarantined && oldest.canary_percent.is_none());
    let expected = [
        (TypeEventKind::Deployed, one),
        (TypeEventKind::Deployed, two),
    ];
    assert_eq!(kinds(&db).await, expected);
    assert_eq!(
        history.deployments[1].created_at,
        history.events[1].at.min(oldest.created_at)
    );

    let listed = db.store.deployments(10).await.unwrap();
    assert_eq!(
        listed.iter().map(|it| it.id).collect::<Vec<_>>(),
        [two, one]
    );
    assert_eq!(db.store.deployments(1).await.unwrap().len(), 1);
    let full = db.store.deployment(two).await.unwrap().unwrap();
    assert_eq!(full, listed[0]);
    let names: Vec<_> = full.types.iter().map(|spec| spec.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(
        db.store
            .deployment(DeploymentId(Uuid::nil()))
            .await
            .unwrap(),
        None
    );
    let refused = db.store.deployments(0).await;
    assert!(
        matches!(refused, Err(StoreError::Invalid(_))),
        "{refused:?}"
    );
}

pub async fn a_rollback_goes_further_back_each_time(db: Fixture) {
    let one = deploy(&db, b"one", 1_000).await;
    assert_eq!(rollback(&db, None).await, RolledBack::NoPrevious(one));
    let two = deploy(&db, b"two", 2_000).await;
    let three = deploy(&db, b"three", 3_000).await;
    assert_eq!(
        rollback(&db, None).await,
        RolledBack::Done {
            from: three,
            to: two
        }
    );
    let now = active(&db).await;
    assert_eq!(
        (now.deployment, now.spec.limits.input_bytes_max),
        (two, 2_000)
    );
    assert_eq!(
        rollback(&db, None).await,
        RolledBack::Done { from: two, to: one }
    );
    assert_eq!(rollback(&db, None).await, RolledBack::NoPrevious(one));
    // What was left behind is not what was before.
    let four = deploy(&db, b"four", 4_000).await;
    assert_eq!(
        rollback(&db, None).await,
        RolledBack::Done {
            from: four,
            to: one
        }
    );
    let there = rollback(&db, Some(three)).await;
    assert_eq!(
        there,
        RolledBack::Done {
            from: one,
            to: three
        }
    );
    assert_eq!(active(&db).await.spec.component, Some(Digest::of(b"three")));
    assert_eq!(kinds(&db).await.len(), 8, "every change is on record");

    assert_eq!(rollback(&db, Some(three)).await, RolledBack::InForce);
    let nobody = DeploymentId(Uuid::now_v7());
    assert_eq!(rollback(&db, Some(nobody)).await, RolledBack::Unknown);
    let other = db.store.deploy(deployment(&["b", "c"])).await.unwrap().id;
    let without = RolledBack::WithoutType(vec![name("b"), name("c")]);
    assert_eq!(rollback(&db, Some(other)).await, without);
    let unknown = db.store.rollback(&name("z"), None).await;
    assert!(
        matches!(unknown, Err(StoreError::UnknownType(_))),
        "{unknown:?}"
    );
    assert_eq!(active(&db).await.deployment, three);
}

pub async fn a_canary_is_beside_what_is_in_force_until_it_ends(db: Fixture) {
    let alone = canary(&db, b"two", 10).await;
    let refused = |answer: Result<DeploymentId, StoreError>| match answer {
        Err(StoreError::CanaryRefused { refusal, .. }) => refusal,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(alone), CanaryRefusal::NotDeployed);
    let one = deploy(&db, b"one", 1_000).await;
    assert_eq!(
        refused(canary(&db, b"one", 10).await),
        CanaryRefusal::SameComponent
    );
    for percent in [0, 100] {
        let answer = canary(&db, b"two", percent).await;
        assert!(matches!(answer, Err(StoreError::Invalid(_))), "{answer:?}");
    }
    assert_eq!(
        db.store.deployments(10).await.unwrap().len(),
        1,
        "nothing is stored"
    );
    let change = async |change| db.store.change_canary(&name("a"), change).await.unwrap();
    assert_eq!(change(CanaryChange::Promote).await, None);

    let two = canary(&db, b"two", 10).await.unwrap();
    let now = active(&db).await;
    assert_eq!(
        (now.deployment, now.spec.component),
        (one, Some(Digest::of(b"one")))
    );
    let beside = now.canary.expect("a canary");
    assert_eq!((beside.deployment, beside.percent), (two, 10));
    assert_eq!(beside.spec.component, Some(Digest::of(b"two")));
    assert_eq!(change(CanaryChange::Percent(50)).await, Some(two));
    assert_eq!(active(&db).await.canary.map(|it| it.percent), Some(50));
    let history = db.store.type_history(&name("a")).await.unwrap();
    assert_eq!(history.deployments[0].canary_percent, Some(50));
    assert!(!history.deployments[0].in_force);
    assert_eq!(
        rollback(&db, None).await,
        RolledBack::NoPrevious(one),
        "a canary was never in force"
    );

    assert_eq!(change(CanaryChange::End).await, Some(two));
    assert_eq!(active(&db).await.canary, None);
    let three = canary(&db, b"three", 99).await.unwrap();
    assert_eq!(change(CanaryChange::Promote).await, Some(three));
    let now = active(&db).await;
    assert_eq!((now.deployment, now.canary), (three, None));
    assert_eq!(
        rollback(&db, None).await,
        RolledBack::Done {
            from: three,
            to: one
        }
    );
    // Another deployment ends it.
    canary(&db, b"four", 5).await.unwrap();
    deploy(&db, b"five", 5_000).await;
    assert_eq!(active(&db).await.canary, None);

    db.store
        .deploy(external_deployment("e", 1_000))
        .await
        .unwrap();
    let mut external = external_deployment("e", 2_000);
    external.canary_percent = Some(10);
    let answer = db.store.deploy(external).await.map(|made| made.id);
    assert_eq!(refused(answer), CanaryRefusal::External);
}

pub async fn attempts_name_what_they_ran(db: Fixture) {
    let one = deploy(&db, b"one", 1_000).await;
    let type_id = active(&db).await.id;
    let session = db.session().await;
    let settle = async |next| {
        let id = db.start("a").await;
        let job = db.claim_one(session, type_id).await;
        let settlement = Settlement {
            deployment: Some(one),
            ..settlement(&job, next)
        };
        assert_eq!(db.settle(settlement).await, Settled::Written);
        db.job(id).await
    };
    let output = "1".to_owned();
    let well = settle(Next::Complete { output }).await;
    let ran = (Some(one), Some(Digest::of(b"one")));
    assert_eq!((well.deployment, well.component), ran);
    let badly = settle(Next::Discard).await;
    assert_eq!((badly.deployment, badly.component), ran);
    let attempt = &badly.attempts[0];
    assert_eq!((attempt.deployment, attempt.component), ran);
    let used = db.store.type_usage(&name("a"), 10).await.unwrap();
    assert_eq!(used[0].deployment, Some(one));
}

pub async fn a_job_has_the_larger_memory_once_it_ran_out_and_until_it_is_replayed(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let id = db.start("a").await;
    let job = db.claim_one(session, a).await;
    assert!(!job.larger_memory);
    assert_eq!(
        db.settle(settlement(&job, Next::RetryLarger)).await,
        Settled::Written
    );
    assert_eq!(db.state(id).await, State::Ready, "at once");
    let job = db.claim_one(session, a).await;
    assert_eq!((job.larger_memory, job.attempt), (true, 2), "it counts");
    // Whatever becomes of it meanwhile.
    db.settle(settlement(&job, Next::Release)).await;
    let job = db.claim_one(session, a).await;
    assert!(job.larger_memory);
    db.settle(settlement(&job, Next::Discard)).await;
    let outcomes: Vec<_> = db
        .job(id)
        .await
        .attempts
        .iter()
        .map(|it| it.outcome)
        .collect();
    assert_eq!(outcomes[0], OutcomeKind::OutOfMemory);
    db.store.retry(id).await.unwrap();
    assert!(!db.claim_one(session, a).await.larger_memory);
}

pub async fn a_component_in_quarantine_is_not_claimed_until_another_is_in_force(db: Fixture) {
    let one = deploy(&db, b"one", 1_000).await;
    let type_id = active(&db).await.id;
    let two = deploy(&db, b"two", 2_000).await;
    let [other] = db.deploy(["other"]).await;
    db.start("a").await;
    db.start("other").await;
    assert_eq!(count(&db, b"two", 10, 10).await, None);
    assert_eq!(
        count(&db, b"one", 30, 30).await.map(|it| it.1),
        Some(false),
        "of before"
    );
    assert_eq!(active(&db).await.quarantine, None, "it is not in force");
    let (quarantine, ended_canary) = count(&db, b"two", 10, 9).await.expect("19 of 20");
    assert!(!ended_canary);
    assert_eq!((quarantine.attempts, quarantine.faults), (20, 19));
    let now = active(&db).await;
    assert_eq!(now.quarantine, Some(quarantine.clone()));
    let all = db.store.quarantines().await.unwrap();
    assert_eq!(all.len(), 2);
    assert!(all.contains(&quarantine), "{all:?}");
    assert_eq!(count(&db, b"two", 20, 20).await, None, "it is known");

    let session = db.session().await;
    assert_eq!(db.claim(session, type_id, 10).await, []);
    let claimed = db.claim(session, other, 10).await;
    assert_eq!(claimed.len(), 1, "other types go on");
    // A pause is apart from it.
    let paused = db.store.resume(Some(&name("a"))).await.unwrap();
    assert!(!paused);
    assert_eq!(db.claim(session, type_id, 10).await, []);

    // One is quarantined too, so there is nothing to go back to but by its name.
    assert_eq!(rollback(&db, None).await, RolledBack::NoPrevious(two));
    let back = rollback(&db, Some(one)).await;
    assert_eq!(back, RolledBack::Done { from: two, to: one });
    let job = db.claim_one(session, type_id).await;
    db.settle(complete(&job)).await;
    let history = db.store.type_history(&name("a")).await.unwrap();
    let quarantined = history.deployments.iter().filter(|it| it.quarantined);
    assert_eq!(quarantined.map(|it| it.id).collect::<Vec<_>>(), [two]);

    // The same component again is held again; another one is not.
    db.start("a").await;
    deploy(&db, b"two", 9_000).await;
    assert_eq!(db.claim(session, type_id, 10).await, []);
    deploy(&db, b"three", 3_000).await;
    assert_eq!(db.claim(session, type_id, 10).await.len(), 1);
    let refused = canary(&db, b"two", 10).await;
    assert!(
        matches!(
            refused,
            Err(StoreError::CanaryRefused {
                refusal: CanaryRefusal::Quarantined,
                ..
            })
        ),
        "{refused:?}"
    );
}

pub async fn a_release_counts_from_then_on(db: Fixture) {
    deploy(&db, b"one", 1_000).await;
    assert_eq!(db.store.release(&name("a")).await.unwrap(), 0);
    let type_id = active(&db).await.id;
    let before = tally(&db, b"one", 20, 20).await;
    assert!(db.store.count(before.clone()).await.unwrap().is_some());
    assert_eq!(db.store.release(&name("a")).await.unwrap(), 1);
    assert_eq!(active(&db).await.quarantine, None);
    db.start("a").await;
    let session = db.session().await;
    assert_eq!(db.claim(session, type_id, 1).await.len(), 1);
    // Claimed before it, and settled after.
    assert_eq!(db.store.count(before).await.unwrap(), None);
    assert_eq!(
        count(&db, b"one", 19, 19).await,
        None,
        "the count began anew"
    );
    let again = count(&db, b"one", 1, 1).await;
    assert!(again.is_some());
    assert_eq!(db.store.quarantines().await.unwrap().len(), 1);
    let expected = [
        TypeEventKind::Deployed,
        TypeEventKind::Quarantined,
        TypeEventKind::Released,
        TypeEventKind::Quarantined,
    ];
    let found: Vec<_> = kinds(&db).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(found, expected);
}

pub async fn a_canary_in_quarantine_ends_and_nothing_is_held(db: Fixture) {
    let one = deploy(&db, b"one", 1_000).await;
    let two = canary(&db, b"two", 50).await.unwrap();
    assert_eq!(count(&db, b"one", 30, 1).await, None);
    let (quarantine, ended_canary) = count(&db, b"two", 20, 20).await.expect("quarantined");
    assert!(ended_canary);
    assert_eq!(
        (quarantine.deployment, quarantine.component),
        (two, Digest::of(b"two"))
    );
    let now = active(&db).await;
    assert_eq!(
        (now.deployment, now.canary, now.quarantine),
        (one, None, None)
    );
    db.start("a").await;
    let session = db.session().await;
    assert_eq!(db.claim(session, now.id, 1).await.len(), 1);
    let found: Vec<_> = kinds(&db).await.into_iter().map(|(kind, _)| kind).collect();
    let expected = [
        TypeEventKind::Deployed,
        TypeEventKind::Canary,
        TypeEventKind::Quarantined,
        TypeEventKind::CanaryEnded,
    ];
    assert_eq!(found, expected);
}

pub async fn two_hosts_at_once_begin_a_quarantine_once(db: Fixture) {
    let other = db.another().await;
    deploy(&db, b"one", 1_000).await;
    for _ in 0..10 {
        let bad = tally(&db, b"one", 20, 20).await;
        let (here, there) = tokio::join!(db.store.count(bad.clone()), other.count(bad));
        let begun = [here.unwrap(), there.unwrap()];
        assert_eq!(begun.iter().flatten().count(), 1, "{begun:?}");
        assert_eq!(db.store.release(&name("a")).await.unwrap(), 1);
        // So that what comes now was claimed after the release, on any clock.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    other.close().await;
}

pub async fn what_is_counted_is_bounded_and_the_last_attempts_decide(db: Fixture) {
    deploy(&db, b"one", 1_000).await;
    for _ in 0..30 {
        assert_eq!(count(&db, b"one", 10, 8).await, None, "80 % is not enough");
    }
    let all = "DELETE FROM hardstop.attempt_tally";
    let kept = db.execute(all).await;
    assert!((2..=20).contains(&kept), "{kept} rows");
    // The good ones of before do not count for long.
    assert_eq!(count(&db, b"one", 1_000, 1).await, None);
    assert_eq!(count(&db, b"one", 10, 10).await, None);
    assert!(count(&db, b"one", 10, 10).await.is_some());
    assert_eq!(
        db.execute(all).await,
        0,
        "what decided is on record elsewhere"
    );

    let never = NewTally {
        policy: QuarantinePolicy {
            enabled: false,
            ..QuarantinePolicy::default()
        },
        ..tally(&db, b"one", 50, 50).await
    };
    db.store.release(&name("a")).await.unwrap();
    let never = NewTally {
        claimed_at: now(),
        ..never
    };
    assert_eq!(db.store.count(never).await.unwrap(), None);
}

pub async fn a_held_job_is_explained(db: Fixture) {
    deploy(&db, b"one", 1_000).await;
    let id = db.start("a").await;
    assert_eq!(
        db.store.explain(id).await.unwrap().unwrap().quarantine,
        None
    );
    let begun = count(&db, b"one", 20, 20).await.map(|it| it.0);
    assert_eq!(
        db.store.explain(id).await.unwrap().unwrap().quarantine,
        begun
    );
}
