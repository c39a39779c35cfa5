//! The command line. Clap types are in [`args`], behaviour in one file a command.
//!
//! Data goes to standard output, talk to standard error.

pub mod args;
mod audit;
mod chain;
mod component;
mod dead_letter;
mod deploy;
mod deployment;
mod doctor;
mod explain;
mod external;
mod job;
mod job_type;
mod migrate;
mod output;
mod pause;
mod run;
mod schedule;
mod serve;
mod start;
mod start_lines;
mod token;
mod worker;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use hardstop_sandbox::{Sandbox, SandboxError, compile_if_asked};
use hardstop_store::{Acting, ConnectOptions, Store};
use tracing::warn;

use crate::config::Config;
use crate::error::Error;
use crate::service::Service;
use crate::telemetry;
use args::{Cli, Command, Global};
use output::Output;

/// What every command gets.
struct Context {
    config: Config,
    output: Output,
}

impl Context {
    /// The configuration under the flags.
    fn new(global: &Global) -> Result<Self, Error> {
        let mut config = Config::load(global.config.as_deref())?;
        if let Some(url) = &global.database_url {
            config.database_url.clone_from(url);
        }
        Ok(Self {
            config,
            output: Output::new(global.output),
        })
    }

    /// A sandbox for so many attempts at once.
    fn sandbox(&self, instances_max: u32) -> Result<Sandbox, Error> {
        let mut config = self.config.sandbox(instances_max);
        let mut sandbox = Sandbox::new(config.clone());
        if let Err(SandboxError::Cache(error)) = &sandbox
            && self.config.cache_is_default
            && !error.unsafe_folder
        {
            warn!(%error, "compiled code is not kept");
            config.compile.cache = None;
            sandbox = Sandbox::new(config);
        }
        sandbox.map_err(|error| Error::environment(error.to_string()))
    }

    /// Who runs the command, for records: the user of the operating system.
    fn actor(&self) -> String {
        actor()
    }

    /// Opens the database. `create` makes a new SQLite file where there is none.
    async fn connect(&self, create: bool) -> Result<Arc<dyn Store>, Error> {
        if self.config.database_url.starts_with("sqlite://:memory:") {
            return Err(
                Error::usage("a database in memory would be gone when the command ends")
                    .hint("name a file, such as sqlite://hardstop.db"),
            );
        }
        let options = ConnectOptions {
            create,
            schema: self.config.database_schema.clone(),
            ..ConnectOptions::default()
        };
        Ok(hardstop_store::connect(&self.config.database_url, &options).await?)
    }

    /// Opens the database for the use cases. Its schema must be this host's.
    async fn service(&self, create: bool) -> Result<Service, Error> {
        let store = self.connect(create).await?;
        store.check_schema().await?;
        let acting = Acting {
            actor: self.actor(),
            token: None,
            request: None,
        };
        Ok(Service::new(store, self.config.ceiling.clone()).acting(acting))
    }
}

/// The name of the user who runs this process; its number where the environment names none.
fn actor() -> String {
    let named = ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok());
    let named = named.filter(|name| (1..=128).contains(&name.len()) && !name.contains('\0'));
    named.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

/// Parses the arguments, runs the command and says how it ended. There is one command that is not for people: `compile`
/// and an order, by which a host starts itself to compile a component.
pub fn main() -> ExitCode {
    if let Some(code) = compile_if_asked() {
        return code;
    }
    let cli = Cli::parse();
    let json_errors = cli.global.output != args::Format::Human;
    match execute(cli) {
        Ok(code) => code,
        Err(error) => {
            if json_errors {
                let object = serde_json::json!({
                    "error": error.message, "hint": error.hint, "exit_code": error.exit as u8,
                });
                eprintln!("{object}");
            } else {
                eprintln!("error: {}", error.message);
                if let Some(hint) = &error.hint {
                    eprintln!("hint: {hint}");
                }
            }
            ExitCode::from(error.exit as u8)
        }
    }
}

fn execute(cli: Cli) -> Result<ExitCode, Error> {
    let works = matches!(cli.command, Command::Serve(_) | Command::Worker(_));
    telemetry::init(
        if works { "info" } else { "error" },
        works && cli.global.output != args::Format::Human,
    );
    let context = Context::new(&cli.global)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("hardstop-control")
        .build()
        .map_err(|error| Error::environment(format!("cannot start the runtime: {error}")))?;
    runtime.block_on(async {
        match cli.command {
            Command::Run(args) => run::execute(&context, args).await,
            Command::Deploy(args) => deploy::execute(&context, args).await,
            Command::Serve(args) => serve::execute(context, args).await,
            Command::Worker(args) => worker::execute(context, args).await,
            Command::Start(args) => start::execute(&context, args).await,
            Command::Job(command) => job::execute(&context, command).await,
            Command::Chain(command) => chain::execute(&context, command).await,
            Command::DeadLetter(command) => dead_letter::execute(&context, command).await,
            Command::Component(command) => component::execute(&context, command).await,
            Command::Deployment(command) => deployment::execute(&context, command).await,
            Command::Type(command) => job_type::execute(&context, command).await,
            Command::Schedule(command) => schedule::execute(&context, command).await,
            Command::Pause(args) => pause::pause(&context, args).await,
            Command::Resume(target) => pause::resume(&context, target).await,
            Command::Pauses => pause::list(&context).await,
            Command::Audit(command) => audit::execute(&context, command).await,
            Command::Token(command) => token::execute(&context, command).await,
            Command::Migrate => migrate::execute(&context).await,
            Command::Doctor => doctor::execute(&context).await,
        }
    })
}
