use hardstop_domain::*;
use hardstop_store::*;

use crate::fixture::*;

/// Types, a session and `N` claimed jobs of type `a`.
async fn claimed<const N: usize>(db: &Fixture) -> (TypeId, SessionId, [ClaimedJob; N]) {
    let [a, _] = db.deploy(["a", "b"]).await;
    let session = db.session().await;
    db.enqueue(&chains("a", N)).await;
    let jobs = db.claim(session, a, N as u32).await;
    (a, session, jobs.try_into().unwrap())
}

pub async fn a_completion_closes_the_chain(db: Fixture) {
    let (a, session, [job]) = claimed(&db).await;
    assert_eq!(db.settle(complete(&job)).await, Settled::Written);
    let done = db.job(job.id).await;
    assert_eq!(done.summary.state, State::Completed);
    assert_eq!(done.summary.outcome, Some(OutcomeKind::Completed));
    assert_eq!(done.summary.session, Some(session));
    assert_eq!(done.summary.started_at, Some(job.claimed_at));
    assert!(done.summary.finished_at >= done.summary.started_at);
    assert_eq!(done.summary.attempt, 1);
    assert_eq!(done.output.as_deref(), Some("42"));
    assert_eq!(done.usage, Some(usage()));
    assert_eq!(done.log, log());
    assert_eq!((done.failure, done.continued_to), (None, None));
    assert_eq!(done.attempts, [], "a success writes no attempt");
    assert_eq!(db.beat(session).await.held, []);
    assert_eq!(db.claim(session, a, 10).await, []);
}

pub async fn a_continuation_carries_the_chain_on(db: Fixture) {
    let [a, b] = db.deploy(["a", "b"]).await;
    let session = db.session().await;
    let mut first = chain("a");
    first.first.priority = Some(7);
    db.enqueue(std::slice::from_ref(&first)).await;
    let job = db.claim_one(session, a).await;
    let second = NewJob {
        input: "[2]".to_owned(),
        ..self::job("b")
    };
    assert_eq!(
        db.settle(continue_with(&job, second.clone())).await,
        Settled::Written
    );
    let done = db.job(job.id).await;
    assert_eq!(done.summary.state, State::Continued);
    assert_eq!(done.continued_to, Some(second.id));

    let job = db.claim_one(session, b).await;
    assert_eq!((job.id, job.chain_id), (second.id, first.id()));
    assert_eq!(
        (job.priority, job.attempt, job.input.as_str()),
        (7, 1, "[2]"),
        "inherited"
    );
    let third = NewJob {
        priority: Some(-1),
        delay_ms: 60_000,
        ..self::job("a")
    };
    assert_eq!(
        db.settle(continue_with(&job, third.clone())).await,
        Settled::Written
    );
    let last = db.job(third.id).await.summary;
    assert_eq!(
        (last.state, last.priority, last.chain_id),
        (State::Scheduled, -1, first.id())
    );
}

fn job(type_name: &str) -> NewJob {
    crate::fixture::job(type_name)
}

pub async fn children_start_with_their_parent(db: Fixture) {
    let (a, session, [one, two]) = claimed(&db).await;
    let mut later = chain("b");
    later.first.delay_ms = 60_000;
    let (child, other) = (chain("a"), chain("a"));
    let batch = [
        Settlement {
            children: vec![child.clone(), later.clone()],
            ..complete(&one)
        },
        Settlement {
            children: vec![other.clone()],
            ..continue_with(&two, job("b"))
        },
    ];
    assert_eq!(
        db.store.settle(&batch).await.unwrap(),
        [Settled::Written, Settled::Written]
    );
    assert_eq!(db.state(later.first.id).await, State::Scheduled);
    let started: Vec<_> = db
        .claim(session, a, 10)
        .await
        .into_iter()
        .map(|job| (job.id, job.chain_id))
        .collect();
    assert_eq!(
        started,
        [(child.first.id, child.id()), (other.first.id, other.id())]
    );
}

pub async fn a_retry_counts_the_attempt(db: Fixture) {
    let (a, session, [job]) = claimed(&db).await;
    assert_eq!(
        db.settle(settlement(&job, Next::Retry { delay_ms: 60_000 }))
            .await,
        Settled::Written
    );
    let waits = db.job(job.id).await;
    assert_eq!(waits.summary.state, State::Scheduled);
    assert_eq!((waits.summary.attempt, waits.summary.session), (1, None));
    let [record] = &waits.attempts[..] else {
        panic!("{waits:?}")
    };
    assert_eq!((record.run, record.attempt), (1, 1));
    assert_eq!(record.outcome, OutcomeKind::FailedRetryable);
    assert_eq!(record.failure.as_ref().unwrap().message, "why \u{0}");
    assert_eq!(record.usage, Some(usage()));
    assert_eq!(record.log, log());
    assert_eq!(record.progress.as_ref().unwrap().fraction, 0.5);
    assert_eq!(
        (record.session, record.host.as_str()),
        (session, "test-host")
    );
    assert_eq!(record.started_at, job.claimed_at);
    let wait = waits.summary.due_at.0 - record.finished_at.0;
    assert!((59_000_000..=60_000_000).contains(&wait), "{wait}");
    assert_eq!(db.claim(session, a, 1).await, []);
}

