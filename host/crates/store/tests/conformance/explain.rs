use hardstop_domain::*;
use hardstop_store::*;

use crate::fixture::*;

async fn explain(db: &Fixture, id: JobId) -> Explanation {
    db.store.explain(id).await.unwrap().expect("the job exists")
}

pub async fn a_ready_job_and_those_ahead_of_it(db: Fixture) {
    let [a, b] = db.deploy(["a", "b"]).await;
    let session = db.session().await;
    let mut batch = chains("a", 4);
    // The last one goes first; then by due time, which is one, and id.
    batch[3].first.priority = Some(-5);
    db.enqueue(&batch).await;
    db.enqueue(&chains("b", 3)).await;
    let mut later = chain("a");
    later.first.delay_ms = 60_000;
    later.first.priority = Some(-50);
    db.enqueue(std::slice::from_ref(&later)).await;
    let ahead = async |place: usize| {
        let facts = explain(&db, batch[place].first.id).await;
        assert_eq!(facts.job.state, State::Ready);
        facts.ahead
    };
    for (place, wanted) in [(0, 1), (1, 2), (2, 3), (3, 0)] {
        assert_eq!(ahead(place).await, Some(wanted), "{place}");
    }
    db.claim(session, a, 2).await;
    db.claim(session, b, 1).await;
    assert_eq!(ahead(1).await, Some(0), "running ones are not ahead");
    let facts = explain(&db, later.first.id).await;
    assert_eq!((facts.job.state, facts.ahead), (State::Scheduled, None));
    assert!(facts.now < facts.job.due_at && facts.now >= facts.job.created_at);
    assert!(!facts.external && facts.holder.is_none() && facts.failure.is_none());
}

pub async fn counts_no_further_than_it_must(db: Fixture) {
    db.deploy(["a"]).await;
    let many = EXPLAIN_AHEAD_MAX as usize + 10;
    db.enqueue(&chains("a", many)).await;
    let last = db.start("a").await;
    assert_eq!(explain(&db, last).await.ahead, Some(EXPLAIN_AHEAD_MAX + 1));
}

pub async fn a_blocked_job(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let batch = chains("a", EXPLAIN_BLOCKERS_MAX + 5);
    db.enqueue(&batch).await;
    let claimed = db.claim(session, a, 3).await;
    db.settle(settlement(&claimed[2], Next::Discard)).await;
    let waiting = db.start("a").await;
    let blockers: Vec<_> = batch.iter().map(NewChain::id).collect();
    db.block(waiting, &blockers).await;
    // The first was told of, and the second was overridden.
    let id = db.id(waiting);
    db.execute(&format!(
        "UPDATE hardstop.job_blocker SET closed_by = chain_id WHERE job_id = {id} AND position = 0;
         UPDATE hardstop.job_blocker SET overridden = true WHERE job_id = {id} AND position = 1;
         UPDATE hardstop.job_live SET open_blockers = open_blockers - 2, on_blocker_failure = 2 WHERE id = {id}"
    ))
    .await;
    let facts = explain(&db, waiting).await;
    assert_eq!(facts.job.state, State::Blocked);
    assert_eq!((facts.blockers_total, facts.blockers_open), (25, 23));
    assert_eq!(facts.on_blocker_failure, OnBlockerFailure::Hold);
    let seen: Vec<_> = facts
        .blockers
        .iter()
        .map(|b| (b.position as usize, b.chain_id))
        .collect();
    let wanted: Vec<_> = (2..22).map(|n| (n, blockers[n])).collect();
    assert_eq!(seen, wanted);
    assert!(facts.blockers.iter().all(|blocker| blocker.awaited));
    assert_eq!(facts.blockers[0].state, Some(State::Discarded));
    assert_eq!(facts.blockers[1].state, Some(State::Ready));
    assert_eq!(facts.ahead, None);
}

pub async fn pauses_in_force(db: Fixture) {
    let [a, b] = db.deploy(["a", "b"]).await;
    let job = db.start("a").await;
    assert_eq!(explain(&db, job).await.pauses, []);
    let (now, soon, past) = (
        db.time_after(0),
        db.time_after(600_000_000),
        db.time_after(-1_000_000),
    );
    let pause = async |type_id: i32, until: &str, note: &str| {
        let sql = format!(
            "INSERT INTO hardstop.pause (type_id, paused_at, until, actor, note) \
             VALUES ({type_id}, {now}, {until}, 'ada', {note})"
        );
        assert_eq!(db.execute(&sql).await, 1);
    };
    pause(b.0, "NULL", "NULL").await;
    assert_eq!(explain(&db, job).await.pauses, [], "another type's");
    pause(a.0, &past, "NULL").await;
    assert_eq!(explain(&db, job).await.pauses, [], "over");
    db.execute(&format!(
        "DELETE FROM hardstop.pause WHERE type_id = {}",
        a.0
    ))
    .await;
    pause(a.0, &soon, "'the bank is down'").await;
    pause(0, "NULL", "NULL").await;
    let facts = explain(&db, job).await;
    let [all, one] = facts.pauses.as_slice() else {
        panic!("{:?}", facts.pauses);
    };
    assert!(all.everything && all.until.is_none() && all.note.is_none());
    assert!(!one.everything && one.until.unwrap() > facts.now);
    assert!(one.paused_at <= facts.now);
    assert_eq!(
        (one.actor.as_str(), one.note.as_deref()),
        ("ada", Some("the bank is down"))
    );
}

