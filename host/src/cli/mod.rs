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
mod event;
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
mod session;
mod start;
mod start_lines;
mod subscription;
mod token;
mod worker;

use std::cell::OnceCell;
use std::process::ExitCode;
use std::sync::Arc;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};
use hardstop_sandbox::{Sandbox, compile_if_asked};
use hardstop_store::Store;

use crate::client::{Client, address};
use crate::config::Config;
use crate::error::Error;
use crate::local::{self, Local};
use crate::telemetry;
use crate::use_case::UseCases;
use args::{Cli, Command, Global};
use output::Output;

/// What every command gets.
struct Context {
    config: Config,
    output: Output,
    /// The server that is asked in place of the database.
    server: Option<Client>,
    local: OnceCell<Local>,
}

impl Context {
    /// The configuration under the flags.
    fn new(global: &Global) -> Result<Self, Error> {
        let mut config = Config::load(global.config.as_deref())?;
        if let Some(url) = &global.database_url {
            config.database_url.clone_from(url);
        }
        let server = match &global.server {
            None => None,
            Some(server) => {
                let token = address::token(global.token_file.as_deref())?;
                Some(Client::new(server.clone(), token))
            }
        };
        Ok(Self {
            config,
            output: Output::new(global.output),
            server,
            local: OnceCell::new(),
        })
    }

    /// A sandbox for so many attempts at once.
    fn sandbox(&self, instances_max: u32) -> Result<Sandbox, Error> {
        local::sandbox(&self.config, instances_max)
    }

    /// Opens the database. `create` makes a new SQLite file where there is none.
    async fn connect(&self, create: bool) -> Result<Arc<dyn Store>, Error> {
        local::connect(&self.config, create).await
    }

    /// The use cases: of the server that is named, or else of the database. `create` makes a new SQLite file where there
    /// is none.
    fn service(&self, create: bool) -> &dyn UseCases {
        match &self.server {
            Some(server) => server,
            None => self
                .local
                .get_or_init(|| Local::new(self.config.clone(), create)),
        }
    }
}

/// Parses the arguments, runs the command and says how it ended. There is one command that is not for people: `compile`
/// and an order, by which a host starts itself to compile a component.
pub fn main() -> ExitCode {
    if let Some(code) = compile_if_asked() {
        return code;
    }
    let matches = Cli::command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let json_errors = cli.global.output != args::Format::Human;
    match execute(cli, &matches) {
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

/// Leaves of server and database the one that is meant: flags rank over the environment, and two that rank the same are
/// one too many.
fn choose(global: &mut Global, matches: &ArgMatches) -> Result<(), Error> {
    let by_flag = |name| matches.value_source(name) == Some(ValueSource::CommandLine);
    if global.server.is_none() || global.database_url.is_none() {
        return Ok(());
    }
    match (by_flag("server"), by_flag("database_url")) {
        (true, false) => global.database_url = None,
        (false, true) => global.server = None,
        _ => {
            return Err(Error::usage(
                "a server and a database are named, and a command asks one of them",
            )
            .hint(
                "give --server or --database-url; they may also be in HARDSTOP_SERVER and \
                 HARDSTOP_DATABASE_URL",
            ));
        }
    }
    Ok(())
}

fn execute(mut cli: Cli, matches: &ArgMatches) -> Result<ExitCode, Error> {
    choose(&mut cli.global, matches)?;
    if cli.global.server.is_some()
        && let Some(command) = cli.command.of_this_machine()
    {
        return Err(Error::usage(format!(
            "`hardstop {command}` works on the database itself, or on this machine, and on no server"
        ))
        .hint("leave out --server (or HARDSTOP_SERVER), and run it where the database can be reached"));
    }
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
            Command::Session(command) => session::execute(&context, command).await,
            Command::Audit(command) => audit::execute(&context, command).await,
            Command::Events(args) => event::execute(&context, args).await,
            Command::Subscription(command) => subscription::execute(&context, command).await,
            Command::Token(command) => token::execute(&context, command).await,
            Command::Migrate => migrate::execute(&context).await,
            Command::Doctor => doctor::execute(&context).await,
        }
    })
}
