//! What the command line looks like. No behaviour here.

mod audit;
pub mod chain;
mod dead_letter;
mod deployment;
mod event;
mod external;
mod limit;
mod pause;
mod schedule;
mod session;
mod subscription;
pub mod time;
mod token;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use hardstop_domain::capability::http::HttpRule;
use hardstop_domain::capability::secret::{SecretName, SecretUse};
use hardstop_domain::quantity::{parse_duration, parse_size};
use hardstop_domain::{ChainId, DeploymentId, JobId, OnBlockerFailure, State, Timestamp, TypeName};

pub use limit::LimitArgs;
pub use pause::{PauseArgs, PauseTarget};
pub use schedule::{MissedArg, OverlapArg, PutArgs, ScheduleCommand};

pub use deployment::{CanaryArgs, CanaryChangeArgs, DeploymentCommand};

pub use audit::AuditCommand;
pub use event::EventsArgs;
pub use session::SessionCommand;
pub use subscription::{ReplayWhich, SubscriptionCommand, SubscriptionCreateArgs};
pub use token::TokenCommand;

pub use dead_letter::{DeadLetterCommand, DeadLetterFilterArgs, ReplayArgs};

use crate::client::address::Address;
use chain::ChainCommand;
use time::time_ago;

/// A job executor that can stop what it runs.
///
/// Exit codes: 0 done; 1 what you asked for failed; 2 usage or configuration; 3 environment or
/// internal; 4 a wait timed out. A worker that is told twice to stop leaves at once with 130.
#[derive(Debug, Parser)]
#[command(name = "hardstop", version, propagate_version = true)]
pub struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command; they go before or after it.
#[derive(Debug, Args)]
pub struct Global {
    /// The database: sqlite://PATH or postgres://... [default: sqlite://hardstop.db]
    #[arg(
        long,
        global = true,
        env = "HARDSTOP_DATABASE_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub database_url: Option<String>,
    /// A server to ask in place of the database: http://HOST:PORT or https://HOST
    #[arg(long, global = true, env = "HARDSTOP_SERVER", value_name = "URL")]
    pub server: Option<Address>,
    /// A file with the server's token [default: what HARDSTOP_TOKEN holds]
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// How to print: for people, as one JSON document, or as one JSON object a line.
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Human)]
    pub output: Format,
    /// The configuration file [default: hardstop.toml, where there is one]
    #[arg(long, global = true, env = "HARDSTOP_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables and sentences.
    Human,
    /// One JSON document.
    Json,
    /// One JSON object a line.
    Jsonl,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run one handler once, without any database, and show what it used of its limits.
    Run(RunArgs),
    /// Verify a component and make its types the active ones.
    Deploy(DeployArgs),
    /// Serve the HTTP API, and run jobs, until told to stop.
    Serve(ServeArgs),
    /// Run jobs until told to stop.
    Worker(WorkerCommandArgs),
    /// Start a chain of jobs.
    Start(StartArgs),
    /// Look at jobs, wait for them, retry and cancel them.
    #[command(subcommand)]
    Job(JobCommand),
    /// Look at chains of jobs, wait for them, cancel and delete them.
    #[command(subcommand)]
    Chain(ChainCommand),
    /// Look at jobs that ended badly, and replay them.
    #[command(subcommand)]
    DeadLetter(DeadLetterCommand),
    /// Look at stored components.
    #[command(subcommand)]
    Component(ComponentCommand),
    /// Look at deployments and compare them.
    #[command(subcommand)]
    Deployment(DeploymentCommand),
    /// Look at deployed job types, go back to deployments of before, and steer canaries.
    #[command(subcommand)]
    Type(TypeCommand),
    /// Start chains again and again: by the calendar, or every so often.
    #[command(subcommand)]
    Schedule(ScheduleCommand),
    /// Keep jobs of a type, or all, from being claimed. What runs goes on.
    Pause(PauseArgs),
    /// End a pause.
    Resume(PauseTarget),
    /// List what is paused.
    Pauses,
    /// Look at the workers that are registered, and drain them.
    #[command(subcommand)]
    Session(SessionCommand),
    /// Look at what people and programs changed.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Print events as they are committed, one a line, until interrupted.
    Events(EventsArgs),
    /// Have events posted to a URL: jobs and chains that end, types failing or stuck.
    #[command(subcommand)]
    Subscription(SubscriptionCommand),
    /// Make, list and revoke tokens of the HTTP API.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Bring the database's schema to this version.
    Migrate,
    /// Look for what would keep Hardstop from working here.
    Doctor,
}

