use std::time::Duration;

use hardstop_domain::*;
use hardstop_store::*;
use uuid::Uuid;

use crate::fixture::*;

fn new(kinds: &[EventKind], types: &[&str]) -> NewListener {
    NewListener {
        id: SubscriptionId(Uuid::now_v7()),
        kinds: kinds.iter().copied().collect(),
        types: types.iter().map(|text| name(text)).collect(),
        actor: "ada".to_owned(),
    }
}

/// What somebody hears of a listener.
struct Ear {
    id: SubscriptionId,
    lease: i64,
    after: i64,
}

impl Ear {
    async fn begin(db: &Fixture, new: NewListener) -> Self {
        let id = new.id;
        let lease = db.store.put_listener(new).await.unwrap();
        Self {
            id,
            lease: lease.expect("there is room"),
            after: 0,
        }
    }

    async fn ask(&self, store: &dyn Store, limit: u32) -> Heard {
        let query = HearQuery {
            id: self.id,
            lease: self.lease,
            after: self.after,
            limit,
        };
        store.hear(query).await.unwrap()
    }

    /// What comes next, whose places follow each other.
    async fn hear(&mut self, store: &dyn Store, limit: u32) -> Vec<Delivery> {
        let Heard::Events(events) = self.ask(store, limit).await else {
            panic!("it is still heard");
        };
        let places: Vec<i64> = events.iter().map(|it| it.position).collect();
        let count = i64::try_from(events.len()).unwrap();
        assert!(
            places
                .iter()
                .copied()
                .eq(self.after + 1..=self.after + count),
            "{places:?}"
        );
        self.after += count;
        events.into_iter().map(|it| it.delivery).collect()
    }

    async fn resume(&mut self, store: &dyn Store) -> Resumed {
        let resumed = store.resume_listener(self.resumption()).await.unwrap();
        if let Resumed::Leased(lease) = resumed {
            assert!(lease > self.lease);
            self.lease = lease;
        }
        resumed
    }

    fn resumption(&self) -> ListenerResume {
        ListenerResume {
            id: self.id,
            heard: self.after,
            kinds: None,
            types: None,
        }
    }
}

fn told(events: &[Delivery]) -> Vec<(EventKind, Option<JobId>)> {
    events.iter().map(|it| (it.kind, it.job_id)).collect()
}

async fn end(db: &Fixture, type_id: TypeId, type_name: &str, next: Next) -> JobId {
    let session = db.session().await;
    let id = db.start(type_name).await;
    let job = db.claim_one(session, type_id).await;
    assert_eq!(db.settle(settlement(&job, next)).await, Settled::Written);
    id
}

async fn discard(db: &Fixture, type_id: TypeId, type_name: &str) -> JobId {
    end(db, type_id, type_name, Next::Discard).await
}

/// Lets the listener have been heard so long ago.
async fn age(db: &Fixture, ear: &Ear, since: Duration) {
    let past = db.time_after(-(since.as_micros() as i64) - 1);
    let id = db.id(JobId(ear.id.0));
    let sql = format!("UPDATE hardstop.subscription SET heard_at = {past} WHERE id = {id}");
    assert_eq!(db.execute(&sql).await, 1);
}

/// How many deliveries are on record.
async fn on_record(db: &Fixture) -> u64 {
    db.execute("UPDATE hardstop.delivery SET failures = failures")
        .await
}

pub async fn every_end_is_heard_by_those_who_want_it(db: Fixture) {
    use EventKind::{ChainClosed, JobCancelled, JobCompleted, JobContinued, JobDiscarded};
    let [a, b, c] = db.deploy(["a", "b", "c"]).await;
    discard(&db, a, "a").await;
    let mut all = Ear::begin(&db, new(&EventKind::ALL, &[])).await;
    let mut some = Ear::begin(&db, new(&[JobDiscarded, ChainClosed], &["c", "b", "c"])).await;
    let mut stuck = Ear::begin(&db, new(&[EventKind::TypeStuck], &[])).await;
    // Nothing of before, and nothing of what goes on.
    assert_eq!(all.hear(&*db.store, 10).await, []);
    db.start("a").await;
    assert_eq!(all.hear(&*db.store, 10).await, []);

    let output = "1".to_owned();
    let done = end(&db, b, "b", Next::Complete { output }).await;
    let session = db.session().await;
    let first = db.claim_one(session, a).await;
    let next = job("c");
    db.settle(continue_with(&first, next.clone())).await;
    let second = db.claim_one(session, c).await;
    db.settle(settlement(&second, Next::Discard)).await;
    let retried = db.start("a").await;
    db.store.cancel(retried).await.unwrap();

    let heard = all.hear(&*db.store, 100).await;
    assert_eq!(
        told(&heard),
        [
            (JobCompleted, Some(done)),
            (ChainClosed, Some(done)),
            (JobContinued, Some(first.id)),
            (JobDiscarded, Some(next.id)),
            (ChainClosed, Some(next.id)),
            (JobCancelled, Some(retried)),
            (ChainClosed, Some(retried)),
        ]
    );
    assert_eq!(heard[3].chain_id, Some(first.id.into()));
    assert_eq!(heard[3].job_state, Some(State::Discarded));
    assert_eq!(
        told(&some.hear(&*db.store, 100).await),
        [
            (ChainClosed, Some(done)),
            (JobDiscarded, Some(next.id)),
            (ChainClosed, Some(next.id)),
        ]
    );
    assert_eq!(stuck.hear(&*db.store, 100).await, []);
    // Nobody posts them, and nobody sees a subscription.
    assert_eq!(db.store.due_subscriptions().await.unwrap(), []);
    assert_eq!(db.store.subscriptions().await.unwrap(), []);
    let lease = db.store.lease_deliveries(all.id, LONG, 10).await.unwrap();
    assert!(lease.is_none(), "{lease:?}");
}

