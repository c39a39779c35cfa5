//! Many jobs of every kind, and workers that come and go: then everything is counted.

use std::time::{Duration, Instant};

use hardstop_tests::{Database, Kind, Load, Worker};
use rustix::process::Signal;

on_both!(
    every_job_ends_once_though_a_worker_is_killed_every_second,
    every_job_ends_once_though_workers_are_told_to_stop,
);

const ARGS: &[&str] = &["--lease", "2s", "--concurrency", "4"];
/// Each takes about two seconds on a busy machine of two cores.
const KILLS: usize = 12;

fn every_job_ends_once_though_a_worker_is_killed_every_second(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let mut workers = [(); 3].map(|()| Worker::start(&db, ARGS));
    let mut load = Load::default();
    for kill in 0..KILLS {
        let began = Instant::now();
        load.add(&db);
        // The script of the fault: once a second.
        std::thread::sleep(Duration::from_secs(1).saturating_sub(began.elapsed()));
        let worker = &mut workers[kill % 3];
        worker.kill();
        *worker = Worker::start(&db, ARGS);
    }
    // On a fast machine each of them may have had nothing to do just then; this one has.
    let input = ["--input", r#"{"ms":3000}"#].map(str::to_owned);
    let naps = load.start(&db, "nap", &input, 1, 1, 1);
    let session = db.wait_state(&naps[0], "running")["session"].clone();
    let sessions = db.json(&["session", "list"]);
    let mut sessions = sessions.as_array().unwrap().iter();
    let host = sessions.find(|it| it["id"] == session).unwrap()["host"].clone();
    let host = host.as_str().unwrap();
    let holder = workers
        .iter_mut()
        .find(|it| host.ends_with(&format!(":{}", it.pid())));
    holder.unwrap().kill();
    let rescues = load.check(&db);
    assert!(rescues > 0, "no kill hit a job: this has tested nothing");
}

fn every_job_ends_once_though_workers_are_told_to_stop(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let mut load = Load::default();
    for signal in [Signal::INT, Signal::TERM] {
        let mut workers = [(); 2].map(|()| Worker::start(&db, ARGS));
        load.add(&db);
        // What is running when the signal comes, whatever the machine has done meanwhile.
        let input = ["--input", r#"{"ms":3000}"#].map(str::to_owned);
        let naps = load.start(&db, "nap", &input, 2, 1, 1);
        for id in &naps {
            db.wait_state(id, "running");
        }
        load.add(&db);
        for worker in &workers {
            worker.signal(signal);
        }
        for worker in &mut workers {
            assert_eq!(worker.wait(), Some(0), "{}", worker.log());
            assert!(!worker.log().contains("stale"), "{}", worker.log());
        }
        let jobs = db.jobs();
        assert!(
            jobs.iter().all(|job| job["state"] != "running"),
            "a worker that has ended holds a job: {jobs:#?}"
        );
    }
    let _worker = Worker::start(&db, ARGS);
    assert_eq!(load.check(&db), 0, "a drain leaves nothing to be rescued");
}
