use std::time::Duration;

use hardstop_domain::*;
use hardstop_store::*;
use uuid::Uuid;

use crate::fixture::*;

/// Discards the next ready job of a type, for this reason.
async fn discard(db: &Fixture, session: SessionId, type_id: TypeId, failure: Failure) -> JobId {
    let job = db.claim_one(session, type_id).await;
    let written = db
        .settle(Settlement {
            outcome: failure.kind,
            failure: Some(failure),
            ..settlement(&job, Next::Discard)
        })
        .await;
    assert_eq!(written, Settled::Written);
    job.id
}

/// The time that an id carries.
fn created_us(id: JobId) -> i64 {
    (id.0.as_u128() >> 80) as i64 * 1_000
}

async fn list(db: &Fixture, filter: DeadLetterFilter) -> Vec<JobId> {
    let query = DeadLetterQuery {
        filter,
        limit: 100,
        ..DeadLetterQuery::default()
    };
    let letters = db.store.dead_letters(&query).await.unwrap();
    letters.iter().map(|letter| letter.summary.id).collect()
}

fn batch(jobs: &[JobId]) -> ReplayBatch {
    ReplayBatch {
        id: ReplayId(Uuid::now_v7()),
        actor: "mara".to_owned(),
        note: Some("fixed the parser".to_owned()),
        filter: DeadLetterFilter {
            type_name: Some(name("a")),
            ..DeadLetterFilter::default()
        },
        jobs: jobs.to_vec(),
    }
}

pub async fn are_found_by_every_filter(db: Fixture) {
    let [a, b] = db.deploy(["a", "b"]).await;
    let session = db.session().await;
    let mut found = Vec::new();
    let mut times = Vec::new();
    for (type_id, type_name, failure) in [
        (
            a,
            "a",
            Failure::new(OutcomeKind::FailedFatal, "no such \"file\"\u{0}"),
        ),
        (
            a,
            "a",
            Failure::new(OutcomeKind::Trapped, "unreachable: 100% é"),
        ),
        (
            b,
            "b",
            Failure::new(OutcomeKind::FailedFatal, "no such user"),
        ),
        (
            b,
            "b",
            Failure {
                details: Some("\"user\"".to_owned()),
                ..Failure::new(OutcomeKind::Trapped, "an index")
            },
        ),
    ] {
        // Ids carry milliseconds; the times between two of them must differ.
        tokio::time::sleep(Duration::from_millis(3)).await;
        db.start(type_name).await;
        found.push(discard(&db, session, type_id, failure).await);
        times.push(created_us(found[found.len() - 1]));
    }
    let cancelled = db.start("a").await;
    db.store.cancel(cancelled).await.unwrap();
    db.start("a").await;
    let done = db.claim_one(session, a).await;
    db.settle(complete(&done)).await;
    db.start("a").await;

    let [one, two, three, four] = found[..] else {
        panic!("{found:?}");
    };
    let all = DeadLetterFilter::default();
    assert_eq!(list(&db, all.clone()).await, [four, three, two, one]);
    let by_type = |text: &str| DeadLetterFilter {
        type_name: Some(name(text)),
        ..DeadLetterFilter::default()
    };
    assert_eq!(list(&db, by_type("a")).await, [two, one]);
    assert_eq!(list(&db, by_type("b")).await, [four, three]);
    let by_state = DeadLetterFilter {
        state: Some(State::Cancelled),
        message: Some("passed over".to_owned()),
        ..all.clone()
    };
    for (filter, before, count, bound) in [
        (all.clone(), None, 1, Some(four)),
        (all.clone(), None, 3, Some(two)),
        (all.clone(), Some(three), 1, Some(two)),
        (all.clone(), None, 5, None),
        (by_type("a"), None, 2, Some(one)),
        (by_type("a"), None, 3, None),
        (by_state, None, 1, Some(cancelled)),
    ] {
        let query = DeadLetterQuery {
            filter,
            before,
            limit: 1,
            ..DeadLetterQuery::default()
        };
        let found = db.store.dead_letter_bound(&query, count).await.unwrap();
        assert_eq!(found, bound, "{count} of {query:?}");
    }
    let newer = DeadLetterQuery {
        from: Some(three),
        limit: 10,
        ..DeadLetterQuery::default()
    };
    let letters = db.store.dead_letters(&newer).await.unwrap();
    let ids: Vec<JobId> = letters.iter().map(|letter| letter.summary.id).collect();
    assert_eq!(ids, [four, three]);
    let trapped = DeadLetterFilter {
        outcome: Some(OutcomeKind::Trapped),
        ..all.clone()
    };
    assert_eq!(list(&db, trapped.clone()).await, [four, two]);
    let trapped_b = DeadLetterFilter {
        type_name: Some(name("b")),
        ..trapped
    };
    assert_eq!(list(&db, trapped_b).await, [four]);
    for (text, wanted) in [
        ("no such", vec![three, one]),
        ("\"file\"\u{0}", vec![one]),
        ("100% é", vec![two]),
        // In the message, not in the details or the names of the fields.
        ("user", vec![three]),
        ("message", vec![]),
        ("No such", vec![]),
    ] {
        let filter = DeadLetterFilter {
            message: Some(text.to_owned()),
            ..all.clone()
        };
        assert_eq!(list(&db, filter).await, wanted, "{text}");
    }
    let since = DeadLetterFilter {
        since: Some(Timestamp(times[1])),
        ..all.clone()
    };
    assert_eq!(list(&db, since.clone()).await, [four, three, two]);
    let between = DeadLetterFilter {
        until: Some(Timestamp(times[2])),
        ..since
    };
    assert_eq!(list(&db, between).await, [two]);
    let named = DeadLetterFilter {
        jobs: Some(vec![one, three, cancelled, done.id]),
        ..all.clone()
    };
    assert_eq!(list(&db, named.clone()).await, [three, one]);
    let named_a = DeadLetterFilter {
        type_name: Some(name("a")),
        state: Some(State::Cancelled),
        ..named
    };
    assert_eq!(list(&db, named_a).await, [cancelled]);
    let were_cancelled = DeadLetterFilter {
        state: Some(State::Cancelled),
        ..all
    };
    assert_eq!(list(&db, were_cancelled).await, [cancelled]);
    let query = DeadLetterQuery {
        filter: by_type("b"),
        before: Some(four),
        from: None,
        limit: 1,
    };
    let letters = db.store.dead_letters(&query).await.unwrap();
    let failure = letters[0].failure.as_ref().unwrap();
    assert_eq!(
        (letters.len(), failure.message.as_str()),
        (1, "no such user")
    );
}