pub async fn what_is_rolled_back_is_heard_by_nobody(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let mut ear = Ear::begin(&db, new(&EventKind::ALL, &[])).await;
    let session = db.session().await;
    db.start("a").await;
    let job = db.claim_one(session, a).await;
    // Refused after the job's row was finished, which is undone.
    let mut refused = complete(&job);
    refused.children = vec![chain("a")];
    refused.descendants_max = 0;
    let answer = db.store.settle(&[refused]).await;
    assert!(
        !matches!(answer.as_deref(), Ok([Settled::Written])),
        "{answer:?}"
    );
    let mut stale = complete(&job);
    stale.token = db.token(session);
    assert_eq!(db.settle(stale).await, Settled::Stale);
    assert_eq!(ear.hear(&*db.store, 10).await, []);
    assert_eq!(on_record(&db).await, 0);
    // Sent twice, it is told once.
    for _ in 0..2 {
        assert_eq!(db.settle(complete(&job)).await, Settled::Written);
    }
    assert_eq!(ear.hear(&*db.store, 10).await.len(), 2);
    assert_eq!(ear.hear(&*db.store, 10).await, []);
}

pub async fn the_same_is_told_again_until_it_was_heard(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let mut ear = Ear::begin(&db, new(&[EventKind::JobDiscarded], &[])).await;
    let mut jobs = Vec::new();
    for _ in 0..5 {
        jobs.push(discard(&db, a, "a").await);
    }
    let first = ear.ask(&*db.store, 2).await;
    assert_eq!(ear.ask(&*db.store, 2).await, first);
    jobs.push(discard(&db, a, "a").await);
    assert_eq!(ear.ask(&*db.store, 2).await, first);
    let mut heard = Vec::new();
    for count in [2, 2, 2, 0] {
        let events = ear.hear(&*db.store, 2).await;
        assert_eq!(events.len(), count);
        heard.extend(events.iter().filter_map(|it| it.job_id));
    }
    assert_eq!(heard, jobs);
    let query = HearQuery {
        id: ear.id,
        lease: ear.lease,
        after: 0,
        limit: HEARD_LIMIT_MAX + 1,
    };
    assert!(matches!(
        db.store.hear(query).await,
        Err(StoreError::Invalid(_))
    ));
}

