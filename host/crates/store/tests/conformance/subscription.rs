use std::time::Duration;

use hardstop_domain::*;
use hardstop_store::*;
use uuid::Uuid;

use crate::fixture::*;

const MINUTE: Duration = Duration::from_secs(60);

fn new(text: &str, kinds: &[EventKind]) -> NewSubscription {
    NewSubscription {
        id: SubscriptionId(Uuid::now_v7()),
        name: text.parse().unwrap(),
        url: "https://example.com/in?key=canary-5d1f".to_owned(),
        kinds: kinds.iter().copied().collect(),
        type_name: None,
        thresholds: Thresholds::default(),
        actor: "ada".to_owned(),
    }
}

async fn put(db: &Fixture, new: NewSubscription) -> Subscription {
    let made = db.store.put_subscription(new).await.unwrap();
    made.expect("the name is free")
}

/// Its deliveries, oldest first.
async fn deliveries(db: &Fixture, text: &str) -> Vec<Delivery> {
    let query = DeliveryQuery {
        name: text.parse().unwrap(),
        state: None,
        before: None,
        limit: DELIVERY_LIMIT_MAX,
    };
    let mut page = db.store.deliveries(&query).await.unwrap().unwrap();
    page.reverse();
    page
}

async fn told(db: &Fixture, text: &str) -> Vec<(EventKind, Option<JobId>)> {
    let deliveries = deliveries(db, text).await.into_iter();
    deliveries.map(|it| (it.kind, it.job_id)).collect()
}

async fn found(db: &Fixture, text: &str) -> Subscription {
    let found = db.store.subscription(&text.parse().unwrap()).await;
    found.unwrap().expect("it exists")
}

async fn discard(db: &Fixture, type_id: TypeId, type_name: &str) -> JobId {
    let session = db.session().await;
    let id = db.start(type_name).await;
    let job = db.claim_one(session, type_id).await;
    assert_eq!(
        db.settle(settlement(&job, Next::Discard)).await,
        Settled::Written
    );
    id
}

/// Leases the one subscription that is due.
async fn lease(db: &Fixture) -> LeasedDeliveries {
    let due = db.store.due_subscriptions().await.unwrap();
    assert_eq!(due.len(), 1, "{due:?}");
    let leased = db.store.lease_deliveries(due[0], MINUTE, 10).await.unwrap();
    leased.expect("it is free")
}

fn report(
    leased: &LeasedDeliveries,
    delivered: &[i64],
    next: Option<AfterFailure>,
) -> DeliveryReport {
    let first = leased
        .deliveries
        .iter()
        .find(|it| !delivered.contains(&it.id));
    DeliveryReport {
        id: leased.id,
        lease: leased.lease,
        delivered: delivered.to_vec(),
        failed: next.map(|next| DeliveryFailure {
            id: first.unwrap().id,
            reason: "it answered 500".to_owned(),
            next,
        }),
    }
}

