//! Bodies in flight: many large ones that come slowly cost neither the host's memory nor others their answers.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use hardstop_tests::{Database, Kind, Server, receive, wait_for};
use serde_json::json;

const MIB: usize = 1 << 20;
/// How many clients send at once, and how much each.
const CLIENTS: usize = 48;
const UPLOAD_BYTES: usize = 30 * MIB;

/// A server whose budget one of the uploads takes.
fn server(db: &Database) -> Server {
    let config = "[serve]\nbody_budget = \"32MiB\"\n";
    std::fs::write(db.folder().join("hardstop.toml"), config).unwrap();
    Server::start(db)
}

/// Sends a head, then bytes for as long as the server takes them; the last byte never.
fn send(mut stream: TcpStream, head: &str) -> TcpStream {
    stream.write_all(head.as_bytes()).unwrap();
    stream
        .set_write_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    let piece = vec![b'x'; MIB];
    let mut left = UPLOAD_BYTES - 1;
    while left > 0 {
        match stream.write(&piece[..left.min(MIB)]) {
            Ok(sent) => left -= sent,
            Err(_) => break,
        }
    }
    stream
}

fn head(server: &Server, length: &str) -> String {
    format!(
        "POST /api/v1/deployments HTTP/1.1\r\nhost: {}\r\nconnection: close\r\nidempotency-key: k\r\n\
         content-type: multipart/form-data; boundary=b\r\n{length}\r\n\r\n",
        server.address()
    )
}

#[test]
fn many_large_slow_uploads_cost_neither_memory_nor_small_requests() {
    let db = Database::alone(Kind::Sqlite, &["plain"]);
    let server = server(&db);
    server.post("/chains", json!({ "type": "noop" })).good();
    let before = server.memory_peak();
    let head = head(&server, &format!("content-length: {UPLOAD_BYTES}"));
    let answers: Vec<_> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (stream, head) = (server.connect(), &head);
                scope.spawn(move || receive(send(stream, head)))
            })
            .collect();
        // Meanwhile small requests are answered, with and without a body.
        while !clients.iter().all(|client| client.is_finished()) {
            server.get("/jobs?limit=1").good();
            server.post("/chains", json!({ "type": "noop" })).good();
            std::thread::sleep(Duration::from_millis(50));
        }
        clients.into_iter().map(|it| it.join().unwrap()).collect()
    });
    let mut refused = 0;
    for answer in &answers {
        match answer.status {
            503 => {
                answer.problem(503, "overloaded");
                assert_eq!(answer.header("retry-after"), Some("1"), "{answer:?}");
                assert!(answer.body.contains("serve.body_budget"), "{answer:?}");
                refused += 1;
            }
            // One at a time had the budget, and lost it by the wait for its last byte.
            _ => drop(answer.problem(408, "slow-client")),
        }
    }
    assert!(refused > 0 && refused < CLIENTS, "{refused}");
    let grown = server.memory_peak() - before;
    let all = (CLIENTS * UPLOAD_BYTES) as u64;
    assert!(grown < all / 4, "grown by {} MiB", grown >> 20);
    // What they had is there again.
    wait_for("the budget to be free", || {
        let body = json!({ "type": "noop", "trace_parent": "x".repeat(31 * MIB) });
        let answer = server.post("/chains", body);
        (answer.status != 503).then_some(())
    });
}

#[test]
fn a_body_of_no_announced_length_takes_as_it_grows() {
    let db = Database::new(Kind::Sqlite, &[]);
    let server = server(&db);
    let mut stream = server.connect();
    let head = head(&server, "transfer-encoding: chunked");
    stream.write_all(head.as_bytes()).unwrap();
    let mut chunk = format!("{MIB:x}\r\n").into_bytes();
    chunk.extend(vec![b'x'; MIB]);
    chunk.extend(b"\r\n");
    // More than the budget, which is said as soon as it is.
    let mut sent = 0;
    while sent < 64 && stream.write_all(&chunk).is_ok() {
        sent += 1;
    }
    let answer = receive(stream);
    answer.problem(413, "body-too-large");
    assert!(answer.body.contains("serve.body_budget"), "{answer:?}");
    // Announced, it is refused before any of it is read.
    let mut stream = server.connect();
    let length = format!("content-length: {}", 40 * MIB);
    let head = self::head(&server, &length);
    stream.write_all(head.as_bytes()).unwrap();
    receive(stream).problem(413, "body-too-large");
}

#[test]
fn a_body_that_trickles_is_cut_off() {
    let db = Database::new(Kind::Sqlite, &[]);
    let server = server(&db);
    let mut stream = server.connect();
    let head = head(&server, &format!("content-length: {MIB}"));
    stream.write_all(head.as_bytes()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    // A byte now and then: never silent, and never done.
    wait_for("the server to answer", || {
        let _ = stream.write_all(b"x");
        match stream.peek(&mut [0]) {
            Ok(_) => Some(()),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    });
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
    assert!(
        text.contains("less than 64KiB of the body came in 10 s"),
        "{text}"
    );
}
