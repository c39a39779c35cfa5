//! Workers: how they share, how they end, and that they rest when there is nothing to do.

use std::collections::HashMap;

use hardstop_tests::{Database, Kind, Server, Worker, wait_for};
use rustix::process::Signal;
use serde_json::{Value, json};

on_both!(
    a_drain_waits_for_what_runs,
    a_drain_interrupts_what_runs_too_long_and_gives_it_back,
    a_worker_that_is_asked_to_drain_finishes_and_ends,
    a_server_goes_on_when_its_worker_has_drained,
    a_second_signal_leaves_at_once,
    two_workers_share_the_work,
    a_new_deployment_is_served_without_a_restart,
    a_quota_bounds_a_type,
    what_a_type_uses_is_shown_and_warned_of,
);

fn what_a_type_uses_is_shown_and_warned_of(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let worker = Worker::start(&db, &[]);
    let none = db.run(&["type", "show", "echo"]).good().stdout;
    assert!(!none.contains("used by the last"), "{none}");

    db.start_many("echo", r#"{"text":"a word"}"#, 20);
    // 1 KiB is 100% of what it may say.
    let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(1_013));
    let line = ["start", "echo", "-i", &long, "--output-max", "1KiB"];
    db.run(&line).good();
    db.wait_all_final();
    worker.wait_log("an attempt came near a limit");
    let said = worker.log();
    let warning = said.lines().find(|line| line.contains("came near"));
    let warning = warning.unwrap();
    for part in ["type=echo", "limit=output", "1KiB", "percent=100"] {
        assert!(warning.contains(part), "{warning}");
    }
    // One that fails is no measure of what a good one needs.
    let line = ["start", "fail", "-i", r#"{"until":9,"fatal":true}"#];
    db.run(&line).good();
    db.wait_all_final();
    let shown = db.json(&["type", "show", "echo"]);
    assert_eq!(shown["usage"]["attempts"], 21);
    let rows = shown["usage"]["limits"].as_array().unwrap();
    let output = rows.iter().find(|row| row["name"] == "output").unwrap();
    assert_eq!(
        (&output["p50"], &output["max"]),
        (&17.into(), &1_024.into())
    );
    assert_eq!(output["suggested"], 2_048, "half as much again as p99");
    let text = db.run(&["type", "show", "echo"]).good().stdout;
    assert!(
        text.contains("used by the last 21 jobs that ended well"),
        "{text}"
    );
    let fail = db.json(&["type", "show", "fail"]);
    assert_eq!(fail["usage"]["attempts"], 0, "{fail}");
}

fn a_drain_waits_for_what_runs(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let mut worker = Worker::start(&db, &[]);
    let id = db.start("nap", r#"{"ms":5000}"#);
    db.wait_state(&id, "running");
    worker.signal(Signal::INT);
    worker.wait_log("draining");
    let late = db.start("noop", "{}");
    assert_eq!(worker.wait(), Some(0), "{}", worker.log());
    assert_eq!(db.job(&id)["state"], "completed");
    assert_eq!(
        db.job(&late)["state"],
        "ready",
        "nothing is claimed any more"
    );
    assert!(
        db.json(&["doctor"]).to_string().contains("none runs"),
        "the session has ended"
    );
}

fn a_drain_interrupts_what_runs_too_long_and_gives_it_back(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let mut worker = Worker::start(&db, &["--drain-timeout", "300ms"]);
    let id = db.start("nap", r#"{"ms":50000}"#);
    db.wait_state(&id, "running");
    worker.drain();
    let job = db.job(&id);
    assert_eq!(
        (&job["state"], &job["attempt"]),
        (&"ready".into(), &0.into()),
        "{job}"
    );
    assert_eq!(job["attempts"][0]["outcome"], "interrupted", "{job}");
    assert_eq!(job["rescues"], 0, "{job}");
}

/// The only open session, once its worker has told how it stands.
fn standing(db: &Database) -> Value {
    wait_for("the worker to tell how it stands", || {
        let session = db.json(&["session", "list"])[0].clone();
        session["slots"].is_u64().then_some(session)
    })
}

fn a_worker_that_is_asked_to_drain_finishes_and_ends(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let mut worker = Worker::start(&db, &["--concurrency", "3"]);
    let session = standing(&db);
    assert_eq!(session["slots"], 3, "{session}");
    assert!(session["memory_budget"].as_u64() > Some(0), "{session}");
    let id = db.start("nap", r#"{"ms":8000}"#);
    db.wait_state(&id, "running");
    wait_for("the slot to be told", || {
        let session = standing(&db);
        let admitted = session["memory_admitted"].as_u64().unwrap();
        (session["slots_used"] == 1 && admitted > 0).then_some(())
    });
    let number = session["id"].to_string();
    let said = db.run(&["session", "drain", &number]).good();
    assert!(said.stdout.contains("is to drain"), "{said:?}");
    let again = db.run(&["session", "drain", &number]);
    assert_eq!(again.code, 1, "{again:?}");
    assert!(
        again.stderr.contains("was asked to drain already"),
        "{again:?}"
    );
    worker.wait_log("asked to drain");
    let shown = db.run(&["session", "list"]).good();
    assert!(shown.stdout.contains("drain"), "{shown:?}");
    let late = db.start("noop", "{}");
    assert_eq!(worker.wait(), Some(0), "{}", worker.log());
    assert_eq!(db.job(&id)["state"], "completed");
    assert_eq!(
        db.job(&late)["state"],
        "ready",
        "nothing was claimed any more"
    );
    assert_eq!(db.json(&["session", "list"]), json!([]));
    let audit = db.json(&["audit", "list", "--action", "drain-session"]);
    assert_eq!(audit[0]["subject"], json!(number), "{audit}");
    assert_eq!(audit.as_array().unwrap().len(), 1);
    let gone = db.run(&["session", "drain", &number]);
    assert_eq!(gone.code, 2, "{gone:?}");
    assert!(
        gone.stderr.contains("`hardstop session list` shows them"),
        "{gone:?}"
    );
}

fn a_server_goes_on_when_its_worker_has_drained(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let server = Server::with(&db, &[]);
    let session = standing(&db);
    let path = format!("/sessions/{}/drain", session["id"]);
    let asked = server.call("POST", &path, None).good();
    assert!(asked["drain_asked_at"].is_string(), "{asked}");
    wait_for("the worker to end", || {
        (server.get("/sessions").good() == json!([])).then_some(())
    });
    server
        .call("POST", &path, None)
        .problem(404, "no-such-session");
    let job = db.start("noop", "{}");
    assert_eq!(server.get(&format!("/jobs/{job}")).good()["state"], "ready");
    assert!(
        server.log().contains("the server goes on"),
        "{}",
        server.log()
    );
}

fn a_second_signal_leaves_at_once(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let mut worker = Worker::start(&db, &["--drain-timeout", "50s"]);
    let id = db.start("nap", r#"{"ms":50000}"#);
    db.wait_state(&id, "running");
    worker.signal(Signal::TERM);
    worker.wait_log("draining; a second signal leaves at once");
    worker.signal(Signal::TERM);
    assert_eq!(worker.wait(), Some(130));
    assert_eq!(
        db.job(&id)["state"],
        "running",
        "it is rescued when the lease runs out"
    );
}

fn two_workers_share_the_work(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let workers = [(); 2].map(|()| Worker::start(&db, &["--concurrency", "4"]));
    let ids = db.start_many("nap", r#"{"ms":20}"#, 200);
    let jobs = db.wait_all_final();
    assert_eq!(jobs.len(), ids.len(), "each settled once");
    let mut by_session: HashMap<u64, usize> = HashMap::new();
    for job in &jobs {
        assert_eq!(
            (&job["state"], &job["attempt"]),
            (&"completed".into(), &1.into()),
            "{job}"
        );
        *by_session
            .entry(job["session"].as_u64().unwrap())
            .or_default() += 1;
    }
    assert_eq!(by_session.len(), 2, "{by_session:?}");
    assert!(
        by_session.values().all(|count| *count >= 40),
        "both busy: {by_session:?}"
    );
    for worker in workers {
        assert!(!worker.log().contains("stale"), "{}", worker.log());
    }
}

fn a_new_deployment_is_served_without_a_restart(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let _worker = Worker::start(&db, &[]);
    db.run(&["start", "noop", "--wait"]).good();
    let folder = hardstop_tests::guest("markdown");
    db.run(&["deploy", folder.to_str().unwrap()]).good();
    let input = format!("@{}", folder.join("samples/input.json").display());
    let said = db
        .run(&[
            "start",
            "markdown",
            "--input",
            &input,
            "--wait",
            "--timeout",
            "30s",
        ])
        .good();
    assert!(said.stdout.contains("<h1"), "{said:?}");
}

fn a_quota_bounds_a_type(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    std::fs::write(
        db.folder().join("hardstop.toml"),
        "[worker.quotas]\nnap = 2\n",
    )
    .unwrap();
    let worker = Worker::start(&db, &[]);
    let naps = db.start_many("nap", r#"{"ms":1500}"#, 6);
    wait_for("some to run", || (count(&db, "running") > 0).then_some(()));
    // Others have the other slots.
    db.run(&["start", "noop", "--wait", "--timeout", "20s"])
        .good();
    assert!(count(&db, "ready") > 0, "some still wait: {}", worker.log());
    // Six at two at once take three turns.
    let jobs: Vec<Value> = naps
        .iter()
        .map(|id| db.wait_state(id, "completed"))
        .collect();
    let times = |field: &str| {
        jobs.iter()
            .map(|job| hardstop_tests::micros(&job[field]))
            .collect::<Vec<_>>()
    };
    let began = times("started_at").into_iter().min().unwrap();
    let ended = times("finished_at").into_iter().max().unwrap();
    assert!(ended - began >= 3 * 1_500_000, "{} us", ended - began);
}

fn count(db: &Database, state: &str) -> usize {
    db.json(&["job", "list", "--state", state])
        .as_array()
        .unwrap()
        .len()
}
