use hardstop_domain::*;
use hardstop_store::*;

use crate::fixture::*;

/// A chain of `type_name` that waits for others.
fn waiting(type_name: &str, blockers: &[ChainId], policy: OnBlockerFailure) -> NewChain {
    NewChain::new(NewJob {
        blockers: blockers.to_vec(),
        on_blocker_failure: policy,
        ..job(type_name)
    })
}

fn all(type_name: &str, blockers: &[ChainId]) -> NewChain {
    waiting(type_name, blockers, OnBlockerFailure::Cancel)
}

fn output(job: &ClaimedJob, text: &str) -> Settlement {
    settlement(
        job,
        Next::Complete {
            output: text.to_owned(),
        },
    )
}

pub async fn the_last_blocker_to_close_makes_ready_with_outputs_in_order(db: Fixture) {
    let [a, b] = db.deploy(["a", "b"]).await;
    let (one, two) = (db.start("a").await, db.start("a").await);
    // Named in an order of its own, one of them twice.
    let dependent = all("b", &[two.into(), one.into(), two.into()]);
    let id = dependent.first.id;
    db.enqueue(&[dependent]).await;
    let session = db.session().await;
    assert_eq!(db.state(id).await, State::Blocked);
    assert!(db.claim(session, b, 10).await.is_empty());

    let claimed = db.claim(session, a, 10).await;
    assert_eq!(claimed[0].id, one);
    db.settle(output(&claimed[0], "1")).await;
    assert_eq!(db.state(id).await, State::Blocked);
    db.settle(output(&claimed[1], "2")).await;
    assert_eq!(db.state(id).await, State::Ready);

    let job = db.claim_one(session, b).await;
    let got: Vec<_> = job
        .blockers
        .iter()
        .map(|blocker| (blocker.chain_id, blocker.state, blocker.output.as_deref()))
        .collect();
    let done = Some(State::Completed);
    assert_eq!(
        got,
        [
            (two.into(), done, Some("2")),
            (one.into(), done, Some("1")),
            (two.into(), done, Some("2"))
        ]
    );
    assert_eq!(job.blockers[0].output_bytes, 1);
}

pub async fn a_blocker_that_closed_before_is_not_waited_for(db: Fixture) {
    let [a, b] = db.deploy(["a", "b"]).await;
    let blocker = db.start("a").await;
    let session = db.session().await;
    db.settle(complete(&db.claim_one(session, a).await)).await;
    let dependent = all("b", &[blocker.into()]);
    db.enqueue(std::slice::from_ref(&dependent)).await;
    let job = db.claim_one(session, b).await;
    assert_eq!(job.id, dependent.first.id);
    assert_eq!(job.blockers[0].output.as_deref(), Some("42"));
}

pub async fn a_chain_closes_with_its_last_job(db: Fixture) {
    let [a, b] = db.deploy(["a", "b"]).await;
    let first = db.start("a").await;
    let dependent = all("b", &[first.into()]);
    let id = dependent.first.id;
    db.enqueue(&[dependent]).await;
    let session = db.session().await;
    db.settle(continue_with(&db.claim_one(session, a).await, job("a")))
        .await;
    assert_eq!(db.state(id).await, State::Blocked, "the chain goes on");
    let late = all("b", &[first.into()]);
    db.enqueue(std::slice::from_ref(&late)).await;
    assert_eq!(db.state(late.first.id).await, State::Blocked);
    db.settle(output(&db.claim_one(session, a).await, "\"last\""))
        .await;
    for job in db.claim(session, b, 10).await {
        assert_eq!(job.blockers[0].output.as_deref(), Some("\"last\""));
        assert_eq!(job.blockers[0].chain_id, first.into());
    }
    assert_eq!(db.state(id).await, State::Running);
}

pub async fn a_graph_starts_in_one_call(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    // A diamond, its bottom named before what it waits for.
    let top = chain("a");
    let sides = [all("a", &[top.id()]), all("a", &[top.id()])];
    let bottom = all("a", &[sides[0].id(), sides[1].id()]);
    let ids = [&bottom, &sides[0], &sides[1], &top].map(|chain| chain.first.id);
    db.enqueue(&[bottom, sides[1].clone(), sides[0].clone(), top])
        .await;
    let session = db.session().await;
    let mut order = Vec::new();
    for _ in 0..4 {
        for job in db.claim(session, a, 10).await {
            order.push(job.id);
            db.settle(complete(&job)).await;
        }
    }
    assert_eq!(order.len(), 4);
    assert_eq!((order[0], order[3]), (ids[3], ids[0]));
}