pub async fn a_retry_without_delay_is_ready(db: Fixture) {
    let (a, session, [job]) = claimed(&db).await;
    db.settle(settlement(&job, Next::Retry { delay_ms: 0 }))
        .await;
    let again = db.claim_one(session, a).await;
    assert_eq!((again.id, again.attempt, again.run), (job.id, 2, 2));
}

pub async fn a_snooze_does_not_count(db: Fixture) {
    let (_, _, [job]) = claimed(&db).await;
    assert_eq!(
        db.settle(settlement(&job, Next::Snooze { delay_ms: u64::MAX }))
            .await,
        Settled::Written
    );
    let waits = db.job(job.id).await;
    assert_eq!(waits.summary.state, State::Scheduled);
    assert_eq!((waits.summary.attempt, waits.summary.snoozes), (0, 1));
    assert_eq!(waits.attempts[0].outcome, OutcomeKind::Snoozed);
    assert_eq!(
        (
            waits.attempts[0].attempt,
            waits.attempts[0].failure.as_ref()
        ),
        (1, None)
    );
}

pub async fn a_release_keeps_its_place(db: Fixture) {
    let (a, session, [job]) = claimed(&db).await;
    db.start("a").await;
    assert_eq!(
        db.settle(settlement(&job, Next::Release)).await,
        Settled::Written
    );
    let shown = db.job(job.id).await;
    assert_eq!(
        (shown.summary.state, shown.summary.attempt),
        (State::Ready, 0)
    );
    assert_eq!(shown.attempts[0].outcome, OutcomeKind::Interrupted);
    let again = &db.claim(session, a, 1).await[0];
    assert_eq!((again.id, again.attempt, again.run), (job.id, 1, 2));
    assert_eq!(again.due_at, job.due_at);
}

pub async fn a_discard_is_final_and_recorded(db: Fixture) {
    let (_, _, [job]) = claimed(&db).await;
    assert_eq!(
        db.settle(settlement(&job, Next::Discard)).await,
        Settled::Written
    );
    let done = db.job(job.id).await;
    assert_eq!(
        (done.summary.state, done.summary.attempt),
        (State::Discarded, 1)
    );
    assert_eq!(done.summary.outcome, Some(OutcomeKind::FailedFatal));
    assert_eq!(done.failure.as_ref().unwrap().message, "why \u{0}");
    assert_eq!((done.output.as_ref(), done.usage), (None, Some(usage())));
    assert_eq!(done.log, log());
    assert_eq!(
        (
            done.attempts.len(),
            done.attempts[0].attempt,
            done.attempts[0].log.clone()
        ),
        (1, 1, log())
    );
}

pub async fn a_cancellation_is_final_and_recorded(db: Fixture) {
    let (_, _, [job]) = claimed(&db).await;
    assert_eq!(
        db.settle(settlement(&job, Next::Cancel)).await,
        Settled::Written
    );
    let done = db.job(job.id).await;
    assert_eq!(done.summary.state, State::Cancelled);
    assert_eq!(done.summary.outcome, Some(OutcomeKind::Cancelled));
    assert_eq!(done.attempts.len(), 1);
}

pub async fn a_wrong_lease_is_stale(db: Fixture) {
    let (_, session, [job]) = claimed(&db).await;
    let other = ClaimedJob {
        token: db.token(session),
        ..job.clone()
    };
    let gone = ClaimedJob {
        id: self::job("a").id,
        ..job.clone()
    };
    for wrong in [&other, &gone] {
        let child = chain("a");
        for settlement in [
            Settlement {
                children: vec![child.clone()],
                ..complete(wrong)
            },
            continue_with(wrong, child.first.clone()),
            settlement(wrong, Next::Retry { delay_ms: 0 }),
            settlement(wrong, Next::Discard),
        ] {
            assert_eq!(db.settle(settlement).await, Settled::Stale);
        }
        assert_eq!(db.store.job(child.first.id).await.unwrap(), None);
    }
    let shown = db.job(job.id).await;
    assert_eq!(
        (shown.summary.state, shown.attempts.len()),
        (State::Running, 0)
    );
}

