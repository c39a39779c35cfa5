//! What is left of a guest that ended: what it said stays, what it started does not, unless it ended well.

use std::sync::Arc;

use hardstop_domain::outcome::Progress;
use hardstop_domain::{Capabilities, Limits, LogEntry, LogLevel, OutcomeKind, Report};
use hardstop_sandbox::{Attempt, Stop, StopSignal, Watch};
use tokio::sync::Notify;

use super::*;

/// Tells that all effects have been had: progress is the last.
#[derive(Default)]
struct Had(Notify);

impl Watch for Had {
    fn log(&self, _: &LogEntry) {}

    fn progress(&self, _: &Progress) {
        self.0.notify_one();
    }
}

/// Runs the guest to one of its ends, and stops it where that is asked for.
async fn ended(what: &str, limits: Limits, stop: Option<Stop>) -> Report {
    let prepared = prepare("effects", &limits).await.unwrap();
    let (handle, signal) = StopSignal::pair();
    let had = Arc::new(Had::default());
    let attempt = Attempt {
        input: what.to_owned(),
        capabilities: Capabilities {
            chains: true,
            ..Capabilities::default()
        },
        stop: signal,
        watch: Some(had.clone()),
        ..attempt(limits)
    };
    let stopping = async {
        if let Some(stop) = stop {
            had.0.notified().await;
            handle.stop(stop);
        }
    };
    tokio::join!(prepared.run(attempt), stopping).0
}

#[tokio::test]
async fn are_kept_or_dropped_by_the_outcome() {
    let _shared = shared().await;
    let wall = Limits {
        wall_timeout_ms: 300,
        ..limits()
    };
    let cpu = Limits {
        cpu_time_ms: 50,
        ..limits()
    };
    for (what, limits, stop, kind) in [
        ("0", limits(), None, OutcomeKind::Completed),
        ("1", limits(), None, OutcomeKind::Snoozed),
        ("2", limits(), None, OutcomeKind::FailedRetryable),
        ("3", limits(), None, OutcomeKind::Trapped),
        ("4", wall, None, OutcomeKind::TimedOutWall),
        ("4", cpu, None, OutcomeKind::TimedOutCpu),
        ("4", limits(), Some(Stop::Cancelled), OutcomeKind::Cancelled),
        (
            "4",
            limits(),
            Some(Stop::Interrupted),
            OutcomeKind::Interrupted,
        ),
    ] {
        let report = ended(what, limits, stop).await;
        assert_eq!(report.outcome.kind(), kind, "{report:#?}");
        // What it said is there, to the last half of a line.
        let said: Vec<(LogLevel, &str)> = report
            .log
            .iter()
            .map(|entry| (entry.level, entry.message.as_str()))
            .collect();
        assert_eq!(
            said,
            [(LogLevel::Info, "said"), (LogLevel::Warn, "half a line")],
            "{kind}"
        );
        let progress = report.progress.unwrap();
        assert_eq!(
            (progress.fraction, progress.message.as_deref()),
            (0.5, Some("said")),
            "{kind}"
        );
        // What it started is not, unless it ended well: the next attempt starts it again.
        let kept = usize::from(kind == OutcomeKind::Completed);
        assert_eq!(report.children.len(), kept, "{kind}");
        match &report.outcome {
            Outcome::Completed { output } => assert_eq!(output, "0"),
            _ => assert_eq!(report.usage.output_bytes == 0, what != "2", "{kind}"),
        }
    }
}
