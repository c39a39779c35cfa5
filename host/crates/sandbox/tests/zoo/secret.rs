//! Secrets: who gets them, where they go, and that they are nowhere else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hardstop_domain::capability::secret::SecretUse::{Placeholder, Readable};
use hardstop_domain::{Capabilities, OutcomeKind, Report};
use serde_json::{Value, json};

use super::*;
use crate::harness::web::{CANARY, handle, may_reach, serve_echo, with_secret};

fn granted(
    port: u16,
    name: &str,
    used: hardstop_domain::capability::secret::SecretUse,
) -> Capabilities {
    let rules = ["127.0.0.1", "here.test"].map(|host| format!("http://{host}:{port}"));
    with_secret(may_reach(&rules), name, used)
}

/// What the server got as `authorization`.
#[track_caller]
fn authorization(report: &Report) -> String {
    let Outcome::Completed { output } = &report.outcome else {
        panic!("not completed: {report:#?}");
    };
    let fetched: Value = serde_json::from_str(output).unwrap();
    let body = fetched["body"].as_str().unwrap();
    let line = body
        .lines()
        .find_map(|line| line.strip_prefix("authorization: "));
    line.unwrap_or_else(|| panic!("{body}")).to_owned()
}

/// Everything of an attempt that is stored or shown, as text.
fn stored(report: &Report) -> String {
    format!("{report:?} {report:#?}")
}

#[track_caller]
fn assert_clean(report: &Report) {
    let text = stored(report);
    let hex: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
    let escaped = serde_json::to_string(CANARY).unwrap();
    for form in [
        CANARY,
        "canary",
        escaped.trim_matches('"'),
        &hex,
        &STANDARD.encode(CANARY)[..20],
    ] {
        assert!(!text.contains(form), "{form} is in {text}");
    }
}

#[tokio::test]
async fn a_placeholder_becomes_the_value_at_the_secrets_own_host_alone() {
    let _shared = shared().await;
    let port = serve_echo();
    let pay = async |host: &str| {
        let input = json!({ "secret": "TOKEN", "url": format!("http://{host}:{port}") });
        handle("pay", input, granted(port, "TOKEN", Placeholder), limits()).await
    };
    // The server echoes the value, and the host blacks it out of the output.
    let own = pay("127.0.0.1").await;
    assert_eq!(authorization(&own), "Bearer [secret TOKEN]");
    assert_clean(&own);
    let [one, other] =
        [pay("here.test").await, pay("here.test").await].map(|it| authorization(&it));
    for sent in [&one, &other] {
        assert!(sent.starts_with("Bearer hardstop-secret-"), "{sent}");
    }
    assert_ne!(one, other, "of one attempt alone");
}

#[tokio::test]
async fn a_readable_secret_is_the_value() {
    let _shared = shared().await;
    let port = serve_echo();
    let input = json!({ "secret": "READABLE", "url": format!("http://here.test:{port}") });
    let report = handle("pay", input, granted(port, "READABLE", Readable), limits()).await;
    assert_eq!(authorization(&report), "Bearer [secret READABLE]");
    assert_eq!(
        report.usage.detail.http_request_bytes,
        // With the placeholder's length it would be another.
        format!(
            "GET / HTTP/1.1\r\nauthorization: Bearer {CANARY}\r\nhost: here.test:{port}\r\n\
             traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n"
        )
        .len() as u64
    );
}

#[tokio::test]
async fn a_secret_without_a_grant() {
    let _shared = shared().await;
    let tell = async |name: &str, asked: Option<(&str, _)>| {
        let capabilities = match asked {
            Some((name, used)) => with_secret(Capabilities::default(), name, used),
            None => Capabilities::default(),
        };
        let input = json!({ "secret": name, "to": "output" });
        handle("tell", input, capabilities, limits()).await
    };
    let manifest = "# job.toml\n[types.tell.capabilities.secrets]\n";
    for (name, asked, expected) in [
        ("TOKEN", None, format!("{manifest}TOKEN = \"placeholder\"")),
        (
            "TOKEN",
            Some(("TOKEN", Readable)),
            "# hardstop.toml\n[secrets.TOKEN]\nreadable_by = [\"tell\"]".to_owned(),
        ),
        (
            "OTHER",
            None,
            format!(
                "{manifest}OTHER = \"placeholder\"\n# hardstop.toml\n[secrets.OTHER]\nenv = \"...\"\n\
                 usable_by = [\"tell\"]"
            ),
        ),
    ] {
        let report = tell(name, asked).await;
        let denied = failure(&report, OutcomeKind::Denied);
        assert_eq!(denied.refusal.as_ref().unwrap().grant, expected);
    }
    let report = tell("a name\"\n[evil]", None).await;
    let failed = failure(&report, OutcomeKind::FailedFatal);
    assert!(
        failed.message.contains("cannot name a secret"),
        "{failed:?}"
    );
}

#[tokio::test]
async fn a_secret_that_cannot_be_had() {
    let _shared = shared().await;
    let capabilities = with_secret(Capabilities::default(), "BROKEN", Readable);
    let input = json!({ "secret": "BROKEN", "to": "output" });
    let report = handle("tell", input, capabilities, limits()).await;
    let failed = failure(&report, OutcomeKind::FailedRetryable);
    assert_eq!(
        failed.message,
        "secret `BROKEN` cannot be had: the safe is locked"
    );
    assert_eq!(report.usage.wall_us, 0, "no guest was started");
}

#[tokio::test]
async fn a_value_is_in_nothing_that_is_stored() {
    let _shared = shared().await;
    let capabilities = Capabilities {
        chains: true,
        ..with_secret(Capabilities::default(), "READABLE", Readable)
    };
    for to in ["output", "fail", "panic", "children", "continue", "key"] {
        let input = json!({ "secret": "READABLE", "to": to });
        let report = handle("tell", input, capabilities.clone(), limits()).await;
        assert_clean(&report);
        let marks = stored(&report).matches("[secret READABLE]").count();
        // In the log four times, in progress, in the refused key, and where it was told, all printed twice.
        assert!(marks >= 2 * 7, "{to}: {marks} in {report:#?}");
        match to {
            "panic" => {
                let trapped = failure(&report, OutcomeKind::Denied);
                assert!(
                    trapped.message.contains("no use for [secret READABLE]"),
                    "{trapped:?}"
                );
            }
            "children" => assert_eq!(
                report.children[0].first.input,
                r#"["[secret READABLE]","[secret READABLE]"]"#
            ),
            "output" => assert_completed(&report, r#"["[secret READABLE]","[secret READABLE]"]"#),
            _ => {}
        }
    }
}
