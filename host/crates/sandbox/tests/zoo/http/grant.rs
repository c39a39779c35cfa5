//! Both keys must turn, and the address must be one that may be reached.

use super::*;

#[tokio::test]
async fn a_request_that_both_allow() {
    let _shared = shared().await;
    let port = serve_echo();
    let allowed = may_reach(&[here(port)]);
    let report = fetch(&format!("{}/path?query", here(port)), allowed.clone()).await;
    let fetched = output(&report);
    assert_eq!(fetched["status"], 200, "{fetched}");
    let head = fetched["body"].as_str().unwrap().to_lowercase();
    assert!(head.starts_with("get /path?query http/1.1\r\n"), "{head}");
    assert!(
        head.contains(&format!("\r\nhost: 127.0.0.1:{port}\r\n")),
        "{head}"
    );
    let trace = "\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
    assert!(head.contains(trace), "{head}");
    assert_eq!(report.refusals, []);
    let usage = report.usage;
    assert_eq!(usage.detail.http_requests, 1);
    assert_eq!(usage.detail.http_request_bytes, head.len() as u64);
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", head.len());
    assert_eq!(
        usage.detail.http_response_bytes,
        (answer.len() + head.len()) as u64
    );

    let input = json!({ "url": here(port), "method": "POST", "body_bytes": 3,
        "headers": [["traceparent", "own"], ["x-a", "b"]] });
    let report = handle("fetch", input, allowed, limits()).await;
    let head = output(&report)["body"].as_str().unwrap().to_lowercase();
    assert!(head.starts_with("post / http/1.1\r\n"), "{head}");
    for line in ["content-length: 3", "traceparent: own", "x-a: b"] {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{line}: {head}");
    }
    assert_eq!(head.matches("traceparent").count(), 1, "{head}");
}

#[tokio::test]
async fn a_refusal_names_the_key_that_is_missing() {
    let _shared = shared().await;
    let port = serve_echo();
    // Port 9 is none of the operator's.
    let (known, unknown) = (here(port), "http://127.0.0.1:9".to_owned());
    let manifest = "# job.toml\n[types.fetch.capabilities.http]\nallow = ";
    let operator = "# hardstop.toml\n[capabilities.http]\nallow = ";
    for (url, allowed, expected) in [
        (&known, vec![], format!("{manifest}[\"GET {known}\"]")),
        (
            &known,
            vec![format!("POST {known}")],
            format!("{manifest}[\"GET {known}\"]"),
        ),
        (
            &unknown,
            vec![unknown.clone()],
            format!("{operator}[\"GET {unknown}\"]"),
        ),
        (
            &unknown,
            vec![known.clone()],
            format!("{manifest}[\"GET {unknown}\"]\n{operator}[\"GET {unknown}\"]"),
        ),
    ] {
        let report = fetch(url, may_reach(&allowed)).await;
        let denied = failure(&report, OutcomeKind::Denied);
        let refusal = denied.refusal.as_ref().unwrap();
        assert_eq!(refusal.grant, expected);
        assert!(
            denied
                .message
                .starts_with("type `fetch` may not send this GET to"),
            "{denied:?}"
        );
        assert_eq!(report.usage.detail.http_requests, 0);
    }
}

#[tokio::test]
async fn a_handler_that_copes_with_a_refusal_completes() {
    let _shared = shared().await;
    let port = serve_echo();
    let report = handle(
        "cope",
        json!({ "url": here(port) }),
        may_reach(&[]),
        limits(),
    )
    .await;
    let said = output(&report);
    assert!(said.as_str().unwrap().starts_with("denied "), "{said}");
    assert_eq!(report.refusals.len(), 1);
}

#[tokio::test]
async fn paths_in_disguise_do_not_slip_by() {
    let _shared = shared().await;
    let port = serve_echo();
    let allowed = may_reach(&[format!("{}/v1", here(port))]);
    let report = fetch(&format!("{}/v1/x", here(port)), allowed.clone()).await;
    assert_eq!(output(&report)["status"], 200);
    for path in [
        "/v2",
        "/v1/../v2",
        "/v1/%2e%2e/v2",
        "/v1/..%2fv2",
        "/v1//v2",
    ] {
        let report = fetch(&format!("{}{path}", here(port)), allowed.clone()).await;
        failure(&report, OutcomeKind::Denied);
    }
}