pub async fn cycles_and_unknown_chains_start_nothing(db: Fixture) {
    db.deploy(["a"]).await;
    let (mut one, mut two, three) = (chain("a"), chain("a"), chain("a"));
    one.first.blockers = vec![two.id()];
    two.first.blockers = vec![one.id()];
    let batch = [three, one.clone(), two];
    let error = db.store.enqueue(&batch).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::BlockerCycle(cycle) if cycle.len() == 3),
        "{error}"
    );
    assert!(error.to_string().contains("waits for"), "{error}");
    let mut itself = chain("a");
    itself.first.blockers = vec![itself.id()];
    let error = db.store.enqueue(&[itself]).await.unwrap_err();
    assert!(matches!(error, StoreError::BlockerCycle(_)), "{error}");

    let nobody = ChainId(job("a").id.0);
    let error = db
        .store
        .enqueue(&[chain("a"), all("a", &[nobody])])
        .await
        .unwrap_err();
    assert!(
        matches!(error, StoreError::UnknownChain(chain) if chain == nobody),
        "{error}"
    );
    // A job that is not the first of its chain names no chain.
    let first = db.start("a").await;
    let session = db.session().await;
    let types = db.store.types().await.unwrap();
    let next = job("a");
    db.settle(continue_with(
        &db.claim_one(session, types[0].id).await,
        next.clone(),
    ))
    .await;
    let error = db
        .store
        .enqueue(&[all("a", &[ChainId(next.id.0)])])
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::UnknownChain(_)), "{error}");
    assert_eq!(db.all_jobs().await.len(), 2, "{first}");
}

pub async fn too_many_blockers_are_refused(db: Fixture) {
    db.deploy(["a"]).await;
    let blocker = ChainId(db.start("a").await.0);
    let many = all("a", &vec![blocker; job::BLOCKERS_MAX + 1]);
    let error = db.store.enqueue(&[many]).await.unwrap_err().to_string();
    assert!(
        error.contains("10001 blockers, over the maximum of 10000"),
        "{error}"
    );
}

pub async fn a_failed_blocker_cancels_all_the_way_down(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let blocker = db.start("a").await;
    let one = all("a", &[blocker.into()]);
    let two = all("a", &[one.id()]);
    let three = waiting("a", &[two.id()], OnBlockerFailure::Run);
    let ids = [&one, &two, &three].map(|chain| chain.first.id);
    db.enqueue(&[one, two, three]).await;
    let session = db.session().await;
    db.settle(settlement(&db.claim_one(session, a).await, Next::Discard))
        .await;
    assert_eq!(db.state(ids[0]).await, State::Cancelled);
    let second = db.job(ids[1]).await;
    assert_eq!(second.summary.state, State::Cancelled);
    assert_eq!(second.summary.outcome, Some(OutcomeKind::Cancelled));
    let failure = second.failure.unwrap();
    assert!(
        failure
            .message
            .contains(&format!("its blocker {} was cancelled", ids[0])),
        "{failure:?}"
    );
    // The third runs, and sees what became of the second.
    let job = db.claim_one(session, a).await;
    assert_eq!(job.id, ids[2]);
    assert_eq!(job.blockers[0].state, Some(State::Cancelled));
    assert_eq!(job.blockers[0].output, None);
    assert!(job.blockers[0].failure.is_some());
}

pub async fn a_blocker_that_had_failed_cancels_at_the_start(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let blocker = db.start("a").await;
    let session = db.session().await;
    db.settle(settlement(&db.claim_one(session, a).await, Next::Discard))
        .await;
    let one = all("a", &[blocker.into()]);
    let two = all("a", &[one.id()]);
    let run = waiting("a", &[blocker.into()], OnBlockerFailure::Run);
    let hold = waiting("a", &[blocker.into()], OnBlockerFailure::Hold);
    let ids = [&one, &two, &run, &hold].map(|chain| chain.first.id);
    db.enqueue(&[one, two, run, hold]).await;
    let mut states = Vec::new();
    for id in ids {
        states.push(db.state(id).await);
    }
    use State::*;
    assert_eq!(states, [Cancelled, Cancelled, Ready, Blocked]);
}