impl Command {
    /// The name of a command that makes no sense on a server.
    pub fn of_this_machine(&self) -> Option<&'static str> {
        match self {
            Self::Serve(_) => Some("serve"),
            Self::Worker(_) => Some("worker"),
            Self::Migrate => Some("migrate"),
            Self::Doctor => Some("doctor"),
            _ => None,
        }
    }
}

/// `hardstop run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// A component (FILE.wasm), a manifest (job.toml), or the folder that holds one.
    pub target: PathBuf,
    /// The type to run, where there are several.
    #[arg(long = "type", value_name = "TYPE")]
    pub type_name: Option<String>,
    /// The input: JSON text, @FILE, or - for standard input.
    #[arg(long, short, default_value = "{}", value_name = "JSON")]
    pub input: String,
    /// The output of a blocker of the job: JSON text or @FILE. Give it again for each, in order.
    #[arg(long = "blocker", value_name = "JSON")]
    pub blockers: Vec<String>,
    /// Lowered limits. For a bare component: its limits, under the ceilings of hardstop.toml.
    #[command(flatten)]
    pub limits: LimitArgs,
    /// The largest stack, for a bare component, such as 512KiB.
    #[arg(long, value_parser = size, value_name = "SIZE")]
    pub stack: Option<u64>,
    /// Run it so many times, one after the other, and show how what it used is distributed.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub repeat: Option<u32>,
    /// Grant a bare component the right to start chains. They are shown, not started.
    #[arg(long)]
    pub allow_chains: bool,
    /// Grant a bare component a scratch folder, /scratch.
    #[arg(long)]
    pub allow_scratch: bool,
    /// Give a bare component a read-only file, such as /etc/model.json=model.json. May be given again.
    #[arg(long = "file", value_parser = key_value, value_name = "GUEST=PATH")]
    pub files: Vec<(String, String)>,
    /// Give a bare component clocks and random numbers that are the same for the same job and attempt.
    #[arg(long)]
    pub deterministic: bool,
    /// Grant a bare component a configuration value. May be given again.
    #[arg(long = "config-value", value_parser = key_value, value_name = "KEY=VALUE")]
    pub config_values: Vec<(String, String)>,
    /// For a bare component: ask for HTTP to such as `https://api.example.com`. The operator's
    /// configuration must allow it, too.
    #[arg(long = "allow-http", value_name = "RULE")]
    pub allow_http: Vec<HttpRule>,
    /// For a bare component: ask for a secret, as `placeholder` or `readable`. The operator's
    /// configuration must allow it, too.
    #[arg(long = "secret", value_parser = secret_use, value_name = "NAME=USE")]
    pub secrets: Vec<(SecretName, SecretUse)>,
    /// An argument for a bare WASI command. May be given again.
    #[arg(long = "arg", value_name = "TEXT", allow_hyphen_values = true)]
    pub args: Vec<String>,
    /// A variable in the environment of a bare WASI command. May be given again.
    #[arg(long = "env", value_parser = key_value, value_name = "NAME=VALUE")]
    pub env: Vec<(String, String)>,
    /// Take what a bare WASI command writes to standard output as text, not as JSON.
    #[arg(long)]
    pub text_output: bool,
}

/// `hardstop deploy`.
#[derive(Debug, Args)]
pub struct DeployArgs {
    /// Manifests (job.toml), or folders that hold one.
    #[arg(required = true, value_name = "MANIFEST")]
    pub manifests: Vec<PathBuf>,
    /// A component to deploy in place of the one that the manifest names.
    #[arg(long, value_name = "FILE")]
    pub component: Option<PathBuf>,
    /// Put it beside what is in force, and give it so many percent of the jobs.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=99), value_name = "PERCENT")]
    pub canary: Option<u8>,
    /// Verify everything, and store nothing.
    #[arg(long)]
    pub check: bool,
    /// Verify everything, show what would be different, and store nothing.
    #[arg(long, conflicts_with = "check")]
    pub diff: bool,
}