pub async fn a_stream_goes_on_at_another_host(db: Fixture) {
    use EventKind::{ChainClosed, JobDiscarded};
    let [a, _] = db.deploy(["a", "b"]).await;
    let kinds = [JobDiscarded, ChainClosed];
    let mut ear = Ear::begin(&db, new(&kinds, &["a", "b"])).await;
    let other = db.another().await;
    discard(&db, a, "a").await;
    discard(&db, a, "a").await;
    let heard = ear.hear(&*db.store, 1).await;
    // What the connection was lost with, and what came meanwhile.
    let lost = Ear { ..ear };
    ear.hear(&*db.store, 10).await;
    discard(&db, a, "a").await;
    let mut resumed = Ear { ..lost };
    assert!(matches!(resumed.resume(&*other).await, Resumed::Leased(_)));
    let rest = resumed.hear(&*other, 10).await;
    let rest = [rest, resumed.hear(&*other, 10).await].concat();
    let all: Vec<i64> = heard.iter().chain(&rest).map(|it| it.id).collect();
    assert!(all.len() == 6 && all.is_sorted_by(|a, b| a < b), "{all:?}");
    // Who had it hears no more, and takes nothing.
    discard(&db, a, "a").await;
    assert_eq!(ear.ask(&*db.store, 10).await, Heard::Taken);
    assert_eq!(resumed.hear(&*other, 10).await.len(), 2);

    // Only as it was begun, and not from what was never sent.
    let known = resumed.resumption();
    let ask = async |change: &dyn Fn(&mut ListenerResume)| {
        let mut resume = known.clone();
        change(&mut resume);
        db.store.resume_listener(resume).await.unwrap()
    };
    assert_eq!(ask(&|it| it.heard += 1).await, Resumed::NotSent);
    assert_eq!(
        ask(&|it| it.kinds = Some([ChainClosed].into_iter().collect())).await,
        Resumed::Differs
    );
    assert_eq!(
        ask(&|it| it.types = Some(vec![name("a")])).await,
        Resumed::Differs
    );
    assert_eq!(
        ask(&|it| it.types = Some(Vec::new())).await,
        Resumed::Differs
    );
    assert_eq!(ask(&|it| it.id.0 = Uuid::nil()).await, Resumed::Gone);
    assert_eq!(resumed.hear(&*other, 10).await, [], "nobody took it");
    let same = |it: &mut ListenerResume| {
        it.kinds = Some(kinds.into_iter().collect());
        it.types = Some(vec![name("b"), name("a")]);
    };
    assert!(matches!(ask(&same).await, Resumed::Leased(_)));
    // A subscription is no listener.
    let subscription = NewSubscription {
        id: SubscriptionId(Uuid::now_v7()),
        name: "s".parse().unwrap(),
        url: "https://example.com".to_owned(),
        kinds: [JobDiscarded].into_iter().collect(),
        type_name: None,
        thresholds: Thresholds::default(),
        actor: "ada".to_owned(),
    };
    let made = db.store.put_subscription(subscription).await.unwrap();
    let id = made.expect("the name is free").id;
    assert_eq!(ask(&|it| (it.id, it.heard) = (id, 0)).await, Resumed::Gone);
    other.close().await;
}

pub async fn a_stream_that_nobody_hears_ends(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let mut ear = Ear::begin(&db, new(&EventKind::ALL, &[])).await;
    let mut other = Ear::begin(&db, new(&EventKind::ALL, &[])).await;
    discard(&db, a, "a").await;
    ear.hear(&*db.store, 1).await;
    // Just before, it is gone on with, and is as if new.
    age(&db, &ear, LISTENER_KEPT - Duration::from_secs(60)).await;
    assert!(!db.store.end_listeners().await.unwrap());
    assert!(matches!(ear.resume(&*db.store).await, Resumed::Leased(_)));
    // To be asked is to be heard.
    age(&db, &ear, LISTENER_KEPT - Duration::from_secs(60)).await;
    ear.hear(&*db.store, 1).await;
    let aged = db.time_after(-30_000_000);
    let fresh = format!("UPDATE hardstop.subscription SET lease = lease WHERE heard_at >= {aged}");
    assert_eq!(db.execute(&fresh).await, 2);

    age(&db, &ear, LISTENER_KEPT).await;
    assert_eq!(ear.resume(&*db.store).await, Resumed::Gone);
    assert_eq!(on_record(&db).await, 4);
    assert!(!db.store.end_listeners().await.unwrap());
    assert_eq!(on_record(&db).await, 2);
    assert_eq!(ear.ask(&*db.store, 1).await, Heard::Gone);
    assert_eq!(ear.resume(&*db.store).await, Resumed::Gone);
    discard(&db, a, "a").await;
    assert_eq!(on_record(&db).await, 4, "written for the other alone");
    assert_eq!(other.hear(&*db.store, 10).await.len(), 4);
    let left = "UPDATE hardstop.subscription SET lease = lease";
    assert_eq!(db.execute(left).await, 1);
}

pub async fn a_stream_that_falls_too_far_behind_ends(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let ear = Ear::begin(&db, new(&EventKind::ALL, &[])).await;
    let id = db.id(JobId(ear.id.0));
    let waits = |count: u32| {
        let (numbers, now) = match db.database {
            Database::Postgres => (format!("generate_series(1, {count}) n"), "now()"),
            Database::Sqlite => (
                format!(
                    "(WITH RECURSIVE g (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < {count}) \
                     SELECT n FROM g) g"
                ),
                "1",
            ),
        };
        format!(
            "INSERT INTO hardstop.delivery (subscription, kind, at, type_id) SELECT {id}, 1, {now}, {} FROM {numbers}",
            a.0
        )
    };
    db.execute(&waits(LISTENER_WAITING_MAX)).await;
    assert!(!db.store.end_listeners().await.unwrap());
    db.execute(&waits(1)).await;
    let mut calls = 1;
    while db.store.end_listeners().await.unwrap() {
        assert_eq!(ear.ask(&*db.store, 1).await, Heard::Gone);
        calls += 1;
    }
    assert!(calls > 10, "a bounded number at a time: {calls}");
    assert_eq!(on_record(&db).await, 0);
    let left = "UPDATE hardstop.subscription SET lease = lease";
    assert_eq!(db.execute(left).await, 0);
}