pub async fn is_stale_after_a_rescue_and_a_claim_by_the_same_session(db: Fixture) {
    let (a, session, [job]) = claimed(&db).await;
    db.expire(session).await;
    assert_eq!(db.store.rescue().await.unwrap().len(), 1);
    assert_eq!(db.settle(complete(&job)).await, Settled::Stale);
    // The job runs again, and as if the session's number were used again: only the batch differs.
    let next = db.session().await;
    let again = db.claim_one(next, a).await;
    assert_eq!(
        (again.attempt, again.run),
        (1, 2),
        "the attempt's number is the same"
    );
    assert_eq!(db.settle(complete(&job)).await, Settled::Stale);
    assert_eq!(
        db.settle(settlement(&again, Next::Release)).await,
        Settled::Written
    );
    let third = db.claim_one(next, a).await;
    assert_eq!(third.token.session(), again.token.session());
    assert_eq!(db.settle(complete(&third)).await, Settled::Written);
    assert_eq!(db.settle(complete(&job)).await, Settled::Stale);
}

pub async fn a_batch_sent_again_is_written_once(db: Fixture) {
    let (_, _, jobs) = claimed::<7>(&db).await;
    let child = chain("a");
    let batch = [
        Settlement {
            children: vec![child.clone()],
            ..complete(&jobs[0])
        },
        continue_with(&jobs[1], job("b")),
        settlement(&jobs[2], Next::Retry { delay_ms: 0 }),
        settlement(&jobs[3], Next::Snooze { delay_ms: 5 }),
        settlement(&jobs[4], Next::Release),
        settlement(&jobs[5], Next::Discard),
        settlement(&jobs[6], Next::Cancel),
    ];
    let first = db.store.settle(&batch).await.unwrap();
    assert_eq!(first, vec![Settled::Written; batch.len()]);
    let before: Vec<JobDetail> = details(&db, &jobs).await;
    assert_eq!(db.store.settle(&batch).await.unwrap(), first);
    assert_eq!(details(&db, &jobs).await, before);
}

async fn details(db: &Fixture, jobs: &[ClaimedJob]) -> Vec<JobDetail> {
    let mut details = Vec::new();
    for job in jobs {
        details.push(db.job(job.id).await);
    }
    details
}

pub async fn an_old_batch_is_known_though_its_jobs_run_again(db: Fixture) {
    let (a, session, [job]) = claimed(&db).await;
    let old = settlement(&job, Next::Retry { delay_ms: 0 });
    assert_eq!(db.settle(old.clone()).await, Settled::Written);
    let again = db.claim_one(session, a).await;
    assert_eq!(db.settle(old.clone()).await, Settled::Written, "as before");
    assert_eq!(db.state(job.id).await, State::Running);
    assert_eq!(db.settle(complete(&again)).await, Settled::Written);
    assert_eq!(db.settle(old).await, Settled::Written);
    assert_eq!(db.job(job.id).await.attempts.len(), 1);
}

pub async fn a_bad_settlement_is_refused_alone(db: Fixture) {
    let (_, _, jobs) = claimed::<9>(&db).await;
    let taken = chain("a");
    db.enqueue(std::slice::from_ref(&taken)).await;
    let mut batch: Vec<Settlement> = jobs.iter().map(complete).collect();
    // Only the database can tell that these ids are taken: one by a job, one by the batch itself.
    batch[3].children = vec![chain("a"), taken.clone()];
    let shared = chain("b");
    batch[5].children = vec![shared.clone()];
    batch[7].children = vec![shared.clone()];
    let answers = db.store.settle(&batch).await.unwrap();
    for (index, (job, answer)) in jobs.iter().zip(&answers).enumerate() {
        let state = db.state(job.id).await;
        match index {
            3 | 7 => {
                assert!(matches!(answer, Settled::Refused(_)), "{index} {answer:?}");
                assert_eq!(state, State::Running, "{index} still runs under its lease");
            }
            _ => assert_eq!(
                (answer, state),
                (&Settled::Written, State::Completed),
                "{index}"
            ),
        }
    }
    assert_eq!(
        db.store.job(batch[3].children[0].first.id).await.unwrap(),
        None
    );
    assert_eq!(
        db.settle(settlement(&jobs[3], Next::Discard)).await,
        Settled::Written
    );
}

