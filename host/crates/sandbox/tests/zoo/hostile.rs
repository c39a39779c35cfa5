//! Every guest that means harm, a row each, through one harness: it ends as it should and within its
//! limits, a guest that means none is served beside it, and many of them in a row leave nothing behind.
//!
//! What is special about a kind (its message, its backtrace, what was counted) is tested in the file of
//! its subject.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use OutcomeKind::*;
use hardstop_domain::{Capabilities, LimitName, Limits, OutcomeKind, Report};
use hardstop_sandbox::{Prepared, Profile, Sandbox, SandboxConfig, adapt};

use super::*;

/// A guest, what must become of it, and which limit must have ended it.
struct Case {
    /// A file of `tests/guests`, or a handler of the guest in `tests/guests/rogue` after `rogue/`.
    guest: &'static str,
    kind: OutcomeKind,
    limit: Option<LimitName>,
    memory_bytes_max: u64,
    /// Where it is not the common one.
    input: Option<&'static str>,
}

const fn case(guest: &'static str, kind: OutcomeKind) -> Case {
    Case {
        guest,
        kind,
        limit: None,
        memory_bytes_max: 8 << 20,
        input: None,
    }
}

const fn over(guest: &'static str, kind: OutcomeKind, limit: LimitName) -> Case {
    Case {
        limit: Some(limit),
        ..case(guest, kind)
    }
}

const fn large(case: Case) -> Case {
    Case {
        memory_bytes_max: 64 << 20,
        ..case
    }
}

/// Does what its input says, and has a scratch folder.
const fn told(input: &'static str, case: Case) -> Case {
    Case {
        input: Some(input),
        ..case
    }
}

/// Ends only because its CPU time does.
const fn endless(guest: &'static str) -> Case {
    over(guest, TimedOutCpu, LimitName::CpuTime)
}

const CASES: &[Case] = &[
    // Time: in every place in which guest code runs, and in calls of the host.
    endless("spin-run"),
    endless("spin-start"),
    endless("spin-realloc"),
    endless("spin-post-return"),
    endless("recurse-tail"),
    large(endless("memory-fill")),
    large(endless("memory-copy")),
    endless("sleep-zero"),
    endless("poll-many"),
    over("sleep", TimedOutWall, LimitName::WallTimeout),
    over("fuel-burn", OutOfFuel, LimitName::Fuel),
    endless("rogue/nod"),
    endless("rogue/watch"),
    // Memory, tables and stack.
    over("memory-growth", OutOfMemory, LimitName::Memory),
    over("memory-initial", OutOfMemory, LimitName::Memory),
    over("realloc-growth", OutOfMemory, LimitName::Memory),
    endless("memory-steps"),
    case("memory-growth-survived", Completed),
    over("table-growth", LimitExceeded, LimitName::TableElements),
    over("recurse", StackOverflow, LimitName::Stack),
    case("recurse-shadow", StackOverflow),
    over("rogue/hoard", OutOfMemory, LimitName::Memory),
    case("rogue/descend", StackOverflow),
    over("rogue/unwind", StackOverflow, LimitName::Stack),
    // What the host holds for a guest.
    over("handle-flood", LimitExceeded, LimitName::Handles),
    large(over("log-huge", LimitExceeded, LimitName::HostCall)),
    large(over("log-fields", LimitExceeded, LimitName::HostCall)),
    endless("log-flood"),
    endless("log-flood-empty"),
    endless("stdout-flood"),
    endless("stderr-flood"),
    endless("progress-long"),
    endless("start-flood"),
    endless("config-flood"),
    case("progress-flood", Completed),
    endless("rogue/print"),
    endless("rogue/complain"),
    endless("rogue/litter"),
    // What comes back.
    large(over("output-huge", OutputTooLarge, LimitName::Output)),
    large(over("rogue/balloon", OutputTooLarge, LimitName::Output)),
    case("output-not-json", FailedFatal),
    // Lies.
    case("output-invalid-utf8", Trapped),
    case("output-lying-length", Trapped),
    case("output-bad-discriminant", Trapped),
    case("realloc-lying", Trapped),
    case("log-lying-list", Trapped),
    case("log-invalid-utf8", Trapped),
    case("log-bad-level", Trapped),
    // Crashes.
    case("trap-unreachable", Trapped),
    case("trap-division", Trapped),
    case("trap-panic", Trapped),
    case("trap-start", Trapped),
    case("start-chain-then-trap", Trapped),
    case("rogue/leave", Trapped),
    case("rogue/abort", Trapped),
    case("rogue/collapse", Trapped),
    // Commands, and what they leave in their scratch folder.
    endless("command-spin"),
    over("command-growth", OutOfMemory, LimitName::Memory),
    over("command-recurse", StackOverflow, LimitName::Stack),
    told(
        "1",
        over("command-flood", OutputTooLarge, LimitName::Output),
    ),
    case("random-huge", Trapped),
    told(
        "cscratch/f\nw17\nt51\n",
        over("command-files", LimitExceeded, LimitName::ScratchBytes),
    ),
    // What was not granted.
    case("start-chains", Denied),
    case("read-config", Denied),
    case("connect", Denied),
    case("rogue/dial", Denied),
    case("rogue/trespass", FailedFatal),
];

