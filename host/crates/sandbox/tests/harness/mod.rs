//! Guests from `tests/guests`, and a sandbox for them.

pub mod web;
mod wrapper;

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use hardstop_domain::{Capabilities, Failure, JobId, Limits, Lineage, OutcomeKind, Report};
use hardstop_sandbox::{
    Attempt, CompileConfig, PrepareError, Prepared, Profile, Sandbox, SandboxConfig, StopSignal,
};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use uuid::Uuid;

/// The sandbox that tests share. Two guest threads, whatever the machine has: the contract is stated
/// for two.
pub static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| {
    Sandbox::new(SandboxConfig {
        guest_threads: 2,
        ..config()
    })
    .unwrap()
});

/// The default, with a program that compiles: a test binary has no `main` of its own to do it.
pub fn config() -> SandboxConfig {
    SandboxConfig {
        compile: CompileConfig {
            program: env!("CARGO_BIN_EXE_hardstop-compile").into(),
            ..CompileConfig::default()
        },
        ..SandboxConfig::default()
    }
}

/// Tests that measure time have the guest threads for themselves.
static QUIET: RwLock<()> = RwLock::const_new(());

/// Held by every test that measures nothing.
pub async fn shared() -> RwLockReadGuard<'static, ()> {
    QUIET.read().await
}

/// Held by a test that measures.
pub async fn alone() -> RwLockWriteGuard<'static, ()> {
    QUIET.write().await
}

pub fn guests() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../tests/guests")
}

/// The component, or whatever it is, of a file in `tests/guests`.
pub fn wasm(name: &str) -> Vec<u8> {
    wasm_with(name, "")
}

/// The same, with more core modules.
pub fn wasm_with(name: &str, more: &str) -> Vec<u8> {
    let path = guests().join(format!("{name}.wat"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let text = wrapper::wrap(&format!("{text}{more}"));
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub async fn prepare(name: &str, limits: &Limits) -> Result<Prepared, PrepareError> {
    SANDBOX.prepare(&wasm(name), Profile::of(limits)).await
}

/// Limits that no well-behaved guest here comes near, but for those that a test sets itself.
pub fn limits() -> Limits {
    Limits {
        wall_timeout_ms: 20_000,
        cpu_time_ms: 10_000,
        memory_bytes_max: 8 << 20,
        ..Limits::default()
    }
}

pub fn attempt(limits: Limits) -> Attempt {
    let job = JobId(Uuid::now_v7());
    Attempt {
        job,
        chain: job.into(),
        type_name: "test".parse().unwrap(),
        number: 1,
        attempts_left: 2,
        input: r#"{"n":1}"#.to_owned(),
        blockers: Vec::new(),
        lineage: Lineage::root(job.into()),
        descendants: 0,
        trace_parent: None,
        limits,
        capabilities: Capabilities::default(),
        command: Default::default(),
        files: Default::default(),
        stop: StopSignal::never(),
        watch: None,
    }
}

/// Prepares and runs a guest under these limits.
pub async fn run(name: &str, limits: Limits) -> Report {
    let prepared = prepare(name, &limits).await.unwrap();
    prepared.run(attempt(limits)).await
}

/// The failure of a report, which must be of this kind.
#[track_caller]
pub fn failure(report: &Report, kind: OutcomeKind) -> &Failure {
    let failure = report.outcome.failure();
    match failure {
        Some(failure) if failure.kind == kind => failure,
        _ => panic!("not {kind}: {report:#?}"),
    }
}

/// How long the guest threads of this process have waited for the operating system to give them a
/// core since they began, added up. Zero where the kernel does not tell.
pub fn waited_for_a_core() -> Duration {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else {
        return Duration::ZERO;
    };
    let waited_ns = |thread: std::fs::DirEntry| -> Option<u64> {
        let name = std::fs::read_to_string(thread.path().join("comm")).ok()?;
        let stat = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        (name.trim() == "hardstop-guest").then_some(())?;
        stat.split(' ').nth(1)?.parse().ok()
    };
    Duration::from_nanos(threads.flatten().filter_map(waited_ns).sum())
}
