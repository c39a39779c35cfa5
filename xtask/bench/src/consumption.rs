//! What processes have used so far.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// CPU time by what it was used for: that of guest threads, of the threads of SQLite's connections, of the other threads of this
/// process, and of every process on this machine that is called `postgres`.
#[derive(Debug, Clone, Copy)]
pub struct CpuTime([Duration; 4]);

/// The measures of [`CpuTime::per_job`], in microseconds.
const NAMES: [&str; 4] = [
    "guest_cpu_us_per_job",
    "sqlite_cpu_us_per_job",
    "host_cpu_us_per_job",
    "postgres_cpu_us_per_job",
];

impl CpuTime {
    /// Up to now.
    pub fn now() -> Self {
        let mut times = [Duration::ZERO; 4];
        for (name, time) in threads(Path::new("/proc/self")) {
            let index = match name.as_str() {
                "hardstop-guest" => 0,
                name if name.starts_with("sqlite") || name.starts_with("sqlx-sqlite") => 1,
                _ => 2,
            };
            times[index] += time;
        }
        for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let name = fs::read_to_string(process.path().join("comm"));
            if name.is_ok_and(|name| name.trim() == "postgres") {
                times[3] += threads(&process.path()).map(|(_, time)| time).sum();
            }
        }
        Self(times)
    }

    /// Since then, for each of so many jobs.
    pub fn per_job(since: Self, jobs: u32) -> [(&'static str, f64); 4] {
        let Self(now) = Self::now();
        std::array::from_fn(|index| {
            let time = now[index].saturating_sub(since.0[index]);
            (NAMES[index], time.as_secs_f64() * 1e6 / f64::from(jobs))
        })
    }
}

/// The threads of a process that live, by name, and their CPU time, user and system.
fn threads(process: &Path) -> impl Iterator<Item = (String, Duration)> {
    let threads = fs::read_dir(process.join("task"))
        .into_iter()
        .flatten()
        .flatten();
    threads.filter_map(|thread| {
        let name = fs::read_to_string(thread.path().join("comm")).ok()?;
        // Nanoseconds on a core come first.
        let statistics = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        let nanoseconds = statistics.split_whitespace().next()?.parse().ok()?;
        Some((name.trim().to_owned(), Duration::from_nanos(nanoseconds)))
    })
}

/// Bytes of memory that this process holds.
pub fn resident_bytes() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or(0.0) * 1_024.0
}