impl Case {
    fn limits(&self) -> Limits {
        let ample = Limits {
            wall_timeout_ms: 60_000,
            cpu_time_ms: 30_000,
            memory_bytes_max: self.memory_bytes_max,
            table_elements_max: 5_000,
            scratch_bytes_max: 64 << 10,
            ..limits()
        };
        // Those that only time ends get little of it.
        match self.kind {
            TimedOutCpu => Limits {
                cpu_time_ms: 5,
                ..ample
            },
            TimedOutWall => Limits {
                wall_timeout_ms: 20,
                ..ample
            },
            OutOfFuel => Limits {
                fuel: Some(100_000),
                ..ample
            },
            _ => ample,
        }
    }

    async fn prepare(&self, sandbox: &Sandbox) -> Prepared {
        let bytes = match self.guest.split_once('/') {
            Some((package, _)) => compiled(package),
            None => adapt(wasm(self.guest)).unwrap(),
        };
        let profile = Profile::of(&self.limits());
        let prepared = sandbox.prepare(&bytes, profile).await;
        prepared.unwrap_or_else(|error| panic!("{}: {error}", self.guest))
    }

    async fn run(&self, prepared: &Prepared) -> Report {
        let mut attempt = attempt(self.limits());
        if let Some((_, handler)) = self.guest.split_once('/') {
            attempt.type_name = handler.parse().unwrap();
        }
        attempt.capabilities = Capabilities {
            chains: self.kind != Denied,
            scratch: self.input.is_some(),
            ..Capabilities::default()
        };
        if let Some(input) = self.input {
            attempt.input = input.to_owned();
        }
        prepared.run(attempt).await
    }

    /// It ended as it should, and it held no more than its limits allow.
    #[track_caller]
    fn check(&self, report: &Report) {
        let name = self.guest;
        assert_eq!(report.outcome.kind(), self.kind, "{name}: {report:#?}");
        if let Some(failure) = report.outcome.failure() {
            assert!(!failure.message.is_empty(), "{name}: {report:#?}");
            let limit = failure.limit.map(|hit| hit.name);
            assert_eq!(limit, self.limit, "{name}: {failure:#?}");
            assert_eq!(report.children, [], "{name}: dropped with the attempt");
        }
        let (limits, usage) = (self.limits(), &report.usage);
        let output_max = match self.kind {
            OutputTooLarge => u64::MAX,
            _ => limits.output_bytes_max,
        };
        // A machine under load may be late, but not for ever.
        const SLACK_US: u64 = 5_000_000;
        for (what, used, limit) in [
            ("memory", usage.memory_bytes_peak, limits.memory_bytes_max),
            ("log", usage.log_bytes, limits.log_bytes_max),
            ("lines", report.log.len() as u64, limits.log_lines_max),
            (
                "children",
                report.children.len() as u64,
                limits.children_max,
            ),
            ("output", usage.output_bytes, output_max),
            (
                "scratch",
                usage.detail.scratch_bytes_peak,
                limits.scratch_bytes_max,
            ),
            ("fuel", usage.fuel.unwrap_or(0), limits.fuel.unwrap_or(0)),
            (
                "wall",
                usage.wall_us,
                limits.wall_timeout_ms * 1_000 + SLACK_US,
            ),
            ("cpu", usage.cpu_us, limits.cpu_time_ms * 1_000 + SLACK_US),
        ] {
            assert!(
                used <= limit,
                "{name}: {what}: {used} of {limit}: {report:#?}"
            );
        }
    }
}

fn compiled(package: &str) -> Vec<u8> {
    let path = guests().join(format!("../../target/wasm32-wasip2/guest/{package}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; `cargo xtask guests` builds it",
            path.display()
        )
    })
}

#[test]
fn there_are_many_and_no_two_are_the_same() {
    let names: BTreeMap<&str, OutcomeKind> =
        CASES.iter().map(|case| (case.guest, case.kind)).collect();
    assert_eq!(names.len(), CASES.len());
    assert!(CASES.len() >= 40, "{}", CASES.len());
    let compiled = CASES.iter().filter(|case| case.guest.contains('/')).count();
    assert!(compiled >= 10, "{compiled}");
}

