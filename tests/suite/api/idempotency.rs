//! Requests that are sent again.

use hardstop_tests::{Database, Kind, Server, Worker};
use serde_json::{Value, json};

on_both!(
    a_start_that_is_sent_again_starts_nothing,
    starts_that_are_sent_at_once_start_once,
    a_replay_that_is_sent_again_replays_nothing,
);

const KEY: &str = "idempotency-key";

fn jobs(server: &Server) -> usize {
    server.get("/jobs?limit=1000").good()["items"]
        .as_array()
        .unwrap()
        .len()
}

fn a_start_that_is_sent_again_starts_nothing(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let server = Server::start(&db);
    let send = |key: &str, path: &str, body: Value| {
        server.call_with("POST", path, &[(KEY, key)], Some(body))
    };
    let body = json!({ "type": "noop" });
    let first = send("a", "/chains", body.clone());
    let again = send("a", "/chains", body.clone());
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.json(), again.json());
    assert_eq!(first.header("location"), again.header("location"));
    send(
        "a",
        "/chains",
        json!({ "type": "echo", "input": { "text": "x" } }),
    )
    .problem(422, "idempotency-key-reused");
    send("a", "/chains/bulk", json!({ "chains": [body] })).problem(422, "idempotency-key-reused");
    assert_eq!(jobs(&server), 1);
    let graph = json!({ "chains": [
        { "name": "a", "type": "noop" },
        { "name": "b", "type": "noop", "blockers": ["a"] },
    ] });
    let first = send("g", "/chains/graph", graph.clone()).good();
    assert_eq!(send("g", "/chains/graph", graph).good(), first);
    let bulk = json!({ "chains": [body, body] });
    let first = send("b", "/chains/bulk", bulk.clone()).good();
    assert_eq!(send("b", "/chains/bulk", bulk).good(), first);
    assert_eq!(jobs(&server), 5);
    // What failed is not kept.
    let late = json!({ "type": "noop", "blockers": ["0198c2f4-7d5e-7c1a-b0de-5a3f0c9d2e11"] });
    send("l", "/chains", late).problem(422, "unknown-chain");
    send("l", "/chains", body).good();
    for key in ["", " ", "x".repeat(256).as_str(), "a b"] {
        send(key, "/chains", json!({ "type": "noop" })).problem(400, "malformed");
    }
    // A token's secret is not kept, so it cannot be shown again.
    let token = json!({ "name": "t", "scopes": ["admin"] });
    let made = send("t", "/tokens", token.clone()).good();
    let mut server = server;
    server.use_token(made["secret"].as_str());
    let headers = [(KEY, "t")];
    // Whoever comes with a token has keys apart from whoever came with none.
    let second = server
        .call_with("POST", "/tokens", &headers, Some(token.clone()))
        .good();
    assert_ne!(made["id"], second["id"]);
    server
        .call_with("POST", "/tokens", &headers, Some(token))
        .problem(409, "conflict");
    assert_eq!(
        server.get("/tokens").good()["items"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

fn starts_that_are_sent_at_once_start_once(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    // Two hosts, as behind a load balancer.
    let servers = [Server::start(&db), Server::start(&db)];
    let body = json!({ "chains": [{ "type": "noop" }, { "type": "noop" }] });
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..12)
            .map(|number| {
                let (server, body) = (&servers[number % 2], body.clone());
                scope.spawn(move || {
                    let answer =
                        server.call_with("POST", "/chains/bulk", &[(KEY, "k")], Some(body));
                    answer.good()
                })
            })
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:#?}"
    );
    assert_eq!(jobs(&servers[0]), 2);
}

fn a_replay_that_is_sent_again_replays_nothing(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    db.start_many("fail", r#"{"until":9,"fatal":true}"#, 2);
    let run_all = || {
        let mut worker = Worker::start(&db, &[]);
        db.wait_all_final();
        worker.drain();
    };
    run_all();
    let server = Server::start(&db);
    let send = || {
        let body = json!({ "all": true, "note": "once" });
        server
            .call_with("POST", "/replays", &[(KEY, "r")], Some(body))
            .good()
    };
    let first = send();
    assert_eq!(first["jobs"], 2);
    run_all();
    // They failed again, which whoever sends the request again does not mean.
    let again = send();
    assert_eq!(
        (&again["replay"], &again["jobs"]),
        (&first["replay"], &json!(2))
    );
    let dead = server.get("/dead-letters").good();
    assert_eq!(dead["items"].as_array().unwrap().len(), 2, "{dead}");
    assert_eq!(
        server.get("/replays").good()["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}
