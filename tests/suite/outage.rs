//! A database that is away, for a while: longer than the lease, or for a restart in mid-load.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hardstop_tests::{Cluster, Database, Kind, Load, Proxy, Worker, micros};
use serde_json::Value;

const ARGS: &[&str] = &["--lease", "2s", "--concurrency", "4"];
const STOPPED: &str = "the lease may run out: stopped every guest";

mod postgres {
    use super::*;

    #[test]
    fn guests_are_stopped_before_the_lease_can_have_run_out() {
        let db = Database::new(Kind::Postgres, &["plain"]);
        let proxy = Proxy::before(db.url());
        let cut_off = Worker::start_at(&db, proxy.url(), ARGS);
        let naps = start_naps(&db);
        let mut other = Worker::start(&db, ARGS);
        proxy.silence(true);
        cut_off.wait_log(STOPPED);
        let jobs: Vec<_> = naps
            .iter()
            .map(|id| db.wait_state(id, "completed"))
            .collect();
        proxy.silence(false);
        check(&jobs, &cut_off);
        for job in &jobs {
            assert_eq!(job["rescues"], 1, "the other was given it: {job:#}");
        }
        // It comes back by itself.
        cut_off.wait_log("session opened");
        other.drain();
        works(&db);
    }

    #[test]
    fn every_job_ends_once_though_the_server_restarts() {
        let cluster = Cluster::start();
        let db = Database::on(&cluster.url(), &["plain"]);
        let _workers = [(); 2].map(|()| Worker::start(&db, ARGS));
        let mut load = Load::default();
        for _ in 0..3 {
            load.add(&db);
            cluster.restart_at_once();
            load.add(&db);
        }
        load.check(&db);
    }
}

mod sqlite {
    use super::*;

    #[test]
    fn guests_are_stopped_before_the_lease_can_have_run_out() {
        let db = Database::new(Kind::Sqlite, &["plain"]);
        let first = Worker::start(&db, ARGS);
        let naps = start_naps(&db);
        let other = Worker::start(&db, ARGS);
        let lock = Lock::take(&db);
        first.wait_log(STOPPED);
        other.wait_log(STOPPED);
        // The script of the fault: longer than the lease.
        std::thread::sleep(Duration::from_secs(2));
        lock.release();
        let jobs: Vec<_> = naps
            .iter()
            .map(|id| db.wait_state(id, "completed"))
            .collect();
        check(&jobs, &first);
        works(&db);
    }
}

/// Jobs that take longer than a lease, running.
fn start_naps(db: &Database) -> Vec<String> {
    let naps = db.start_many("nap", r#"{"ms":4000}"#, 3);
    for id in &naps {
        db.wait_state(id, "running");
    }
    naps
}

/// Each ended well, and its last run began after the worker that was cut off had stopped the one before.
#[track_caller]
fn check(jobs: &[Value], cut_off: &Worker) {
    let log = cut_off.log();
    let line = log.lines().find(|line| line.contains(STOPPED)).unwrap();
    assert!(line.contains("stopped=3"), "{line}");
    let stopped_at = micros(&line.split_whitespace().next().unwrap().into());
    for job in jobs {
        assert_eq!(job["attempt"], 1, "an outage is no attempt: {job:#}");
        assert!(
            micros(&job["started_at"]) > stopped_at,
            "begun before {line}: {job:#}"
        );
        // The run that was cut off; and perhaps a claim whose answer came too late: given back, no guest ran.
        let runs = job["attempts"].as_array().unwrap();
        assert!(!runs.is_empty(), "one run was cut off: {job:#}");
        for late in &runs[1..] {
            assert_eq!(late["outcome"], "interrupted", "{job:#}");
            assert_eq!(late["usage"]["wall_us"], 0, "{job:#}");
        }
    }
}

#[track_caller]
fn works(db: &Database) {
    let mut load = Load::default();
    let ids = load.start(db, "noop", &[], 20, 1, 1);
    for id in ids {
        db.wait_state(&id, "completed");
    }
}

/// The write lock of a SQLite file, held by another program.
struct Lock(Child);

impl Lock {
    fn take(db: &Database) -> Self {
        let mut child = Command::new("sqlite3")
            .arg(db.url().strip_prefix("sqlite://").unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("no sqlite3: run `apt-get install -y sqlite3`");
        let stdin = child.stdin.as_mut().unwrap();
        stdin
            .write_all(b".timeout 20000\nBEGIN EXCLUSIVE;\nSELECT 'locked';\n")
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut said)
            .unwrap();
        assert_eq!(said, "locked\n");
        Self(child)
    }

    fn release(mut self) {
        // The end of its input ends it, and its transaction.
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success());
    }
}
