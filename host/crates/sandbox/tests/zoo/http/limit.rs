//! Each limit, just under it and just over it.

use hardstop_domain::{Failure, LimitName};

use super::*;

/// What a handler may be told of a limit, and what the attempt then comes to.
#[track_caller]
fn assert_hit(report: &Report, name: LimitName, limit: u64, used: u64) -> &Failure {
    let failed = failure(report, OutcomeKind::FailedFatal);
    let hit = failed
        .limit
        .unwrap_or_else(|| panic!("no limit: {report:#?}"));
    assert_eq!((hit.name, hit.limit), (name, limit));
    assert!(hit.used >= used, "{hit:?}");
    let expected = format!("limit `{name}` = {}; then: ", name.format(limit));
    assert!(failed.message.contains(&expected), "{}", failed.message);
    failed
}

#[tokio::test]
async fn requests() {
    let _shared = shared().await;
    let port = serve_echo();
    let try_with = async |count: u64| {
        let limits = Limits {
            http_requests_max: count,
            ..limits()
        };
        let input = json!({ "url": here(port), "count": 3 });
        handle("again", input, may_reach(&[here(port)]), limits).await
    };
    assert_eq!(output(&try_with(3).await), 3);
    let report = try_with(2).await;
    let failed = assert_hit(&report, LimitName::HttpRequests, 2, 3);
    assert!(
        failed
            .message
            .starts_with("sent HTTP request 3 of the attempt"),
        "{failed:?}"
    );
    assert_eq!(report.usage.detail.http_requests, 2);
}

#[tokio::test]
async fn connections_at_once() {
    let _shared = shared().await;
    let port = serve_echo();
    let try_with = async |count: u64| {
        let limits = Limits {
            http_connections_max: count,
            ..limits()
        };
        let input = json!({ "url": here(port), "count": 8 });
        handle("flood", input, may_reach(&[here(port)]), limits).await
    };
    assert_eq!(output(&try_with(8).await), 8);
    let report = try_with(7).await;
    let failed = failure(&report, OutcomeKind::FailedRetryable);
    let hit = failed.limit.unwrap();
    assert_eq!(
        (hit.name, hit.limit, hit.used),
        (LimitName::HttpConnections, 7, 8)
    );
    // One after the other is not at once.
    let limits = Limits {
        http_connections_max: 1,
        ..limits()
    };
    let input = json!({ "url": here(port), "count": 20 });
    let report = handle("again", input, may_reach(&[here(port)]), limits).await;
    assert_eq!(output(&report), 20);
}

#[tokio::test]
async fn bytes_of_requests() {
    let _shared = shared().await;
    let port = serve(|mut stream| async move {
        let mut all = read_head(&mut stream).await;
        while !all.ends_with("xxxx") || all.len() < 100_000 {
            let mut buffer = [0; 4096];
            match tokio::io::AsyncReadExt::read(&mut stream, &mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(count) => all.push_str(std::str::from_utf8(&buffer[..count]).unwrap()),
            }
        }
        answer(&mut stream, "ok").await;
    });
    let try_with = async |bytes: u64| {
        let limits = Limits {
            http_request_bytes_max: bytes,
            ..limits()
        };
        let input = json!({ "url": here(port), "method": "POST", "body_bytes": 100_000 });
        handle("fetch", input, may_reach(&[here(port)]), limits).await
    };
    let used = try_with(1 << 20).await.usage.detail.http_request_bytes;
    assert!((100_000..101_000).contains(&used), "{used}");
    assert_eq!(output(&try_with(used).await)["body"], "ok");
    let report = try_with(used - 1).await;
    assert_hit(&report, LimitName::HttpRequestBytes, used - 1, used);
    assert!(report.usage.detail.http_request_bytes < used);
}

#[tokio::test]
async fn bytes_of_responses() {
    let _shared = shared().await;
    let port = serve(|mut stream| async move {
        read_head(&mut stream).await;
        answer(&mut stream, &"y".repeat(200_000)).await;
    });
    let try_with = async |bytes: u64| {
        let limits = Limits {
            http_response_bytes_max: bytes,
            ..limits()
        };
        fetch_under(&here(port), limits).await
    };
    let used = try_with(1 << 20).await.usage.detail.http_response_bytes;
    assert!((200_000..201_000).contains(&used), "{used}");
    let fetched = output(&try_with(used).await);
    assert_eq!(fetched["body"].as_str().unwrap().len(), 200_000);
    let report = try_with(used - 1).await;
    assert_hit(&report, LimitName::HttpResponseBytes, used - 1, used);
}

#[tokio::test]
async fn look_ups() {
    let _shared = shared().await;
    let port = serve_echo();
    let try_with = async |count: u64, name: &str| {
        let limits = Limits {
            dns_lookups_max: count,
            ..limits()
        };
        let input = json!({ "url": format!("http://{name}.test:{port}"), "count": 3 });
        handle(
            "again",
            input,
            may_reach(&[format!("http://*.test:{port}")]),
            limits,
        )
        .await
    };
    assert_eq!(output(&try_with(3, "n{n}").await), 3);
    // A name is looked up once.
    assert_eq!(output(&try_with(1, "n").await), 3);
    let report = try_with(2, "n{n}").await;
    let failed = failure(&report, OutcomeKind::FailedRetryable);
    let hit = failed.limit.unwrap();
    assert_eq!(
        (hit.name, hit.limit, hit.used),
        (LimitName::DnsLookups, 2, 3)
    );
    assert!(
        failed.message.starts_with("had host name 3 looked up"),
        "{failed:?}"
    );
}

#[tokio::test]
async fn headers_of_a_request() {
    let _shared = shared().await;
    let port = serve_echo();
    let try_with = async |bytes: usize| {
        let input = json!({ "url": here(port), "headers": [["x-large", "h".repeat(bytes)]] });
        handle("fetch", input, may_reach(&[here(port)]), limits()).await
    };
    assert_eq!(output(&try_with(16 << 10).await)["status"], 200);
    failure(&try_with(64 << 10).await, OutcomeKind::Trapped);
}

#[tokio::test]
async fn headers_of_a_response() {
    let _shared = shared().await;
    let with_headers = |count: usize, bytes: usize| {
        serve(move |mut stream| async move {
            read_head(&mut stream).await;
            let mut head = "HTTP/1.1 200 OK\r\n".to_owned();
            for number in 0..count {
                head.push_str(&format!("x-{number}: {}\r\n", "h".repeat(bytes)));
            }
            head.push_str("content-length: 0\r\n\r\n");
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await;
            // Until the other side has had enough.
            read_head(&mut stream).await;
        })
    };
    for (count, bytes, is_taken) in [(90, 100, true), (200, 100, false), (1, 200_000, false)] {
        let port = with_headers(count, bytes);
        let report = fetch(&here(port), may_reach(&[here(port)])).await;
        match is_taken {
            true => assert_eq!(output(&report)["status"], 200),
            false => {
                let failed = failure(&report, OutcomeKind::FailedRetryable);
                assert!(
                    failed.message.contains("the HTTP request failed"),
                    "{failed:?}"
                );
            }
        }
    }
}

async fn fetch_under(url: &str, limits: Limits) -> Report {
    handle(
        "fetch",
        json!({ "url": url }),
        may_reach(&[url.to_owned()]),
        limits,
    )
    .await
}
