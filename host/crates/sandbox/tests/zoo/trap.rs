//! Guests that trap.

use hardstop_domain::{LimitName, OutcomeKind};

use super::*;

#[tokio::test]
async fn unreachable() {
    let _shared = shared().await;
    let report = run("trap-unreachable", limits()).await;
    let trapped = failure(&report, OutcomeKind::Trapped);
    assert_eq!(trapped.message, "executed `unreachable`");
    assert_eq!(trapped.backtrace[..2], ["guest::inner", "guest::outer"]);
}

#[tokio::test]
async fn division_by_zero() {
    let _shared = shared().await;
    let report = run("trap-division", limits()).await;
    let trapped = failure(&report, OutcomeKind::Trapped);
    assert_eq!(trapped.message, "divided an integer by zero");
    assert!(
        trapped.backtrace[0].starts_with("function 0 at offset 0x"),
        "{trapped:?}"
    );
}

#[tokio::test]
async fn a_panic_is_in_the_log_and_in_the_message() {
    let _shared = shared().await;
    let report = run("trap-panic", limits()).await;
    let trapped = failure(&report, OutcomeKind::Trapped);
    assert_eq!(
        trapped.message,
        "panicked at src/lib.rs:10:5: index out of bounds"
    );
    assert!(
        report
            .log
            .iter()
            .any(|entry| entry.message == "index out of bounds"),
        "{report:?}"
    );
}

#[tokio::test]
async fn recursion() {
    let _shared = shared().await;
    let report = run("recurse", limits()).await;
    let overflowed = failure(&report, OutcomeKind::StackOverflow);
    assert_eq!(overflowed.limit.unwrap().name, LimitName::Stack);
    assert_eq!(
        overflowed.message,
        "recursed past its stack: limit `stack` = 512KiB"
    );
    assert_eq!(overflowed.backtrace[0], "recurse");
    assert_eq!(overflowed.backtrace.len(), 25);
    assert_eq!(overflowed.backtrace[24], "... more frames");
}

#[tokio::test]
async fn recursion_over_a_stack_in_linear_memory() {
    let _shared = shared().await;
    let report = run("recurse-shadow", limits()).await;
    let overflowed = failure(&report, OutcomeKind::StackOverflow);
    assert_eq!(overflowed.limit, None, "not a limit of the host");
    assert_eq!(overflowed.backtrace[0], "shadow::recurse");
}
