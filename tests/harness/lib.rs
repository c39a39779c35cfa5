//! What the black-box tests stand on: the binary, databases, workers.
//!
//! Everything here panics with what is missing and how to get it: a test that cannot run has failed.

#![allow(clippy::unwrap_used, reason = "a harness fails by panicking")]

mod browser;
mod cluster;
mod database;
mod load;
mod proxy;
mod receiver;
mod server;
mod worker;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub use browser::Browser;
pub use cluster::Cluster;
pub use database::{Database, Kind};
pub use load::Load;
pub use proxy::Proxy;
pub use receiver::{Posted, RECEIVER_CANARY, Receiver, Reply};
pub use server::{Answer, Server, receive, send_to};
pub use worker::Worker;

/// Longer than anything should take; a wait that reaches it has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The `hardstop` binary: `HARDSTOP_BIN`, or the one beside the tests.
pub fn binary() -> PathBuf {
    let path = std::env::var_os("HARDSTOP_BIN").map_or_else(
        || {
            std::env::current_exe()
                .unwrap()
                .parent()
                .unwrap()
                .with_file_name("hardstop")
        },
        PathBuf::from,
    );
    assert!(
        path.exists(),
        "no binary at {}: run `cargo xtask test`, which builds it",
        path.display()
    );
    path
}

/// A program of those that `cargo xtask test` installs: `HARDSTOP_TEST_TOOLS`, or `target/tools`, has it.
pub fn tool(name: &str) -> PathBuf {
    let folder = std::env::var_os("HARDSTOP_TEST_TOOLS")
        .map_or_else(|| root().join("target/tools/bin"), PathBuf::from);
    let path = folder.join(name);
    assert!(
        path.exists(),
        "no program at {}: run `cargo xtask test`, which installs it",
        path.display()
    );
    path
}

/// The folder of an example job or test guest, with its component built.
pub fn guest(name: &str) -> PathBuf {
    let folder = ["jobs-examples", "tests/guests"]
        .map(|parent| root().join(parent).join(name))
        .into_iter()
        .find(|folder| folder.join("job.toml").exists())
        .unwrap_or_else(|| panic!("there is no guest {name}"));
    let component = component(name);
    assert!(
        component.exists(),
        "no component at {}: run `cargo xtask guests`, which builds it",
        component.display()
    );
    folder
}

/// The component of an example job or test guest.
pub fn component(name: &str) -> PathBuf {
    root().join(format!(
        "target/wasm32-wasip2/guest/{}.wasm",
        name.replace('-', "_")
    ))
}

/// `hardstop` with these arguments, in a folder, with nothing of the surroundings' configuration.
pub fn hardstop(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .current_dir(folder)
        .args(args)
        .env_remove("HARDSTOP_DATABASE_URL")
        .env_remove("HARDSTOP_SERVER")
        .env_remove("HARDSTOP_TOKEN")
        .env_remove("HARDSTOP_CONFIG")
        .env_remove("HARDSTOP_LOG")
        // Each guest is compiled once for all tests.
        .env("XDG_CACHE_HOME", root().join("target/cache"))
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null());
    command
}

/// What a command that has ended said.
#[derive(Debug)]
pub struct Said {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Said {
    /// The same, if it ended well.
    #[track_caller]
    pub fn good(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }

    /// The standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// The standard output as JSON lines.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// Runs `hardstop` to its end.
pub fn run(folder: &Path, args: &[&str]) -> Said {
    hardstop(folder, args).output().unwrap().into()
}

/// Looks until it sees something.
#[track_caller]
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(began.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Microseconds since 1970 of a time as it is printed in JSON.
#[track_caller]
pub fn micros(time: &Value) -> i64 {
    let time: jiff::Timestamp = time.as_str().unwrap().parse().unwrap();
    time.as_microsecond()
}
