//! Guests that describe themselves, and those that lie.

use hardstop_sandbox::DescribeError;

use super::*;

async fn describe(name: &str) -> Result<Vec<hardstop_sandbox::TypeDescription>, DescribeError> {
    prepare(name, &limits()).await.unwrap().describe().await
}

#[tokio::test]
async fn in_order() {
    let _shared = shared().await;
    let types = describe("echo").await.unwrap();
    assert_eq!(types.len(), 1);
    assert_eq!(types[0].name.as_str(), "test");
    assert_eq!(
        (
            types[0].input_schema.as_str(),
            types[0].output_schema.as_str()
        ),
        ("{}", "{}")
    );
}

#[tokio::test]
async fn with_a_bad_name_or_schema_or_no_type() {
    let _shared = shared().await;
    for (name, expected) in [
        ("describe-bad-name", "`Bad Name` cannot name a job type"),
        (
            "describe-bad-schema",
            "the input schema of type `good` cannot be used: ",
        ),
        ("describe-nothing", "implements no job type"),
        (
            "describe-lying-list",
            "could not describe itself: broke the rules of a call",
        ),
        ("spin-start", "limit `cpu_time` = 1s"),
        ("describe-spin", "limit `cpu_time` = 1s"),
        ("describe-sleep", "limit `wall_timeout` = 2s"),
        ("describe-growth", "limit `memory` = 64MiB"),
        ("describe-huge", "limit `output` = 8MiB"),
    ] {
        let error = describe(name).await.expect_err(name).to_string();
        // On a busy machine, the wall deadline of 2 s may come first.
        let busy = error.contains("limit `wall_timeout` = 2s") && expected.contains("cpu_time");
        assert!(error.contains(expected) || busy, "{name}: {error}");
    }
}