pub async fn ends_of_jobs_are_told_to_those_who_want_them(db: Fixture) {
    use EventKind::{ChainClosed, JobDiscarded, TypeStuck};
    let [a, b] = db.deploy(["a", "b"]).await;
    let early = discard(&db, a, "a").await;
    put(&db, new("both", &[JobDiscarded, ChainClosed])).await;
    put(&db, new("dead", &[JobDiscarded])).await;
    put(&db, new("other", &[TypeStuck])).await;
    let typed = NewSubscription {
        type_name: Some(name("b")),
        ..new("typed", &[ChainClosed])
    };
    put(&db, typed).await;

    let session = db.session().await;
    let dead = discard(&db, a, "a").await;
    let well = db.start("b").await;
    let job = db.claim_one(session, b).await;
    let next = crate::fixture::job("b");
    db.settle(settlement(&job, Next::Continue { job: next.clone() }))
        .await;
    let job = db.claim_one(session, b).await;
    let output = "1".to_owned();
    db.settle(settlement(&job, Next::Complete { output })).await;
    let retried = db.start("a").await;
    let job = db.claim_one(session, a).await;
    db.settle(settlement(
        &job,
        Next::Retry {
            delay_ms: 3_600_000,
        },
    ))
    .await;
    db.store.cancel(retried).await.unwrap();

    let closed = |id| (ChainClosed, Some(id));
    let both = told(&db, "both").await;
    assert_eq!(both.len(), 4, "{both:?}");
    // Both of one job are written at once.
    assert!(both[..2].contains(&closed(dead)) && both[..2].contains(&(JobDiscarded, Some(dead))));
    assert_eq!(both[2..], [closed(next.id), closed(retried)]);
    assert_eq!(told(&db, "dead").await, [(JobDiscarded, Some(dead))]);
    assert_eq!(told(&db, "typed").await, [closed(next.id)]);
    assert_eq!(told(&db, "other").await, []);
    let all = deliveries(&db, "both").await;
    assert!(all.iter().all(|it| it.job_id != Some(early)));
    let last = &all[2];
    assert_eq!(
        (
            last.chain_id,
            last.type_name.as_str(),
            last.job_state,
            last.outcome
        ),
        (
            Some(well.into()),
            "b",
            Some(State::Completed),
            Some(OutcomeKind::Completed)
        )
    );
    assert_eq!(
        (last.attempt, last.state),
        (Some(1), DeliveryState::Waiting)
    );
    assert_eq!(found(&db, "both").await.waiting, 4);
}

pub async fn what_is_not_committed_is_told_to_nobody(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    put(
        &db,
        new("s", &[EventKind::JobDiscarded, EventKind::ChainClosed]),
    )
    .await;
    let session = db.session().await;
    db.start("a").await;
    let job = db.claim_one(session, a).await;
    // Refused after the job's row was finished, which is undone.
    let mut refused = settlement(
        &job,
        Next::Complete {
            output: "1".to_owned(),
        },
    );
    refused.children = vec![chain("a")];
    refused.descendants_max = 0;
    let answer = db.store.settle(&[refused]).await;
    assert!(
        !matches!(answer.as_deref(), Ok([Settled::Written])),
        "{answer:?}"
    );
    // Under a lease that it does not have.
    let mut stale = settlement(&job, Next::Discard);
    stale.token = db.token(session);
    assert_eq!(db.settle(stale).await, Settled::Stale);
    assert_eq!(told(&db, "s").await, []);
    // Sent twice, it is told once.
    let end = settlement(&job, Next::Discard);
    for _ in 0..2 {
        assert_eq!(db.settle(end.clone()).await, Settled::Written);
    }
    assert_eq!(told(&db, "s").await.len(), 2);
}

pub async fn events_of_a_job_keep_their_order(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    put(&db, new("s", &[EventKind::ChainClosed])).await;
    let session = db.session().await;
    let id = db.start("a").await;
    for next in [Next::Discard, Next::Cancel, Next::Discard] {
        let job = db.claim_one(session, a).await;
        db.settle(settlement(&job, next)).await;
        db.store.retry(id).await.unwrap();
    }
    let states: Vec<_> = deliveries(&db, "s")
        .await
        .iter()
        .map(|it| it.job_state)
        .collect();
    let expected = [State::Discarded, State::Cancelled, State::Discarded];
    assert_eq!(states, expected.map(Some));
    let leased = lease(&db).await;
    let ids: Vec<i64> = leased.deliveries.iter().map(|it| it.id).collect();
    assert!(ids.is_sorted() && ids.len() == 3, "{ids:?}");
}

