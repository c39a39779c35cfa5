//! Guests and their scratch folder: what they may keep there, and what leads out of it.

use hardstop_domain::command::CommandOutput;
use hardstop_domain::{Capabilities, Command, LimitName, Limits, OutcomeKind, Report};
use hardstop_sandbox::{Profile, Sandbox, SandboxConfig, adapt};

use super::*;

// The error numbers of WASI preview 1.
const GOOD: u32 = 0;
const INVALID: u32 = 28;
const NO_ENTRY: u32 = 44;
const NO_SPACE: u32 = 51;
const NOT_SUPPORTED: u32 = 58;
const NOT_PERMITTED: u32 = 63;
const READ_ONLY: u32 = 69;

async fn run_in(sandbox: &Sandbox, lines: &[&str], limits: Limits, scratch: bool) -> Report {
    let component = adapt(wasm("command-files")).unwrap();
    let profile = Profile::of(&limits);
    let prepared = sandbox.prepare(&component, profile).await.unwrap();
    let mut attempt = attempt(limits);
    attempt.input = lines.iter().map(|line| format!("{line}\n")).collect();
    attempt.command = Command {
        output: CommandOutput::Text,
        ..Command::default()
    };
    attempt.capabilities = Capabilities {
        scratch,
        ..Capabilities::default()
    };
    prepared.run(attempt).await
}

/// Does what the lines say, each of which must come to this.
async fn check(steps: &[(&str, u32)], limits: Limits) -> Report {
    let lines: Vec<&str> = steps.iter().map(|(line, _)| *line).collect();
    let report = run_in(&SANDBOX, &lines, limits, true).await;
    let Outcome::Completed { output } = &report.outcome else {
        panic!("{report:#?}")
    };
    let text: String = serde_json::from_str(output).unwrap();
    let errors: Vec<u32> = text
        .split_whitespace()
        .map(|error| error.parse().unwrap())
        .collect();
    let got: Vec<(&str, u32)> = lines.into_iter().zip(errors).collect();
    assert_eq!(got, steps);
    report
}

/// Room for sixteen pages and five files.
fn tight() -> Limits {
    Limits {
        scratch_bytes_max: 64 << 10,
        scratch_files_max: 5,
        ..limits()
    }
}

#[tokio::test]
async fn files_are_made_read_renamed_and_removed() {
    let _shared = shared().await;
    let report = check(
        &[
            ("dscratch/a", GOOD),
            ("cscratch/a/f", GOOD),
            ("w16", GOOD),
            ("x", GOOD),
            ("mscratch/a/f>scratch/g", GOOD),
            ("oscratch/a/f", NO_ENTRY),
            ("cscratch/a/h", GOOD),
            ("x", GOOD),
            ("bscratch/a>h", GOOD),
            ("bscratch/a>h", NO_ENTRY),
            ("oscratch/g", GOOD),
            ("a17", GOOD),
            ("x", GOOD),
            ("rscratch/a", GOOD),
            ("uscratch/g", GOOD),
            ("uscratch/g", NO_ENTRY),
        ],
        tight(),
    )
    .await;
    let detail = report.usage.detail;
    assert_eq!(
        (detail.scratch_bytes_peak, detail.scratch_files_peak),
        (64 << 10, 3)
    );
}

#[tokio::test]
async fn no_way_around_the_limit_on_bytes() {
    let _shared = shared().await;
    // One file, and then many.
    check(&[("cscratch/f", GOOD), ("w17", NO_SPACE)], tight()).await;
    check(
        &[
            ("cscratch/a", GOOD),
            ("w10", GOOD),
            ("x", GOOD),
            ("cscratch/b", GOOD),
            ("w7", NO_SPACE),
        ],
        tight(),
    )
    .await;
    // What was never written takes nothing, however long the file is; what is written there does.
    let report = check(
        &[
            ("cscratch/f", GOOD),
            ("s1000000", GOOD),
            ("k999999", GOOD),
            ("w16", GOOD),
            ("k5", GOOD),
            ("w1", NO_SPACE),
        ],
        tight(),
    )
    .await;
    assert_eq!(report.usage.detail.scratch_bytes_peak, 64 << 10);
    // A file that has no name any more, or another one, or the place of another, still counts.
    check(
        &[
            ("cscratch/f", GOOD),
            ("w16", GOOD),
            ("uscratch/f", GOOD),
            ("cscratch/g", GOOD),
            ("w1", NO_SPACE),
        ],
        tight(),
    )
    .await;
    check(
        &[
            ("cscratch/f", GOOD),
            ("w16", GOOD),
            ("x", GOOD),
            ("mscratch/f>scratch/g", GOOD),
            ("cscratch/f", GOOD),
            ("w1", NO_SPACE),
            ("x", GOOD),
            // This one makes room.
            ("mscratch/f>scratch/g", GOOD),
            ("cscratch/h", GOOD),
            ("w16", GOOD),
        ],
        tight(),
    )
    .await;
    // Cut off, it is room again; and grown again, it is none that was used.
    check(
        &[
            ("cscratch/f", GOOD),
            ("w16", GOOD),
            ("s0", GOOD),
            ("s1", GOOD),
            ("k0", GOOD),
            ("w16", GOOD),
            ("w1", NO_SPACE),
        ],
        tight(),
    )
    .await;
    check(
        &[
            ("cscratch/f", GOOD),
            ("lscratch/f>scratch/g", NOT_SUPPORTED),
        ],
        tight(),
    )
    .await;
}