/// `hardstop serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The address to listen on; port 0 takes any that is free.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Serve only: workers elsewhere run the jobs.
    #[arg(long, conflicts_with_all = ["types", "concurrency", "guest_threads", "lease"])]
    pub no_worker: bool,
    /// The worker beside it.
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `hardstop worker`.
#[derive(Debug, Args)]
pub struct WorkerCommandArgs {
    /// Serve /metrics, /healthz and /readyz on this address [default: worker.listen of hardstop.toml]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// The worker.
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `hardstop worker`, and the worker of `hardstop serve`.
#[derive(Debug, Args)]
pub struct WorkerArgs {
    /// Run this type only. May be given again [default: all, or worker.types of hardstop.toml]
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Vec<TypeName>,
    /// How many attempts run at once [default: 32, or worker.concurrency of hardstop.toml]
    #[arg(long, value_name = "N")]
    pub concurrency: Option<u32>,
    /// How many threads run guests [default: one a core]
    #[arg(long, value_name = "N")]
    pub guest_threads: Option<usize>,
    /// How long running attempts may go on after the first signal [default: 10s]
    #[arg(long, value_parser = duration, value_name = "DURATION")]
    pub drain_timeout: Option<Duration>,
    /// How long this worker's jobs are its own without a heartbeat [default: 15s]
    #[arg(long, value_parser = duration, value_name = "DURATION")]
    pub lease: Option<Duration>,
}

/// What becomes of a job when a blocker ends without an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BlockerFailure {
    /// It is cancelled.
    Cancel,
    /// It runs all the same, and sees which failed and why.
    Run,
    /// It waits until the blocker was replayed and completed.
    Hold,
}

impl From<BlockerFailure> for OnBlockerFailure {
    fn from(policy: BlockerFailure) -> Self {
        match policy {
            BlockerFailure::Cancel => Self::Cancel,
            BlockerFailure::Run => Self::Run,
            BlockerFailure::Hold => Self::Hold,
        }
    }
}

/// `hardstop start`.
#[derive(Debug, Args)]
pub struct StartArgs {
    /// The type.
    #[arg(value_name = "TYPE", required_unless_present = "graph")]
    pub type_name: Option<String>,
    /// Start a graph of chains, all or none: a file, or - for standard input, with a JSON list of
    /// {"name", "type", "input", "blockers": [names or chain ids], ...}.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["type_name", "count", "wait", "inputs"])]
    pub graph: Option<PathBuf>,
    /// The input: JSON text, @FILE, or - for standard input.
    #[arg(long, short, default_value = "{}", value_name = "JSON")]
    pub input: String,
    /// How long to wait before the job becomes ready, such as 10s.
    #[arg(long, value_parser = duration, value_name = "DURATION")]
    pub after: Option<Duration>,
    /// The time before which the job does not become ready, such as 2026-03-01T09:00:00Z.
    #[arg(long, conflicts_with = "after", value_name = "TIME")]
    pub at: Option<Timestamp>,
    /// Smaller runs earlier among jobs of one type, from -100 to 100.
    #[arg(long, allow_negative_numbers = true, value_name = "N")]
    pub priority: Option<i16>,
    /// A chain that must close before the job runs; it gets the chain's output. May be given again.
    #[arg(long = "blocker", value_name = "CHAIN")]
    pub blockers: Vec<ChainId>,
    /// What becomes of the job when a blocker is discarded or cancelled.
    #[arg(long, value_enum, default_value_t = BlockerFailure::Cancel, requires = "blockers")]
    pub on_blocker_failure: BlockerFailure,
    /// A deduplication key: nothing is started while another chain of the type with this key is open.
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// Nothing is started, either, if one was started within this time, whatever became of it.
    #[arg(long, value_parser = duration, requires = "key", value_name = "DURATION")]
    pub key_window: Option<Duration>,
    /// Start one chain for each line of a file, or - for standard input: a JSON input a line.
    #[arg(long, conflicts_with_all = ["input", "count", "wait"], value_name = "FILE")]
    pub inputs: Option<PathBuf>,
    /// How many such chains to start.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "N")]
    pub count: u32,
    /// Limits to lower for this job.
    #[command(flatten)]
    pub limits: LimitArgs,
    /// Wait until the chain is closed and print its output. A failed chain exits with 1.
    #[arg(long, conflicts_with = "count")]
    pub wait: bool,
    /// How long to wait at the most. A wait that runs out exits with 4.
    #[arg(long, requires = "wait", value_parser = duration, value_name = "DURATION")]
    pub timeout: Option<Duration>,
    /// The W3C `traceparent` of whoever starts it: its trace goes on in the jobs.
    #[arg(long, value_name = "TRACEPARENT", env = "TRACEPARENT")]
    pub trace_parent: Option<String>,
}

