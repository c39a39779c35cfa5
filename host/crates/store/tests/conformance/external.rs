use std::time::Duration;

use hardstop_domain::*;
use hardstop_store::*;
use uuid::Uuid;

use crate::fixture::*;

const DAY_MS: u64 = 86_400_000;

/// Deploys `approve`, external, and `a`, which has a handler.
async fn deploy(db: &Fixture, deadline_ms: u64) -> TypeId {
    let [a] = db.deploy(["a"]).await;
    let new = external_deployment("approve", deadline_ms);
    db.store.deploy(new).await.unwrap();
    a
}

async fn token(db: &Fixture, job: JobId) -> Uuid {
    db.store.completion_token(job).await.unwrap().unwrap().token
}

fn done() -> ExternalOutcome {
    ExternalOutcome::Complete {
        output: "true".to_owned(),
    }
}

async fn answer(db: &Fixture, job: JobId, token: Uuid, outcome: ExternalOutcome) -> ExternalAnswer {
    db.store
        .complete_external(job, token, &outcome)
        .await
        .unwrap()
}

/// Lets the deadline of every external job pass.
async fn pass_deadlines(db: &Fixture) {
    let past = match db.database {
        Database::Postgres => "clock_timestamp() - interval '1 second'",
        Database::Sqlite => "1",
    };
    db.execute(&format!(
        "UPDATE hardstop.job_live SET deadline_at = {past} WHERE deadline_at IS NOT NULL"
    ))
    .await;
}

pub async fn a_type_without_a_component_is_stored_and_keeps_its_kind(db: Fixture) {
    deploy(&db, DAY_MS).await;
    let types = db.store.types().await.unwrap();
    assert_eq!(
        types[1].spec.external,
        Some(External {
            deadline_ms: DAY_MS
        })
    );
    assert_eq!(types[1].spec.component, None);
    assert_eq!(db.store.components().await.unwrap().len(), 1);
    // Another deadline is a change like any other.
    db.store
        .deploy(external_deployment("approve", 5))
        .await
        .unwrap();
    for new in [deployment(&["approve"]), external_deployment("a", 5)] {
        let error = db.store.deploy(new).await.unwrap_err();
        assert!(
            matches!(&error, StoreError::Invalid(text) if text.contains("under another name")),
            "{error:?}"
        );
    }
    assert_eq!(
        db.store.types().await.unwrap()[1].spec.external,
        Some(External { deadline_ms: 5 })
    );
}

pub async fn a_completion_closes_the_chain_once(db: Fixture) {
    deploy(&db, DAY_MS).await;
    let id = db.start("approve").await;
    let completion = db.store.completion_token(id).await.unwrap().unwrap();
    let due_at = db.job(id).await.summary.due_at;
    assert_eq!(
        completion.deadline_at,
        Some(Timestamp(due_at.0 + DAY_MS as i64 * 1_000))
    );
    assert_eq!(
        answer(&db, id, Uuid::now_v7(), done()).await,
        ExternalAnswer::WrongToken
    );
    assert_eq!(db.state(id).await, State::Ready);
    assert_eq!(
        answer(&db, id, completion.token, done()).await,
        ExternalAnswer::Done
    );
    let job = db.job(id).await;
    assert_eq!(
        (job.summary.state, job.output.as_deref()),
        (State::Completed, Some("true"))
    );
    // Used: with the token one learns so, without it nothing.
    assert_eq!(
        answer(&db, id, completion.token, done()).await,
        ExternalAnswer::AlreadyFinal(State::Completed)
    );
    assert_eq!(
        answer(&db, id, Uuid::now_v7(), done()).await,
        ExternalAnswer::WrongToken
    );
    assert_eq!(db.store.completion_token(id).await.unwrap(), None);
}