#[tokio::test]
async fn each_ends_as_it_should_and_a_neighbour_is_served_beside_it() {
    let _shared = shared().await;
    let (echo, nap) = (
        prepare("echo", &limits()).await.unwrap(),
        prepare("nap", &limits()).await.unwrap(),
    );
    for case in CASES {
        let prepared = case.prepare(&SANDBOX).await;
        let hostile = async {
            // As many as there are guest threads, and one more.
            let three = [(); 3].map(|()| case.run(&prepared));
            futures::future::join_all(three).await
        };
        let (reports, echoed, napped) = tokio::join!(
            hostile,
            echo.run(attempt(limits())),
            nap.run(attempt(limits())),
        );
        for report in &reports {
            case.check(report);
        }
        for neighbour in [echoed, napped] {
            assert_completed(&neighbour, r#"{"n":1}"#);
            let wall = Duration::from_micros(neighbour.usage.wall_us);
            assert!(wall < Duration::from_secs(10), "{}: {wall:?}", case.guest);
        }
    }
}

#[tokio::test]
async fn there_are_no_files_no_arguments_and_no_environment() {
    let _shared = shared().await;
    let case = case("rogue/trespass", FailedFatal);
    let report = case.run(&case.prepare(&SANDBOX).await).await;
    assert_eq!(
        failure(&report, FailedFatal).message,
        "0 files read, written: false, 0 variables, 0 arguments"
    );
}

/// Set in the process that counts, to where its temporary files are.
const ALONE: &str = "HARDSTOP_ZOO_TMPDIR";
/// How many attempts of each kind are made, after as many again up to 100 to warm up: 30 where it is not
/// set, which takes seconds. A thousand take ten minutes.
const ATTEMPTS: &str = "HARDSTOP_ZOO_ATTEMPTS";
/// How many run at once: as many as the sandbox has slots.
const AT_ONCE: usize = 8;
/// What the memory of the process may grow by, in bytes: far less than one kind takes in all.
const GROWTH_BYTES_MAX: u64 = 64 << 20;

/// In a process of its own, whose memory, threads, descriptors and temporary files are those of the
/// sandbox and of nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn many_in_a_row_leave_nothing_behind() {
    if std::env::var_os(ALONE).is_some() {
        return leave_nothing_behind().await;
    }
    let folder = tempfile::tempdir().unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "zoo::hostile::many_in_a_row_leave_nothing_behind",
        ])
        .args(["--nocapture", "--test-threads=1"])
        .env(ALONE, folder.path())
        .env("TMPDIR", folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    println!("{said}");
    assert!(
        child.status.success(),
        "{}",
        String::from_utf8_lossy(&child.stderr)
    );
    // The name is right: a filter that fits nothing succeeds too.
    assert!(said.contains("1 passed"), "{said}");
    assert_eq!(Holdings::entries(folder.path()), 0, "temporary files");
}

async fn leave_nothing_behind() {
    let attempts: usize = match std::env::var(ATTEMPTS) {
        Ok(text) => text.parse().unwrap(),
        Err(_) => 30,
    };
    let sandbox = Sandbox::new(SandboxConfig {
        guest_threads: 2,
        instances_max: AT_ONCE as u32,
        ..config()
    })
    .unwrap();
    let mut all = Vec::new();
    for case in CASES {
        all.push((case, case.prepare(&sandbox).await));
    }
    // Once all round, so that what is made once is there.
    for (_, url, kind) in peers() {
        meet(&url, kind, 2 * AT_ONCE).await;
    }
    for (case, prepared) in &all {
        repeat(case, prepared, 2 * AT_ONCE).await;
    }
    let first = Holdings::settled(None).await;
    println!("before: {first:?}");
    for (case, prepared) in &all {
        let began = Instant::now();
        repeat(case, prepared, attempts.min(100)).await;
        let before = Holdings::settled(None).await;
        repeat(case, prepared, attempts).await;
        let after = Holdings::settled(Some(&before)).await;
        println!(
            "{attempts} x {}: {:?}, {} KiB resident more",
            case.guest,
            began.elapsed(),
            (after.resident_bytes as i64 - before.resident_bytes as i64) / 1024,
        );
        after.assert_no_more_than(&before, case.guest);
    }
    for (name, url, kind) in peers() {
        let began = Instant::now();
        meet(&url, kind, attempts.min(100)).await;
        let before = Holdings::settled(None).await;
        meet(&url, kind, attempts).await;
        let after = Holdings::settled(Some(&before)).await;
        println!("{attempts} x {name}: {:?}", began.elapsed());
        after.assert_no_more_than(&before, name);
    }
    let last = Holdings::settled(Some(&first)).await;
    println!("after: {last:?}");
    last.assert_no_more_than(&first, "all of them");
}

