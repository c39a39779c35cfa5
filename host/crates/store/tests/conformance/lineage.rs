use hardstop_domain::*;
use hardstop_store::*;

use crate::fixture::*;

fn with_children(job: &ClaimedJob, children: usize) -> Settlement {
    Settlement {
        children: chains("a", children),
        ..complete(job)
    }
}

pub async fn children_and_continuations_know_where_they_stand(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let root = ChainId(db.start("a").await.0);
    let session = db.session().await;
    let first = db.claim_one(session, a).await;
    assert_eq!(first.lineage, Lineage::root(root));
    db.settle(continue_with(&first, job("a"))).await;
    let second = db.claim_one(session, a).await;
    assert_eq!(second.lineage, Lineage::root(root));
    db.settle(with_children(&second, 1)).await;
    let child = db.claim_one(session, a).await;
    assert_eq!(child.lineage, Lineage { root, depth: 1 });
    db.settle(continue_with(&child, job("a"))).await;
    let child = db.claim_one(session, a).await;
    assert_eq!(child.lineage, Lineage { root, depth: 1 });
    db.settle(with_children(&child, 1)).await;
    let grandchild = db.claim_one(session, a).await;
    assert_eq!(grandchild.lineage, Lineage { root, depth: 2 });
}

pub async fn descendants_are_counted_exactly(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    db.start("a").await;
    let session = db.session().await;
    db.settle(with_children(&db.claim_one(session, a).await, 3))
        .await;
    let children = db.claim(session, a, 10).await;
    let most = |settlement| Settlement {
        descendants_max: 6,
        ..settlement
    };
    // Three there are; four more are too many, whoever starts them, and the refusal hits one alone.
    let batch = [
        most(with_children(&children[0], 2)),
        most(with_children(&children[1], 2)),
        most(with_children(&children[2], 0)),
    ];
    let answers = db.store.settle(&batch).await.unwrap();
    let written = answers.iter().filter(|a| **a == Settled::Written).count();
    assert_eq!(written, 2, "{answers:?}");
    assert_eq!(answers[2], Settled::Written);
    assert!(
        answers.iter().any(|a| matches!(a, Settled::Overtaken(why) if why.contains("limit `descendants` = 6") && why.contains("7 descendants"))),
        "{answers:?}"
    );
    let refused = &batch[answers.iter().position(|a| *a != Settled::Written).unwrap()];
    assert_eq!(db.state(refused.job).await, State::Running);
    // A batch that is sent again counts nothing twice.
    assert_eq!(db.store.settle(&batch).await.unwrap(), answers);
    // What became too many is none of the attempt's doing: the next one is told of those that there are now.
    let again = Settlement {
        next: Next::Retry { delay_ms: 0 },
        outcome: OutcomeKind::FailedRetryable,
        children: Vec::new(),
        ..refused.clone()
    };
    assert_eq!(db.settle(again).await, Settled::Written);
    let jobs = db.claim(session, a, 10).await;
    let again = jobs.iter().find(|job| job.id == refused.job).unwrap();
    assert_eq!((again.attempt, again.descendants), (2, 5));
    let fits = most(with_children(again, 1));
    assert_eq!(db.settle(fits).await, Settled::Written);
}

pub async fn two_at_once_never_pass_the_bound(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    let other = db.another().await;
    let session = db.session().await;
    for _ in 0..15 {
        db.start("a").await;
        db.settle(with_children(&db.claim_one(session, a).await, 2))
            .await;
        let jobs = db.claim(session, a, 2).await;
        let batches = [0, 1].map(|n| {
            [Settlement {
                descendants_max: 5,
                ..with_children(&jobs[n], 2)
            }]
        });
        let (one, two) = tokio::join!(db.store.settle(&batches[0]), other.settle(&batches[1]));
        let answers = [one.unwrap(), two.unwrap()].concat();
        let written = answers.iter().filter(|a| **a == Settled::Written).count();
        assert_eq!(written, 1, "{answers:?}");
        let overtaken = |answer: &Settled| matches!(answer, Settled::Overtaken(_));
        assert!(answers.iter().any(overtaken), "{answers:?}");
        for job in &jobs {
            db.settle(complete(job)).await;
        }
        for job in db.claim(session, a, 10).await {
            db.settle(complete(&job)).await;
        }
    }
    other.close().await;
}