pub async fn a_failure_discards(db: Fixture) {
    deploy(&db, DAY_MS).await;
    let id = db.start("approve").await;
    let fail = ExternalOutcome::Fail {
        message: "no \u{0} budget".to_owned(),
        details: Some("{\"by\":\"ann\"}".to_owned()),
    };
    let token = token(&db, id).await;
    assert_eq!(answer(&db, id, token, fail).await, ExternalAnswer::Done);
    let job = db.job(id).await;
    assert_eq!(
        (job.summary.state, job.summary.outcome),
        (State::Discarded, Some(OutcomeKind::FailedFatal))
    );
    let failure = job.failure.unwrap();
    assert_eq!(
        (failure.message.as_str(), failure.details.as_deref()),
        ("no \u{0} budget", Some("{\"by\":\"ann\"}"))
    );
    // Replayed, it waits anew, with the same token.
    assert_eq!(
        db.store.retry(id).await.unwrap(),
        Retried::Was(State::Discarded)
    );
    assert_eq!(answer(&db, id, token, done()).await, ExternalAnswer::Done);
}

pub async fn a_continuation_inherits_from_its_chain(db: Fixture) {
    let a = deploy(&db, DAY_MS).await;
    let mut first = chain("approve");
    first.first.priority = Some(-3);
    first.first.trace_parent = Some("00-ab".to_owned());
    first.dedup = Some(Dedup {
        key: "k".to_owned(),
        scope: DedupScope::Open,
    });
    db.enqueue(std::slice::from_ref(&first)).await;
    let mut dependent = chain("a");
    dependent.first.blockers = vec![first.id()];
    db.enqueue(std::slice::from_ref(&dependent)).await;
    // Two external steps, then one with a handler.
    let mut job_id = first.first.id;
    for next_type in ["approve", "a"] {
        let next = job(next_type);
        let next_id = next.id;
        let old = token(&db, job_id).await;
        assert_eq!(
            answer(&db, job_id, old, ExternalOutcome::Continue { next }).await,
            ExternalAnswer::Done
        );
        assert_eq!(
            answer(&db, next_id, old, done()).await,
            match next_type {
                "approve" => ExternalAnswer::WrongToken,
                _ => ExternalAnswer::NotExternal,
            }
        );
        assert_eq!(db.job(job_id).await.continued_to, Some(next_id));
        job_id = next_id;
    }
    // The chain has its key and its dependents as before.
    let mut second = chain("approve");
    second.dedup.clone_from(&first.dedup);
    assert!(db.enqueue(&[second.clone()]).await[0].deduplicated);
    assert_eq!(db.state(dependent.first.id).await, State::Blocked);
    let session = db.session().await;
    let last = db.claim_one(session, a).await;
    assert_eq!(
        (last.id, last.chain_id, last.priority),
        (job_id, first.id(), -3)
    );
    assert_eq!(last.trace_parent.as_deref(), Some("00-ab"));
    db.settle(complete(&last)).await;
    assert_eq!(
        db.claim_one(session, a).await.blockers[0].output.as_deref(),
        Some("42")
    );
    assert!(!db.enqueue(&[second]).await[0].deduplicated);
}

