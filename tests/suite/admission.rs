//! Memory decides how many guests run at once.

use std::path::PathBuf;

use hardstop_tests::{Database, Kind, Worker, component, micros};

on_both!(
    no_more_run_at_once_than_fit,
    small_jobs_do_not_keep_a_large_one_out,
    a_guest_that_never_fits_is_refused_or_left_to_others,
);

/// A manifest of two handlers in `plain` with these limits on memory, in the test's folder.
fn manifest(db: &Database, nap: &str, work: &str) -> PathBuf {
    let component = component("plain");
    let path = db.folder().join("job.toml");
    let text = format!(
        "name = \"plain\"\ncomponent = {component:?}\n\
         [types.nap.limits]\nmemory = \"{nap}\"\n[types.work.limits]\nmemory = \"{work}\"\n"
    );
    std::fs::write(&path, text).unwrap();
    path
}

fn budget(db: &Database, budget: &str) {
    let text = format!("[worker]\nmemory_budget = \"{budget}\"\n");
    std::fs::write(db.folder().join("hardstop.toml"), text).unwrap();
}

fn deploy(db: &Database, nap: &str, work: &str) {
    let path = manifest(db, nap, work);
    db.run(&["deploy", path.to_str().unwrap()]).good();
}

/// Each sleeps for half a second, so ten of which two run at once take at least five of these.
fn no_more_run_at_once_than_fit(kind: Kind) {
    let db = Database::new(kind, &[]);
    // With the host's part, 16 MiB each.
    budget(&db, "40MiB");
    deploy(&db, "14MiB", "14MiB");
    db.start_many("nap", r#"{"ms":500}"#, 10);
    let worker = Worker::start(&db, &[]);
    let jobs = db.wait_all_final();
    assert_eq!(jobs.len(), 10);
    let jobs: Vec<_> = jobs
        .iter()
        .map(|job| db.job(job["id"].as_str().unwrap()))
        .collect();
    for job in &jobs {
        assert_eq!(job["state"], "completed", "{job}");
    }
    let began = jobs.iter().map(|job| micros(&job["started_at"])).min();
    let ended = jobs.iter().map(|job| micros(&job["finished_at"])).max();
    let took = ended.unwrap() - began.unwrap();
    assert!(took >= 2_500_000, "{took} us\n{}", worker.log());
}

fn small_jobs_do_not_keep_a_large_one_out(kind: Kind) {
    let db = Database::new(kind, &[]);
    budget(&db, "64MiB");
    // Four small ones fit at once, or the large one.
    deploy(&db, "14MiB", "62MiB");
    let small = db.start_many("nap", r#"{"ms":200}"#, 40);
    let large = db.start("work", r#"{"ms":1}"#);
    let _worker = Worker::start(&db, &[]);
    db.wait_all_final();
    let large = db.job(&large);
    assert_eq!(large["state"], "completed", "{large}");
    let later = small
        .iter()
        .map(|id| db.job(id))
        .inspect(|job| assert_eq!(job["state"], "completed", "{job}"))
        .filter(|job| micros(&job["finished_at"]) > micros(&large["finished_at"]))
        .count();
    assert!(
        later >= 20,
        "{later} of 40 small ones ended after the large one"
    );
}

fn a_guest_that_never_fits_is_refused_or_left_to_others(kind: Kind) {
    let db = Database::new(kind, &[]);
    budget(&db, "32MiB");
    let path = manifest(&db, "14MiB", "31MiB");
    let said = db.run(&["deploy", path.to_str().unwrap()]);
    assert_eq!(said.code, 2, "{said:#?}");
    for part in [
        "[types.work]",
        "limit `memory` = 31MiB",
        "32MiB",
        "memory_budget",
    ] {
        assert!(said.stderr.contains(part), "{part}: {said:#?}");
    }
    assert!(db.run(&["type", "list"]).good().stdout.lines().count() <= 1);

    // Deployed from a larger machine.
    budget(&db, "64MiB");
    deploy(&db, "14MiB", "31MiB");
    budget(&db, "32MiB");
    let work = db.start("work", r#"{"ms":1}"#);
    let worker = Worker::start(&db, &[]);
    worker.wait_log("this worker does not run the type");
    let nap = db.start("nap", r#"{"ms":1}"#);
    db.run(&["job", "wait", &nap]).good();
    assert_eq!(db.job(&work)["state"], "ready");
    drop(worker);
    budget(&db, "64MiB");
    let _larger = Worker::start(&db, &[]);
    db.run(&["job", "wait", &work]).good();
}