pub async fn pages_meet_exactly(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    db.enqueue(&chains("a", 70)).await;
    let jobs = db.claim(session, a, 70).await;
    let batch: Vec<Settlement> = jobs
        .iter()
        .enumerate()
        .map(|(index, job)| Settlement {
            failure: Some(Failure::new(
                OutcomeKind::FailedFatal,
                if index % 7 == 0 { "rare" } else { "often" },
            )),
            ..settlement(job, Next::Discard)
        })
        .collect();
    db.store.settle(&batch).await.unwrap();
    for (message, wanted) in [(None, 70), (Some("rare"), 10), (Some("often"), 60)] {
        let mut query = DeadLetterQuery {
            filter: DeadLetterFilter {
                message: message.map(str::to_owned),
                ..DeadLetterFilter::default()
            },
            limit: 4,
            ..DeadLetterQuery::default()
        };
        let mut seen: Vec<JobId> = Vec::new();
        loop {
            let page = db.store.dead_letters(&query).await.unwrap();
            let Some(last) = page.last() else {
                break;
            };
            assert!(page.len() <= 4);
            query.before = Some(last.summary.id);
            seen.extend(page.iter().map(|letter| letter.summary.id));
        }
        assert!(seen.windows(2).all(|two| two[0] > two[1]), "newest first");
        assert_eq!(seen.len(), wanted, "{message:?}");
    }
}

pub async fn bad_queries_are_refused(db: Fixture) {
    let [_] = db.deploy(["a"]).await;
    let query = |filter| DeadLetterQuery {
        filter,
        limit: 10,
        ..DeadLetterQuery::default()
    };
    let all = DeadLetterFilter::default();
    let running = DeadLetterFilter {
        state: Some(State::Running),
        ..all.clone()
    };
    let many = DeadLetterFilter {
        jobs: Some(vec![job("a").id; 501]),
        ..all.clone()
    };
    let mut long = query(all.clone());
    long.limit = 501;
    for (query, part) in [
        (query(running), "running jobs are no dead letters"),
        (query(many), "501 jobs are over the maximum of 500"),
        (long, "limit 501 is not from 1 to 500"),
    ] {
        let error = db.store.dead_letters(&query).await.unwrap_err();
        assert!(
            matches!(&error, StoreError::Invalid(text) if text.contains(part)),
            "{error:?}"
        );
    }
    let unknown = query(DeadLetterFilter {
        type_name: Some(name("nobody")),
        ..all
    });
    assert!(matches!(
        db.store.dead_letters(&unknown).await.unwrap_err(),
        StoreError::UnknownType(_)
    ));
    for (bad, part) in [
        (
            ReplayBatch {
                actor: String::new(),
                ..batch(&[])
            },
            "needs an actor",
        ),
        (
            ReplayBatch {
                note: Some("x".repeat(1_001)),
                ..batch(&[])
            },
            "note of 1001 bytes is over the maximum of 1000 bytes",
        ),
        (
            ReplayBatch {
                actor: "a\u{0}b".to_owned(),
                ..batch(&[])
            },
            "NUL",
        ),
        (batch(&vec![job("a").id; 501]), "501 jobs"),
    ] {
        let error = db.store.replay(&bad).await.unwrap_err();
        assert!(
            matches!(&error, StoreError::Invalid(text) if text.contains(part)),
            "{error:?}"
        );
    }
}

