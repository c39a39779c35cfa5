//! A worker process.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use crate::{Database, PATIENCE, hardstop, wait_for};

/// A running `hardstop worker`, killed with the test.
pub struct Worker {
    child: Child,
    log: PathBuf,
}

impl Worker {
    /// Starts one and waits until it is ready.
    #[track_caller]
    pub fn start(database: &Database, args: &[&str]) -> Self {
        Self::start_at(database, database.url(), args)
    }

    /// Starts one that finds the database at another URL, and waits until it is ready.
    #[track_caller]
    pub fn start_at(database: &Database, url: &str, args: &[&str]) -> Self {
        let log = database.folder().join(format!("worker-{}.log", unique()));
        let args: Vec<&str> = ["worker", "--database-url", url]
            .into_iter()
            .chain(args.iter().copied())
            .collect();
        let child = hardstop(database.folder(), &args)
            .env("HARDSTOP_LOG", "debug")
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let worker = Self { child, log };
        worker.wait_log("worker is ready");
        worker
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until it has logged something.
    #[track_caller]
    pub fn wait_log(&self, text: &str) {
        wait_for(&format!("`{text}` in {}", self.log.display()), || {
            self.log().contains(text).then_some(())
        });
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits until it has ended, and returns its exit code.
    #[track_caller]
    pub fn wait(&mut self) -> Option<i32> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(
                began.elapsed() < PATIENCE,
                "the worker goes on:\n{}",
                self.log()
            );
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    /// Kills it, as a crash would.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.wait();
    }

    /// Drains it; it must end well.
    #[track_caller]
    pub fn drain(&mut self) {
        self.signal(Signal::TERM);
        assert_eq!(self.wait(), Some(0), "{}", self.log());
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
    }
}

fn unique() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
