//! Peers that take their time, or never end: the deadline ends them, and nothing is left of the connection.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::*;

/// Longer than any of this should take.
const PATIENCE: Duration = Duration::from_secs(60);

fn one_second() -> Limits {
    Limits {
        wall_timeout_ms: 1_000,
        ..limits()
    }
}

/// Reads until the other side has closed the connection.
async fn closed(stream: &mut TcpStream) {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
}

/// Runs `fetch` against a peer that misbehaves until the connection is closed, and holds that the attempt
/// is stopped at its deadline and that the peer sees the end.
async fn ends_at_the_deadline<F, Fut>(scheme: &str, host: &str, peer: F)
where
    F: Fn(TcpStream) -> Fut + Send + Sync + Copy + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let (sender, mut ended) = mpsc::unbounded_channel();
    let port = serve(move |stream| {
        let sender = sender.clone();
        async move {
            peer(stream).await;
            let _ = sender.send(());
        }
    });
    let url = format!("{scheme}://{host}:{port}");
    let allowed = may_reach(std::slice::from_ref(&url));
    let report = handle("fetch", json!({ "url": url }), allowed, one_second()).await;
    failure(&report, OutcomeKind::TimedOutWall);
    let ended = timeout(PATIENCE, ended.recv()).await;
    assert_eq!(ended, Ok(Some(())), "the connection is still open");
}

#[tokio::test]
async fn one_that_never_answers() {
    let _shared = shared().await;
    ends_at_the_deadline("http", "127.0.0.1", |mut stream| async move {
        closed(&mut stream).await;
    })
    .await;
}

#[tokio::test]
async fn one_that_never_shakes_hands() {
    let _shared = shared().await;
    ends_at_the_deadline("https", "secure.test", |mut stream| async move {
        closed(&mut stream).await;
    })
    .await;
}

#[tokio::test]
async fn one_that_never_accepts() {
    let _shared = shared().await;
    let (port, _jam) = jam().await;
    let allowed = may_reach(&[here(port)]);
    let report = handle(
        "fetch",
        json!({ "url": here(port) }),
        allowed.clone(),
        one_second(),
    )
    .await;
    failure(&report, OutcomeKind::TimedOutWall);
    assert_eq!(report.usage.detail.http_request_bytes, 0, "never connected");

    let input = json!({ "url": here(port), "timeout": 50 });
    let report = handle("fetch", input, allowed, limits()).await;
    let failed = failure(&report, OutcomeKind::FailedRetryable);
    assert!(failed.message.contains("ConnectionTimeout"), "{failed:?}");
}

#[tokio::test]
async fn one_that_drips() {
    let _shared = shared().await;
    ends_at_the_deadline("http", "127.0.0.1", |mut stream| async move {
        read_head(&mut stream).await;
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
        stream.write_all(head).await.unwrap();
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        while stream.write_all(b"x").await.is_ok() {
            tick.tick().await;
        }
    })
    .await;
}

#[tokio::test]
async fn one_that_drips_its_head() {
    let _shared = shared().await;
    ends_at_the_deadline("http", "127.0.0.1", |mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await.unwrap();
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        while stream.write_all(b"x").await.is_ok() {
            tick.tick().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_name_whose_look_up_never_ends() {
    let _shared = shared().await;
    let port = serve_echo();
    let url = format!("http://silent.test:{port}");
    let allowed = may_reach(std::slice::from_ref(&url));
    let report = handle("fetch", json!({ "url": url }), allowed, one_second()).await;
    failure(&report, OutcomeKind::TimedOutWall);
}

#[tokio::test]
async fn names_without_an_address() {
    let _shared = shared().await;
    let port = serve_echo();
    for (name, expected) in [
        ("unknown.test", "no such name"),
        ("empty.test", "the name has no address"),
    ] {
        let url = format!("http://{name}:{port}");
        let report = fetch(&url, may_reach(std::slice::from_ref(&url))).await;
        let failed = failure(&report, OutcomeKind::FailedRetryable);
        assert!(failed.message.contains(expected), "{failed:?}");
    }
}

#[tokio::test]
async fn one_whose_body_never_ends() {
    let _shared = shared().await;
    let (sender, mut ended) = mpsc::unbounded_channel();
    let port = serve(move |mut stream| {
        let sender = sender.clone();
        async move {
            read_head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
            let _ = sender.send(());
        }
    });
    let limits = Limits {
        http_response_bytes_max: 1 << 20,
        ..limits()
    };
    let allowed = may_reach(&[here(port)]);
    let report = handle("fetch", json!({ "url": here(port) }), allowed, limits).await;
    let failed = failure(&report, OutcomeKind::FailedFatal);
    assert!(
        failed
            .message
            .contains("in HTTP responses: limit `http_response_bytes` = 1MiB; then: "),
        "{failed:?}"
    );
    assert_eq!(timeout(PATIENCE, ended.recv()).await, Ok(Some(())));
}

#[tokio::test]
async fn ones_that_hang_up() {
    let _shared = shared().await;
    for sent in [
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx",
        "nonsense\r\n\r\n",
    ] {
        let port = serve(move |mut stream| async move {
            read_head(&mut stream).await;
            stream.write_all(sent.as_bytes()).await.unwrap();
        });
        let report = fetch(&here(port), may_reach(&[here(port)])).await;
        let failed = failure(&report, OutcomeKind::FailedRetryable);
        assert!(
            failed.message.contains("the HTTP request failed"),
            "{sent:?}: {failed:?}"
        );
    }
}

#[tokio::test]
async fn a_handler_may_wait_for_less() {
    let _shared = shared().await;
    let port = serve(|mut stream| async move { closed(&mut stream).await });
    let input = json!({ "url": here(port), "timeout": 50 });
    let report = handle("fetch", input, may_reach(&[here(port)]), limits()).await;
    let failed = failure(&report, OutcomeKind::FailedRetryable);
    assert!(
        failed.message.to_lowercase().contains("timeout"),
        "{failed:?}"
    );
}

#[tokio::test]
async fn neighbours_are_served() {
    let _shared = shared().await;
    let slow = serve(|mut stream| async move { closed(&mut stream).await });
    let good = serve_echo();
    let (slow_url, good_url) = (here(slow), here(good));
    let waiting = (0..8).map(|_| {
        let allowed = may_reach(std::slice::from_ref(&slow_url));
        handle("fetch", json!({ "url": slow_url }), allowed, one_second())
    });
    let served = fetch(&good_url, may_reach(std::slice::from_ref(&good_url)));
    let (waited, served) = tokio::join!(futures::future::join_all(waiting), served);
    assert_eq!(output(&served)["status"], 200);
    for report in waited {
        failure(&report, OutcomeKind::TimedOutWall);
    }
}
