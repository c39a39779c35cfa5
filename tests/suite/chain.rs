//! Chains that wait for chains, keys, graphs and times, through the real binary.

use hardstop_tests::{Database, Kind, Worker};

both_ways!(
    waits_for_its_blockers,
    a_failed_blocker_cancels_runs_or_holds,
    a_key_starts_once,
    a_graph_starts_whole_or_not_at_all,
    is_moved_in_time,
    bad_starts_say_what_is_wrong,
);

fn chain_id(said: &hardstop_tests::Said) -> String {
    said.stdout.trim().to_owned()
}

fn waits_for_its_blockers(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let blocker = db.start("echo", r#"{"text":"first"}"#);
    let said = db
        .run(&[
            "start",
            "echo",
            "-i",
            r#"{"text":"second"}"#,
            "--blocker",
            &blocker,
        ])
        .good();
    let dependent = chain_id(&said);
    assert_eq!(db.job(&dependent)["state"], "blocked");
    let _worker = Worker::start(&db, &[]);
    let (first, second) = (
        db.wait_state(&blocker, "completed"),
        db.wait_state(&dependent, "completed"),
    );
    assert!(
        first["finished_at"].as_str() <= second["started_at"].as_str(),
        "{first} {second}"
    );
}

fn a_failed_blocker_cancels_runs_or_holds(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let blocker = db.start("fail", r#"{"until":2,"fatal":true}"#);
    let [cancelled, run, held] = ["cancel", "run", "hold"].map(|policy| {
        let said = db.run(&[
            "start",
            "noop",
            "--blocker",
            &blocker,
            "--on-blocker-failure",
            policy,
        ]);
        chain_id(&said.good())
    });
    let _worker = Worker::start(&db, &[]);
    let job = db.wait_state(&cancelled, "cancelled");
    assert!(
        job["failure"]["message"]
            .as_str()
            .unwrap()
            .contains(&format!("its blocker {blocker} was discarded")),
        "{job}"
    );
    db.wait_state(&run, "completed");
    assert_eq!(db.job(&held)["state"], "blocked");
    // Plain `trigger` refuses, and says what would do.
    let said = db.run(&["job", "trigger", &held]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(
        said.stderr.contains("hint: `hardstop job trigger --force`"),
        "{said:?}"
    );
    db.run(&["job", "trigger", &held, "--force"]).good();
    db.wait_state(&held, "completed");
}

fn a_key_starts_once(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let start = |more: &[&str]| {
        let said = db.run(&[&["start", "noop", "-o", "json", "--key", "k"], more].concat());
        said.good().json()[0].clone()
    };
    let first = start(&[]);
    assert_eq!(first["deduplicated"], false);
    let again = start(&[]);
    assert_eq!(again["deduplicated"], true);
    assert_eq!(again["chain_id"], first["chain_id"]);
    let said = db.run(&["start", "noop", "--key", "k"]).good();
    assert!(said.stderr.contains("has the key"), "{said:?}");
    let _worker = Worker::start(&db, &[]);
    db.wait_state(first["chain_id"].as_str().unwrap(), "completed");
    assert_eq!(
        start(&["--key-window", "1h"])["chain_id"],
        first["chain_id"]
    );
    assert_eq!(start(&[])["deduplicated"], false);
}

fn a_graph_starts_whole_or_not_at_all(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let outside = db.start("noop", "{}");
    let write = |name: &str, graph: serde_json::Value| {
        std::fs::write(db.folder().join(name), graph.to_string()).unwrap();
    };
    write(
        "good.json",
        serde_json::json!([
            { "name": "end", "type": "echo", "input": {"text": "end"}, "blockers": ["left", "right", outside] },
            { "name": "left", "type": "noop", "blockers": ["top"] },
            { "name": "right", "type": "noop", "blockers": ["top"] },
            { "name": "top", "type": "noop" }
        ]),
    );
    let said = db
        .run(&["start", "--graph", "good.json", "-o", "json"])
        .good();
    let started = said.json();
    assert_eq!(started[0]["name"], "end");
    for (name, graph, expected) in [
        (
            "cycle.json",
            serde_json::json!([
                { "name": "a", "type": "noop", "blockers": ["b"] },
                { "name": "b", "type": "noop", "blockers": ["a"] }
            ]),
            "block each other",
        ),
        (
            "stranger.json",
            serde_json::json!([{ "name": "a", "type": "noop", "blockers": ["c"] }]),
            "waits for `c`, which is not in it",
        ),
        (
            "twice.json",
            serde_json::json!([{ "name": "a", "type": "noop" }, { "name": "a", "type": "noop" }]),
            "two chains of the graph are named `a`",
        ),
        (
            "type.json",
            serde_json::json!([{ "name": "a", "type": "noop" }, { "name": "b", "type": "nope" }]),
            "chain `b` of the graph: type `nope` is not deployed",
        ),
        (
            "key.json",
            serde_json::json!([{ "name": "a", "typo": "noop" }]),
            "unknown field `typo`",
        ),
    ] {
        write(name, graph);
        let said = db.run(&["start", "--graph", name]);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.stderr.contains(expected), "{said:?}");
    }
    let _worker = Worker::start(&db, &[]);
    db.wait_state(started[0]["chain_id"].as_str().unwrap(), "completed");
    assert_eq!(db.jobs().len(), 5, "nothing of the bad graphs");
}

fn is_moved_in_time(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let _worker = Worker::start(&db, &[]);
    let later = ["start", "noop", "--at", "2999-01-01T00:00:00Z"];
    let (one, two) = (
        chain_id(&db.run(&later).good()),
        chain_id(&db.run(&later).good()),
    );
    assert_eq!(db.job(&one)["due_at"], "2999-01-01T00:00:00.000000Z");
    db.run(&["job", "trigger", &one]).good();
    db.wait_state(&one, "completed");
    db.run(&["job", "reschedule", &two, "--at", "2020-01-01T00:00:00Z"])
        .good();
    db.wait_state(&two, "completed");
    let said = db.run(&["job", "reschedule", &two, "--after", "1m"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stderr.contains("is completed"), "{said:?}");
}

fn bad_starts_say_what_is_wrong(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let long = "k".repeat(256);
    for (arguments, expected) in [
        (
            &["--blocker", "01990000-0000-7000-8000-000000000000"][..],
            "there is no chain 01990000",
        ),
        (&["--blocker", "nonsense"], "`nonsense` is not a chain id"),
        (&["--key", ""], "deduplication key of 0 bytes"),
        (
            &["--key", &long],
            "deduplication key of 256 bytes is not from 1 to 255",
        ),
        (
            &["--key", "k", "--key-window", "1000h", "--after", "1h"],
            "",
        ),
        (
            &["--key", "k", "--key-window", "9000h"],
            "window of 9000h is not from 1ms to 2160h",
        ),
        (&["--after", "-5s"], "unexpected argument"),
        (&["--after=-5s"], "`-5s`"),
        (&["--at", "tomorrow"], "`tomorrow` is not a time"),
    ] {
        let said = db.run(&[&["start", "noop"], arguments].concat());
        let code = if expected.is_empty() { 0 } else { 2 };
        assert_eq!(said.code, code, "{said:?}");
        assert!(said.stderr.contains(expected), "{said:?}");
    }
}