pub async fn a_held_job_runs_once_its_blocker_was_replayed(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let blocker = db.start("a").await;
    let held = waiting("a", &[blocker.into()], OnBlockerFailure::Hold);
    let id = held.first.id;
    db.enqueue(&[held]).await;
    let session = db.session().await;
    db.settle(settlement(&db.claim_one(session, a).await, Next::Discard))
        .await;
    assert_eq!(db.state(id).await, State::Blocked);
    assert_eq!(
        db.store.retry(blocker).await.unwrap(),
        Retried::Was(State::Discarded)
    );
    db.settle(output(&db.claim_one(session, a).await, "7"))
        .await;
    let job = db.claim_one(session, a).await;
    assert_eq!(job.id, id);
    assert_eq!(job.blockers[0].output.as_deref(), Some("7"));
}

pub async fn a_held_job_can_be_forced_or_cancelled(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let blocker = db.start("a").await;
    let held = [(); 2].map(|()| waiting("a", &[blocker.into()], OnBlockerFailure::Hold));
    let ids = [held[0].first.id, held[1].first.id];
    db.enqueue(&held).await;
    let session = db.session().await;
    db.settle(settlement(&db.claim_one(session, a).await, Next::Discard))
        .await;
    assert_eq!(
        db.store.reschedule(ids[0], Due::Now, false).await.unwrap(),
        Moved::Not(State::Blocked)
    );
    assert_eq!(
        db.store.reschedule(ids[0], Due::Now, true).await.unwrap(),
        Moved::From {
            was: State::Blocked,
            state: State::Ready
        }
    );
    let job = db.claim_one(session, a).await;
    assert_eq!((job.id, job.blockers[0].state), (ids[0], None));
    assert_eq!(
        db.store.cancel(ids[1]).await.unwrap(),
        Cancelled::Was(State::Blocked)
    );
}

pub async fn a_replayed_dependent_waits_for_what_is_open_again(db: Fixture) {
    let [a, b] = db.deploy(["a", "b"]).await;
    let (one, two) = (db.start("a").await, db.start("a").await);
    let dependent = all("b", &[one.into(), two.into()]);
    let id = dependent.first.id;
    db.enqueue(&[dependent]).await;
    let session = db.session().await;
    let jobs = db.claim(session, a, 2).await;
    db.settle(settlement(&jobs[0], Next::Discard)).await;
    assert_eq!(db.state(id).await, State::Cancelled);
    db.store.retry(one).await.unwrap();
    assert_eq!(
        db.store.retry(id).await.unwrap(),
        Retried::Was(State::Cancelled)
    );
    assert_eq!(
        db.state(id).await,
        State::Blocked,
        "the first is open again and the second still is"
    );
    db.settle(output(&jobs[1], "2")).await;
    assert_eq!(db.state(id).await, State::Blocked);
    db.settle(output(&db.claim_one(session, a).await, "1"))
        .await;
    let job = db.claim_one(session, b).await;
    let outputs: Vec<_> = job.blockers.iter().map(|b| b.output.as_deref()).collect();
    assert_eq!(outputs, [Some("1"), Some("2")]);
}

pub async fn a_replayed_dependent_keeps_what_a_failed_blocker_does(db: Fixture) {
    let [a, _] = db.deploy(["a", "b"]).await;
    let session = db.session().await;
    for (policy, expected) in [
        (OnBlockerFailure::Cancel, State::Cancelled),
        (OnBlockerFailure::Run, State::Ready),
        (OnBlockerFailure::Hold, State::Blocked),
    ] {
        let blocker = db.start("a").await;
        let mut dependent = all("b", &[blocker.into()]);
        dependent.first.on_blocker_failure = policy;
        let id = dependent.first.id;
        db.enqueue(&[dependent]).await;
        db.store.cancel(id).await.unwrap();
        db.store.retry(id).await.unwrap();
        assert_eq!(db.state(id).await, State::Blocked);
        let job = db.claim_one(session, a).await;
        db.settle(settlement(&job, Next::Discard)).await;
        assert_eq!(db.state(id).await, expected, "{policy:?}");
    }
}

pub async fn a_due_time_is_kept_while_blocked(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let blocker = db.start("a").await;
    let mut later = all("a", &[blocker.into()]);
    later.first.delay_ms = 3_600_000;
    db.enqueue(std::slice::from_ref(&later)).await;
    assert_eq!(db.state(later.first.id).await, State::Blocked);
    let session = db.session().await;
    db.settle(complete(&db.claim_one(session, a).await)).await;
    assert_eq!(db.state(later.first.id).await, State::Scheduled);
}

