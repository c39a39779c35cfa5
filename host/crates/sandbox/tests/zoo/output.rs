//! Guests that return what they should not, and what they may.

use hardstop_domain::{LimitName, Limits, Outcome, OutcomeKind};

use super::*;

#[tokio::test]
async fn its_input() {
    let _shared = shared().await;
    let report = run("echo", limits()).await;
    assert_completed(&report, r#"{"n":1}"#);
    assert_eq!(report.usage.output_bytes, 7);
    assert_eq!(report.usage.fuel, None);
    assert!(
        report.usage.wall_us > 0 && report.usage.cpu_us > 0,
        "{:?}",
        report.usage
    );
}

#[tokio::test]
async fn more_than_the_host_takes_in() {
    let _shared = shared().await;
    let limits = Limits {
        memory_bytes_max: 64 << 20,
        ..limits()
    };
    let report = run("output-huge", limits).await;
    let failed = failure(&report, OutcomeKind::OutputTooLarge);
    let hit = failed.limit.unwrap();
    assert_eq!((hit.name, hit.limit), (LimitName::Output, 1 << 20));
    assert_eq!(
        failed.message,
        "returned more than 2MiB of output: limit `output` = 1MiB"
    );
}

#[tokio::test]
async fn more_than_its_limit() {
    let _shared = shared().await;
    let report = run(
        "output-large",
        Limits {
            output_bytes_max: 2047,
            ..limits()
        },
    )
    .await;
    let failed = failure(&report, OutcomeKind::OutputTooLarge);
    let hit = failed.limit.unwrap();
    assert_eq!(
        (hit.name, hit.limit, hit.used),
        (LimitName::Output, 2047, 2048)
    );
    assert_eq!(report.usage.output_bytes, 2048);

    let report = run(
        "output-large",
        Limits {
            output_bytes_max: 2048,
            ..limits()
        },
    )
    .await;
    assert_eq!(report.outcome.kind(), OutcomeKind::Completed, "to the byte");
}

#[tokio::test]
async fn text_that_is_not_json() {
    let _shared = shared().await;
    let report = run("output-not-json", limits()).await;
    let failed = failure(&report, OutcomeKind::FailedFatal);
    assert!(
        failed
            .message
            .starts_with("the handler's output is not JSON: "),
        "{failed:?}"
    );
}

#[tokio::test]
async fn bytes_that_break_the_contract() {
    let _shared = shared().await;
    for (name, reason) in [
        ("output-invalid-utf8", "utf-8"),
        ("output-lying-length", "out of bounds"),
        ("output-bad-discriminant", "discriminant"),
        ("realloc-lying", "beyond end of memory"),
    ] {
        let report = run(name, limits()).await;
        let trapped = failure(&report, OutcomeKind::Trapped);
        assert!(
            trapped.message.starts_with("broke the rules of a call: "),
            "{trapped:?}"
        );
        assert!(trapped.message.contains(reason), "{name}: {trapped:?}");
    }
}

#[tokio::test]
async fn the_next_job() {
    let _shared = shared().await;
    let limits = limits();
    let prepared = prepare("continue", &limits).await.unwrap();
    let mut first = attempt(limits.clone());
    first.trace_parent = Some("00-trace-span-01".to_owned());
    let id = first.job;
    let report = prepared.run(first).await;
    let Outcome::Continued { next } = &report.outcome else {
        panic!("{report:#?}")
    };
    assert_eq!(next.type_name.as_str(), "next");
    assert_eq!((next.delay_ms, next.priority), (1000, Some(-5)));
    assert_eq!(next.input, r#"{"n":1}"#);
    assert_eq!(next.trace_parent.as_deref(), Some("00-trace-span-01"));
    assert_ne!(next.id, id);

    let mut bad = attempt(limits);
    bad.input = "{".to_owned();
    let report = prepared.run(bad).await;
    let failed = failure(&report, OutcomeKind::FailedFatal);
    assert!(
        failed
            .message
            .starts_with("the next job's input is not JSON"),
        "{failed:?}"
    );
}

#[tokio::test]
async fn a_wish_to_run_later() {
    let _shared = shared().await;
    let report = run("snooze", limits()).await;
    assert_eq!(report.outcome, Outcome::Snoozed { delay_ms: 5000 });
}

#[tokio::test]
async fn a_failure_of_its_own() {
    let _shared = shared().await;
    let limits = limits();
    let prepared = prepare("fail", &limits).await.unwrap();
    let mut attempt = attempt(limits);
    attempt.input = "no such customer".to_owned();
    let report = prepared.run(attempt).await;
    let failed = failure(&report, OutcomeKind::FailedFatal);
    assert_eq!(failed.message, "no such customer");
    assert_eq!(failed.retry_after_ms, Some(7000));
    assert_eq!(
        failed.details.as_deref(),
        Some(r#""not \"json""#),
        "made JSON"
    );
}

#[tokio::test]
async fn input_over_its_limit_starts_no_guest() {
    let _shared = shared().await;
    let report = run(
        "echo",
        Limits {
            input_bytes_max: 6,
            ..limits()
        },
    )
    .await;
    let failed = failure(&report, OutcomeKind::FailedFatal);
    let hit = failed.limit.unwrap();
    assert_eq!((hit.name, hit.limit, hit.used), (LimitName::Input, 6, 7));
    assert_eq!(
        failed.message,
        "was started with 7B of input: limit `input` = 6B"
    );
}
