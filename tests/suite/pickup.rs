//! An idle worker: it begins a started job soon, and rests in between.

use std::time::{Duration, Instant};

use hardstop_tests::{Database, Kind, Worker, micros};

on_both!(an_idle_worker_begins_soon, an_idle_worker_rests);

/// The promise: 10 ms at the median, from the start's commit to the handler's entry.
fn an_idle_worker_begins_soon(kind: Kind) {
    let db = Database::alone(kind, &["plain"]);
    let _worker = Worker::start(&db, &[]);
    // The first one loads the component.
    db.run(&["start", "clock", "--wait"]).good();
    let mut waits_us: Vec<i64> = (0..31)
        .map(|_| {
            let said = db.run(&["start", "clock", "--wait", "-o", "json"]).good();
            let job = said.json();
            let entered = job["output"].as_i64().unwrap();
            entered - micros(&job["created_at"])
        })
        .collect();
    waits_us.sort_unstable();
    let median = waits_us[waits_us.len() / 2];
    assert!(
        median < 10_000,
        "a started job began after {median} us at the median: {waits_us:?}"
    );
}

fn an_idle_worker_rests(kind: Kind) {
    let db = Database::alone(kind, &["plain"]);
    let worker = Worker::start(&db, &[]);
    db.run(&["start", "noop", "--wait"]).good();
    // An interval is what is measured here: CPU time per time.
    let (before, began) = (cpu_ticks(worker.pid()), Instant::now());
    std::thread::sleep(Duration::from_secs(3));
    let used = (cpu_ticks(worker.pid()) - before) as f64 / 100.0;
    let share = used / began.elapsed().as_secs_f64();
    assert!(
        share < 0.10,
        "an idle worker uses {:.1} % of a core",
        share * 100.0
    );
}

/// User and system time of a process, in hundredths of a second.
fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name, in parentheses, may hold blanks; fields 14 and 15 follow it.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
