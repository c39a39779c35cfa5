//! Components that are made to be hard to compile, and the children that compile them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hardstop_sandbox::{
    CompileConfig, CompileLimit, PrepareError, Profile, Sandbox, SandboxConfig,
};

use super::*;

/// Longer than anything here should take; a wait that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

fn sandbox(compile: CompileConfig) -> Sandbox {
    Sandbox::new(SandboxConfig {
        instances_max: 1,
        guest_threads: 1,
        compile,
        ..config()
    })
    .unwrap()
}

async fn prepare_in(sandbox: &Sandbox, wasm: &[u8]) -> Result<(), PrepareError> {
    let profile = Profile::of(&limits());
    sandbox.prepare(wasm, profile).await.map(|_| ())
}

/// A program that compiles in its own way. One a folder.
fn script(folder: &Path, text: &str) -> CompileConfig {
    let (source, program) = (folder.join("source"), folder.join("compiler"));
    std::fs::write(&source, format!("#!/bin/sh\n{text}\n")).unwrap();
    // Written by a process of its own: a child that another test is just starting could otherwise hold it open
    // for writing, and then nobody can start it.
    let installed = Command::new("install")
        .args(["-m", "700"])
        .args([&source, &program])
        .status();
    assert!(installed.unwrap().success());
    CompileConfig {
        program,
        ..config().compile
    }
}

/// One function of 160 KB that has twenty thousand values at hand at once: a minute, for a compiler.
fn bomb_of_time() -> Vec<u8> {
    let values = "local.get 0 local.get 1 i64.add local.tee 0 ".repeat(20_000);
    let sum = "i64.mul ".repeat(19_999);
    let body = format!("(param i64 i64) (result i64) {values} {sum}");
    wasm_with("echo", &format!("(core module $bomb (func {body}))"))
}

/// One function of 2 MB that does nothing but call: a gigabyte, for a compiler.
fn bomb_of_memory() -> Vec<u8> {
    let calls = "call 1 ".repeat(1_000_000);
    wasm_with(
        "echo",
        &format!("(core module $bomb (func {calls}) (func))"),
    )
}

