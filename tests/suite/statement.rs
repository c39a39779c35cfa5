//! The statement budget: what a worker asks of its database grows with batches and with time, not with jobs.

use std::process::Command;
use std::time::{Duration, Instant};

use hardstop_tests::{Database, Kind, Worker, wait_for};

const JOBS: usize = 4_000;

/// On Postgres, counted by the server: everything that the worker commits from its start to its end.
#[test]
fn postgres_commits_by_the_batch() {
    let db = Database::alone(Kind::Postgres, &["plain"]);
    db.start_many("noop", "{}", JOBS);
    let before = commits(&db);
    let began = Instant::now();
    let mut worker = Worker::start(&db, &["--concurrency", "64", "--lease", "3s"]);
    // In its log, because looking into the database is a commit too.
    wait_for("every attempt to end", || {
        (worker.log().matches("attempt ended").count() >= JOBS).then_some(())
    });
    worker.drain();
    let elapsed = began.elapsed();
    let after = commits(&db);
    let ended = db.json(&["job", "list", "--state", "completed", "--limit", "1"]);
    assert_eq!(ended.as_array().unwrap().len(), 1, "{ended}");

    // Per period: a heartbeat, a rescue, a promotion, a look for deployments; and what starting costs.
    let periods = 4 * (elapsed.as_secs() + 1) + 60;
    let of_jobs = (after - before).saturating_sub(periods);
    // A claim and a settlement for each job would be twice as many as there are jobs. Jobs that do nothing
    // leave room for small batches only, of about six.
    assert!(
        of_jobs < JOBS as u64 / 2,
        "{} commits in {elapsed:?} for {JOBS} jobs",
        after - before
    );
    assert!(elapsed < Duration::from_secs(60), "{elapsed:?}");
}

/// How many transactions were committed in this database. The statistics of a connection that has ended are
/// complete.
fn commits(db: &Database) -> u64 {
    let ask = || -> u64 {
        let output = Command::new("psql")
            .args([
                "--no-psqlrc",
                "--tuples-only",
                "--no-align",
                "--dbname",
                db.url(),
            ])
            .args([
                "--command",
                "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()",
            ])
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout)
            .trim()
            .parse()
            .unwrap()
    };
    // Two looks in a row that differ by no more than a look itself costs: whoever has ended has told all.
    let mut last = ask();
    wait_for("the statistics to settle", || {
        let now = ask();
        let settled = now <= last + 3;
        last = now;
        settled.then_some(now)
    })
}