pub async fn one_host_delivers_at_a_time(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    put(&db, new("s", &[EventKind::JobDiscarded])).await;
    assert_eq!(db.store.due_subscriptions().await.unwrap(), []);
    discard(&db, a, "a").await;
    discard(&db, a, "a").await;
    let due = db.store.due_subscriptions().await.unwrap();
    let other = db.another().await;
    let (one, two) = tokio::join!(
        db.store.lease_deliveries(due[0], MINUTE, 1),
        other.lease_deliveries(due[0], MINUTE, 1)
    );
    let mut leases: Vec<_> = [one.unwrap(), two.unwrap()].into_iter().flatten().collect();
    assert_eq!(leases.len(), 1, "{leases:?}");
    let first = leases.remove(0);
    assert_eq!(first.deliveries.len(), 1);
    assert_eq!(db.store.due_subscriptions().await.unwrap(), []);

    // Its host stands still until somebody else has it: what it did does not count.
    let past = db.time_after(-1);
    db.execute(&format!(
        "UPDATE hardstop.subscription SET leased_until = {past}"
    ))
    .await;
    let second = lease(&db).await;
    assert!(second.lease > first.lease);
    assert_eq!(second.deliveries.len(), 2);
    let done = [first.deliveries[0].id];
    assert!(
        !other
            .settle_deliveries(report(&first, &done, None))
            .await
            .unwrap()
    );
    let states = async || -> Vec<DeliveryState> {
        deliveries(&db, "s")
            .await
            .iter()
            .map(|it| it.state)
            .collect()
    };
    assert_eq!(states().await, [DeliveryState::Waiting; 2]);
    assert!(
        db.store
            .settle_deliveries(report(&second, &done, None))
            .await
            .unwrap()
    );
    assert_eq!(
        states().await,
        [DeliveryState::Delivered, DeliveryState::Waiting]
    );
    // It has ended.
    assert!(
        !db.store
            .settle_deliveries(report(&second, &done, None))
            .await
            .unwrap()
    );
    let now = found(&db, "s").await;
    assert!(now.delivered_at.is_some() && now.failure.is_none());
    assert_eq!(now.waiting, 1);
    other.close().await;
}

pub async fn a_failed_delivery_is_retried_given_up_or_stops(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    put(&db, new("s", &[EventKind::JobDiscarded])).await;
    for _ in 0..3 {
        discard(&db, a, "a").await;
    }
    let settle = async |leased: &LeasedDeliveries, next| {
        let report = report(leased, &[], Some(next));
        assert!(db.store.settle_deliveries(report).await.unwrap());
    };
    settle(&lease(&db).await, AfterFailure::Retry(MINUTE)).await;
    assert_eq!(db.store.due_subscriptions().await.unwrap(), []);
    let past = db.time_after(-1);
    assert_eq!(
        db.execute(&format!(
            "UPDATE hardstop.subscription SET next_at = {past}"
        ))
        .await,
        1
    );
    let leased = lease(&db).await;
    assert_eq!(
        (leased.deliveries.len(), leased.deliveries[0].failures),
        (3, 1)
    );
    settle(&leased, AfterFailure::GiveUp).await;
    let leased = lease(&db).await;
    assert_eq!(leased.deliveries.len(), 2);
    settle(&leased, AfterFailure::Stop).await;
    assert_eq!(db.store.due_subscriptions().await.unwrap(), []);
    let stopped = found(&db, "s").await;
    assert_eq!(stopped.state, SubscriptionState::Stopped);
    assert_eq!(stopped.failure.as_deref(), Some("it answered 500"));
    assert_eq!((stopped.waiting, stopped.dead), (2, 1));
    // It still gathers.
    discard(&db, a, "a").await;
    assert_eq!(found(&db, "s").await.waiting, 3);
    let name = "s".parse().unwrap();
    let active = db
        .store
        .set_subscription_paused(&name, false)
        .await
        .unwrap();
    assert_eq!(active.unwrap().state, SubscriptionState::Active);
    assert_eq!(lease(&db).await.deliveries.len(), 3);
}