pub async fn a_continuation_waits_for_its_blockers(db: Fixture) {
    let a = deploy(&db, DAY_MS).await;
    let session = db.session().await;
    let id = db.start("approve").await;
    let (open, closed) = (db.start("a").await, db.start("a").await);
    let jobs = db.claim(session, a, 2).await;
    let job_of = |id: JobId| jobs.iter().find(|job| job.id == id).unwrap();
    db.settle(complete(job_of(closed))).await;
    // Another external step, which is asked for only once the blocker has closed.
    let next = NewJob {
        blockers: vec![open.into(), closed.into()],
        ..job("approve")
    };
    let next_id = next.id;
    let own = token(&db, id).await;
    let outcome = ExternalOutcome::Continue { next };
    assert_eq!(answer(&db, id, own, outcome).await, ExternalAnswer::Done);
    let detail = db.job(next_id).await;
    assert_eq!(
        (detail.summary.state, detail.summary.chain_id),
        (State::Blocked, id.into())
    );
    let chains: Vec<_> = detail.blockers.iter().map(|it| it.chain_id).collect();
    assert_eq!(chains, [open.into(), closed.into()]);
    let own = token(&db, next_id).await;
    assert_eq!(
        answer(&db, next_id, own, done()).await,
        ExternalAnswer::NotReady(State::Blocked)
    );
    db.settle(complete(job_of(open))).await;
    assert_eq!(db.state(next_id).await, State::Ready);
    // Then a handler, which gets the outputs in order.
    let next = NewJob {
        blockers: vec![closed.into(), open.into()],
        ..job("a")
    };
    let outcome = ExternalOutcome::Continue { next };
    assert_eq!(
        answer(&db, next_id, own, outcome).await,
        ExternalAnswer::Done
    );
    let last = db.claim_one(session, a).await;
    let outputs = last.blockers.iter().map(|it| it.output.as_deref());
    assert_eq!(outputs.collect::<Vec<_>>(), [Some("42"), Some("42")]);
    db.settle(settlement(&last, Next::Discard)).await;
    // A blocker that has failed cancels the continuation at once, and with it the chain closes.
    let id = db.start("approve").await;
    let mut waits = chain("a");
    waits.first.blockers = vec![id.into()];
    db.enqueue(std::slice::from_ref(&waits)).await;
    let next = NewJob {
        blockers: vec![last.chain_id],
        ..job("a")
    };
    let next_id = next.id;
    let own = token(&db, id).await;
    let outcome = ExternalOutcome::Continue { next };
    assert_eq!(answer(&db, id, own, outcome).await, ExternalAnswer::Done);
    assert_eq!(db.state(next_id).await, State::Cancelled);
    assert_eq!(db.state(waits.first.id).await, State::Cancelled);
}

pub async fn the_end_of_one_frees_its_dependents(db: Fixture) {
    deploy(&db, DAY_MS).await;
    let blocker = db.start("approve").await;
    let mut waits = chain("approve");
    waits.first.blockers = vec![blocker.into()];
    db.enqueue(std::slice::from_ref(&waits)).await;
    let id = waits.first.id;
    // Nobody was to be asked yet; its time begins when it becomes ready.
    let completion = db.store.completion_token(id).await.unwrap().unwrap();
    assert_eq!(completion.deadline_at, None);
    assert_eq!(
        answer(&db, id, completion.token, done()).await,
        ExternalAnswer::NotReady(State::Blocked)
    );
    let own = token(&db, blocker).await;
    assert_eq!(
        answer(&db, blocker, own, done()).await,
        ExternalAnswer::Done
    );
    assert_eq!(db.state(id).await, State::Ready);
    assert!(
        db.store
            .completion_token(id)
            .await
            .unwrap()
            .unwrap()
            .deadline_at
            .is_some()
    );
    assert_eq!(
        answer(&db, id, completion.token, done()).await,
        ExternalAnswer::Done
    );
}

pub async fn what_cannot_be_completed_says_why(db: Fixture) {
    deploy(&db, DAY_MS).await;
    let handled = db.start("a").await;
    assert_eq!(
        answer(&db, handled, Uuid::now_v7(), done()).await,
        ExternalAnswer::NotExternal
    );
    assert_eq!(
        answer(&db, job("a").id, Uuid::now_v7(), done()).await,
        ExternalAnswer::Unknown
    );
    let mut later = chain("approve");
    later.first.delay_ms = 60_000;
    db.enqueue(std::slice::from_ref(&later)).await;
    let own = token(&db, later.first.id).await;
    assert_eq!(
        answer(&db, later.first.id, own, done()).await,
        ExternalAnswer::NotReady(State::Scheduled)
    );
    // What cannot be stored leaves the job as it was.
    let id = db.start("approve").await;
    let own = token(&db, id).await;
    let mut dependent = chain("a");
    dependent.first.blockers = vec![id.into()];
    db.enqueue(std::slice::from_ref(&dependent)).await;
    let nobody = ChainId(job("a").id.0);
    let waiting_for = |chain: ChainId| NewJob {
        blockers: vec![chain],
        ..job("a")
    };
    let taken = NewJob {
        id: handled,
        ..job("a")
    };
    for outcome in [
        ExternalOutcome::Complete {
            output: " ".repeat((16 << 20) + 1),
        },
        ExternalOutcome::Continue {
            next: job("nobody"),
        },
        ExternalOutcome::Continue {
            next: waiting_for(nobody),
        },
        // Its own chain, and one that waits for it.
        ExternalOutcome::Continue {
            next: waiting_for(id.into()),
        },
        ExternalOutcome::Continue {
            next: waiting_for(dependent.id()),
        },
        ExternalOutcome::Continue { next: taken },
    ] {
        let error = db
            .store
            .complete_external(id, own, &outcome)
            .await
            .unwrap_err();
        assert!(!error.is_transient(), "{error:?}");
        match &outcome {
            ExternalOutcome::Continue { next } if next.blockers == [nobody] => {
                assert!(
                    matches!(error, StoreError::UnknownChain(chain) if chain == nobody),
                    "{error:?}"
                );
            }
            ExternalOutcome::Continue { next } if !next.blockers.is_empty() => {
                assert!(matches!(error, StoreError::BlockerCycle(_)), "{error:?}");
            }
            _ => {}
        }
        assert_eq!(db.state(id).await, State::Ready);
    }
}

