//! A row for each limit: one guest that goes past it, and one that stays just under.

use std::sync::{Arc, Mutex};

use hardstop_domain::outcome::Progress;
use hardstop_domain::{LimitName, Limits, LogEntry, OutcomeKind};
use hardstop_sandbox::Watch;

use super::*;

/// Limits that end an attempt, each at a number that a guest here stays just under, and the number below it.
const COUNTED: &[(LimitName, &str, u64)] = &[
    // Two of its own and its libc's.
    (LimitName::Memories, "memory-many", 3),
    (LimitName::Tables, "tables-many", 3),
    (LimitName::TableElements, "tables-many", 30),
    // Ten, and the wrapper's: libc, main, describe, glue.
    (LimitName::Instances, "instances-many", 14),
    (LimitName::Handles, "handles", 100),
];

/// Limits whose excess is dropped and counted, or that another table or file tests; in their place.
const ELSEWHERE: &[(LimitName, &str)] = &[
    (LimitName::WallTimeout, "time"),
    (LimitName::CpuTime, "time"),
    (LimitName::Fuel, "time"),
    (LimitName::Memory, "memory"),
    (LimitName::Stack, "trap"),
    (LimitName::HostCall, "limit"),
    (LimitName::Input, "output"),
    (LimitName::Output, "output"),
    (LimitName::Log, "log"),
    (LimitName::ScratchBytes, "scratch"),
    (LimitName::ScratchFiles, "scratch"),
    (LimitName::LogLines, "limit"),
    (LimitName::ProgressRate, "limit"),
    (LimitName::Children, "children"),
    (LimitName::Depth, "children"),
    (LimitName::Descendants, "children"),
    (LimitName::HttpRequests, "http::limit"),
    (LimitName::HttpConnections, "http::limit"),
    (LimitName::HttpRequestBytes, "http::limit"),
    (LimitName::HttpResponseBytes, "http::limit"),
    (LimitName::DnsLookups, "http::limit"),
];

#[test]
fn each_has_a_test() {
    for name in LimitName::ALL {
        let rows = COUNTED.iter().filter(|row| row.0 == name).count();
        let elsewhere = ELSEWHERE.iter().filter(|row| row.0 == name).count();
        assert_eq!(rows + elsewhere, 1, "limit `{name}`");
    }
}

fn limited(name: LimitName, value: u64) -> Limits {
    let asked = [(name, value)].into_iter().collect();
    let ample = Limits {
        memory_bytes_max: 16 << 20,
        ..limits()
    };
    ample.for_job(&Limits::default_ceiling(), &asked).unwrap()
}

#[tokio::test]
async fn counted_ones_end_the_attempt() {
    let _shared = shared().await;
    for (name, guest, enough) in COUNTED {
        let report = run(guest, limited(*name, *enough)).await;
        assert_completed(&report, r#"{"n":1}"#);
        let short = enough - 1;
        let report = run(guest, limited(*name, short)).await;
        let kind = OutcomeKind::LimitExceeded;
        let failed = failure(&report, kind);
        let hit = failed.limit.unwrap();
        assert_eq!((hit.name, hit.limit), (*name, short), "{failed:?}");
        assert!(hit.used > short, "{failed:?}");
        let limit = format!("limit `{name}` = {short}");
        assert!(failed.message.contains(&limit), "{failed:?}");
    }
}

#[tokio::test]
async fn a_flood_of_handles_ends() {
    let _shared = shared().await;
    let report = run("handle-flood", limits()).await;
    let failed = failure(&report, OutcomeKind::LimitExceeded);
    assert_eq!(
        failed.message,
        "asked for at least 1025 of handles: limit `handles` = 1024"
    );
}

#[tokio::test]
async fn growth_of_tables_is_refused_and_named() {
    let _shared = shared().await;
    let report = run("table-growth", limited(LimitName::TableElements, 5_500)).await;
    let failed = failure(&report, OutcomeKind::LimitExceeded);
    let hit = failed.limit.unwrap();
    assert_eq!(
        (hit.name, hit.limit, hit.used),
        (LimitName::TableElements, 5_500, 6_001)
    );
}

#[tokio::test]
async fn a_call_copies_so_much() {
    let _shared = shared().await;
    let enough = limited(LimitName::HostCall, 0);
    let enough = Limits {
        host_call_bytes_max: 3_100_000,
        ..enough
    };
    let report = run("log-large", enough.clone()).await;
    assert_completed(&report, r#"{"n":1}"#);
    assert_eq!(report.usage.log_bytes_dropped, 3_000_001);
    let short = Limits {
        host_call_bytes_max: 2_900_000,
        ..enough
    };
    let report = run("log-large", short).await;
    let failed = failure(&report, OutcomeKind::LimitExceeded);
    let hit = failed.limit.unwrap();
    assert_eq!((hit.name, hit.limit), (LimitName::HostCall, 2_900_000));
}

#[tokio::test]
async fn lines_of_log_past_it_are_dropped_and_counted() {
    let _shared = shared().await;
    for (lines_max, kept) in [(100, 100), (99, 99), (0, 0)] {
        let report = run("log-lines", limited(LimitName::LogLines, lines_max)).await;
        assert_completed(&report, r#"{"n":1}"#);
        let detail = report.usage.detail;
        assert_eq!((report.log.len() as u64, detail.log_lines), (kept, kept));
        assert_eq!(detail.log_lines_dropped, 100 - kept);
    }
}

#[tokio::test]
async fn reports_of_progress_are_passed_on_at_a_rate() {
    #[derive(Default)]
    struct Seen(Mutex<Vec<f32>>);
    impl Watch for Seen {
        fn log(&self, _entry: &LogEntry) {}
        fn progress(&self, progress: &Progress) {
            self.0.lock().unwrap().push(progress.fraction);
        }
    }
    let _shared = shared().await;
    let limits = limited(LimitName::ProgressRate, 3);
    let prepared = prepare("progress-flood", &limits).await.unwrap();
    let seen = Arc::new(Seen::default());
    let mut attempt = attempt(limits);
    attempt.watch = Some(seen.clone());
    let report = prepared.run(attempt).await;
    assert_completed(&report, r#"{"n":1}"#);
    assert_eq!(report.progress.unwrap().fraction, 1.0);
    let seen = seen.0.lock().unwrap();
    let seconds = report.usage.wall_us / 1_000_000 + 1;
    assert!(seen.len() as u64 <= 3 * seconds + 1, "{seen:?}");
    assert_eq!(seen.last(), Some(&1.0), "the last word comes through");
    // The last one was passed on at the end.
    let passed_on = seen.len() as u64 - u64::from(report.usage.detail.progress_dropped > 0);
    assert_eq!(report.usage.detail.progress_dropped, 100_000 - passed_on);
}
