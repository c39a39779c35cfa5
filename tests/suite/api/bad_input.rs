//! What is wrong with a request is told by the documented problem, and by nothing else.

use std::io::Write as _;

use hardstop_tests::{Database, Kind, Server, receive};
use serde_json::json;

/// An id that nothing has.
const NOTHING: &str = "0198c2f4-7d5e-7c1a-b0de-5a3f0c9d2e11";

fn server() -> (Database, Server) {
    let db = Database::new(Kind::Sqlite, &["plain"]);
    let server = Server::start(&db);
    (db, server)
}

#[test]
fn unknown_routes_and_methods() {
    let (_db, server) = server();
    // Outside of the API it is the dashboard that has no such page.
    let page = server.send("GET", "/nowhere", &[], b"");
    assert_eq!(page.status, 404, "{page:?}");
    let media_type = page.header("content-type");
    assert!(
        media_type.is_some_and(|it| it.starts_with("text/html")),
        "{page:?}"
    );
    server.get("/nothing").problem(404, "no-such-route");
    let answer = server.call("PATCH", "/jobs", None);
    answer.problem(405, "method-not-allowed");
    assert!(
        answer
            .header("allow")
            .is_some_and(|allow| allow.contains("GET")),
        "{answer:?}"
    );
    assert!(answer.header("x-request-id").is_some());
}

#[test]
fn unknown_ids() {
    let (_db, server) = server();
    for (path, kind) in [
        (format!("/jobs/{NOTHING}"), "no-such-job"),
        (format!("/jobs/{NOTHING}/attempts"), "no-such-job"),
        (format!("/jobs/{NOTHING}/logs"), "no-such-job"),
        (format!("/jobs/{NOTHING}/explain"), "no-such-job"),
        (format!("/jobs/{NOTHING}/completion"), "no-such-job"),
        (format!("/dead-letters/{NOTHING}"), "no-such-job"),
        (format!("/chains/{NOTHING}"), "no-such-chain"),
        (format!("/deployments/{NOTHING}"), "no-such-deployment"),
        (format!("/deployments/{NOTHING}/diff"), "no-such-deployment"),
        (format!("/replays/{NOTHING}"), "no-such-replay"),
        (format!("/replays/{NOTHING}/jobs"), "no-such-replay"),
        ("/types/nothing".to_owned(), "no-such-type"),
        ("/types/nothing/history".to_owned(), "no-such-type"),
        ("/components/nothing".to_owned(), "no-such-component"),
        ("/schedules/nothing".to_owned(), "no-such-schedule"),
    ] {
        server.get(&path).problem(404, kind);
    }
    for (path, kind) in [
        (format!("/jobs/{NOTHING}/retry"), "no-such-job"),
        (format!("/jobs/{NOTHING}/cancel"), "no-such-job"),
        (format!("/jobs/{NOTHING}/trigger"), "no-such-job"),
        (format!("/chains/{NOTHING}/cancel"), "no-such-chain"),
        ("/types/nothing/rollback".to_owned(), "no-such-type"),
        ("/types/nothing/release".to_owned(), "no-such-type"),
        ("/schedules/nothing/pause".to_owned(), "no-such-schedule"),
        ("/schedules/nothing/resume".to_owned(), "no-such-schedule"),
        ("/schedules/nothing/trigger".to_owned(), "no-such-schedule"),
    ] {
        server.post(&path, json!({})).problem(404, kind);
    }
    let answer = server.call("DELETE", &format!("/chains/{NOTHING}"), None);
    answer.problem(404, "no-such-chain");
    server
        .call("DELETE", "/schedules/nothing", None)
        .problem(404, "no-such-schedule");
    for path in ["/jobs/one", "/chains/1", "/deployments/x", "/types/No Type"] {
        let path = path.replace(' ', "%20");
        server.get(&path).problem(400, "malformed");
    }
}

#[test]
fn bodies_that_cannot_be_read() {
    let (_db, server) = server();
    let json = [("content-type", "application/json")];
    let path = "/api/v1/chains";
    for body in [
        "",
        "{",
        "[]",
        "null",
        "{} {}",
        "\u{0}",
        r#"{"type": 5}"#,
        r#"{"type": "noop", "typo": 1}"#,
    ] {
        let answer = server.send("POST", path, &json, body.as_bytes());
        answer.problem(400, "malformed");
    }
    let deep = "[".repeat(10_000);
    server
        .send("POST", path, &json, deep.as_bytes())
        .problem(400, "malformed");
    server
        .send("POST", path, &json, b"\xff\xfe{}")
        .problem(400, "malformed");
    // The place is told.
    let answer = server.post(
        "/chains/bulk",
        json!({ "chains": [{ "type": "noop" }, { "type": "noop", "priority": "x" }] }),
    );
    let detail = answer.problem(400, "malformed")["detail"].to_string();
    assert!(detail.contains("chains[1].priority"), "{detail}");
    let text = [("content-type", "text/plain")];
    server
        .send("POST", path, &text, b"{}")
        .problem(415, "unsupported-media-type");
    server
        .send("POST", path, &[], b"{}")
        .problem(415, "unsupported-media-type");
    let huge = vec![b' '; (32 << 20) + 1];
    server
        .send("POST", path, &json, &huge)
        .problem(413, "body-too-large");
}

#[test]
fn a_body_that_comes_too_slowly() {
    let (_db, server) = server();
    let mut stream = server.connect();
    write!(
        stream,
        "POST /api/v1/chains HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n{{",
        server.address()
    )
    .unwrap();
    receive(stream).problem(408, "slow-client");
}