pub async fn a_deadline_discards_and_is_the_end(db: Fixture) {
    deploy(&db, DAY_MS).await;
    let nothing = db.store.expire_external().await.unwrap();
    assert_eq!(
        nothing,
        Expired {
            count: 0,
            next_due_in: None
        }
    );
    let id = db.start("approve").await;
    let own = token(&db, id).await;
    let expired = db.store.expire_external().await.unwrap();
    assert_eq!(expired.count, 0);
    let next = expired.next_due_in.unwrap();
    assert!(
        next <= Duration::from_millis(DAY_MS) && next > Duration::from_millis(DAY_MS / 2),
        "{next:?}"
    );
    let mut waits = chain("a");
    waits.first.blockers = vec![id.into()];
    db.enqueue(std::slice::from_ref(&waits)).await;
    pass_deadlines(&db).await;
    // Too late, though nobody has looked yet.
    assert_eq!(answer(&db, id, own, done()).await, ExternalAnswer::TimedOut);
    assert_eq!(
        db.store.expire_external().await.unwrap(),
        Expired {
            count: 1,
            next_due_in: None
        }
    );
    let job = db.job(id).await;
    assert_eq!(
        (job.summary.state, job.summary.outcome),
        (State::Discarded, Some(OutcomeKind::TimedOutWall))
    );
    let message = job.failure.unwrap().message;
    assert!(
        message.contains("deadline") && message.contains("(24h after it became ready)"),
        "{message}"
    );
    assert_eq!(db.state(waits.first.id).await, State::Cancelled);
    assert_eq!(
        answer(&db, id, own, done()).await,
        ExternalAnswer::AlreadyFinal(State::Discarded)
    );
}

pub async fn a_completion_racing_another_or_the_deadline_is_written_once(db: Fixture) {
    deploy(&db, DAY_MS).await;
    let other = db.another().await;
    for round in 0..20 {
        let id = db.start("approve").await;
        let own = token(&db, id).await;
        let outcome = done();
        if round % 2 == 0 {
            let (one, two) = tokio::join!(
                db.store.complete_external(id, own, &outcome),
                other.complete_external(id, own, &outcome)
            );
            let answers = [one.unwrap(), two.unwrap()];
            assert!(answers.contains(&ExternalAnswer::Done), "{answers:?}");
            assert!(
                answers.contains(&ExternalAnswer::AlreadyFinal(State::Completed)),
                "{answers:?}"
            );
        } else {
            let (completed, cancelled) = tokio::join!(
                db.store.complete_external(id, own, &outcome),
                other.cancel(id)
            );
            let state = db.state(id).await;
            match completed.unwrap() {
                ExternalAnswer::Done => {
                    assert_eq!(
                        (cancelled.unwrap(), state),
                        (Cancelled::Final(State::Completed), State::Completed)
                    );
                }
                answer => {
                    assert_eq!(answer, ExternalAnswer::AlreadyFinal(State::Cancelled));
                    assert_eq!(
                        (cancelled.unwrap(), state),
                        (Cancelled::Was(State::Ready), State::Cancelled)
                    );
                }
            }
        }
    }
    other.close().await;
}
