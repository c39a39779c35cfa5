//! Read-only files, and clocks and random numbers that are the same in each run.

use hardstop_domain::command::CommandOutput;
use hardstop_domain::{Capabilities, Command, JobId};
use hardstop_sandbox::{Attempt, FileTree, Profile, adapt};
use uuid::Uuid;

use super::*;

async fn run_command(name: &str, change: impl FnOnce(&mut Attempt)) -> Result<String, String> {
    let component = adapt(wasm(name)).unwrap();
    let prepared = SANDBOX
        .prepare(&component, Profile::of(&limits()))
        .await
        .unwrap();
    let mut attempt = attempt(limits());
    attempt.command = Command {
        output: CommandOutput::Text,
        ..Command::default()
    };
    change(&mut attempt);
    match prepared.run(attempt).await.outcome {
        Outcome::Completed { output } => Ok(serde_json::from_str(&output).unwrap()),
        Outcome::Failed(failure) => Err(failure.message),
        other => panic!("{other:?}"),
    }
}

fn tree(files: &[(&str, &[u8])]) -> FileTree {
    let files = files.iter();
    FileTree::new(files.map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec().into())))
}

#[tokio::test]
async fn files_are_where_the_manifest_puts_them() {
    let _shared = shared().await;
    let long = "0123456789".repeat(20_000);
    let files = tree(&[
        ("/etc/model.json", b"{}"),
        ("/etc/deep/er/long", long.as_bytes()),
        ("/empty", b""),
        ("/etc/scratch", b"a name like another"),
    ]);
    for scratch in [false, true] {
        let read = |path: &str| {
            let input = format!("{path:?}");
            run_command("command-cat", |attempt| {
                attempt.input = input;
                attempt.files = files.clone();
                attempt.capabilities.scratch = scratch;
            })
        };
        assert_eq!(read("etc/model.json").await.unwrap(), "{}");
        assert_eq!(read("etc/deep/er/long").await.unwrap(), long);
        assert_eq!(read("etc/deep/../model.json").await.unwrap(), "{}");
        assert_eq!(read("empty").await.unwrap(), "");
        assert_eq!(read("etc/scratch").await.unwrap(), "a name like another");
        for path in [
            "etc/other",
            "etc/model.json/",
            "etc/model.json/a",
            "../etc/model.json",
        ] {
            let error = read(path).await.unwrap_err();
            assert!(error.contains("exited with code 1"), "{path}: {error}");
        }
    }
}

#[tokio::test]
async fn files_cannot_be_changed() {
    let _shared = shared().await;
    let output = run_command("command-files", |attempt| {
        // Make, remove, rename, link, a folder beside and in place of it; then read it.
        let lines = [
            "cetc/f",
            "cetc/g",
            "uetc/f",
            "metc/f>etc/g",
            "metc/f>scratch/f",
            "detc/d",
            "retc",
            "oetc/f",
            "a1",
        ];
        attempt.input = lines.map(|line| format!("{line}\n")).concat();
        attempt.files = tree(&[("/etc/f", &[7; 4096])]);
        attempt.capabilities = Capabilities {
            scratch: true,
            ..Capabilities::default()
        };
    });
    // 69 is EROFS in WASI preview 1.
    assert_eq!(output.await.unwrap().trim(), "69 69 69 69 69 69 69 00 00");
}

struct Seen {
    random: String,
    wall_ns: u64,
    monotonic_ns: (u64, u64),
}

async fn ask(job: JobId, number: u32, deterministic: bool) -> (String, Seen) {
    let text = run_command("command-oracle", |attempt| {
        attempt.job = job;
        attempt.number = number;
        attempt.capabilities.deterministic = deterministic;
    });
    let text = text.await.unwrap();
    let number = |at: usize| {
        u64::from_str_radix(&text[at..at + 16], 16)
            .unwrap()
            .swap_bytes()
    };
    let seen = Seen {
        random: text[..32].to_owned(),
        wall_ns: number(32),
        monotonic_ns: (number(48), number(64)),
    };
    (text, seen)
}

#[tokio::test]
async fn a_deterministic_attempt_sees_the_same_again() {
    let _shared = shared().await;
    // Made 1,700,000,000,123 ms after 1970.
    let job = JobId(Uuid::from_u128(0x018bcfe5_687b_7000_8000_000000000001));
    let (first, seen) = ask(job, 1, true).await;
    let (again, _) = ask(job, 1, true).await;
    assert_eq!(first, again);
    assert_eq!(seen.wall_ns / 1_000_000, 1_700_000_000_123);
    assert!(seen.monotonic_ns.0 < seen.monotonic_ns.1, "time goes on");

    let (_, other_attempt) = ask(job, 2, true).await;
    let (_, other_job) = ask(JobId(Uuid::from_u128(1)), 1, true).await;
    assert_ne!(seen.random, other_attempt.random);
    assert_ne!(seen.random, other_job.random);
    assert!(other_job.wall_ns < 1_000_000, "an id without a time");

    let (_, real) = ask(job, 1, false).await;
    assert_ne!(seen.random, real.random);
    assert!(real.wall_ns > 1_750_000_000_000_000_000, "{}", real.wall_ns);
}