pub async fn a_paused_subscription_gathers_and_stays_paused(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    put(&db, new("s", &[EventKind::JobDiscarded])).await;
    discard(&db, a, "a").await;
    let leased = lease(&db).await;
    let name: SubscriptionName = "s".parse().unwrap();
    let set = async |paused| {
        db.store
            .set_subscription_paused(&name, paused)
            .await
            .unwrap()
    };
    assert_eq!(set(true).await.unwrap().state, SubscriptionState::Paused);
    // What was under way when it was paused does not stop it.
    let stop = report(&leased, &[], Some(AfterFailure::Stop));
    assert!(db.store.settle_deliveries(stop).await.unwrap());
    assert_eq!(found(&db, "s").await.state, SubscriptionState::Paused);
    discard(&db, a, "a").await;
    assert_eq!(db.store.due_subscriptions().await.unwrap(), []);
    let gone = db
        .store
        .lease_deliveries(leased.id, MINUTE, 1)
        .await
        .unwrap();
    assert!(gone.is_none());
    set(false).await;
    assert_eq!(lease(&db).await.deliveries.len(), 2);
    let unknown = "nothing".parse().unwrap();
    let none = db
        .store
        .set_subscription_paused(&unknown, true)
        .await
        .unwrap();
    assert_eq!(none, None);
    assert!(db.store.delete_subscription(&name).await.unwrap());
    assert!(!db.store.delete_subscription(&name).await.unwrap());
    assert_eq!(db.store.subscriptions().await.unwrap(), []);
    discard(&db, a, "a").await;
    // One of the same name begins anew.
    put(&db, new("s", &[EventKind::JobDiscarded])).await;
    assert_eq!(told(&db, "s").await, []);
}

pub async fn deliveries_are_made_again(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    put(&db, new("s", &[EventKind::JobDiscarded])).await;
    put(&db, new("t", &[EventKind::ChainClosed])).await;
    let t: SubscriptionName = "t".parse().unwrap();
    db.store.set_subscription_paused(&t, true).await.unwrap();
    for _ in 0..3 {
        discard(&db, a, "a").await;
    }
    let leased = lease(&db).await;
    let ids: Vec<i64> = leased.deliveries.iter().map(|it| it.id).collect();
    let mut end = report(&leased, &ids[..2], Some(AfterFailure::GiveUp));
    end.failed.as_mut().unwrap().id = ids[2];
    assert!(db.store.settle_deliveries(end).await.unwrap());
    let name: SubscriptionName = "s".parse().unwrap();
    let again = async |which| db.store.redeliver(&name, which).await.unwrap();
    assert_eq!(again(Redelivery::One(ids[0])).await, Some(1));
    // It waits already.
    assert_eq!(again(Redelivery::One(ids[0])).await, Some(0));
    // Of another subscription.
    let foreign = deliveries(&db, "t").await[0].id;
    assert_eq!(again(Redelivery::One(foreign)).await, Some(0));
    assert_eq!(again(Redelivery::Dead).await, Some(1));
    let at = deliveries(&db, "s").await[1].at;
    assert_eq!(again(Redelivery::Since(at)).await, Some(1));
    let leased = lease(&db).await;
    assert_eq!(
        leased.deliveries.iter().map(|it| it.id).collect::<Vec<_>>(),
        ids
    );
    assert!(
        leased
            .deliveries
            .iter()
            .all(|it| it.failures == 0 && it.failure.is_none())
    );
    let unknown = "nothing".parse().unwrap();
    assert_eq!(
        db.store
            .redeliver(&unknown, Redelivery::Dead)
            .await
            .unwrap(),
        None
    );
}

