//! WASI commands as jobs, and the modules for WASI preview 1 that are made such.

use hardstop_domain::command::CommandOutput;
use hardstop_domain::{Command, LimitName, Limits, OutcomeKind, Report};
use hardstop_sandbox::{AdaptError, DescribeError, adapt};

use super::*;

async fn prepare_command(name: &str, limits: &Limits) -> hardstop_sandbox::Prepared {
    let component = adapt(wasm(name)).unwrap();
    let profile = hardstop_sandbox::Profile::of(limits);
    SANDBOX.prepare(&component, profile).await.unwrap()
}

async fn run_command(name: &str, input: &str, limits: Limits, command: Command) -> Report {
    let prepared = prepare_command(name, &limits).await;
    assert!(prepared.is_command());
    let mut attempt = attempt(limits);
    attempt.input = input.to_owned();
    attempt.command = command;
    prepared.run(attempt).await
}

#[tokio::test]
async fn its_input_on_standard_input_and_its_output_on_standard_output() {
    let _shared = shared().await;
    // More than one read takes.
    let input = format!("[{}1]", "1,".repeat(10_000));
    let report = run_command("command-echo", &input, limits(), Command::default()).await;
    assert_completed(&report, &input);
    assert_eq!(report.usage.output_bytes, input.len() as u64);
    assert_eq!(report.log, [], "its output is no log");
}