pub async fn are_replayed_each_by_itself(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        db.start("a").await;
        let fatal = Failure::new(OutcomeKind::FailedFatal, "why \u{0}");
        ids.push(discard(&db, session, a, fatal).await);
    }
    let cancelled = db.start("a").await;
    db.store.cancel(cancelled).await.unwrap();
    db.start("a").await;
    let done = db.claim_one(session, a).await;
    db.settle(complete(&done)).await;
    let queued = db.start("a").await;
    let unknown = job("a").id;
    // Without its input a job cannot run.
    let bare = db.start("a").await;
    db.store.cancel(bare).await.unwrap();
    let sql = match db.database {
        Database::Postgres => format!("DELETE FROM hardstop.job_body WHERE id = '{bare}'"),
        Database::Sqlite => format!("DELETE FROM job_body WHERE id = x'{}'", bare.0.simple()),
    };
    assert_eq!(db.execute(&sql).await, 1);

    let replay = batch(&[ids[0], ids[1], cancelled, done.id, queued, unknown, bare]);
    let mut listener = db.store.listen().await.unwrap();
    let answers = db.store.replay(&replay).await.unwrap();
    let answer = |id: JobId| answers.iter().find(|(job, _)| *job == id).unwrap().1;
    assert_eq!(answers.len(), 7);
    assert_eq!(answer(ids[0]), ReplayAnswer::Replayed(State::Discarded));
    assert_eq!(answer(ids[1]), ReplayAnswer::Replayed(State::Discarded));
    assert_eq!(answer(cancelled), ReplayAnswer::Replayed(State::Cancelled));
    assert_eq!(
        answer(done.id),
        ReplayAnswer::NotReplayable(State::Completed)
    );
    assert_eq!(answer(queued), ReplayAnswer::NotFinal(State::Ready));
    assert_eq!(answer(unknown), ReplayAnswer::Unknown);
    assert_eq!(answer(bare), ReplayAnswer::NotReplayable(State::Cancelled));
    loop {
        let heard = tokio::time::timeout(Duration::from_secs(20), listener.wait());
        if matches!(heard.await.expect("a wake-up"), Wake::Ready | Wake::Any) {
            break;
        }
    }
    // Sent again, it is known, and recorded once.
    let again = db.store.replay(&replay).await.unwrap();
    for (job, answer) in again {
        if ids.contains(&job) || job == cancelled {
            assert_eq!(answer, ReplayAnswer::AlreadyInThisReplay);
        }
    }
    let replays = db.store.replays(None, 10).await.unwrap();
    assert_eq!(replays.len(), 1);
    let recorded = &replays[0];
    assert_eq!(
        (recorded.id, recorded.actor.as_str(), recorded.jobs),
        (replay.id, "mara", 3)
    );
    assert_eq!(recorded.note.as_deref(), Some("fixed the parser"));
    assert_eq!(recorded.filter["type"], "a");
    let jobs = db.store.replay_jobs(replay.id, None, 10).await.unwrap();
    assert_eq!(jobs.len(), 3);
    assert_eq!(jobs[0].was_failure.as_ref().unwrap().message, "why \u{0}");
    assert_eq!(
        (jobs[0].was, jobs[0].was_outcome, jobs[0].state),
        (
            State::Discarded,
            OutcomeKind::FailedFatal,
            Some(State::Ready)
        )
    );
}

