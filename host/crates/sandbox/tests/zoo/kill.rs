//! How late the stop is. The contract: with 16 guests that spin on two guest threads, each with a
//! wall deadline of its own, 99 of 100 are gone within 20 ms of it.

use std::time::Instant;

use hardstop_domain::{Limits, OutcomeKind};

use super::*;

/// Runs guests at once, round after round, and holds that 99 of 100 are gone within 20 ms: by what
/// they report, and by what their callers see, who count from the call and so wait for a first turn
/// and for the report too.
async fn are_gone(name: &str, at_once: u64, rounds: usize) {
    let limits = limits();
    let prepared = prepare(name, &limits).await.unwrap();
    let (mut reported, mut seen) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let attempts = (0..at_once).map(|n| {
            let limits = Limits {
                wall_timeout_ms: 200 + 7 * n,
                ..limits.clone()
            };
            let prepared = prepared.clone();
            tokio::spawn(async move {
                let deadline_us = limits.wall_timeout_ms * 1_000;
                let begun = Instant::now();
                let report = prepared.run(attempt(limits)).await;
                let elapsed_us = begun.elapsed().as_micros() as u64;
                let hit = failure(&report, OutcomeKind::TimedOutWall).limit.unwrap();
                (hit.overrun_us.unwrap(), elapsed_us - deadline_us)
            })
        });
        for attempt in futures::future::join_all(attempts).await {
            let (by_report, by_caller) = attempt.unwrap();
            reported.push(by_report);
            seen.push(by_caller);
        }
    }
    // The caller's bound has room for the first turns of all the others: a tick for each, to be generous.
    for (who, mut overruns, bound) in [
        ("reported", reported, 20_000),
        ("seen by the caller", seen, 20_000 + at_once * 1_000),
    ] {
        overruns.sort_unstable();
        let at = |percent: usize| overruns[(overruns.len() * percent).div_ceil(100) - 1];
        let (p50, p99, max) = (at(50), at(99), at(100));
        println!(
            "{at_once} x {name}, past the deadline, {who}: p50 {p50}, p99 {p99}, max {max} us"
        );
        assert!(p99 <= bound, "{who}: {overruns:?}");
    }
}

#[tokio::test]
async fn sixteen_spinners_are_gone_within_20_ms() {
    let _alone = alone().await;
    are_gone("spin-run", 16, 8).await;
}

#[tokio::test]
async fn sixteen_sleepers_are_gone_within_20_ms() {
    let _alone = alone().await;
    are_gone("sleep", 16, 4).await;
}
