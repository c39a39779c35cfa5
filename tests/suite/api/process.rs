//! The server as a process: ready, busy, ended.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use hardstop_tests::{Database, Kind, PATIENCE, Server, receive, wait_for};
use rustix::process::Signal;
use serde_json::json;

on_both!(serves_and_works_in_one_process, ends_in_order_at_a_signal,);

fn serves_and_works_in_one_process(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let server = Server::with(&db, &[]);
    let chain = server.post(
        "/chains",
        json!({ "type": "echo", "input": { "text": "hi" } }),
    );
    assert_eq!(chain.status, 201, "{chain:?}");
    let id = chain.json()["chain_id"].as_str().unwrap().to_owned();
    let place = format!("/api/v1/chains/{id}");
    assert_eq!(chain.header("location"), Some(place.as_str()));
    let done = wait_for("the chain to close", || {
        let chain = server.get(&format!("/chains/{id}")).good();
        (chain["state"] == "completed").then_some(chain)
    });
    assert_eq!(done["output"], json!({ "text": "hi" }));
}

fn ends_in_order_at_a_signal(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Server::with(&db, &["--drain-timeout", "60s"]);
        // A request that is half sent when the signal comes is answered all the same.
        let body = json!({ "type": "noop" }).to_string();
        let mut half = server.connect();
        write!(
            half,
            "POST /api/v1/chains HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             expect: 100-continue\r\n\r\n",
            server.address(),
            body.len()
        )
        .unwrap();
        // The server is at work on it: a connection whose request it has not begun is closed.
        let mut begun = *b"HTTP/1.1 100 Continue\r\n\r\n";
        half.read_exact(&mut begun).unwrap();
        assert!(begun.starts_with(b"HTTP/1.1 100"), "{begun:?}");
        half.write_all(&body.as_bytes()[..5]).unwrap();
        server.signal(signal);
        wait_for("the server to serve no more", || {
            server.log().contains("serving no more").then_some(())
        });
        half.write_all(&body.as_bytes()[5..]).unwrap();
        assert_eq!(receive(half).status, 201);
        assert_eq!(server.wait(), Some(0), "{}", server.log());
        assert!(std::net::TcpStream::connect(server.address()).is_err());
    }
}

#[test]
fn a_client_that_sends_no_head_is_cut_off() {
    let db = Database::new(Kind::Sqlite, &[]);
    let server = Server::start(&db);
    let mut stream = server.connect();
    let began = Instant::now();
    write!(stream, "GET /healthz HT").unwrap();
    let mut rest = Vec::new();
    // Nothing more is sent: the server ends it.
    let _ = std::io::Read::read_to_end(&mut stream, &mut rest);
    assert!(began.elapsed() < PATIENCE);
    assert_eq!(server.send("GET", "/healthz", &[], b"").status, 200);
}

#[test]
fn one_request_too_many_is_refused_at_once() {
    let db = Database::new(Kind::Sqlite, &["plain"]);
    let server = Server::start(&db);
    // Each is at work until its body is complete, or until its time for that is over: on a machine that is very busy
    // that may come before the last of them has begun, and then others take their turn.
    let mut half = Vec::new();
    let refused = wait_for("the server to be busy", || {
        half = (0..256).map(|_| half_a_start(&server)).collect();
        let answer = server.get("/jobs");
        (answer.status != 200).then_some(answer)
    });
    refused.problem(503, "overloaded");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(server.send("GET", "/healthz", &[], b"").status, 200);
    for mut stream in half {
        // Where its time was over, or it was one too many itself, it has its answer, and the connection may be closed.
        let _ = stream.write_all(br#""type":"noop"}"#);
        assert!([201, 408, 503].contains(&receive(stream).status));
    }
    server.get("/jobs").good();
}

fn half_a_start(server: &Server) -> TcpStream {
    let mut stream = server.connect();
    write!(
        stream,
        "POST /api/v1/chains HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n{{",
        server.address()
    )
    .unwrap();
    stream
}

#[test]
fn an_address_that_is_taken_is_told() {
    let db = Database::new(Kind::Sqlite, &[]);
    let server = Server::start(&db);
    let address = server.address().to_string();
    let said = db.run(&["serve", "--no-worker", "--listen", &address]);
    assert_eq!(said.code, 3, "{said:?}");
    assert!(
        said.stderr.contains(&format!("cannot listen on {address}")),
        "{said:?}"
    );
}
