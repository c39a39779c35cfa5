//! The tasks of the repository. `cargo xtask` lists them.

mod fuzz;
mod guest;
mod postgres;
mod tool;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

const HELP: &str = "\
cargo xtask demo                 run real and hostile jobs on an embedded SQLite and show what came of them
cargo xtask test [ARGS]          run every test, on SQLite and on a Postgres of its own; ARGS go to `cargo test`
cargo xtask guests               build the components of jobs-examples/ and tests/guests/
cargo xtask fuzz [EXAMPLES]      send the HTTP API requests that are made up from its document, and check every answer
cargo xtask bench [ARGS]         measure; `cargo xtask bench --help` lists what
cargo xtask check                formatting and clippy, with warnings denied
cargo xtask postgres -- COMMAND  run a command with HARDSTOP_TEST_DATABASE_URL set to a throw-away Postgres
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let task = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let done = match task.as_str() {
        "demo" => demo(&rest),
        "test" => test(&rest),
        "guests" => guest::build(),
        "fuzz" => fuzz::fuzz(&rest),
        "bench" => bench(&rest),
        "check" => check(),
        "postgres" => with_postgres(&rest),
        "" | "help" | "--help" | "-h" => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        other => {
            eprintln!("error: there is no task `{other}`\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
}

/// Where cargo puts what it builds.
fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// `cargo` in the root of the repository.
fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    // What cargo says of this package to this program. Some build scripts would take it for a change, and
    // half of the dependencies would be compiled again after each `cargo build` by hand.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Says what is done now. Cargo shows its own progress below it.
fn step(text: &str) {
    eprintln!("\n==> {text}");
}

/// Runs a command and fails where it does.
fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .with_context(|| format!("cannot run {name}"))?;
    if !status.success() {
        let args: Vec<_> = command
            .get_args()
            .map(|arg| arg.to_string_lossy())
            .collect();
        bail!("`{name} {}` ended with {status}", args.join(" "));
    }
    Ok(())
}

fn demo(args: &[String]) -> Result<()> {
    guest::build()?;
    step("host (a first build takes some minutes)");
    run(cargo().args([
        "build",
        "--package",
        "hardstop",
        "--package",
        "hardstop-demo",
    ]))?;
    step("demo");
    run(Command::new(target().join("debug/hardstop-demo"))
        .current_dir(root())
        .args(args))
}

fn test(args: &[String]) -> Result<()> {
    // Found missing now rather than after the build.
    let postgres = postgres::Server::start(postgres::Durability::Off)?;
    if Command::new("sqlite3").arg("--version").output().is_err() {
        bail!("the tests need the program sqlite3: apt-get install -y sqlite3");
    }
    if Command::new("chromedriver")
        .arg("--version")
        .output()
        .is_err()
    {
        bail!(
            "the tests need a browser and its driver: apt-get install -y chromium chromium-driver"
        );
    }
    if Command::new("promtool").arg("--version").output().is_err() {
        bail!("the tests need Prometheus: apt-get install -y prometheus");
    }
    tool::install()?;
    guest::build()?;
    step("host (a first build takes some minutes)");
    // With all that the tests want of dependencies, so that nothing is compiled twice.
    run(cargo().args(["build", "--workspace", "--all-targets"]))?;
    step("tests");
    run(cargo()
        .args(["test", "--workspace"])
        .args(args)
        .env("HARDSTOP_BIN", target().join("debug/hardstop"))
        .env(tool::VARIABLE, tool::folder())
        .env("PATH", postgres.path())
        .env(postgres::URL_VARIABLE, postgres.url()))
}

fn bench(args: &[String]) -> Result<()> {
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    // A report is of both, unless it is made of figures that are there.
    let is_report = has("--report") && !args.iter().any(|arg| arg.starts_with("--from"));
    let wants_postgres = args.windows(2).any(|pair| pair == ["--store", "postgres"])
        || has("--store=postgres")
        || is_report;
    let postgres = wants_postgres
        .then(|| postgres::Server::start(postgres::Durability::On))
        .transpose()?;
    guest::build()?;
    step("host, optimised (a first build takes some minutes)");
    run(cargo().args(["build", "--release", "--package", "hardstop-bench"]))?;
    step("bench");
    let mut command = Command::new(target().join("release/hardstop-bench"));
    command.current_dir(root()).args(args);
    if let Some(postgres) = &postgres {
        command.env(postgres::URL_VARIABLE, postgres.url());
    }
    run(&mut command)
}

fn check() -> Result<()> {
    step("formatting");
    run(cargo().args(["fmt", "--all", "--check"]))?;
    step("clippy");
    run(cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ]))?;
    step("documentation");
    run(cargo()
        .args([
            "doc",
            "--workspace",
            "--no-deps",
            "--document-private-items",
        ])
        .env("RUSTDOCFLAGS", "--deny warnings"))
}

fn with_postgres(args: &[String]) -> Result<()> {
    let args = args.strip_prefix(&["--".to_owned()]).unwrap_or(args);
    let Some((program, args)) = args.split_first() else {
        bail!("write cargo xtask postgres -- COMMAND");
    };
    let postgres = postgres::Server::start(postgres::Durability::Off)?;
    eprintln!("{}={}", postgres::URL_VARIABLE, postgres.url());
    run(Command::new(program)
        .args(args)
        .env("PATH", postgres.path())
        .env(postgres::URL_VARIABLE, postgres.url()))
}