/// `hardstop job ...`.
#[derive(Debug, Subcommand)]
pub enum JobCommand {
    /// List jobs, newest first.
    List {
        /// Only this type.
        #[arg(long = "type", value_name = "TYPE")]
        type_name: Option<TypeName>,
        /// Only this state.
        #[arg(long)]
        state: Option<State>,
        /// Only jobs of chains that were started with this deduplication key of the type.
        #[arg(long, requires = "type_name", value_name = "KEY")]
        key: Option<String>,
        /// Only jobs created at this time or later, as their ids tell: RFC 3339, or a duration ago
        /// such as 1h.
        #[arg(long, value_parser = time_ago, value_name = "TIME")]
        since: Option<Timestamp>,
        /// Only jobs created before this time, written in the same way.
        #[arg(long, value_parser = time_ago, value_name = "TIME")]
        until: Option<Timestamp>,
        /// Only jobs older than this one: the last of the page before.
        #[arg(long, value_name = "JOB")]
        before: Option<JobId>,
        /// How many at the most.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        limit: u32,
    },
    /// Show a job: state, input, output, failure with backtrace, attempts, usage, log.
    Show {
        /// The job.
        job: JobId,
    },
    /// Say why a job is not running, or where it stands.
    Explain {
        /// The job.
        job: JobId,
    },
    /// Print the logs of a job's attempts.
    Logs {
        /// The job.
        job: JobId,
    },
    /// Wait until a job is final and print its output. A failed job exits with 1.
    Wait {
        /// The job.
        job: JobId,
        /// How long to wait at the most. A wait that runs out exits with 4.
        #[arg(long, value_parser = duration, value_name = "DURATION")]
        timeout: Option<Duration>,
    },
    /// Make a discarded, cancelled or scheduled job ready.
    Retry {
        /// The job.
        job: JobId,
    },
    /// Make a scheduled job due now.
    Trigger {
        /// The job.
        job: JobId,
        /// Let a blocked job run without what it still waits for.
        #[arg(long)]
        force: bool,
    },
    /// Make a queued job due at another time.
    Reschedule {
        /// The job.
        job: JobId,
        /// How long from now, such as 10m.
        #[arg(long, value_parser = duration, value_name = "DURATION", required_unless_present = "at", conflicts_with = "at")]
        after: Option<Duration>,
        /// The time, such as 2026-03-01T09:00:00Z. One that has passed is now.
        #[arg(long, value_name = "TIME")]
        at: Option<Timestamp>,
    },
    /// Cancel a job. One that runs is stopped.
    Cancel {
        /// The job.
        job: JobId,
    },
    /// Complete an external job, which has no handler, with its token.
    Complete(CompleteArgs),
    /// Fail an external job for good, with its token.
    Fail(FailArgs),
}

pub use external::{CompleteArgs, FailArgs};

/// `hardstop component ...`.
#[derive(Debug, Subcommand)]
pub enum ComponentCommand {
    /// List components, newest first.
    List,
    /// Show a component.
    Show {
        /// Its digest, the beginning of it, or its name.
        component: String,
    },
}

/// `hardstop type ...`.
#[derive(Debug, Subcommand)]
pub enum TypeCommand {
    /// List types.
    List,
    /// Show a type: schemas, limits, retry policy, capabilities.
    Show {
        /// Its name.
        #[arg(value_name = "TYPE")]
        name: String,
    },
    /// List the deployments of a type, newest first.
    History {
        /// Its name.
        #[arg(value_name = "TYPE")]
        name: String,
    },
    /// Put the deployment before in force again, or another one. What runs goes on as it began.
    Rollback {
        /// The type.
        #[arg(value_name = "TYPE")]
        name: String,
        /// Which deployment [default: the one that was in force before]
        #[arg(long, value_name = "DEPLOYMENT")]
        to: Option<DeploymentId>,
    },
    /// Change the share of a type's canary, put it in force, or end it.
    Canary(CanaryArgs),
    /// Let the quarantined components of a type run again.
    Release {
        /// The type.
        #[arg(value_name = "TYPE")]
        name: String,
    },
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

fn size(text: &str) -> Result<u64, String> {
    parse_size(text).map_err(|error| error.to_string())
}

fn secret_use(text: &str) -> Result<(SecretName, SecretUse), String> {
    let (name, used) = text
        .split_once('=')
        .ok_or("write NAME=placeholder or NAME=readable")?;
    let used = [SecretUse::Placeholder, SecretUse::Readable]
        .into_iter()
        .find(|it| it.name() == used)
        .ok_or_else(|| format!("`{used}` is not placeholder or readable"))?;
    Ok((name.parse().map_err(|error| format!("{error}"))?, used))
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_flags_go_before_or_after_the_command() {
        for line in [
            ["hardstop", "-o", "json", "type", "list"],
            ["hardstop", "type", "list", "-o", "json"],
        ] {
            let cli = Cli::try_parse_from(line).expect("parses");
            assert_eq!(cli.global.output, Format::Json);
        }
    }
}
