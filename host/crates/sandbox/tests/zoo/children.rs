//! Guests that start chains and gather them: what they see, and how many they may start.

use hardstop_domain::{
    Blocker, BlockerEnd, Capabilities, ChainId, LimitName, Limits, OnBlockerFailure, Outcome,
    OutcomeKind, Report, State,
};
use hardstop_sandbox::Attempt;
use uuid::Uuid;

use super::*;

/// An attempt that may start chains.
fn starter(limits: Limits) -> Attempt {
    Attempt {
        capabilities: Capabilities {
            chains: true,
            ..Capabilities::default()
        },
        ..attempt(limits)
    }
}

async fn run_attempt(name: &str, attempt: Attempt) -> Report {
    let prepared = prepare(name, &attempt.limits).await.unwrap();
    prepared.run(attempt).await
}

#[tokio::test]
async fn as_many_chains_as_each_limit_allows_and_one_more() {
    let _shared = shared().await;
    let children = Limits {
        children_max: 3,
        ..limits()
    };
    let depth = Limits {
        depth_max: 2,
        ..limits()
    };
    let descendants = Limits {
        descendants_max: 5,
        ..limits()
    };
    // Limits, depth of the chain, descendants so far, chains that are still allowed, refusal.
    for (limits, depth, known, allowed, refusal) in [
        (
            &children,
            0,
            0,
            3,
            "this would be chain 4 of the attempt: limit `children` = 3",
        ),
        (
            &Limits {
                children_max: 0,
                ..limits()
            },
            0,
            0,
            0,
            "this would be chain 1 of the attempt: limit `children` = 0",
        ),
        (
            &depth,
            2,
            0,
            0,
            "this would be generation 3 below the root chain: limit `depth` = 2",
        ),
        (
            &descendants,
            0,
            3,
            2,
            "this would be chain 6 below the root chain: limit `descendants` = 5",
        ),
        (
            &descendants,
            0,
            5,
            0,
            "this would be chain 6 below the root chain: limit `descendants` = 5",
        ),
    ] {
        let run = |count: usize| {
            let mut attempt = starter(limits.clone());
            attempt.input = count.to_string();
            attempt.lineage.depth = depth;
            attempt.descendants = known;
            run_attempt("start-some", attempt)
        };
        let report = run(allowed).await;
        assert_completed(&report, &allowed.to_string());
        assert_eq!(report.children.len(), allowed, "{refusal}");

        let report = run(allowed + 1).await;
        let failed = failure(&report, OutcomeKind::FailedRetryable);
        assert_eq!(failed.message, refusal);
        assert_eq!(report.children, [], "dropped with the attempt");
    }
    // One generation above the limit there is still room.
    let mut attempt = starter(depth);
    attempt.input = "1".to_owned();
    attempt.lineage.depth = 1;
    let report = run_attempt("start-some", attempt).await;
    assert_eq!(report.children.len(), 1, "{report:#?}");
}

#[tokio::test]
async fn a_continuation_that_waits_for_children() {
    let _shared = shared().await;
    let report = run_attempt("gather", starter(limits())).await;
    let Outcome::Continued { next } = &report.outcome else {
        panic!("{report:#?}")
    };
    assert_eq!(next.type_name.as_str(), "sum");
    let started: Vec<ChainId> = report.children.iter().map(|child| child.id()).collect();
    assert_eq!(started.len(), 2);
    assert_eq!(next.blockers, started);
    assert_eq!(next.on_blocker_failure, OnBlockerFailure::Run);
}

fn blocker(number: u128, end: BlockerEnd) -> Blocker {
    Blocker {
        chain: ChainId(Uuid::from_u128(number)),
        end,
    }
}

fn output(text: &str) -> BlockerEnd {
    BlockerEnd::Completed {
        output: text.to_owned(),
    }
}

#[tokio::test]
async fn what_blockers_came_to() {
    let _shared = shared().await;
    let failed = |state, kind, message: &str| BlockerEnd::Failed {
        state,
        kind,
        message: message.to_owned(),
    };
    let ends = [
        output("42"),
        failed(State::Discarded, OutcomeKind::TimedOutWall, "after 2s"),
        output(r#"{"a":1}"#),
        BlockerEnd::Gone,
        failed(State::Cancelled, OutcomeKind::Cancelled, "by ada"),
    ];
    let mut attempt = attempt(limits());
    attempt.blockers = ends
        .into_iter()
        .zip(1..)
        .map(|(end, number)| blocker(number, end))
        .collect();
    let report = run_attempt("blockers", attempt).await;
    assert_completed(
        &report,
        r#"[42,"0 timed-out-wall after 2s",{"a":1},null,"1 cancelled by ada"]"#,
    );
    let report = run("blockers", limits()).await;
    assert_completed(&report, "[]");
}

#[tokio::test]
async fn blockers_count_against_the_limit_on_input() {
    let _shared = shared().await;
    let limits = Limits {
        input_bytes_max: 16,
        ..limits()
    };
    let attempt = |last: &str| {
        let mut attempt = attempt(limits.clone());
        assert_eq!(attempt.input.len(), 7);
        attempt.blockers = vec![blocker(1, output("12345")), blocker(2, output(last))];
        attempt
    };
    let report = run_attempt("blockers", attempt("1234")).await;
    assert_completed(&report, "[12345,1234]");

    let report = run_attempt("blockers", attempt("12345")).await;
    let failed = failure(&report, OutcomeKind::FailedFatal);
    let hit = failed.limit.unwrap();
    assert_eq!((hit.name, hit.limit, hit.used), (LimitName::Input, 16, 17));
    assert_eq!(
        failed.message,
        "was started with 17B of input, the results of its blockers (2) included: limit `input` = 16B"
    );
    assert_eq!(report.usage.wall_us, 0, "no guest was started");
}

#[tokio::test]
async fn ten_thousand_blockers() {
    let _shared = shared().await;
    let mut attempt = attempt(limits());
    attempt.blockers = (0..10_000).map(|n| blocker(n, output("7"))).collect();
    let report = run_attempt("many-blockers", attempt).await;
    assert_completed(&report, "10000");
}