pub async fn sessions_that_serve_the_type(db: Fixture) {
    db.deploy(["a", "b", "a.b"]).await;
    let job = db.start("a").await;
    let serving = async || {
        let facts = explain(&db, job).await;
        facts
            .serving
            .iter()
            .map(|s| (s.id, s.expired))
            .collect::<Vec<_>>()
    };
    assert_eq!(serving().await, []);
    let open = async |types: Option<&[TypeName]>| {
        db.store.open_session("host", LONG, types).await.unwrap()
    };
    let others = open(Some(&[name("b"), name("a.b")])).await;
    assert_eq!(serving().await, [], "{others} serves others");
    let named = open(Some(&[name("b"), name("a")])).await;
    let every = open(None).await;
    let mut seen = serving().await;
    seen.sort();
    assert_eq!(seen, [(named, false), (every, false)]);
    db.expire(named).await;
    assert_eq!(serving().await, [(every, false), (named, true)]);
    db.store.close_session(every).await.unwrap();
    assert_eq!(serving().await, [(named, true)]);
    let facts = explain(&db, job).await;
    let lease = &facts.serving[0];
    assert_eq!(lease.host, "host");
    assert_eq!(u128::from(lease.lease_duration_ms), LONG.as_millis());
    assert!(lease.expires_at < facts.now && !lease.dead);
    for _ in 0..EXPLAIN_SESSIONS_MAX + 5 {
        open(None).await;
    }
    assert_eq!(serving().await.len(), EXPLAIN_SESSIONS_MAX);
}

pub async fn a_running_job_and_its_session(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let job = db.start("a").await;
    db.claim_one(session, a).await;
    let facts = explain(&db, job).await;
    let holder = facts.holder.unwrap();
    assert_eq!((holder.id, holder.host.as_str()), (session, "test-host"));
    assert!(!holder.expired && !holder.dead && holder.expires_at > facts.now);
    assert_eq!((facts.job.state, facts.job.attempt), (State::Running, 1));
    db.expire(session).await;
    let holder = explain(&db, job).await.holder.unwrap();
    assert!(holder.expired && !holder.dead);
    let sql = format!("UPDATE hardstop.session SET dead = true WHERE id = {session}");
    db.execute(&sql).await;
    assert!(explain(&db, job).await.holder.unwrap().dead);
    let sql = format!("DELETE FROM hardstop.session WHERE id = {session}");
    db.execute(&sql).await;
    let facts = explain(&db, job).await;
    assert_eq!((facts.holder, facts.job.state), (None, State::Running));
}

pub async fn an_external_job(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let job = db.start("a").await;
    assert!(!explain(&db, job).await.external);
    db.execute(&format!(
        "UPDATE hardstop.job_type SET component = NULL, external_deadline_ms = 60000 WHERE id = {};
         UPDATE hardstop.job_live SET deadline_at = {} WHERE id = {}",
        a.0,
        db.time_after(60_000_000),
        db.id(job)
    ))
    .await;
    let facts = explain(&db, job).await;
    assert!(facts.external && facts.deadline_at.unwrap() > facts.now);
}

pub async fn why_the_last_run_failed(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let job = db.start("a").await;
    let claimed = db.claim_one(session, a).await;
    db.settle(settlement(&claimed, Next::Snooze { delay_ms: 0 }))
        .await;
    let facts = explain(&db, job).await;
    assert_eq!(
        (facts.last_outcome, facts.failure),
        (Some(OutcomeKind::Snoozed), None)
    );
    let claimed = db.claim_one(session, a).await;
    db.settle(settlement(&claimed, Next::Retry { delay_ms: 60_000 }))
        .await;
    let facts = explain(&db, job).await;
    assert_eq!(facts.job.state, State::Scheduled);
    assert_eq!(facts.last_outcome, Some(OutcomeKind::FailedRetryable));
    let failure = facts.failure.unwrap();
    assert_eq!(failure.kind, OutcomeKind::FailedRetryable);
    assert!(failure.message.starts_with("why"));
}

pub async fn a_final_or_unknown_job(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let job = db.start("a").await;
    let claimed = db.claim_one(session, a).await;
    db.settle(settlement(&claimed, Next::Retry { delay_ms: 0 }))
        .await;
    let claimed = db.claim_one(session, a).await;
    let next = crate::fixture::job("a");
    let following = next.id;
    db.settle(continue_with(&claimed, next)).await;
    let facts = explain(&db, job).await;
    assert_eq!(facts.continued_to, Some(following));
    assert_eq!(facts.failure, None, "an earlier attempt's is not the job's");
    assert_eq!(facts.job, db.job(job).await.summary);
    assert_eq!(
        (facts.ahead, facts.serving, facts.pauses),
        (None, vec![], vec![])
    );
    let claimed = db.claim_one(session, a).await;
    db.settle(settlement(&claimed, Next::Discard)).await;
    let facts = explain(&db, following).await;
    assert_eq!(facts.job.state, State::Discarded);
    assert_eq!(facts.failure.unwrap().kind, OutcomeKind::FailedFatal);
    assert_eq!(
        db.store.explain(crate::fixture::job("a").id).await.unwrap(),
        None
    );
}