pub async fn subscriptions_that_cannot_be_are_refused(db: Fixture) {
    db.deploy(["a"]).await;
    let good = || new("s", &[EventKind::JobDiscarded]);
    let made = put(&db, good()).await;
    assert_eq!(db.store.put_subscription(good()).await.unwrap(), None);
    assert_eq!(db.store.subscriptions().await.unwrap(), [made]);
    let with = |change: &dyn Fn(&mut NewSubscription)| {
        let mut new = new("other", &[EventKind::JobDiscarded]);
        change(&mut new);
        new
    };
    for bad in [
        with(&|it| it.url = "ftp://example.com".to_owned()),
        with(&|it| it.kinds = EventKinds::default()),
        with(&|it| it.thresholds.failing_percent = 0),
        with(&|it| it.actor = String::new()),
    ] {
        let refused = db.store.put_subscription(bad.clone()).await;
        assert!(matches!(refused, Err(StoreError::Invalid(_))), "{bad:?}");
    }
    let unknown = with(&|it| it.type_name = Some(name("b")));
    let refused = db.store.put_subscription(unknown).await;
    assert!(matches!(refused, Err(StoreError::UnknownType(_))));
    for number in 1..SUBSCRIPTIONS_MAX {
        put(&db, new(&format!("n{number}"), &[EventKind::TypeStuck])).await;
    }
    let refused = db.store.put_subscription(with(&|_| ())).await;
    assert!(matches!(refused, Err(StoreError::Invalid(text)) if text.contains("100")));
}

pub async fn a_failing_type_is_told_once_for_each_episode(db: Fixture) {
    let [a, b] = db.deploy(["a", "b"]).await;
    put(&db, new("s", &[EventKind::TypeFailing])).await;
    let session = db.session().await;
    let minute = |at: Timestamp| Timestamp(at.0 - at.0.rem_euclid(60_000_000));
    let now = found(&db, "s").await.created_at;
    let put = async |type_id, good, bad| {
        let mut statistic = Statistic::default();
        statistic.outcomes.insert(OutcomeKind::Completed, good);
        statistic.outcomes.insert(OutcomeKind::Trapped, bad);
        let row = TypeStatistic {
            at: minute(now),
            type_id,
            statistic,
        };
        db.store.put_statistics(session, &[row]).await.unwrap();
    };
    let check = async || db.store.check_types(Duration::ZERO).await.unwrap();
    put(a, 15, 10).await;
    put(b, 0, 19).await;
    assert_eq!(check().await, 0);
    put(a, 15, 15).await;
    assert_eq!(check().await, 1);
    assert_eq!(check().await, 0);
    put(a, 40, 15).await;
    assert_eq!(check().await, 0);
    put(a, 40, 40).await;
    let other = db.another().await;
    let (one, two) = tokio::join!(db.store.check_types(MINUTE), other.check_types(MINUTE));
    // Somebody has looked within the minute.
    assert_eq!(one.unwrap() + two.unwrap(), 0);
    assert_eq!(check().await, 1);
    other.close().await;
    let told = deliveries(&db, "s").await;
    assert_eq!(told.len(), 2);
    let detail = told[0].detail.as_ref().unwrap();
    assert_eq!(
        (&detail["attempts"], &detail["failures"]),
        (&30.into(), &15.into())
    );
    assert_eq!((told[0].type_name.as_str(), told[0].job_id), ("a", None));
}

pub async fn a_stuck_type_is_told_unless_it_is_held(db: Fixture) {
    let [a, b, _] = db.deploy(["a", "b", "c"]).await;
    db.store
        .deploy(external_deployment("d", 60_000))
        .await
        .unwrap();
    put(&db, new("s", &[EventKind::TypeStuck])).await;
    for type_name in ["a", "b", "c", "d"] {
        db.start(type_name).await;
    }
    let session = db.session().await;
    let running = db.claim_one(session, b).await;
    let pause = NewPause {
        type_name: Some(name("c")),
        until: None,
        actor: "ada".to_owned(),
        note: None,
    };
    db.store.pause(pause).await.unwrap();
    let check = async || db.store.check_types(Duration::ZERO).await.unwrap();
    assert_eq!(check().await, 0);
    let long_ago = db.time_after(-120 * 60_000_000);
    db.execute(&format!("UPDATE hardstop.job_live SET due_at = {long_ago}, claimed_at = CASE WHEN state = 5 THEN {long_ago} END"))
        .await;
    assert_eq!(check().await, 2);
    assert_eq!(check().await, 0);
    let told = deliveries(&db, "s").await;
    let seen = |it: &Delivery| {
        let reason = it.detail.as_ref().unwrap()["reason"]
            .as_str()
            .unwrap()
            .to_owned();
        (it.type_name.to_string(), reason, it.job_id)
    };
    assert_eq!(
        told.iter().map(seen).collect::<Vec<_>>(),
        [
            ("a".to_owned(), "waiting".to_owned(), None),
            ("b".to_owned(), "running".to_owned(), Some(running.id)),
        ]
    );
    // Once it is over, it can begin again.
    let taken = db.claim_one(session, a).await;
    assert_eq!(check().await, 0);
    db.settle(settlement(&taken, Next::Release)).await;
    assert_eq!(check().await, 1);
}