/// None of them reaches a server: all name a host in a way that could be read as another.
#[tokio::test]
async fn hosts_in_disguise_are_no_hosts() {
    let _shared = shared().await;
    let port = serve_echo();
    let allowed = may_reach(&[format!("http://*:{port}")]);
    for host in [
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "a@127.0.0.1",
    ] {
        let input = json!({ "url": format!("http://{host}:{port}/") });
        let report = handle("cope", input, allowed.clone(), limits()).await;
        let said = output(&report);
        assert!(
            said.as_str().unwrap().starts_with("invalid "),
            "{host}: {said}"
        );
        assert_eq!(report.usage.detail.http_requests, 0, "{host}");
    }
    let input = json!({ "url": here(port), "method": "CONNECT" });
    let report = handle("cope", input, allowed, limits()).await;
    assert!(output(&report).as_str().unwrap().starts_with("invalid "));
}

#[tokio::test]
async fn an_address_that_is_not_public_needs_the_operator() {
    let _shared = shared().await;
    let port = serve_echo();
    for (host, address, what) in [
        ("elsewhere.test", "127.0.0.2", "loopback"),
        // One address that may not be reached stands against the others.
        ("mixed.test", "10.0.0.1", "private"),
        ("169.254.169.254", "169.254.169.254", "a metadata service"),
        ("[::1]", "::1", "loopback"),
        ("[::ffff:10.1.2.3]", "::ffff:10.1.2.3", "private"),
        ("[64:ff9b::a00:1]", "64:ff9b::a00:1", "private"),
    ] {
        let url = format!("http://{host}:{port}");
        let report = fetch(&url, may_reach(std::slice::from_ref(&url))).await;
        let denied = failure(&report, OutcomeKind::Denied);
        let expected = format!("its address {address} is {what}");
        assert!(denied.message.contains(&expected), "{}", denied.message);
        let refusal = denied.refusal.as_ref().unwrap();
        assert!(refusal.grant.contains("allow_private = ["), "{refusal:?}");
        assert_eq!(report.usage.detail.http_request_bytes, 0);
    }
    // The operator allows this one.
    let url = format!("http://here.test:{port}");
    let report = fetch(&url, may_reach(std::slice::from_ref(&url))).await;
    assert_eq!(output(&report)["status"], 200);
}

#[tokio::test]
async fn a_redirect_is_checked_again() {
    let _shared = shared().await;
    let inside = serve_echo();
    for (to, expected) in [
        (
            format!("http://10.0.0.1:{inside}/"),
            "its address 10.0.0.1 is private",
        ),
        (here(inside), "its manifest does not ask for it"),
    ] {
        let port = serve(move |mut stream| {
            let to = to.clone();
            async move {
                read_head(&mut stream).await;
                let head =
                    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
                tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes())
                    .await
                    .unwrap();
            }
        });
        let allowed = may_reach(&[here(port), format!("http://10.0.0.1:{inside}")]);
        let report = handle("follow", json!(here(port)), allowed, limits()).await;
        let denied = failure(&report, OutcomeKind::Denied);
        assert!(denied.message.contains(expected), "{}", denied.message);
        assert_eq!(
            report.usage.detail.http_requests,
            if expected.contains("10.0.0.1") { 2 } else { 1 }
        );
    }
}

#[tokio::test]
async fn tls_needs_the_right_certificate() {
    let _shared = shared().await;
    let port = serve_tls();
    let url = format!("https://secure.test:{port}");
    let report = fetch(&url, may_reach(std::slice::from_ref(&url))).await;
    let fetched = output(&report);
    let head = fetched["body"].as_str().unwrap();
    assert!(
        head.contains(&format!("host: secure.test:{port}")),
        "{head}"
    );

    let url = format!("https://other.test:{port}");
    let report = fetch(&url, may_reach(std::slice::from_ref(&url))).await;
    let failed = failure(&report, OutcomeKind::FailedRetryable);
    assert!(
        failed.message.contains("TlsCertificateError"),
        "{}",
        failed.message
    );

    // Allowed through TLS is not allowed without.
    let report = fetch(&format!("http://secure.test:{port}"), may_reach(&[url])).await;
    failure(&report, OutcomeKind::Denied);

    // And a server without TLS is none.
    let port = serve(|mut stream| async move { answer(&mut stream, "in the open").await });
    let url = format!("https://secure.test:{port}");
    let report = fetch(&url, may_reach(std::slice::from_ref(&url))).await;
    failure(&report, OutcomeKind::FailedRetryable);
}