/// Two blockers that close at the same moment must not each see the other as open.
pub async fn two_blockers_that_close_at_once(db: Fixture) {
    let [a, b] = db.deploy(["a", "b"]).await;
    let other = db.another().await;
    let session = db.session().await;
    for round in 0..40 {
        let (one, two) = (db.start("a").await, db.start("a").await);
        db.enqueue(&[all("b", &[one.into(), two.into()])]).await;
        let jobs = db.claim(session, a, 2).await;
        let batches = [[complete(&jobs[0])], [complete(&jobs[1])]];
        let (first, second) = tokio::join!(db.store.settle(&batches[0]), other.settle(&batches[1]));
        assert_eq!(
            (first.unwrap(), second.unwrap()),
            (vec![Settled::Written], vec![Settled::Written])
        );
        let job = db.claim(session, b, 10).await;
        assert_eq!(job.len(), 1, "round {round}: its dependent runs once");
        db.settle(complete(&job[0])).await;
    }
    other.close().await;
}

/// A chain that continues while a dependent is being added must not count as closed, and the dependent must
/// not be forgotten.
pub async fn a_blocker_that_continues_while_a_dependent_is_added(db: Fixture) {
    let [a, b] = db.deploy(["a", "b"]).await;
    let other = db.another().await;
    let session = db.session().await;
    for round in 0..40 {
        let blocker = db.start("a").await;
        let first = db.claim_one(session, a).await;
        let dependent = [all("b", &[blocker.into()])];
        let id = dependent[0].first.id;
        let continues = [continue_with(&first, job("a"))];
        let (started, settled) =
            tokio::join!(db.store.enqueue(&dependent), other.settle(&continues));
        started.unwrap();
        assert_eq!(settled.unwrap(), [Settled::Written]);
        assert_eq!(db.state(id).await, State::Blocked, "round {round}");
        // And now it ends, while another is added.
        let last = db.claim_one(session, a).await;
        let late = [all("b", &[blocker.into()])];
        let ends = [complete(&last)];
        let (started, settled) = tokio::join!(db.store.enqueue(&late), other.settle(&ends));
        started.unwrap();
        assert_eq!(settled.unwrap(), [Settled::Written]);
        let jobs = db.claim(session, b, 10).await;
        assert_eq!(jobs.len(), 2, "round {round}: both run");
        for job in &jobs {
            assert_eq!(job.blockers[0].output.as_deref(), Some("42"));
            db.settle(complete(job)).await;
        }
    }
    other.close().await;
}

/// Chains whose continuations would wait for each other: one of them is refused.
pub async fn two_chains_that_go_on_waiting_for_each_other(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let other = db.another().await;
    let session = db.session().await;
    for round in 0..20 {
        let (one, two) = (db.start("a").await, db.start("a").await);
        let jobs = db.claim(session, a, 2).await;
        let next = |blocker: JobId| NewJob {
            blockers: vec![blocker.into()],
            ..job("a")
        };
        let batches = [
            [continue_with(&jobs[0], next(two))],
            [continue_with(&jobs[1], next(one))],
        ];
        let (first, second) = tokio::join!(db.store.settle(&batches[0]), other.settle(&batches[1]));
        let answers = [first.unwrap(), second.unwrap()].concat();
        let written = answers.iter().filter(|a| **a == Settled::Written).count();
        assert_eq!(written, 1, "round {round}: {answers:?}");
        assert!(
            answers.iter().any(
                |a| matches!(a, Settled::Refused(why) if why.contains("chains block each other"))
            ),
            "{answers:?}"
        );
        for job in &jobs {
            db.settle(settlement(job, Next::Discard)).await;
        }
    }
    other.close().await;
}

pub async fn a_job_goes_on_with_what_its_children_made(db: Fixture) {
    let [a, b] = db.deploy(["a", "b"]).await;
    let parent = db.start("a").await;
    let session = db.session().await;
    let claimed = db.claim_one(session, a).await;
    let children = chains("b", 3);
    let next = NewJob {
        blockers: children.iter().map(NewChain::id).collect(),
        ..job("a")
    };
    let id = next.id;
    let settled = db
        .settle(Settlement {
            children,
            ..continue_with(&claimed, next)
        })
        .await;
    assert_eq!(settled, Settled::Written);
    assert_eq!(db.state(id).await, State::Blocked);
    // Whoever waits for the parent waits on.
    let dependent = all("b", &[parent.into()]);
    db.enqueue(std::slice::from_ref(&dependent)).await;
    for (n, child) in db.claim(session, b, 10).await.iter().enumerate() {
        db.settle(output(child, &n.to_string())).await;
    }
    let gathered = db.claim_one(session, a).await;
    assert_eq!(gathered.id, id);
    let outputs: Vec<_> = gathered
        .blockers
        .iter()
        .map(|blocker| blocker.output.as_deref().unwrap())
        .collect();
    assert_eq!(outputs, ["0", "1", "2"]);
    assert_eq!(db.state(dependent.first.id).await, State::Blocked);
    db.settle(complete(&gathered)).await;
    assert_eq!(db.state(dependent.first.id).await, State::Ready);
}