pub async fn a_replay_can_be_followed(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let session = db.session().await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        db.start("a").await;
        let fatal = Failure::new(OutcomeKind::FailedFatal, "why");
        ids.push(discard(&db, session, a, fatal).await);
    }
    let replay = batch(&ids);
    db.store.replay(&replay).await.unwrap();
    let jobs = db.claim(session, a, 3).await;
    db.settle(complete(&jobs[0])).await;
    let trap = Settlement {
        outcome: OutcomeKind::Trapped,
        ..settlement(&jobs[1], Next::Discard)
    };
    db.settle(trap).await;
    let shown = db.store.replay_detail(replay.id).await.unwrap().unwrap();
    assert_eq!(
        shown.states,
        [
            (Some(State::Ready), 1),
            (Some(State::Running), 1),
            (Some(State::Completed), 1),
            (Some(State::Discarded), 1)
        ]
    );
    // Pages of its jobs meet.
    let first = db.store.replay_jobs(replay.id, None, 3).await.unwrap();
    let rest = db
        .store
        .replay_jobs(replay.id, Some(first[2].id), 3)
        .await
        .unwrap();
    let seen: Vec<JobId> = first.iter().chain(&rest).map(|job| job.id).collect();
    assert_eq!(seen, ids);
    let again = first.iter().find(|job| job.id == jobs[1].id).unwrap();
    assert_eq!(
        (again.was_outcome, again.outcome),
        (OutcomeKind::FailedFatal, Some(OutcomeKind::Trapped))
    );
    // What failed again can be replayed again, by another replay.
    let second = batch(&[jobs[1].id]);
    let answers = db.store.replay(&second).await.unwrap();
    assert_eq!(answers[0].1, ReplayAnswer::Replayed(State::Discarded));
    let replays = db.store.replays(None, 10).await.unwrap();
    assert_eq!(replays[0].id, second.id, "newest first");
    let older = db.store.replays(Some(second.id), 10).await.unwrap();
    assert_eq!((older.len(), older[0].id), (1, replay.id));
    // What is gone is counted as such.
    db.store
        .delete_chain(jobs[0].chain_id, false)
        .await
        .unwrap();
    let shown = db.store.replay_detail(replay.id).await.unwrap().unwrap();
    assert_eq!(shown.states.last(), Some(&(None, 1)));
    let unknown = ReplayId(Uuid::now_v7());
    assert_eq!(db.store.replay_detail(unknown).await.unwrap(), None);
}

pub async fn one_that_cannot_be_replayed_spoils_no_other(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let mut ids = Vec::new();
    for _ in 0..9 {
        let id = db.start("a").await;
        db.store.cancel(id).await.unwrap();
        ids.push(id);
    }
    // No operation makes two final jobs of one chain; should anything ever, only one of them goes on.
    let twins = match db.database {
        Database::Postgres => format!(
            "UPDATE hardstop.job_done SET chain_id = '{}' WHERE id = '{}'",
            ids[3], ids[4]
        ),
        Database::Sqlite => format!(
            "UPDATE job_done SET chain_id = x'{}' WHERE id = x'{}'",
            ids[3].0.simple(),
            ids[4].0.simple()
        ),
    };
    assert_eq!(db.execute(&twins).await, 1);
    let answers = db.store.replay(&batch(&ids)).await.unwrap();
    let kinds: Vec<ReplayAnswer> = answers.iter().map(|(_, answer)| *answer).collect();
    let replayed = ReplayAnswer::Replayed(State::Cancelled);
    assert_eq!(answers.len(), 9);
    assert_eq!(kinds.iter().filter(|kind| **kind == replayed).count(), 8);
    assert_eq!(
        answers.iter().find(|(id, _)| *id == ids[4]).unwrap().1,
        ReplayAnswer::ChainLive
    );
    assert_eq!(db.state(ids[4]).await, State::Cancelled);
    let replay = &db.store.replays(None, 10).await.unwrap()[0];
    assert_eq!(replay.jobs, 8);
    let session = db.session().await;
    assert_eq!(db.claim(session, a, 20).await.len(), 8);
}

pub async fn two_replays_at_once_take_each_job_once(db: Fixture) {
    db.deploy(["a"]).await;
    let other = db.another().await;
    for _ in 0..15 {
        let mut ids = Vec::new();
        for _ in 0..5 {
            let id = db.start("a").await;
            db.store.cancel(id).await.unwrap();
            ids.push(id);
        }
        let (one, two) = (batch(&ids), batch(&ids));
        let (left, right) = tokio::join!(db.store.replay(&one), other.replay(&two));
        let answers = [left.unwrap(), right.unwrap()].concat();
        for id in ids {
            let won = answers
                .iter()
                .filter(|(job, answer)| {
                    *job == id && *answer == ReplayAnswer::Replayed(State::Cancelled)
                })
                .count();
            assert_eq!(won, 1, "{answers:?}");
        }
    }
    other.close().await;
}