pub async fn old_deliveries_are_forgotten(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    put(&db, new("s", &[EventKind::JobDiscarded])).await;
    for _ in 0..4 {
        discard(&db, a, "a").await;
    }
    let leased = lease(&db).await;
    let ids: Vec<i64> = leased.deliveries.iter().map(|it| it.id).collect();
    assert!(
        db.store
            .settle_deliveries(report(&leased, &ids[..2], None))
            .await
            .unwrap()
    );
    let age = async |ids: &[i64], kept: Duration| {
        let past = db.time_after(-(kept.as_micros() as i64) - 1);
        for id in ids {
            let sql = format!("UPDATE hardstop.delivery SET at = {past} WHERE id = {id}");
            assert_eq!(db.execute(&sql).await, 1);
        }
    };
    // Those that arrived go earlier than those that wait.
    age(&[ids[0], ids[2]], DELIVERED_KEPT).await;
    age(&[ids[3]], UNDELIVERED_KEPT).await;
    assert_eq!(db.store.trim_deliveries().await.unwrap(), 2);
    assert_eq!(db.store.trim_deliveries().await.unwrap(), 0);
    let left: Vec<i64> = deliveries(&db, "s").await.iter().map(|it| it.id).collect();
    assert_eq!(left, [ids[1], ids[2]]);
}

pub async fn what_is_done_with_a_subscription_is_recorded(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let acting = Acting {
        actor: "grace".to_owned(),
        token: None,
        request: None,
    };
    let store = db.store.acting(acting);
    let name: SubscriptionName = "s".parse().unwrap();
    let new = || new("s", &[EventKind::JobDiscarded]);
    store.put_subscription(new()).await.unwrap().unwrap();
    // Changes nothing.
    assert!(store.put_subscription(new()).await.unwrap().is_none());
    store.set_subscription_paused(&name, true).await.unwrap();
    store.set_subscription_paused(&name, true).await.unwrap();
    store.set_subscription_paused(&name, false).await.unwrap();
    discard(&db, a, "a").await;
    store.redeliver(&name, Redelivery::Dead).await.unwrap();
    let leased = lease(&db).await;
    let end = report(&leased, &[], Some(AfterFailure::GiveUp));
    db.store.settle_deliveries(end).await.unwrap();
    store.redeliver(&name, Redelivery::Dead).await.unwrap();
    store.delete_subscription(&name).await.unwrap();
    let query = AuditQuery {
        subject: Some("s".to_owned()),
        limit: 100,
        ..AuditQuery::default()
    };
    let mut records = store.audit(&query).await.unwrap();
    records.reverse();
    let actions: Vec<AuditAction> = records.iter().map(|it| it.action).collect();
    assert_eq!(
        actions,
        [
            AuditAction::CreateSubscription,
            AuditAction::PauseSubscription,
            AuditAction::ResumeSubscription,
            AuditAction::ReplayDeliveries,
            AuditAction::DeleteSubscription,
        ]
    );
    // The path of a URL may be all the secret that a receiver has.
    assert!(
        !format!("{records:?}").contains("canary-5d1f"),
        "{records:?}"
    );
    let after = records[0].after.as_ref().unwrap();
    assert_eq!(after["url"], "https://example.com");
}
