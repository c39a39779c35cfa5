//! Hearing of everything as it is committed, and going on after the connection was lost.

use std::collections::BTreeSet;

use hardstop_tests::{Database, Kind, Server, Worker};
use rustix::process::Signal;
use serde_json::json;

use super::sse::{Event, Stream};

on_both!(
    what_is_committed_is_heard_once_at_whichever_host,
    streams_that_cannot_be_are_refused,
    as_many_streams_as_there_may_be,
);

fn open(server: &Server, query: &str, last: Option<&str>) -> Stream {
    Stream::open(server, &format!("/events{query}"), last)
}

/// A stream that has begun: events from now on are in it. And its first id.
fn begin(server: &Server, query: &str) -> (Stream, String) {
    let mut stream = open(server, query, None);
    let (name, id, data) = stream.next().unwrap();
    assert_eq!((name.as_str(), data), ("begin", json!({})));
    (stream, id)
}

/// The kinds of events and their jobs.
fn told(events: &[Event]) -> BTreeSet<(String, String)> {
    let told = events.iter().map(|(name, _, data)| {
        assert_eq!(data["type"], name.as_str());
        assert!(data["timestamp"].is_string());
        (
            name.clone(),
            data["data"]["job_id"].as_str().unwrap().to_owned(),
        )
    });
    told.collect()
}

