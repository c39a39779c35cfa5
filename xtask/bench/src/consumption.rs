//! What processes have used so far.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::measure::{Figure, figure};

/// CPU time by what it was used for: that of guest threads, of the threads of SQLite's connections, of the other threads of this
/// process, and of every process on this machine that is called `postgres`.
#[derive(Debug, Clone, Copy)]
pub struct CpuTime([Duration; 4]);

/// In which unit Linux tells the times of processes: `USER_HZ`.
const TICKS_PER_S: u32 = 100;

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
                name if is_sqlite(name) => 1,
                _ => 2,
            };
            times[index] += time;
        }
        times[3] = postgres();
        Self(times)
    }

    /// Since then, for each of so many jobs.
    pub fn per_job(since: Self, jobs: u64) -> impl Iterator<Item = Figure> {
        let Self(now) = Self::now();
        (0..NAMES.len()).map(move |index| {
            let time = now[index].saturating_sub(since.0[index]);
            figure(NAMES[index], time.as_secs_f64() * 1e6 / jobs as f64)
        })
    }
}

/// The CPU time of every process on this machine that is called `postgres`, and of those that it waited for: a
/// connection that is closed takes its own with it.
pub fn postgres() -> Duration {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let postgres = processes.filter(|process| {
        let name = fs::read_to_string(process.path().join("comm"));
        name.is_ok_and(|name| name.trim() == "postgres")
    });
    postgres
        .map(|process| {
            let living: Duration = threads(&process.path()).map(|(_, time)| time).sum();
            living + ended_children(&process.path()).unwrap_or_default()
        })
        .sum()
}

/// The CPU time of the children of a process that have ended, and of theirs: `cutime` and `cstime` of proc_pid_stat(5).
fn ended_children(process: &Path) -> Option<Duration> {
    let statistics = fs::read_to_string(process.join("stat")).ok()?;
    // The name is in brackets, may hold spaces, and is the second field; those wanted are the 16th and 17th.
    let (_, rest) = statistics.rsplit_once(')')?;
    let ticks = rest.split_whitespace().skip(13).take(2);
    let ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Some(Duration::from_secs(ticks) / TICKS_PER_S)
}

/// The CPU time of a process of this id.
pub fn process(id: u32) -> Duration {
    threads(&of(id)).map(|(_, time)| time).sum()
}

/// The threads of a process that live, by name, and their CPU time, user and system.
fn threads(process: &Path) -> impl Iterator<Item = (String, Duration)> + use<> {
    tasks(process).filter_map(|(name, thread)| {
        // Nanoseconds on a core come first.
        let statistics = fs::read_to_string(thread.join("schedstat")).ok()?;
        let nanoseconds = statistics.split_whitespace().next()?.parse().ok()?;
        Some((name, Duration::from_nanos(nanoseconds)))
    })
}

fn tasks(process: &Path) -> impl Iterator<Item = (String, PathBuf)> + use<> {
    let threads = fs::read_dir(process.join("task"))
        .into_iter()
        .flatten()
        .flatten();
    threads.filter_map(|thread| {
        let name = fs::read_to_string(thread.path().join("comm")).ok()?;
        Some((name.trim().to_owned(), thread.path()))
    })
}

fn is_sqlite(thread: &str) -> bool {
    thread.starts_with("sqlite") || thread.starts_with("sqlx-sqlite")
}

/// How many bytes the threads of SQLite's connections in this process have written.
pub fn sqlite_bytes_written() -> f64 {
    let threads = tasks(Path::new("/proc/self")).filter(|(name, _)| is_sqlite(name));
    threads.map(|(_, thread)| io(&thread, "wchar")).sum()
}

/// How often a process has called the kernel to read.
pub fn read_calls(id: u32) -> f64 {
    io(&of(id), "syscr")
}

/// A line of what a process or thread has read and written.
fn io(process: &Path, name: &str) -> f64 {
    let text = fs::read_to_string(process.join("io")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|line| line.strip_prefix(':')?.trim().parse().ok());
    value.unwrap_or(0.0)
}

fn of(id: u32) -> PathBuf {
    Path::new("/proc").join(id.to_string())
}

/// Bytes of memory that this process holds.
pub fn resident_bytes() -> f64 {
    resident_bytes_of(std::process::id())
}

/// Bytes of memory that a process holds.
pub fn resident_bytes_of(id: u32) -> f64 {
    let status = fs::read_to_string(of(id).join("status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or(0.0) * 1_024.0
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn children_that_ended_are_counted() {
        let this = Path::new("/proc/self");
        let before = ended_children(this);
        let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done";
        let ended = Command::new("sh").args(["-c", busy]).status();
        assert!(ended.is_ok_and(|ended| ended.success()));
        assert!(ended_children(this) > before, "{before:?}");
    }
}
