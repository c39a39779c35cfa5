//! Guests that take more memory than they may.

use hardstop_domain::{LimitName, Limits, OutcomeKind, Report};

use super::*;

#[track_caller]
fn assert_out_of_memory(report: &Report, limit: u64) {
    let failed = failure(report, OutcomeKind::OutOfMemory);
    let hit = failed.limit.unwrap();
    assert_eq!((hit.name, hit.limit), (LimitName::Memory, limit));
    assert!(hit.used > limit, "{hit:?}");
    assert!(
        failed.message.contains("of memory: limit `memory` = "),
        "{failed:?}"
    );
    assert!(
        report.usage.memory_bytes_peak <= limit,
        "{:?}",
        report.usage
    );
}

#[tokio::test]
async fn in_steps() {
    let _shared = shared().await;
    let report = run("memory-growth", limits()).await;
    assert_out_of_memory(&report, 8 << 20);
    assert_eq!(report.usage.memory_bytes_peak, 8 << 20, "to the last page");
}

#[tokio::test]
async fn and_go_on_without() {
    let _shared = shared().await;
    let report = run("memory-growth-survived", limits()).await;
    assert_completed(&report, r#"{"n":1}"#);
}

#[tokio::test]
async fn in_many_memories_each_below_the_limit() {
    let _shared = shared().await;
    // Twenty pages each, and one of libc: the sum counts.
    let enough = Limits {
        memory_bytes_max: 41 << 16,
        ..limits()
    };
    let report = run("memory-many", enough).await;
    assert_completed(&report, r#"{"n":1}"#);
    assert_eq!(report.usage.memory_bytes_peak, 41 << 16);

    let short = Limits {
        memory_bytes_max: 40 << 16,
        ..limits()
    };
    assert_out_of_memory(&run("memory-many", short).await, 40 << 16);
}

#[tokio::test]
async fn from_the_start() {
    let _shared = shared().await;
    assert_out_of_memory(&run("memory-initial", limits()).await, 8 << 20);
}

#[tokio::test]
async fn in_tables() {
    let _shared = shared().await;
    let limits = Limits {
        table_elements_max: u64::MAX,
        ..limits()
    };
    assert_out_of_memory(&run("table-growth", limits).await, 8 << 20);
}

#[tokio::test]
async fn and_return_what_they_took() {
    let _shared = shared().await;
    // Many more than there are slots in the pool, in every way to die.
    let limits = Limits {
        cpu_time_ms: 2,
        ..limits()
    };
    for name in [
        "memory-growth",
        "memory-many",
        "memory-initial",
        "table-growth",
        "recurse",
        "spin-start",
    ] {
        let prepared = prepare(name, &limits).await.unwrap();
        for _ in 0..10 {
            let runs = (0..16).map(|_| prepared.run(attempt(limits.clone())));
            for report in futures::future::join_all(runs).await {
                let failed = report.outcome.failure();
                // `memory-many` is within its limits, if it is quick.
                assert!(
                    failed.is_some() || name == "memory-many",
                    "{name}: {report:?}"
                );
                assert_ne!(
                    failed.map(|f| f.kind),
                    Some(OutcomeKind::FailedRetryable),
                    "{failed:?}"
                );
            }
        }
    }
    assert_completed(&run("echo", super::limits()).await, r#"{"n":1}"#);
}
