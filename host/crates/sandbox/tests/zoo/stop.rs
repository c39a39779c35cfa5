//! Attempts that are ended from outside.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hardstop_domain::outcome::Progress;
use hardstop_domain::{Limits, LogEntry, OutcomeKind};
use hardstop_sandbox::{Attempt, Sandbox, SandboxConfig, Stop, StopSignal, Watch};
use tokio::sync::Notify;

use super::*;

/// Tells that a guest has begun: those here report progress first.
struct Begun(Notify);

impl Watch for Begun {
    fn log(&self, _: &LogEntry) {}

    fn progress(&self, _: &Progress) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn while_they_spin_or_sleep() {
    let _shared = shared().await;
    for name in ["spin-run", "sleep"] {
        for (stop, kind) in [
            (Stop::Cancelled, OutcomeKind::Cancelled),
            (Stop::Interrupted, OutcomeKind::Interrupted),
        ] {
            let limits = limits();
            let prepared = prepare(name, &limits).await.unwrap();
            let (handle, signal) = StopSignal::pair();
            let begun = Arc::new(Begun(Notify::new()));
            let watch = begun.clone();
            let running = tokio::spawn(async move {
                prepared
                    .run(Attempt {
                        stop: signal,
                        watch: Some(watch),
                        ..attempt(limits)
                    })
                    .await
            });
            begun.0.notified().await;
            handle.stop(stop);
            // The second word does not count.
            handle.stop(Stop::Interrupted);
            let report = running.await.unwrap();
            failure(&report, kind);
            assert!(report.usage.cpu_us > 0, "it ran: {:?}", report.usage);
            assert!(report.usage.wall_us < 5_000_000, "{:?}", report.usage);
        }
    }
}

#[tokio::test]
async fn before_they_run() {
    let _shared = shared().await;
    let limits = limits();
    let prepared = prepare("echo", &limits).await.unwrap();
    let (handle, signal) = StopSignal::pair();
    handle.stop(Stop::Cancelled);
    let report = prepared
        .run(Attempt {
            stop: signal,
            ..attempt(limits)
        })
        .await;
    failure(&report, OutcomeKind::Cancelled);
    assert_eq!(report.usage, Default::default(), "no guest was started");
}

#[tokio::test]
async fn after_they_completed() {
    let _shared = shared().await;
    let limits = limits();
    let prepared = prepare("echo", &limits).await.unwrap();
    let (handle, signal) = StopSignal::pair();
    let report = prepared
        .run(Attempt {
            stop: signal,
            ..attempt(limits)
        })
        .await;
    handle.stop(Stop::Cancelled);
    assert_completed(&report, r#"{"n":1}"#);
}

#[tokio::test]
async fn by_dropping_the_future() {
    let _shared = shared().await;
    // One slot: the second attempt can only run once the first is really gone.
    let config = SandboxConfig {
        guest_threads: 1,
        instances_max: 1,
        ..config()
    };
    let sandbox = Sandbox::new(config).unwrap();
    let limits = Limits {
        wall_timeout_ms: 60_000,
        cpu_time_ms: 60_000,
        ..limits()
    };
    let profile = hardstop_sandbox::Profile::of(&limits);
    let spin = sandbox.prepare(&wasm("spin-run"), profile).await.unwrap();
    let echo = sandbox.prepare(&wasm("echo"), profile).await.unwrap();
    let running = spin.run(attempt(limits.clone()));
    let dropped = tokio::time::timeout(Duration::from_millis(20), running).await;
    assert!(dropped.is_err(), "it spins");
    let since = Instant::now();
    assert_completed(&echo.run(attempt(limits)).await, r#"{"n":1}"#);
    assert!(
        since.elapsed() < Duration::from_secs(10),
        "{:?}",
        since.elapsed()
    );
}

#[tokio::test]
async fn a_sandbox_can_be_dropped_in_async_code() {
    let _shared = shared().await;
    let sandbox = Sandbox::new(SandboxConfig {
        instances_max: 1,
        ..config()
    })
    .unwrap();
    let limits = limits();
    let profile = hardstop_sandbox::Profile::of(&limits);
    let prepared = sandbox.prepare(&wasm("echo"), profile).await.unwrap();
    drop(sandbox);
    let report = prepared.run(attempt(limits)).await;
    assert_completed(&report, r#"{"n":1}"#);
    drop(prepared);
}
