//! Workers that die: nothing is lost, nothing is settled twice, and a crash is not an attempt.

use std::collections::HashSet;

use hardstop_tests::{Database, Kind, Worker, wait_for};
use rustix::process::Signal;

on_both!(
    another_worker_finishes_what_a_killed_one_ran,
    the_same_worker_restarted_finishes_it,
    a_settlement_that_comes_too_late_changes_nothing,
);

/// A lease short enough to wait for, long enough for a busy machine.
const LEASE: &[&str] = &["--lease", "2s", "--concurrency", "8"];

fn another_worker_finishes_what_a_killed_one_ran(kind: Kind) {
    finishes(kind, true);
}

fn the_same_worker_restarted_finishes_it(kind: Kind) {
    finishes(kind, false);
}

fn finishes(kind: Kind, other_is_there: bool) {
    let db = Database::new(kind, &["plain"]);
    let mut first = Worker::start(&db, LEASE);
    let napping = db.start_many("nap", r#"{"ms":4000}"#, 4);
    for id in &napping {
        db.wait_state(id, "running");
    }
    let other = other_is_there.then(|| Worker::start(&db, LEASE));
    let quick = db.start_many("steps", "[2,0]", 20);
    first.kill();
    let other = other.unwrap_or_else(|| Worker::start(&db, LEASE));
    let jobs = db.wait_all_final();
    assert_eq!(
        jobs.len(),
        napping.len() + quick.len() * 3,
        "a chain of three for each quick one"
    );
    let ids: HashSet<_> = jobs.iter().map(|job| job["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), jobs.len(), "none twice");
    for id in &napping {
        let job = db.job(id);
        assert_eq!(job["state"], "completed", "{job}");
        assert_eq!(
            (&job["rescues"], &job["attempt"]),
            (&1.into(), &1.into()),
            "{job}"
        );
        assert_eq!(
            job["attempts"][0]["outcome"], "lost",
            "the lost run is on record: {job}"
        );
    }
    assert!(
        other.log().contains("rescued a job from a dead session"),
        "{}",
        other.log()
    );
}

/// A worker that is stopped for longer than its lease, as a suspended machine would be: its jobs are
/// given to another, and what it then has to say of them is dropped, aloud.
fn a_settlement_that_comes_too_late_changes_nothing(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let slow = Worker::start(&db, LEASE);
    let id = db.start("nap", r#"{"ms":5000}"#);
    db.wait_state(&id, "running");
    slow.signal(Signal::STOP);
    let other = Worker::start(&db, LEASE);
    let job = db.wait_state(&id, "completed");
    let settled_by = job["session"].clone();
    slow.signal(Signal::CONT);
    slow.wait_log("its effects are dropped");
    assert_eq!(db.job(&id)["session"], settled_by);
    assert_eq!(
        db.job(&id)["finished_at"],
        job["finished_at"],
        "written once"
    );
    // It is a good worker again, under another session.
    drop(other);
    let id = db.start("nap", r#"{"ms":1}"#);
    wait_for("the worker to work again", || {
        (db.job(&id)["state"] == "completed").then_some(())
    });
}
