//! An idle worker: it begins a started job soon, and rests in between.

use std::time::{Duration, Instant};

use hardstop_tests::{Database, Kind, Worker, micros};

on_both!(an_idle_worker_begins_soon, an_idle_worker_rests);

/// The promise, at the median, from the start's commit to the handler's entry.
const PROMISE_US: u64 = 10_000;
const STARTS: u64 = 31;

/// On a machine that does something else beside, the time for which the worker waited for a core is not its own.
fn an_idle_worker_begins_soon(kind: Kind) {
    let db = Database::alone(kind, &["plain"]);
    let worker = Worker::start(&db, &[]);
    // The first one loads the component.
    db.run(&["start", "clock", "--wait"]).good();
    let waited_before = waited_for_a_core_us(worker.pid());
    let mut waits_us: Vec<i64> = (0..STARTS)
        .map(|_| {
            let said = db.run(&["start", "clock", "--wait", "-o", "json"]).good();
            let job = said.json();
            let entered = job["output"].as_i64().unwrap();
            entered - micros(&job["created_at"])
        })
        .collect();
    // A thread may have ended meanwhile, and taken its share along.
    let waited_us = waited_for_a_core_us(worker.pid()).saturating_sub(waited_before) / STARTS;
    waits_us.sort_unstable();
    let median = waits_us[waits_us.len() / 2];
    assert!(
        median < (PROMISE_US + waited_us) as i64,
        "a started job began after {median} us at the median, of which {waited_us} us were a wait for a core: {waits_us:?}"
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

/// How long the threads of a process have been ready to run and had no core, added up. Zero where the kernel does
/// not tell.
fn waited_for_a_core_us(pid: u32) -> u64 {
    let waited_ns = |thread: std::fs::DirEntry| -> Option<u64> {
        let stat = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        stat.split(' ').nth(1)?.parse().ok()
    };
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return 0;
    };
    threads.flatten().filter_map(waited_ns).sum::<u64>() / 1_000
}
