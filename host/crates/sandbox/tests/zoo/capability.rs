//! Guests that reach for what they have, or have not, been granted.

use hardstop_domain::{Capabilities, OutcomeKind, Report};

use super::*;

async fn run_granted(name: &str, capabilities: Capabilities) -> Report {
    let limits = limits();
    let prepared = prepare(name, &limits).await.unwrap();
    prepared
        .run(hardstop_sandbox::Attempt {
            capabilities,
            ..attempt(limits)
        })
        .await
}

fn chains() -> Capabilities {
    Capabilities {
        chains: true,
        ..Capabilities::default()
    }
}

#[tokio::test]
async fn chains_without_the_grant() {
    let _shared = shared().await;
    let report = run_granted("start-chains", Capabilities::default()).await;
    let denied = failure(&report, OutcomeKind::Denied);
    assert_eq!(denied.message, "type `test` may not start chains");
    let refusal = denied.refusal.as_ref().unwrap();
    assert_eq!(refusal.grant, "[types.test.capabilities]\nchains = true");
    assert_eq!(report.refusals, std::slice::from_ref(refusal));
    assert_eq!(report.children, []);
}

#[tokio::test]
async fn chains_with_the_grant_up_to_the_limit() {
    let _shared = shared().await;
    let report = run_granted("start-chains", chains()).await;
    assert_completed(&report, r#"{"n":1}"#);
    assert_eq!(report.children.len(), 100);
    let first = &report.children[0].first;
    assert_eq!(first.type_name.as_str(), "child");
    assert_eq!((first.input.as_str(), first.delay_ms), (r#"{"n":1}"#, 5000));
    assert!(
        report.children.is_sorted_by_key(|child| child.id()),
        "ids are in order"
    );
    assert_eq!(report.refusals, []);
}

#[tokio::test]
async fn chains_of_an_attempt_that_fails() {
    let _shared = shared().await;
    let report = run_granted("start-chain-then-trap", chains()).await;
    failure(&report, OutcomeKind::Trapped);
    assert_eq!(report.children, [], "dropped with the attempt");
}

#[tokio::test]
async fn a_configuration_value() {
    let _shared = shared().await;
    let report = run_granted("read-config", Capabilities::default()).await;
    let denied = failure(&report, OutcomeKind::Denied);
    assert!(
        denied
            .message
            .contains(r#"may not read config key "region""#),
        "{denied:?}"
    );
    assert!(!denied.backtrace.is_empty(), "it trapped: {denied:?}");
    assert!(
        denied
            .refusal
            .as_ref()
            .unwrap()
            .grant
            .contains("[types.test.capabilities.config]")
    );

    let config = [("region".to_owned(), r#""eu""#.to_owned())].into();
    let report = run_granted(
        "read-config",
        Capabilities {
            config,
            ..Default::default()
        },
    )
    .await;
    assert_completed(&report, r#""eu""#);
}

#[tokio::test]
async fn the_network() {
    let _shared = shared().await;
    let report = run_granted("connect", chains()).await;
    let denied = failure(&report, OutcomeKind::Denied);
    assert_eq!(denied.refusal.as_ref().unwrap().capability, "network");
}
