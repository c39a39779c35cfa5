use std::collections::HashMap;

use hardstop_domain::transition::RESCUES_MAX;
use hardstop_domain::*;
use hardstop_store::*;

use crate::fixture::*;

pub async fn gives_jobs_back_uncounted(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let id = db.start("a").await;
    let job = db.claim_one(session, a).await;
    assert_eq!(db.store.rescue().await.unwrap(), []);
    db.expire(session).await;
    let rescued = db.store.rescue().await.unwrap();
    let wanted = Rescued {
        job: id,
        type_id: a,
        session,
        rescues: 1,
        state: State::Ready,
    };
    assert_eq!(rescued, [wanted]);
    let shown = db.job(id).await;
    assert_eq!(
        (
            shown.summary.state,
            shown.summary.attempt,
            shown.summary.rescues
        ),
        (State::Ready, 0, 1)
    );
    assert_eq!(shown.summary.due_at, job.due_at);
    let [record] = &shown.attempts[..] else {
        panic!("{shown:?}")
    };
    assert_eq!(
        (record.outcome, record.attempt, record.run),
        (OutcomeKind::Lost, 1, 1)
    );
    assert_eq!(
        (record.session, record.host.as_str(), record.usage),
        (session, "test-host", None)
    );
    assert_eq!(record.started_at, job.claimed_at);
    let message = &record.failure.as_ref().unwrap().message;
    assert!(
        message.contains("test-host") && message.contains(&session.to_string()),
        "{message}"
    );
    assert_eq!(db.store.rescue().await.unwrap(), []);
    // A lease that runs out by itself, by the database's clock.
    let fleeting = db.fleeting_session().await;
    let request = ClaimRequest {
        token: db.token(fleeting),
        quotas: vec![(a, 1)],
        total: 1,
    };
    match db.store.claim(&request).await {
        Ok(jobs) if jobs.len() == 1 => assert_eq!(db.rescue_some().await[0].rescues, 2),
        other => assert!(matches!(&other, Ok(jobs) if jobs.is_empty()), "{other:?}"),
    }
}

pub async fn leaves_live_sessions_alone(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let (alive, dead) = (db.session().await, db.session().await);
    db.enqueue(&chains("a", 4)).await;
    let kept = db.claim(alive, a, 2).await;
    let lost = db.claim(dead, a, 2).await;
    db.expire(dead).await;
    let mut rescued: Vec<_> = db
        .store
        .rescue()
        .await
        .unwrap()
        .into_iter()
        .map(|r| r.job)
        .collect();
    rescued.sort();
    assert_eq!(rescued, lost.iter().map(|job| job.id).collect::<Vec<_>>());
    assert_eq!(db.settle(complete(&kept[0])).await, Settled::Written);
    assert!(db.beat(alive).await.alive);
}

pub async fn discards_what_was_lost_too_often(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let id = db.start("a").await;
    for rescues in 1..=RESCUES_MAX {
        let session = db.session().await;
        db.claim_one(session, a).await;
        db.expire(session).await;
        let state = if rescues == RESCUES_MAX {
            State::Discarded
        } else {
            State::Ready
        };
        assert_eq!(
            db.store.rescue().await.unwrap(),
            [Rescued {
                job: id,
                type_id: a,
                session,
                rescues,
                state
            }]
        );
    }
    let done = db.job(id).await;
    assert_eq!(
        (done.summary.state, done.summary.outcome),
        (State::Discarded, Some(OutcomeKind::Lost))
    );
    assert_eq!(
        (done.summary.rescues, done.summary.attempt),
        (RESCUES_MAX, 0)
    );
    assert_eq!(done.attempts.len(), RESCUES_MAX as usize);
    assert!(done.failure.unwrap().message.contains("vanished"));
    assert_eq!(done.usage, None);
    // A person may give it another chance, counted from zero.
    assert_eq!(
        db.store.retry(id).await.unwrap(),
        Retried::Was(State::Discarded)
    );
    let session = db.session().await;
    let job = db.claim_one(session, a).await;
    assert_eq!((job.rescues, job.attempt, job.run), (0, 1, RESCUES_MAX + 1));
}

pub async fn finds_jobs_of_a_session_that_is_gone(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let id = db.start("a").await;
    db.claim_one(session, a).await;
    db.execute("DELETE FROM hardstop.session").await;
    let rescued = db.store.rescue().await.unwrap();
    assert_eq!((rescued[0].job, rescued[0].session), (id, session));
    assert_eq!(db.job(id).await.attempts[0].host, "");
}

