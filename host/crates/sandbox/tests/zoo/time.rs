//! Guests that would never end.

use hardstop_domain::{LimitName, Limits, OutcomeKind};

use super::*;

/// Runs a guest that spins, once against each limit of time.
async fn spins(name: &str) {
    let _shared = shared().await;
    let wall = Limits {
        wall_timeout_ms: 150,
        ..limits()
    };
    let report = run(name, wall).await;
    let stopped = failure(&report, OutcomeKind::TimedOutWall);
    let hit = stopped.limit.unwrap();
    assert_eq!((hit.name, hit.limit), (LimitName::WallTimeout, 150));
    assert!(hit.used >= 150 && hit.overrun_us.is_some(), "{hit:?}");
    assert!(
        stopped
            .message
            .contains("of wall time: limit `wall_timeout` = 150ms"),
        "{stopped:?}"
    );
    assert!(report.usage.wall_us >= 150_000);

    let cpu = Limits {
        cpu_time_ms: 50,
        ..limits()
    };
    let report = run(name, cpu).await;
    let stopped = failure(&report, OutcomeKind::TimedOutCpu);
    let hit = stopped.limit.unwrap();
    assert_eq!((hit.name, hit.limit), (LimitName::CpuTime, 50));
    assert!(hit.used >= 50 && hit.used < 100, "{hit:?}");
    assert!(
        stopped
            .message
            .contains("on the CPU: limit `cpu_time` = 50ms"),
        "{stopped:?}"
    );
    assert!(report.usage.cpu_us >= 50_000);
    assert!(!stopped.backtrace.is_empty(), "where it was: {stopped:?}");
}

#[tokio::test]
async fn in_the_handler() {
    spins("spin-run").await;
    let report = run(
        "spin-run",
        Limits {
            cpu_time_ms: 20,
            ..limits()
        },
    )
    .await;
    let stopped = failure(&report, OutcomeKind::TimedOutCpu);
    assert_eq!(stopped.backtrace[0], "spin");
}

#[tokio::test]
async fn in_the_start_function() {
    spins("spin-start").await;
}

#[tokio::test]
async fn in_realloc() {
    spins("spin-realloc").await;
}

#[tokio::test]
async fn in_post_return() {
    spins("spin-post-return").await;
}

#[tokio::test]
async fn in_instructions_that_cannot_be_interrupted() {
    let _shared = shared().await;
    let limits = Limits {
        wall_timeout_ms: 200,
        memory_bytes_max: 64 << 20,
        ..limits()
    };
    let report = run("memory-fill", limits).await;
    failure(&report, OutcomeKind::TimedOutWall);
}

#[tokio::test]
async fn asleep_in_the_host() {
    let _shared = shared().await;
    let report = run(
        "sleep",
        Limits {
            wall_timeout_ms: 100,
            ..limits()
        },
    )
    .await;
    let stopped = failure(&report, OutcomeKind::TimedOutWall);
    assert!(
        stopped
            .message
            .ends_with("it was waiting for the host (a sleep or a poll)")
    );
    assert_eq!(stopped.backtrace, Vec::<String>::new());
    assert!(
        report.usage.cpu_us < 50_000,
        "a sleep costs no CPU: {:?}",
        report.usage
    );
}

#[tokio::test]
async fn asleep_for_less_than_its_limit() {
    let _shared = shared().await;
    let report = run("nap", limits()).await;
    assert_completed(&report, r#"{"n":1}"#);
    assert!(report.usage.wall_us >= 20_000);
    assert_eq!(report.progress.unwrap().message.as_deref(), Some("napping"));
    assert_eq!(report.log[0].message, "napping");
}

#[tokio::test]
async fn burning_fuel() {
    let _shared = shared().await;
    let metered = Limits {
        fuel: Some(1_000_000),
        ..limits()
    };
    let report = run("fuel-burn", metered.clone()).await;
    let stopped = failure(&report, OutcomeKind::OutOfFuel);
    let hit = stopped.limit.unwrap();
    assert_eq!((hit.name, hit.limit), (LimitName::Fuel, 1_000_000));
    assert!(
        stopped.message.contains("limit `fuel` = 1000000"),
        "{stopped:?}"
    );
    assert!(report.usage.fuel.unwrap() >= 999_000, "{:?}", report.usage);

    // Fuel is exact: the same work costs the same each time.
    let first = run("echo", metered.clone()).await;
    let second = run("echo", metered).await;
    assert_completed(&first, r#"{"n":1}"#);
    assert!(first.usage.fuel.unwrap() > 0);
    assert_eq!(first.usage.fuel, second.usage.fuel);

    // Metered code stops at the other limits too, and at ticks.
    let cpu = Limits {
        fuel: Some(u64::MAX),
        cpu_time_ms: 50,
        ..limits()
    };
    failure(&run("fuel-burn", cpu).await, OutcomeKind::TimedOutCpu);
}

#[tokio::test]
async fn fuel_and_stack_must_be_those_of_the_profile() {
    let _shared = shared().await;
    let prepared = prepare("echo", &limits()).await.unwrap();
    let report = prepared
        .run(attempt(Limits {
            fuel: Some(1_000),
            ..limits()
        }))
        .await;
    let refused = failure(&report, OutcomeKind::FailedRetryable);
    assert!(
        refused
            .message
            .contains("prepared the component for other limits"),
        "{refused:?}"
    );
}