#[tokio::test]
async fn output_that_is_no_json_is_shown_or_taken_as_text() {
    let _shared = shared().await;
    let report = run_command("command-echo", "plain text\n", limits(), Command::default()).await;
    let failed = failure(&report, OutcomeKind::FailedFatal);
    assert!(
        failed.message.contains(r#"it begins with "plain text\n""#),
        "{failed:?}"
    );
    let text = Command {
        output: CommandOutput::Text,
        ..Command::default()
    };
    let report = run_command("command-echo", "plain text\n", limits(), text.clone()).await;
    assert_completed(&report, r#""plain text\n""#);

    // 600 bytes on standard output, and 1202 as a JSON string.
    let tight = Limits {
        output_bytes_max: 1201,
        ..limits()
    };
    let input = "\"".repeat(600);
    let report = run_command("command-echo", &input, tight, text).await;
    let failed = failure(&report, OutcomeKind::OutputTooLarge);
    let hit = failed.limit.unwrap();
    assert_eq!((hit.limit, hit.used), (1201, 1202), "{failed:?}");
}

#[tokio::test]
async fn what_it_is_started_with() {
    let _shared = shared().await;
    let limits = limits();
    let prepared = prepare_command("command-environment", &limits).await;
    let mut attempt = attempt(limits);
    attempt.command = Command {
        args: vec!["-v".to_owned(), "two words".to_owned()],
        env: [("LANG".to_owned(), "C".to_owned())].into(),
        output: CommandOutput::Text,
        ..Command::default()
    };
    attempt.number = 3;
    attempt.trace_parent = Some("00-trace-span-01".to_owned());
    let id = attempt.job.to_string();
    let report = prepared.run(attempt).await;
    let Outcome::Completed { output } = &report.outcome else {
        panic!("{report:#?}")
    };
    let text: String = serde_json::from_str(output).unwrap();
    let parts: Vec<&str> = text.split_terminator('\0').collect();
    assert_eq!(&parts[..3], ["test", "-v", "two words"]);
    let env = &parts[3..];
    for expected in [
        "LANG=C",
        &format!("HARDSTOP_JOB_ID={id}"),
        &format!("HARDSTOP_CHAIN_ID={id}"),
        "HARDSTOP_ATTEMPT=3",
        "TRACEPARENT=00-trace-span-01",
    ] {
        assert!(env.contains(&expected), "{expected}: {env:?}");
    }
    let left = env
        .iter()
        .find_map(|it| it.strip_prefix("HARDSTOP_DEADLINE_MS="));
    let left: u64 = left.unwrap().parse().unwrap();
    assert!((1..=20_000).contains(&left), "{left}");
    assert_eq!(env.len(), 6, "and nothing of the host's own: {env:?}");
}

#[tokio::test]
async fn its_exit_code() {
    let _shared = shared().await;
    let fatal = |code| Command {
        fatal_exit_codes: [code].into(),
        ..Command::default()
    };
    for (name, input, code, command, kind) in [
        (
            "command-exit-code",
            "1",
            64,
            fatal(63),
            OutcomeKind::FailedRetryable,
        ),
        (
            "command-exit-code",
            "1",
            64,
            fatal(64),
            OutcomeKind::FailedFatal,
        ),
        // Preview 1's way to exit says of a code only whether it is 0.
        (
            "command-exit",
            "64",
            1,
            fatal(64),
            OutcomeKind::FailedRetryable,
        ),
        ("command-exit", "64", 1, fatal(1), OutcomeKind::FailedFatal),
    ] {
        let report = run_command(name, input, limits(), command).await;
        let failed = failure(&report, kind);
        let expected = match name {
            "command-exit" => {
                format!("exited with code {code}; the last line of its log: giving up")
            }
            _ => format!("exited with code {code}"),
        };
        assert_eq!(failed.message, expected);
    }
    let report = run_command("command-exit", "0", limits(), Command::default()).await;
    assert_completed(&report, "null");
    assert_eq!(report.log[0].message, "giving up");
}

#[tokio::test]
async fn a_handler_that_exits() {
    let _shared = shared().await;
    let report = run("exit", limits()).await;
    let trapped = failure(&report, OutcomeKind::Trapped);
    assert_eq!(
        trapped.message,
        "called `exit(0)` instead of returning an outcome"
    );
}

#[tokio::test]
async fn every_limit_holds_for_commands() {
    let _shared = shared().await;
    let tight = Limits {
        wall_timeout_ms: 300,
        ..limits()
    };
    let report = run_command("command-spin", "1", tight.clone(), Command::default()).await;
    failure(&report, OutcomeKind::TimedOutWall);

    let cpu = Limits {
        cpu_time_ms: 50,
        ..limits()
    };
    let report = run_command("command-spin", "1", cpu, Command::default()).await;
    failure(&report, OutcomeKind::TimedOutCpu);

    let metered = Limits {
        fuel: Some(1_000_000),
        ..limits()
    };
    let report = run_command("command-spin", "1", metered, Command::default()).await;
    failure(&report, OutcomeKind::OutOfFuel);

    let report = run_command("command-recurse", "1", limits(), Command::default()).await;
    failure(&report, OutcomeKind::StackOverflow);

    let report = run_command("command-growth", "1", limits(), Command::default()).await;
    let failed = failure(&report, OutcomeKind::OutOfMemory);
    assert_eq!(failed.limit.unwrap().name, LimitName::Memory);

    let small = Limits {
        input_bytes_max: 2,
        ..limits()
    };
    let report = run_command("command-echo", "123", small, Command::default()).await;
    let failed = failure(&report, OutcomeKind::FailedFatal);
    assert_eq!(failed.limit.unwrap().name, LimitName::Input);

    // Standard output ends it, standard error goes on into a full log.
    let report = run_command("command-flood", "1", limits(), Command::default()).await;
    let failed = failure(&report, OutcomeKind::OutputTooLarge);
    let hit = failed.limit.unwrap();
    assert_eq!((hit.name, hit.limit), (LimitName::Output, 1 << 20));
    assert!(
        hit.used > hit.limit && hit.used <= hit.limit + (64 << 10),
        "{hit:?}"
    );
    assert!(failed.message.starts_with("wrote 1"), "{failed:?}");

    let report = run_command("command-flood", "2", tight, Command::default()).await;
    failure(&report, OutcomeKind::TimedOutWall);
    assert!(report.usage.log_bytes <= 64 << 10, "{:?}", report.usage);
    assert!(report.usage.log_bytes_dropped > 0, "{:?}", report.usage);
}

#[tokio::test]
async fn more_random_bytes_than_there_are() {
    let _shared = shared().await;
    let report = run("random-huge", limits()).await;
    let trapped = failure(&report, OutcomeKind::Trapped);
    assert!(
        trapped.message.contains("18446744073709551615"),
        "{trapped:?}"
    );
}

#[tokio::test]
async fn it_describes_no_types() {
    let _shared = shared().await;
    let prepared = prepare_command("command-echo", &limits()).await;
    let error = prepared.describe().await.unwrap_err();
    assert!(matches!(error, DescribeError::Command), "{error}");
}

#[test]
fn what_is_no_command_for_preview_1() {
    let error = adapt(wasm("core-module")).unwrap_err();
    assert!(matches!(error, AdaptError::NotWasi), "{error}");
    assert!(error.to_string().contains("wasm32-wasip2"), "{error}");

    let error = adapt(wasm("reactor")).unwrap_err();
    assert!(matches!(error, AdaptError::Reactor), "{error}");
    assert!(error.to_string().contains("`_start`"), "{error}");

    let error = adapt(wasm("preview1-unknown-import")).unwrap_err();
    assert!(
        error.to_string().contains("imports `env.launch`"),
        "{error}"
    );

    let whole = wasm("command-echo");
    for cut in [8, 9, 40, whole.len() / 2, whole.len() - 1] {
        let error = adapt(whole[..cut].to_vec()).unwrap_err();
        assert!(!error.to_string().contains("panicked"), "{error}");
    }
    let component = wasm("echo");
    assert_eq!(adapt(component.clone()).unwrap(), component, "handed back");
}

#[test]
fn the_same_module_becomes_the_same_component() {
    let module = wasm("command-echo");
    assert_eq!(adapt(module.clone()).unwrap(), adapt(module).unwrap());
}

/// 24 MiB: data, and as many functions as a large program has.
#[tokio::test]
async fn a_module_of_tens_of_megabytes() {
    let _shared = shared().await;
    let text =
        String::from_utf8(std::fs::read(guests().join("command-echo.wat")).unwrap()).unwrap();
    let mut functions = String::new();
    for n in 0..2_000 {
        functions.push_str(&format!(
            "(func (param i32) (result i32) (i32.add (local.get 0) (i32.const {n})))\n"
        ));
    }
    // Compressible by nothing that the way of a module passes through.
    let data: String = (0u32..20 << 20)
        .map(|n| char::from(b'a' + (n.wrapping_mul(2_654_435_761) >> 28) as u8))
        .collect();
    let text = text
        .replace(
            "(memory (export \"memory\") 1)",
            "(memory (export \"memory\") 512)",
        )
        .replace(
            "(func (export \"_start\")",
            &format!("(data (i32.const 65536) \"{data}\")\n{functions}(func (export \"_start\")"),
        );
    let module = wat::parse_str(&text).unwrap();
    assert!(module.len() > 20 << 20, "{}", module.len());
    let component = adapt(module).unwrap();
    let limits = Limits {
        memory_bytes_max: 64 << 20,
        ..limits()
    };
    let profile = hardstop_sandbox::Profile::of(&limits);
    let prepared = SANDBOX.prepare(&component, profile).await.unwrap();
    assert_completed(&prepared.run(attempt(limits)).await, r#"{"n":1}"#);
}