async fn repeat(case: &Case, prepared: &Prepared, attempts: usize) {
    use futures::StreamExt;
    let runs = futures::stream::iter((0..attempts).map(|_| case.run(prepared)));
    let mut reports = runs.buffer_unordered(AT_ONCE);
    while let Some(report) = reports.next().await {
        case.check(&report);
    }
}

/// Peers on the network that mean harm: a name, a URL, and how an attempt that asks there ends.
fn peers() -> Vec<(&'static str, String, OutcomeKind)> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let silent = web::serve(|mut stream| async move {
        let mut buffer = [0; 4096];
        while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
    });
    let drips = |head: &'static str| {
        web::serve(move |mut stream| async move {
            web::read_head(&mut stream).await;
            let mut sent = stream.write_all(head.as_bytes()).await;
            while sent.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
                sent = stream.write_all(b"x").await;
            }
        })
    };
    let endless = web::serve(|mut stream| async move {
        web::read_head(&mut stream).await;
        let mut sent = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while sent.is_ok() {
            sent = stream.write_all(&[b'x'; 4096]).await;
        }
    });
    let at = |host: &str, port: u16| format!("http://{host}:{port}");
    vec![
        ("no answer", at("127.0.0.1", silent), TimedOutWall),
        (
            "a head that drips",
            at("127.0.0.1", drips("HTTP/1.1 200 OK\r\nx: ")),
            TimedOutWall,
        ),
        (
            "a body that drips",
            at("127.0.0.1", drips("HTTP/1.1 200 OK\r\n\r\n")),
            TimedOutWall,
        ),
        ("a body without end", at("127.0.0.1", endless), FailedFatal),
        (
            "a look-up without end",
            at("silent.test", silent),
            TimedOutWall,
        ),
    ]
}

/// So many attempts that ask there, each of which must end so.
async fn meet(url: &str, kind: OutcomeKind, attempts: usize) {
    use futures::StreamExt;
    let wall_timeout_ms = match kind {
        TimedOutWall => 50,
        _ => 60_000,
    };
    let limits = Limits {
        wall_timeout_ms,
        http_response_bytes_max: 64 << 10,
        ..limits()
    };
    let allowed = web::may_reach(&[url.to_owned()]);
    let input = serde_json::json!({ "url": url });
    let runs =
        (0..attempts).map(|_| web::handle("fetch", input.clone(), allowed.clone(), limits.clone()));
    let mut reports = futures::stream::iter(runs).buffer_unordered(AT_ONCE);
    while let Some(report) = reports.next().await {
        assert_eq!(report.outcome.kind(), kind, "{url}: {report:#?}");
    }
}

/// What the process has.
#[derive(Debug)]
struct Holdings {
    resident_bytes: u64,
    threads: usize,
    descriptors: usize,
    temporary_files: usize,
}

impl Holdings {
    fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident_kib: u64 = resident
            .and_then(|text| text.trim().strip_suffix(" kB"))
            .unwrap()
            .parse()
            .unwrap();
        Self {
            resident_bytes: resident_kib * 1024,
            threads: Self::entries(Path::new("/proc/self/task")),
            // Less the one that lists them.
            descriptors: Self::entries(Path::new("/proc/self/fd")) - 1,
            temporary_files: Self::entries(&std::env::temp_dir()),
        }
    }

    fn entries(folder: &Path) -> usize {
        std::fs::read_dir(folder).unwrap().count()
    }

    fn is_no_more_than(&self, before: &Self) -> bool {
        self.resident_bytes < before.resident_bytes + GROWTH_BYTES_MAX
            && self.threads <= before.threads
            && self.descriptors <= before.descriptors
            && self.temporary_files <= before.temporary_files
    }

    /// Waits, where there is something to compare with, for what takes a moment to go away.
    async fn settled(before: Option<&Self>) -> Self {
        let since = Instant::now();
        loop {
            let now = Self::now();
            let is_settled = before.is_none_or(|before| now.is_no_more_than(before));
            if is_settled || since.elapsed() > Duration::from_secs(20) {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[track_caller]
    fn assert_no_more_than(&self, before: &Self, after: &str) {
        assert!(
            self.is_no_more_than(before),
            "after {after}: {self:?}; before: {before:?}"
        );
    }
}