#[track_caller]
fn assert_over(error: &PrepareError, expected: CompileLimit) {
    match error {
        PrepareError::CompileLimit { limit, .. } => assert_eq!(*limit, expected),
        error => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_bomb_runs_out_of_time() {
    let _shared = shared().await;
    let sandbox = sandbox(CompileConfig {
        cpu_time: Duration::from_secs(1),
        ..config().compile
    });
    match prepare_in(&sandbox, &bomb_of_time()).await {
        Err(error) => {
            assert_over(&error, CompileLimit::Time);
            let text = error.to_string();
            assert!(text.contains("limit `compile_time` = 1s: "), "{text}");
            assert!(
                text.contains("raise `cpu_time` in the table [compile]"),
                "{text}"
            );
        }
        Ok(()) => panic!("compiled"),
    }
    prepare_in(&sandbox, &wasm("echo")).await.unwrap();
}

#[tokio::test]
async fn a_bomb_runs_out_of_memory() {
    let _shared = shared().await;
    let sandbox = sandbox(CompileConfig {
        cpu_time: Duration::from_secs(600),
        memory_bytes_max: 512 << 20,
        ..config().compile
    });
    match prepare_in(&sandbox, &bomb_of_memory()).await {
        Err(error) => {
            assert_over(&error, CompileLimit::Memory);
            assert!(
                error
                    .to_string()
                    .contains("limit `compile_memory` = 512MiB: "),
                "{error}"
            );
        }
        Ok(()) => panic!("compiled"),
    }
    prepare_in(&sandbox, &wasm("echo")).await.unwrap();
}

#[tokio::test]
async fn a_child_that_never_ends_is_killed() {
    let _shared = shared().await;
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let sandbox = sandbox(CompileConfig {
        wall_timeout: Duration::from_secs(1),
        ..script(
            folder.path(),
            &format!("echo $$ > {}; exec /bin/sleep 3600", pid.display()),
        )
    });
    match prepare_in(&sandbox, &wasm("echo")).await {
        Err(error) => {
            assert_over(&error, CompileLimit::Wall);
            assert!(
                error.to_string().contains("limit `compile_wall` = 1s: "),
                "{error}"
            );
        }
        Ok(()) => panic!("compiled"),
    }
    // A busy machine may not have let it come so far.
    if let Ok(pid) = std::fs::read_to_string(pid) {
        let process = Path::new("/proc").join(pid.trim());
        assert!(
            !process.exists(),
            "killed and waited for: {}",
            process.display()
        );
    }
}

#[tokio::test]
async fn a_child_that_never_stops_writing_is_killed() {
    let _shared = shared().await;
    let folder = tempfile::tempdir().unwrap();
    let sandbox = sandbox(CompileConfig {
        output_bytes_max: 1 << 20,
        ..script(folder.path(), "exec /bin/cat /dev/zero")
    });
    match prepare_in(&sandbox, &wasm("echo")).await {
        Err(error) => {
            assert_over(&error, CompileLimit::Output);
            assert!(
                error
                    .to_string()
                    .contains("limit `compile_output` = 1MiB: "),
                "{error}"
            );
        }
        Ok(()) => panic!("compiled"),
    }
}

#[tokio::test]
async fn a_child_that_fails_is_no_fault_of_the_component() {
    let _shared = shared().await;
    let folder = tempfile::tempdir().unwrap();
    let missing = CompileConfig {
        program: "/nowhere/hardstop".into(),
        ..config().compile
    };
    assert_failed(missing, "cannot start /nowhere/hardstop: ").await;
    for (text, expected) in [
        ("echo no luck >&2; exit 7", "exit status: 7: no luck"),
        ("kill -9 $$", "signal: 9"),
        // Code without a good end is none.
        ("printf C1code; exit 1", "exit status: 1"),
        ("printf C", "exit status: 0"),
    ] {
        assert_failed(script(folder.path(), text), expected).await;
    }
    // Nor is what it says run because it says so.
    let lies = sandbox(script(folder.path(), "printf C1code"));
    assert!(prepare_in(&lies, &wasm("echo")).await.is_err());
}

async fn assert_failed(compile: CompileConfig, expected: &str) {
    match prepare_in(&sandbox(compile), &wasm("echo")).await {
        Err(error @ PrepareError::Compiler { .. }) => {
            assert!(error.to_string().contains(expected), "{expected}: {error}");
        }
        other => panic!("{expected}: {other:?}"),
    }
}

#[tokio::test]
async fn a_child_gets_no_environment() {
    let _shared = shared().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("environment");
    let compile = script(
        folder.path(),
        &format!("/bin/cat /proc/$$/environ > {}", file.display()),
    );
    let _ = prepare_in(&sandbox(compile), &wasm("echo")).await;
    assert_eq!(std::fs::read_to_string(file).unwrap(), "");
}

/// A child that waits for its component.
struct Waiting(Child);

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_child_keeps_nothing_but_its_streams_and_limits_itself() {
    // Open, and inherited by whatever is started.
    let leaked = std::fs::File::open("/dev/null").unwrap();
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
    let mut child = Waiting(
        Command::new(env!("CARGO_BIN_EXE_hardstop-compile"))
            .args(["compile", "hardstop-order-2 0 0 524288 7 1073741824 1000"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let process = Path::new("/proc").join(child.0.id().to_string());
    let limits = || std::fs::read_to_string(process.join("limits")).unwrap_or_default();
    let began = Instant::now();
    // The last limit that it sets.
    while !limits().contains("Max file size             0 ") {
        assert!(began.elapsed() < PATIENCE, "{}", limits());
        std::thread::sleep(Duration::from_millis(5));
    }
    let open: Vec<_> = std::fs::read_dir(process.join("fd"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(open.len(), 3, "{open:?}");
    for line in [
        "Max cpu time              7                    8 ",
        "Max core file size        0                    0 ",
        "Max open files            16                   16 ",
        "Max address space         1073741824           1073741824 ",
    ] {
        assert!(limits().contains(line), "{line}: {}", limits());
    }
    // Where the kernel lets it go, it is in a network of its own.
    let network = |process: &Path| std::fs::read_link(process.join("ns/net")).unwrap();
    let isolated = network(&process) != network(Path::new("/proc/self"));
    drop(child.0.stdin.take());
    let mut said = Vec::new();
    std::io::Read::read_to_end(&mut child.0.stdout.take().unwrap(), &mut said).unwrap();
    assert_eq!(said[..2], [b'R', if isolated { b'1' } else { b'0' }]);
    drop(leaked);
}

#[tokio::test]
async fn code_from_the_cache_needs_no_child_and_bad_code_needs_one() {
    let _shared = shared().await;
    let folder = tempfile::tempdir().unwrap();
    let good = CompileConfig {
        cache: Some(folder.path().join("compiled")),
        ..config().compile
    };
    let broken = CompileConfig {
        program: "/nowhere/hardstop".into(),
        ..good.clone()
    };
    let echo = wasm("echo");
    prepare_in(&sandbox(good.clone()), &echo).await.unwrap();
    let without_child = sandbox(broken);
    prepare_in(&without_child, &echo).await.unwrap();
    // Another component, and the same for another engine.
    assert!(prepare_in(&without_child, &wasm("fail")).await.is_err());
    let metered = Profile {
        metered: true,
        ..Profile::of(&limits())
    };
    assert!(without_child.prepare(&echo, metered).await.is_err());

    let entry = std::fs::read_dir(folder.path().join("compiled"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| !path.ends_with("key"))
        .unwrap();
    let mut bytes = std::fs::read(&entry).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&entry, bytes).unwrap();
    let error = prepare_in(&without_child, &echo).await.err().unwrap();
    assert!(
        matches!(error, PrepareError::Compiler { .. }),
        "not loaded: {error}"
    );
    prepare_in(&sandbox(good), &echo).await.unwrap();
    prepare_in(&without_child, &echo).await.unwrap();
}

#[test]
fn a_folder_that_others_can_write_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let sandbox = Sandbox::new(SandboxConfig {
        compile: CompileConfig {
            cache: Some(folder.path().to_owned()),
            ..config().compile
        },
        ..config()
    });
    let error = sandbox.err().unwrap().to_string();
    assert!(
        error.contains("mode is 777") && error.contains("chmod 700"),
        "{error}"
    );
}