fn what_is_committed_is_heard_once_at_whichever_host(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let (one, two) = (Server::start(&db), Server::start(&db));
    let early = db.start("noop", "{}");
    db.run(&["chain", "cancel", &early]).good();
    let query = "?kind=job.completed,job.discarded,chain.closed&type=noop,fail";
    let (mut stream, begun) = begin(&one, query);
    let (mut all, _) = begin(&two, "");
    let _worker = Worker::start(&db, &[]);
    let canary = "canary-of-an-input-09e2";
    let mut expected = BTreeSet::new();
    let mut start = |type_name: &str, end: &str| {
        let input = json!({ "until": 9, "fatal": true, "secret": canary });
        let id = db.start(type_name, &input.to_string());
        expected.insert((end.to_owned(), id.clone()));
        expected.insert(("chain.closed".to_owned(), id.clone()));
        id
    };
    for (type_name, end) in [("noop", "job.completed"), ("fail", "job.discarded")] {
        start(type_name, end);
        start(type_name, end);
    }
    // Not of a type that is listened for.
    let other = db.start("echo", &json!({ "text": canary }).to_string());
    db.wait_all_final();
    let first = stream.take(3);
    let last = first[2].1.clone();
    // The connection is lost, and more comes meanwhile.
    drop(stream);
    start("fail", "job.discarded");
    db.wait_all_final();
    let mut stream = open(&two, query, Some(&last));
    let rest = stream.take(7);
    let heard = [first.clone(), rest.clone()].concat();
    assert_eq!(told(&heard), expected);
    let ids: BTreeSet<&str> = heard.iter().map(|(_, id, _)| id.as_str()).collect();
    assert_eq!(ids.len(), 10, "{ids:?}");
    // A chain is told to have closed after its last job ended.
    for (place, (name, _, data)) in heard.iter().enumerate() {
        let job = &data["data"]["job_id"];
        let closed = heard
            .iter()
            .position(|(name, _, data)| name == "chain.closed" && data["data"]["job_id"] == *job);
        assert!(name == "chain.closed" || Some(place) < closed, "{heard:?}");
    }
    // Another one that goes on from there hears the same; the one before hears that, and no more.
    let mut again = open(&one, "", Some(&last));
    assert_eq!(again.take(7), rest);
    let (name, _, data) = stream.next().unwrap();
    assert_eq!((name.as_str(), data), ("end", json!({ "reason": "taken" })));
    assert_eq!(stream.next(), None);
    // From the very beginning.
    let mut again = open(&one, query, Some(&begun));
    assert_eq!(again.take(10), heard);

    let all = all.take(12);
    assert!(told(&all).is_superset(&expected));
    assert!(told(&all).contains(&("job.completed".to_owned(), other)));
    let text = format!("{all:?}");
    for secret in [canary, "of a job that wants"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert_eq!(db.json(&["subscription", "list"]), json!([]));
    let audit = db.run(&["audit", "list", "-o", "json"]).good().stdout;
    assert!(!audit.contains("subscription"), "{audit}");

    // Whoever listens does not keep the server from ending, and goes on at the other.
    let mut one = one;
    one.signal(Signal::TERM);
    assert_eq!(again.next(), None);
    assert_eq!(one.wait(), Some(0));
    assert!(
        !one.log().contains("left connections open"),
        "{}",
        one.log()
    );
    let late = db.start("noop", "{}");
    let mut again = open(&two, "", Some(&heard[9].1));
    let expected = ["job.completed", "chain.closed"].map(|kind| (kind.to_owned(), late.clone()));
    assert_eq!(told(&again.take(2)), expected.into());
}

fn streams_that_cannot_be_are_refused(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let server = Server::start(&db);
    for (query, status, problem, part) in [
        (
            "kind=job.done",
            422,
            "invalid",
            "`job.done` is not a kind of event: one of job.completed, ",
        ),
        ("kind=", 422, "invalid", "kind: "),
        ("kind=job.completed,", 422, "invalid", "kind: "),
        ("type=No", 422, "invalid", "`No`"),
        ("type=nothing", 422, "not-deployed", "nothing"),
        ("kinds=job.completed", 400, "malformed", "kinds"),
        (
            "kind=job.completed&kind=job.discarded",
            400,
            "malformed",
            "kind",
        ),
    ] {
        let answer = server.get(&format!("/events?{query}"));
        let body = answer.problem(status, problem);
        assert!(
            body["detail"].as_str().unwrap().contains(part),
            "{query}: {body}"
        );
    }
    let many = vec!["noop"; 65].join(",");
    let answer = server.get(&format!("/events?type={many}"));
    let body = answer.problem(422, "invalid");
    assert!(body["detail"].as_str().unwrap().contains("64"), "{body}");

    let last = |query: &str, id: &str| {
        let path = format!("/events{query}");
        server.call_with("GET", &path, &[("last-event-id", id)], None)
    };
    let (mut stream, begun) = begin(&server, "?kind=job.discarded");
    let (listener, _) = begun.split_once('-').unwrap();
    let unsent = format!("{listener}-1");
    for bad in ["x", "1-2-a-b", listener, &format!("{listener}-x"), &unsent] {
        last("", bad).problem(400, "invalid-cursor");
    }
    for other in [
        "?kind=job.completed",
        "?type=noop",
        "?kind=job.discarded&type=noop",
    ] {
        last(other, &begun).problem(400, "invalid-cursor");
    }
    let gone = last("", "0198c2f47d5e7c1ab0de5a3f0c9d2e11-7").problem(410, "stream-gone");
    assert!(
        gone["hint"].as_str().unwrap().contains("without an id"),
        "{gone}"
    );
    // None of that took it away.
    let chain = db.start("fail", r#"{"until":9,"fatal":true}"#);
    let _worker = Worker::start(&db, &[]);
    assert_eq!(stream.next().unwrap().2["data"]["chain_id"], chain.as_str());

    if kind == Kind::Postgres {
        let (mut ended, other) = begin(&server, "");
        db.sql("UPDATE hardstop.subscription SET heard_at = now() - interval '11 minutes'");
        last("", &begun).problem(410, "stream-gone");
        // As a look at all of them does.
        db.sql("UPDATE hardstop.subscription SET kinds = 0");
        let (name, _, data) = ended.next().unwrap();
        assert_eq!((name.as_str(), data), ("end", json!({ "reason": "gone" })));
        assert_eq!(ended.next(), None);
        last("", &other).problem(410, "stream-gone");
    }
}

fn as_many_streams_as_there_may_be(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let (one, two) = (Server::start(&db), Server::start(&db));
    let (mut first, _) = begin(&one, "");
    for _ in 1..64 {
        begin(&one, "");
    }
    // They are there still, for who goes on with them.
    let body = two.get("/events").problem(503, "overloaded");
    let detail = body["detail"].as_str().unwrap();
    assert!(detail.contains("64 streams of events"), "{body}");
    let chain = db.start("noop", "{}");
    db.run(&["chain", "cancel", &chain]).good();
    let heard = told(&first.take(2));
    let expected = ["job.cancelled", "chain.closed"].map(|kind| (kind.to_owned(), chain.clone()));
    assert_eq!(heard, expected.into());
}
