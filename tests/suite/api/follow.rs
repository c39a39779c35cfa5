//! Following a job, and going on after the connection was lost.

use std::time::Instant;

use hardstop_tests::{Database, Kind, PATIENCE, Server, Worker};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::sse::{Event, Stream};

on_both!(
    a_job_is_followed_to_its_end,
    what_a_running_attempt_says_is_heard_as_it_says_it,
    whoever_lost_the_connection_goes_on
);

/// What a job's followers hear.
fn follow(server: &Server, job: &str, last: Option<&str>) -> Stream {
    Stream::open(server, &format!("/jobs/{job}/follow"), last)
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|(name, ..)| name.as_str()).collect()
}

fn a_job_is_followed_to_its_end(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let server = Server::start(&db);
    let job = db.start("fail", r#"{"until":3}"#);
    let mut events = follow(&server, &job, None);
    let (name, _, first) = events.next().unwrap();
    assert_eq!((name.as_str(), &first["state"]), ("job", &json!("ready")));
    let _worker = Worker::start(&db, &[]);
    let rest = events.rest();
    let (name, _, state) = rest.last().unwrap();
    assert_eq!(
        (name.as_str(), state),
        ("end", &json!("completed")),
        "{rest:?}"
    );
    let last = rest.iter().rfind(|(name, ..)| name == "job").unwrap();
    assert_eq!(
        (&last.2["state"], &last.2["attempt"]),
        (&json!("completed"), &json!(3))
    );
    let lines: Vec<&Value> = rest
        .iter()
        .filter(|(name, ..)| name == "log")
        .map(|it| &it.2)
        .collect();
    let logs = server.get(&format!("/jobs/{job}/logs")).good();
    assert_eq!(logs.as_array().unwrap().iter().collect::<Vec<_>>(), lines);
}

fn what_a_running_attempt_says_is_heard_as_it_says_it(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let server = Server::with(&db, &[]);
    let job = db.start("nap", r#"{"ms":20000}"#);
    let mut events = follow(&server, &job, None);
    let (_, id, progress) = std::iter::from_fn(|| events.next())
        .find(|(name, ..)| name == "progress")
        .unwrap();
    assert_eq!(
        (&progress["fraction"], &progress["message"]),
        (&json!(0.5), &json!("asleep"))
    );
    let shown = server.get(&format!("/jobs/{job}")).good();
    assert_eq!(
        (&shown["state"], &shown["progress"], &shown["run"]),
        (&json!("running"), &progress, &json!(1)),
        "{shown}"
    );
    // Not told again to whoever has heard it.
    let rest = follow(&server, &job, Some(&id));
    server
        .call("POST", &format!("/jobs/{job}/cancel"), None)
        .good();
    let rest = rest.rest();
    assert!(!names(&rest).contains(&"progress"), "{rest:?}");

    // One that says something, and goes on and on.
    let job = db.start("spin", "1000000");
    let mut events = follow(&server, &job, None);
    let (_, _, line) = std::iter::from_fn(|| events.next())
        .find(|(name, ..)| name == "log")
        .unwrap();
    assert_eq!(line["message"], "begun");
    let logs = server.get(&format!("/jobs/{job}/logs")).good();
    assert_eq!(logs[0]["message"], "begun", "{logs}");
    server
        .call("POST", &format!("/jobs/{job}/cancel"), None)
        .good();
    let told = events.rest();
    assert!(
        !names(&told).contains(&"log"),
        "its line was told once: {told:?}"
    );
}

fn whoever_lost_the_connection_goes_on(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let mut server = Server::start(&db);
    let job = db.start("fail", r#"{"until":9,"fatal":true}"#);
    let (_, ready, _) = follow(&server, &job, None).next().unwrap();
    {
        let mut worker = Worker::start(&db, &[]);
        db.wait_all_final();
        worker.drain();
    }
    // From the beginning: all of it at once. From the last id: what came since, and nothing twice.
    let all = follow(&server, &job, None).rest();
    let since = follow(&server, &job, Some(&ready)).rest();
    let told = |events: &[Event]| -> Vec<(String, Value)> {
        let events = events.iter();
        events
            .map(|(name, _, data)| (name.clone(), data.clone()))
            .collect()
    };
    assert_eq!(told(&since), told(&all), "the state had changed since");
    for (place, (_, id, _)) in all.iter().enumerate().take(all.len() - 1) {
        let rest = follow(&server, &job, Some(id)).rest();
        assert_eq!(names(&rest), names(&all[place + 1..]), "after {id}");
    }
    let answer = server.call_with(
        "GET",
        &format!("/jobs/{job}/follow"),
        &[("last-event-id", "x")],
        None,
    );
    answer.problem(400, "invalid-cursor");
    let nothing = "0198c2f4-7d5e-7c1a-b0de-5a3f0c9d2e11";
    server
        .get(&format!("/jobs/{nothing}/follow"))
        .problem(404, "no-such-job");
    // Whoever follows does not keep the server from ending.
    let live = db.start("noop", "{}");
    let mut events = follow(&server, &live, None);
    events.next().unwrap();
    let began = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(events.rest(), []);
    assert_eq!(server.wait(), Some(0));
    assert!(began.elapsed() < PATIENCE);
    assert!(
        !server.log().contains("left connections open"),
        "{}",
        server.log()
    );
}