pub async fn a_settlement_whose_blockers_cannot_be_is_refused_alone(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let (one, _) = (db.start("a").await, db.start("a").await);
    let session = db.session().await;
    let jobs = db.claim(session, a, 2).await;
    let nobody = ChainId(job("a").id.0);
    for blocker in [nobody, one.into()] {
        let bad = continue_with(
            &jobs[0],
            NewJob {
                blockers: vec![blocker],
                ..job("a")
            },
        );
        let good = continue_with(&jobs[1], job("a"));
        let answers = db.store.settle(&[bad, good]).await.unwrap();
        assert!(
            matches!(&answers[0], Settled::Refused(why) if why.contains(&blocker.to_string())),
            "{answers:?}"
        );
        assert_eq!(answers[1], Settled::Written);
        assert_eq!(db.state(jobs[0].id).await, State::Running);
    }
}

/// As many blockers as a job may have.
pub async fn ten_thousand_blockers_of_one_job(db: Fixture) {
    let [a, b] = db.deploy(["a", "b"]).await;
    let blockers = chains("a", job::BLOCKERS_MAX);
    for batch in blockers.chunks(1_000) {
        db.enqueue(batch).await;
    }
    let ids: Vec<ChainId> = blockers.iter().map(NewChain::id).collect();
    let dependent = all("b", &ids);
    db.enqueue(std::slice::from_ref(&dependent)).await;
    let session = db.session().await;
    loop {
        let jobs = db.claim(session, a, 1_000).await;
        if jobs.is_empty() {
            break;
        }
        let batch: Vec<_> = jobs.iter().map(complete).collect();
        db.store.settle(&batch).await.unwrap();
    }
    let job = db.claim_one(session, b).await;
    assert_eq!(job.blockers.len(), ids.len());
    assert!(
        job.blockers
            .iter()
            .zip(&ids)
            .all(|(b, id)| b.chain_id == *id && b.output.is_some())
    );
}

pub async fn one_chain_that_blocks_ten_thousand_jobs(db: Fixture) {
    let [a, b] = db.deploy(["a", "b"]).await;
    let session = db.session().await;
    for fails in [false, true] {
        let blocker = db.start("a").await;
        let dependents: Vec<_> = (0..10_000).map(|_| all("b", &[blocker.into()])).collect();
        for batch in dependents.chunks(1_000) {
            db.enqueue(batch).await;
        }
        let claimed = db.claim_one(session, a).await;
        match fails {
            false => db.settle(complete(&claimed)).await,
            true => db.settle(settlement(&claimed, Next::Discard)).await,
        };
        let mut claimed = 0;
        loop {
            let jobs = db.claim(session, b, 1_000).await;
            claimed += jobs.len();
            if jobs.is_empty() {
                break;
            }
        }
        assert_eq!(claimed, if fails { 0 } else { dependents.len() });
    }
    assert!(!db.store.unblock().await.unwrap(), "nobody is left untold");
}

/// What a process left behind that died between the end of a chain and telling who waits for it.
pub async fn whoever_comes_next_tells_the_dependents(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let blocker = db.start("a").await;
    let dependent = all("a", &[blocker.into()]);
    db.enqueue(std::slice::from_ref(&dependent)).await;
    let session = db.session().await;
    // The end of the chain is hidden from the settlement, as if nobody waited, and then put on record.
    db.execute("UPDATE hardstop.job_live SET blocking = false")
        .await;
    db.settle(complete(&db.claim_one(session, a).await)).await;
    assert_eq!(db.state(dependent.first.id).await, State::Blocked);
    let now = match db.database {
        Database::Postgres => "now()",
        Database::Sqlite => "1",
    };
    db.execute(&format!(
        "INSERT INTO hardstop.closure (chain_id, job_id, state, created_at) SELECT chain_id, id, state, {now} FROM hardstop.job_done"
    ))
    .await;
    assert!(db.store.unblock().await.unwrap());
    assert_eq!(db.state(dependent.first.id).await, State::Ready);
    assert!(!db.store.unblock().await.unwrap());
}