pub async fn finds_what_lies_before_between_and_behind_live_sessions(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let mut held = Vec::new();
    for _ in 0..7 {
        let session = db.session().await;
        db.start("a").await;
        db.start("a").await;
        let jobs = db.claim(session, a, 2).await;
        held.push((session, jobs));
    }
    // The second, the fourth and the fifth live.
    for number in [0, 2, 6] {
        db.expire(held[number].0).await;
    }
    let gone = held[5].0;
    let delete = format!("DELETE FROM hardstop.session WHERE id = {gone}");
    assert_eq!(db.execute(&delete).await, 1);
    let mut rescued: Vec<_> = (db.store.rescue().await.unwrap().into_iter())
        .map(|it| (it.session, it.job))
        .collect();
    rescued.sort();
    let wanted = [0, 2, 5, 6].map(|number| &held[number]);
    let wanted = wanted.iter().flat_map(|(session, jobs)| {
        let mut jobs: Vec<_> = jobs.iter().map(|job| (*session, job.id)).collect();
        jobs.sort();
        jobs
    });
    assert_eq!(rescued, wanted.collect::<Vec<_>>());
    // And of one session what only it holds.
    assert_eq!(db.store.close_session(held[3].0).await.unwrap(), 2);
    for number in [1, 4] {
        let beat = db.beat(held[number].0).await;
        assert_eq!(beat.held.len(), 2);
    }
    assert_eq!(db.store.rescue().await.unwrap(), []);
}

pub async fn two_at_once_rescue_each_job_once(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let other = db.another().await;
    db.enqueue(&chains("a", 60)).await;
    let mut lost = Vec::new();
    for _ in 0..6 {
        let session = db.session().await;
        lost.extend(db.claim(session, a, 10).await.into_iter().map(|job| job.id));
        db.expire(session).await;
    }
    let mut times: HashMap<JobId, u32> = HashMap::new();
    while times.len() < lost.len() {
        let (one, two) = tokio::join!(db.store.rescue(), other.rescue());
        for rescued in one.unwrap().into_iter().chain(two.unwrap()) {
            *times.entry(rescued.job).or_default() += 1;
        }
    }
    for id in lost {
        assert_eq!(times[&id], 1);
        let job = db.job(id).await;
        assert_eq!((job.summary.rescues, job.attempts.len()), (1, 1));
    }
    other.close().await;
}

pub async fn racing_a_heartbeat_either_wins_whole(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let other = db.another().await;
    for _ in 0..15 {
        let session = db.session().await;
        let id = db.start("a").await;
        let job = db.claim_one(session, a).await;
        db.expire(session).await;
        let (beat, rescued) = tokio::join!(db.beat(session), other.rescue());
        let rescued = rescued.unwrap();
        match beat.alive {
            true => {
                assert!(
                    rescued.is_empty(),
                    "a session that was told to live was rescued"
                );
                assert_eq!(beat.held, [(id, job.token)]);
                assert_eq!(db.settle(complete(&job)).await, Settled::Written);
            }
            false => {
                // The rescue may have met a locked row; the next one finds what is left.
                let left = db.store.rescue().await.unwrap();
                assert_eq!(rescued.len() + left.len(), 1);
                assert_eq!(db.settle(complete(&job)).await, Settled::Stale);
                let next = db.session().await;
                let again = db.claim_one(next, a).await;
                db.settle(complete(&again)).await;
            }
        }
    }
    other.close().await;
}

pub async fn racing_a_claim_loses_no_job(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let other = db.another().await;
    let job = db.start("a").await;
    for _ in 0..40 {
        // The lease runs out about when the claim is made.
        let session = db.fleeting_session().await;
        let request = ClaimRequest {
            token: db.token(session),
            quotas: vec![(a, 1)],
            total: 1,
        };
        let (claimed, rescued) = tokio::join!(db.store.claim(&request), other.rescue());
        rescued.unwrap();
        match claimed {
            Ok(_) | Err(StoreError::SessionEnded(_)) => {}
            Err(error) => panic!("{error}"),
        }
        if db.state(job).await == State::Running {
            assert_eq!(db.rescue_some().await.len(), 1);
        }
        if db.state(job).await == State::Discarded {
            db.store.retry(job).await.unwrap();
        }
        assert_eq!(db.state(job).await, State::Ready);
    }
    other.close().await;
}