pub async fn what_is_far_back_is_forgotten(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let mut ear = Ear::begin(&db, new(&[EventKind::JobDiscarded], &[])).await;
    for _ in 0..3 {
        discard(&db, a, "a").await;
    }
    ear.hear(&*db.store, 10).await;
    let id = db.id(JobId(ear.id.0));
    let told =
        format!("UPDATE hardstop.subscription SET told = {LISTENER_SENT_MAX} WHERE id = {id}");
    assert_eq!(db.execute(&told).await, 1);
    discard(&db, a, "a").await;
    discard(&db, a, "a").await;
    ear.after = i64::from(LISTENER_SENT_MAX);
    assert_eq!(ear.hear(&*db.store, 10).await.len(), 2);
    // The first two of the three.
    assert_eq!(on_record(&db).await, 3);
    for (heard, expected) in [(0, false), (1, false), (2, true)] {
        ear.after = heard;
        let resumed = ear.resume(&*db.store).await;
        assert_eq!(
            matches!(resumed, Resumed::Leased(_)),
            expected,
            "{heard}: {resumed:?}"
        );
        assert!(expected || resumed == Resumed::Gone);
    }
}

pub async fn one_that_nobody_hears_gives_way(db: Fixture) {
    db.deploy(["a"]).await;
    let one = || new(&[EventKind::JobDiscarded], &[]);
    let mut ears = Vec::new();
    for _ in 0..LISTENERS_MAX {
        ears.push(Ear::begin(&db, one()).await);
    }
    assert_eq!(db.store.put_listener(one()).await.unwrap(), None);
    age(&db, &ears[7], LISTENER_SPARED).await;
    age(&db, &ears[9], LISTENER_SPARED * 2).await;
    let mut new = Ear::begin(&db, one()).await;
    assert_eq!(new.hear(&*db.store, 1).await, []);
    // The one that was not heard for longest.
    assert_eq!(ears[9].ask(&*db.store, 1).await, Heard::Gone);
    assert_eq!(ears[7].hear(&*db.store, 1).await, []);
    assert_eq!(db.store.put_listener(one()).await.unwrap(), None);
    // Subscriptions have a number of their own.
    assert!(!db.store.end_listeners().await.unwrap());
    assert_eq!(db.store.put_listener(one()).await.unwrap(), None);
}

pub async fn a_failing_type_is_heard_by_who_listens_for_it(db: Fixture) {
    let [a, b, c] = db.deploy(["a", "b", "c"]).await;
    let kinds = [EventKind::TypeFailing, EventKind::JobCompleted];
    let mut both = Ear::begin(&db, new(&kinds, &["a", "b"])).await;
    let mut all = Ear::begin(&db, new(&kinds, &[])).await;
    let mut none = Ear::begin(&db, new(&[EventKind::JobCompleted], &[])).await;
    let session = db.session().await;
    let at = db.job(db.start("a").await).await.summary.created_at;
    for type_id in [a, b, c] {
        let mut statistic = Statistic::default();
        statistic.outcomes.insert(OutcomeKind::Trapped, 30);
        let row = TypeStatistic {
            at: Timestamp(at.0 - at.0.rem_euclid(60_000_000)),
            type_id,
            statistic,
        };
        db.store.put_statistics(session, &[row]).await.unwrap();
    }
    let mut begun = 0;
    for _ in 0..3 {
        begun += db.store.check_types(Duration::from_secs(60)).await.unwrap();
    }
    assert_eq!(begun, 5);
    let types = |events: Vec<Delivery>| -> Vec<String> {
        assert!(events.iter().all(|it| it.kind == EventKind::TypeFailing));
        events.iter().map(|it| it.type_name.to_string()).collect()
    };
    assert_eq!(types(both.hear(&*db.store, 10).await), ["a", "b"]);
    assert_eq!(types(all.hear(&*db.store, 10).await), ["a", "b", "c"]);
    assert_eq!(none.hear(&*db.store, 10).await, []);
}

pub async fn listeners_that_cannot_be_are_refused(db: Fixture) {
    db.deploy(["a"]).await;
    let kinds = [EventKind::JobDiscarded];
    let types = vec!["a"; LISTENER_TYPES_MAX + 1];
    for bad in [
        new(&[], &[]),
        new(&kinds, &types),
        NewListener {
            actor: String::new(),
            ..new(&kinds, &[])
        },
    ] {
        let refused = db.store.put_listener(bad.clone()).await;
        assert!(matches!(refused, Err(StoreError::Invalid(_))), "{bad:?}");
    }
    let refused = db.store.put_listener(new(&kinds, &["nothing"])).await;
    assert!(matches!(refused, Err(StoreError::UnknownType(_))));
    assert_eq!(
        db.execute("UPDATE hardstop.subscription SET lease = 1")
            .await,
        0
    );
}