#[tokio::test]
async fn no_way_around_the_limit_on_files() {
    let _shared = shared().await;
    let report = check(
        &[("Dscratch/d", NO_SPACE), ("cscratch/f", NO_SPACE)],
        tight(),
    )
    .await;
    assert_eq!(report.usage.detail.scratch_files_peak, 5);
    check(
        &[
            ("cscratch/a", GOOD),
            ("uscratch/a", GOOD),
            // Still open.
            ("Dscratch/d", NO_SPACE),
            ("rscratch/dAAA", GOOD),
            ("cscratch/f", GOOD),
            ("cscratch/g", NO_SPACE),
        ],
        tight(),
    )
    .await;
}

#[tokio::test]
async fn an_attempt_that_fails_for_want_of_room_says_so() {
    let _shared = shared().await;
    let lines = ["cscratch/f", "w17", "t51"];
    let report = run_in(&SANDBOX, &lines, tight(), true).await;
    let failed = failure(&report, OutcomeKind::LimitExceeded);
    let hit = failed.limit.unwrap();
    assert_eq!(
        (hit.name, hit.limit, hit.used),
        (LimitName::ScratchBytes, 64 << 10, 68 << 10)
    );
    let message = "asked for 68KiB of scratch bytes: limit `scratch_bytes` = 64KiB; then: ";
    assert!(failed.message.starts_with(message), "{failed:?}");

    let report = run_in(&SANDBOX, &["Dscratch/d", "t51"], tight(), true).await;
    let failed = failure(&report, OutcomeKind::LimitExceeded);
    assert_eq!(failed.limit.unwrap().name, LimitName::ScratchFiles);
}

#[tokio::test]
async fn no_path_and_no_link_leads_out() {
    let _shared = shared().await;
    check(
        &[
            ("o../etc/passwd", NOT_PERMITTED),
            ("oscratch/../../etc/passwd", NOT_PERMITTED),
            ("o/etc/passwd", NOT_PERMITTED),
            ("oetc/passwd", NO_ENTRY),
            ("oproc/self/environ", NO_ENTRY),
            ("cevil", READ_ONLY),
            ("devil", READ_ONLY),
            ("cscratch/../evil", READ_ONLY),
            ("mscratch>s", READ_ONLY),
            ("rscratch", READ_ONLY),
            ("y/etc>scratch/link", NOT_SUPPORTED),
            ("y../../etc>scratch/link", NOT_SUPPORTED),
            ("oscratch/link/passwd", NO_ENTRY),
            ("dscratch/a", GOOD),
            ("mscratch/a>scratch/a/b", INVALID),
        ],
        limits(),
    )
    .await;
}

#[tokio::test]
async fn without_the_grant_there_is_none() {
    let _shared = shared().await;
    let report = run_in(&SANDBOX, &["cscratch/f", "t2"], limits(), false).await;
    let denied = failure(&report, OutcomeKind::Denied);
    assert_eq!(
        denied.message,
        "type `test` has no scratch folder; then: executed `unreachable`"
    );
    let refusal = denied.refusal.as_ref().unwrap();
    assert_eq!(refusal.grant, "[types.test.capabilities]\nscratch = true");
}

/// The host's folder is as empty during an attempt as before it, so there is nothing to be left.
#[tokio::test]
async fn nothing_is_left_of_it_whatever_becomes_of_the_guest() {
    let _shared = shared().await;
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::new(SandboxConfig {
        guest_threads: 1,
        instances_max: 2,
        scratch_dir: folder.path().to_owned(),
        ..config()
    })
    .unwrap();
    let is_empty = || std::fs::read_dir(folder.path()).unwrap().next().is_none();
    let many = "w15000";
    for lines in [
        &["cscratch/f", many][..],
        &["cscratch/f", "w100", "t0"],
        &["cscratch/f", "w100", "uscratch/f", many, many, many],
    ] {
        let limits = Limits {
            wall_timeout_ms: 2_000,
            ..limits()
        };
        run_in(&sandbox, lines, limits, true).await;
        assert!(is_empty());
    }
    let missing = SandboxConfig {
        scratch_dir: folder.path().join("missing"),
        ..config()
    };
    let error = Sandbox::new(missing).err().unwrap().to_string();
    assert!(error.contains("missing is not a folder"), "{error}");
}