pub async fn what_cannot_be_written_is_refused_before(db: Fixture) {
    let (_, _, jobs) = claimed::<8>(&db).await;
    let mut batch: Vec<Settlement> = jobs.iter().map(complete).collect();
    batch[1] = continue_with(&jobs[1], job("nobody"));
    batch[2].children = vec![chain("nobody")];
    batch[3] = settlement(&jobs[3], Next::Retry { delay_ms: 0 });
    batch[3].children = vec![chain("a")];
    batch[4].next = Next::Complete {
        output: " ".repeat((16 << 20) + 1),
    };
    batch[5].next = Next::Complete {
        output: "\0".to_owned(),
    };
    batch[6] = continue_with(
        &jobs[6],
        NewJob {
            priority: Some(-101),
            ..job("a")
        },
    );
    let answers = db.store.settle(&batch).await.unwrap();
    for (index, (job, answer)) in jobs.iter().zip(&answers).enumerate() {
        match index {
            0 | 7 => assert_eq!(answer, &Settled::Written),
            _ => {
                assert!(
                    matches!(answer, Settled::Refused(reason) if !reason.is_empty()),
                    "{index} {answer:?}"
                );
                assert_eq!(db.state(job.id).await, State::Running);
            }
        }
    }
    let Settled::Refused(reason) = &answers[1] else {
        panic!()
    };
    assert!(reason.contains("nobody"), "{reason}");
    assert_eq!(db.store.settle(&[]).await.unwrap(), []);
}

pub async fn a_lease_twice_in_a_batch_is_settled_once(db: Fixture) {
    let (_, _, [job]) = claimed(&db).await;
    let batch = [
        complete(&job),
        settlement(&job, Next::Retry { delay_ms: 0 }),
        complete(&job),
    ];
    assert_eq!(
        db.store.settle(&batch).await.unwrap(),
        vec![Settled::Written; 3]
    );
    assert_eq!(db.state(job.id).await, State::Completed);
}

pub async fn a_job_under_two_leases_in_a_batch_is_settled_under_its_own(db: Fixture) {
    let (_, session, [one, two]) = claimed(&db).await;
    let old = |job: &ClaimedJob| ClaimedJob {
        token: db.token(session),
        ..job.clone()
    };
    let batch = [
        complete(&old(&one)),
        complete(&one),
        complete(&two),
        settlement(&old(&two), Next::Release),
    ];
    let answers = db.store.settle(&batch).await.unwrap();
    assert_eq!(
        answers,
        [
            Settled::Stale,
            Settled::Written,
            Settled::Written,
            Settled::Stale
        ]
    );
}

pub async fn two_at_once_write_once(db: Fixture) {
    let other = db.another().await;
    let [a, _] = db.deploy(["a", "b"]).await;
    let session = db.session().await;
    for _ in 0..10 {
        db.enqueue(&chains("a", 4)).await;
        let jobs = db.claim(session, a, 4).await;
        let batch: Vec<Settlement> = jobs
            .iter()
            .map(|job| Settlement {
                children: vec![chain("b")],
                ..complete(job)
            })
            .collect();
        // The same batch twice, and one that says something else of the same leases.
        let against: Vec<Settlement> = jobs
            .iter()
            .map(|job| settlement(job, Next::Discard))
            .collect();
        let (one, two, three) = tokio::join!(
            db.store.settle(&batch),
            other.settle(&batch),
            other.settle(&against)
        );
        for answers in [one, two, three] {
            assert_eq!(
                answers.unwrap(),
                vec![Settled::Written; 4],
                "whoever was first"
            );
        }
        for (job, settled) in jobs.iter().zip(&batch) {
            let done = db.job(job.id).await;
            let child = db.store.job(settled.children[0].first.id).await.unwrap();
            match done.summary.state {
                State::Completed => assert!(child.is_some() && done.attempts.is_empty()),
                State::Discarded => assert!(child.is_none() && done.attempts.len() == 1),
                other => panic!("{other}"),
            }
        }
    }
    other.close().await;
}

pub async fn a_thousand_at_once(db: Fixture) {
    let (a, session, _) = claimed::<0>(&db).await;
    db.enqueue(&chains("a", 1_000)).await;
    let jobs = db.claim(session, a, 1_000).await;
    let batch: Vec<Settlement> = jobs
        .iter()
        .enumerate()
        .map(|(index, job)| match index % 4 {
            0 => complete(job),
            1 => continue_with(job, self::job("b")),
            2 => settlement(job, Next::Retry { delay_ms: 10_000 }),
            _ => settlement(job, Next::Discard),
        })
        .collect();
    let answers = db.store.settle(&batch).await.unwrap();
    assert!(answers.iter().all(|answer| *answer == Settled::Written));
    for (index, state) in [
        State::Completed,
        State::Continued,
        State::Scheduled,
        State::Discarded,
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(db.state(jobs[index].id).await, state);
        assert_eq!(db.state(jobs[996 + index].id).await, state);
    }
}

pub async fn an_expired_session_may_settle_until_it_is_rescued(db: Fixture) {
    let (_, session, [job]) = claimed(&db).await;
    db.expire(session).await;
    assert_eq!(db.settle(complete(&job)).await, Settled::Written);
    assert_eq!(db.store.rescue().await.unwrap(), []);
}
