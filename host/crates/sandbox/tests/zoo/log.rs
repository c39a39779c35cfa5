//! Guests that talk too much.

use hardstop_domain::{Limits, OutcomeKind};

use super::*;

/// Runs a guest that writes for ever; it must still be stopped in time, and the rest counted.
async fn floods(name: &str) -> hardstop_domain::Report {
    let _shared = shared().await;
    let limits = Limits {
        wall_timeout_ms: 200,
        ..limits()
    };
    let report = run(name, limits.clone()).await;
    failure(&report, OutcomeKind::TimedOutWall);
    assert!(
        report.usage.log_bytes <= limits.log_bytes_max,
        "{:?}",
        report.usage
    );
    assert!(report.usage.log_bytes_dropped > 0, "{:?}", report.usage);
    report
}

#[tokio::test]
async fn a_kilobyte_at_a_time() {
    let report = floods("log-flood").await;
    assert_eq!(report.log.len(), 63, "of 1025 bytes each in 64 KiB");
    assert_eq!(report.log[0].message.len(), 1024);
}

#[tokio::test]
async fn nothing_at_a_time() {
    let report = floods("log-flood-empty").await;
    assert_eq!(report.log.len(), 2_000, "the limit on lines");
}

#[tokio::test]
async fn to_standard_error_without_an_end_of_line() {
    let report = floods("stderr-flood").await;
    // Seven whole lines, and one more where the last began with little enough before the stop.
    assert!(
        matches!(report.log.len(), 7 | 8),
        "lines are cut at 8 KiB: {}",
        report.log.len()
    );
}

#[tokio::test]
async fn all_at_once() {
    let _shared = shared().await;
    let limits = Limits {
        memory_bytes_max: 64 << 20,
        ..limits()
    };
    let report = run("log-huge", limits).await;
    let ended = failure(&report, OutcomeKind::LimitExceeded);
    assert_eq!(
        ended.message,
        "asked for at least 2.0MiB of host call: limit `host_call` = 2MiB"
    );
}

#[tokio::test]
async fn while_somebody_watches() {
    #[derive(Default)]
    struct Seen(std::sync::Mutex<Vec<String>>);
    impl hardstop_sandbox::Watch for Seen {
        fn log(&self, entry: &hardstop_domain::LogEntry) {
            self.0.lock().unwrap().push(entry.message.clone());
        }
        fn progress(&self, progress: &hardstop_domain::outcome::Progress) {
            self.0
                .lock()
                .unwrap()
                .push(format!("{:.1}", progress.fraction));
        }
    }
    let _shared = shared().await;
    let seen = std::sync::Arc::new(Seen::default());
    let limits = limits();
    let prepared = prepare("nap", &limits).await.unwrap();
    let mut attempt = attempt(limits);
    attempt.watch = Some(seen.clone());
    prepared.run(attempt).await;
    assert_eq!(*seen.0.lock().unwrap(), ["0.5", "napping"]);
}