#[test]
fn values_that_cannot_be() {
    let (_db, server) = server();
    for (body, status, kind) in [
        (json!({ "type": "nothing" }), 422, "not-deployed"),
        (json!({ "type": "no type" }), 422, "invalid"),
        (json!({ "type": "noop", "priority": 1000 }), 422, "invalid"),
        (json!({ "type": "noop", "blockers": ["x"] }), 422, "invalid"),
        (
            json!({ "type": "noop", "blockers": [NOTHING] }),
            422,
            "unknown-chain",
        ),
        (
            json!({ "type": "noop", "key_window": "1h" }),
            422,
            "invalid",
        ),
        (json!({ "type": "noop", "name": "a" }), 422, "invalid"),
        (
            json!({ "type": "fail", "input": "x" }),
            422,
            "schema-mismatch",
        ),
        (json!({ "type": "noop", "after": "soon" }), 400, "malformed"),
        (
            json!({ "type": "noop", "limits": { "nothing": 1 } }),
            400,
            "malformed",
        ),
    ] {
        let answer = server.post("/chains", body.clone());
        assert_eq!(answer.status, status, "{body} {answer:?}");
        answer.problem(status, kind);
    }
    let cycle = json!({ "chains": [
        { "name": "a", "type": "noop", "blockers": ["b"] },
        { "name": "b", "type": "noop", "blockers": ["a"] },
    ] });
    server
        .post("/chains/graph", cycle)
        .problem(422, "blocker-cycle");
    let many = vec![json!({ "type": "noop" }); 1_001];
    server
        .post("/chains/bulk", json!({ "chains": many }))
        .problem(422, "invalid");
    for path in [
        "/jobs?limit=0",
        "/jobs?limit=1001",
        "/chains?limit=0",
        "/dead-letters?limit=501",
        "/jobs?key=x",
    ] {
        server.get(path).problem(422, "invalid");
    }
    server
        .get("/jobs?type=nothing")
        .problem(422, "not-deployed");
    server
        .get("/chains?state=continued")
        .problem(422, "invalid");
    for path in [
        "/jobs?limit=-1",
        "/jobs?limit=x",
        "/jobs?stat=ready",
        "/jobs?state=done",
        "/jobs?since=yesterday",
    ] {
        server.get(path).problem(400, "malformed");
    }
    for body in [
        json!({}),
        json!({ "all": true, "type": "noop" }),
        json!({ "jobs": [NOTHING], "all": true }),
    ] {
        server
            .post("/replays", body.clone())
            .problem(422, "invalid");
        server
            .post("/dead-letters/preview", body)
            .problem(422, "invalid");
    }
    server
        .post("/pause", json!({ "until": "2020-01-01T00:00:00Z" }))
        .problem(422, "invalid");
    server.post("/resume", json!({})).problem(409, "conflict");
}

#[test]
fn cursors_of_other_lists() {
    let (db, server) = server();
    db.start_many("noop", "{}", 3);
    let cursor = |path: &str| -> String {
        let page = server.get(path).good();
        page["next"].as_str().unwrap().to_owned()
    };
    let jobs = cursor("/jobs?limit=1");
    server.get(&format!("/jobs?limit=2&cursor={jobs}")).good();
    for path in [
        format!("/chains?cursor={jobs}"),
        format!("/jobs?type=noop&cursor={jobs}"),
        format!("/jobs?cursor={}", &jobs[1..]),
        "/jobs?cursor=".to_owned(),
        "/jobs?cursor=%00".to_owned(),
        format!("/replays?cursor={jobs}"),
    ] {
        server.get(&path).problem(400, "invalid-cursor");
    }
}

#[test]
fn what_web_pages_of_others_send() {
    let (_db, server) = server();
    let path = "/api/v1/pause";
    for headers in [
        &[("origin", "https://evil.example")][..],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        // A name that somebody made to point to a loopback address.
        &[("host", "evil.example")],
    ] {
        let mut headers = headers.to_vec();
        headers.push(("content-type", "application/json"));
        server
            .send("POST", path, &headers, b"{}")
            .problem(403, "foreign-origin");
    }
    let own = format!("http://{}", server.address());
    let headers = [
        ("origin", own.as_str()),
        ("sec-fetch-site", "same-origin"),
        ("content-type", "application/json"),
    ];
    assert_eq!(server.send("POST", path, &headers, b"{}").status, 200);
    server
        .send("GET", "/api/v1/jobs", &[("host", "evil.example")], b"")
        .problem(403, "foreign-origin");
}

#[test]
fn errors_of_the_database_stay_inside() {
    let (db, server) = server();
    // The file is no database any more.
    let path = db.url().strip_prefix("sqlite://").unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{path}{suffix}"));
    }
    std::fs::write(path, vec![b'x'; 1 << 16]).unwrap();
    let answer = server.get("/jobs");
    assert!([500, 503].contains(&answer.status), "{answer:?}");
    let problem = answer.json();
    for secret in [
        "sqlite",
        "test.db",
        "database disk image",
        "SELECT",
        "code:",
    ] {
        assert!(!answer.body.contains(secret), "{problem}");
    }
    // The host's log has it, under the request's id.
    let id = answer.header("x-request-id").unwrap();
    let log = server.log();
    assert!(
        log.lines()
            .any(|line| line.contains(id) && line.contains("a request failed")),
        "{log}"
    );
}
