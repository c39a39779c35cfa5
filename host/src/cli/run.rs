//! `hardstop run`: one handler, without any database, once or many times in a row.

mod repeat;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use hardstop_domain::capability::HttpCapability;
use hardstop_domain::capability::http::HttpRules;
use hardstop_domain::profile::{Near, near};
use hardstop_domain::quantity::format_us;
use hardstop_domain::{
    Blocker, BlockerEnd, Capabilities, ChainId, Command, JobId, LimitName, Limits, Lineage,
    LogEntry, Outcome, Report, TypeName, Usage, command::CommandOutput, outcome::Progress,
};
use hardstop_sandbox::{
    Attempt, FileTree, Prepared, Profile, Stop, StopSignal, TypeDescription, Watch,
};
use serde::Serialize;
use uuid::Uuid;

use super::args::RunArgs;
use super::{Context, output};
use crate::deploy::{self, ManifestFile, Source};
use crate::error::{Error, Exit};

/// What is run: a component, and what a manifest or the flags say of its types.
struct Target {
    what: String,
    bytes: Vec<u8>,
    manifest: Option<ManifestFile>,
}

/// The report as it is printed in JSON.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(rename = "type")]
    type_name: &'a TypeName,
    outcome: hardstop_domain::OutcomeKind,
    output: Option<serde_json::Value>,
    next: Option<NextJob<'a>>,
    snooze_ms: Option<u64>,
    failure: Option<&'a hardstop_domain::Failure>,
    usage: &'a Usage,
    limits: &'a Limits,
    /// The limits that it came near.
    near: Vec<Near>,
    progress: Option<&'a Progress>,
    children: Vec<NextJob<'a>>,
    refusals: &'a [hardstop_domain::capability::Refusal],
    log: &'a [LogEntry],
}

#[derive(Serialize)]
struct NextJob<'a> {
    #[serde(rename = "type")]
    type_name: &'a TypeName,
    input: serde_json::Value,
    delay_ms: u64,
    /// The id that its blockers are named by.
    id: JobId,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    blockers: &'a [ChainId],
}

impl<'a> NextJob<'a> {
    fn of(job: &'a hardstop_domain::NewJob) -> Self {
        Self {
            type_name: &job.type_name,
            input: value(&job.input),
            delay_ms: job.delay_ms,
            id: job.id,
            blockers: &job.blockers,
        }
    }
}

fn value(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

pub async fn execute(context: &Context, args: RunArgs) -> Result<ExitCode, Error> {
    let input = read_json(&args.input, "the input")?;
    let blockers = args
        .blockers
        .iter()
        .map(|argument| {
            Ok(Blocker {
                chain: JobId(Uuid::now_v7()).into(),
                end: BlockerEnd::Completed {
                    output: read_json(argument, "a blocker's output")?,
                },
            })
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let mut target = read_target(context, &args)?;
    let sandbox = context.sandbox(4)?;
    target.bytes = deploy::adapted(&target.what, target.bytes, &sandbox).await?;
    let prepared = sandbox
        .prepare(&target.bytes, Profile::of(&Limits::default()))
        .await
        .map_err(|error| deploy::prepare_error(&target.what, error))?;
    let names = match prepared.is_command() {
        true => command_names(&target, &args)?,
        false => described_names(&target, &prepared).await?,
    };
    let chosen = choose(&target, &names, args.type_name.as_deref())?;
    let (limits, capabilities) = grant(context, &args, &target, chosen)?;
    let files = files(&args, &target, chosen)?;
    let command = command(&args, &target, chosen, prepared.is_command())?;
    // Only a type that wants its own engine costs a second compilation.
    let profile = Profile::of(&limits);
    let prepared = if profile == Profile::of(&Limits::default()) {
        prepared
    } else {
        sandbox
            .prepare(&target.bytes, profile)
            .await
            .map_err(|error| deploy::prepare_error(&target.what, error))?
    };

    let input_bytes = input.len() as u64 + blockers.iter().map(Blocker::bytes).sum::<u64>();
    // The log of one run is shown as it comes; of many it would drown the numbers.
    let live = context.output.is_human() && args.repeat.is_none();
    let attempt = |signal: StopSignal| {
        let id = JobId(Uuid::now_v7());
        prepared.run(Attempt {
            job: id,
            chain: id.into(),
            type_name: chosen.clone(),
            number: 1,
            attempts_left: 0,
            input: input.clone(),
            blockers: blockers.clone(),
            lineage: Lineage::root(id.into()),
            descendants: 0,
            trace_parent: None,
            limits: limits.clone(),
            capabilities: capabilities.clone(),
            command: command.clone(),
            files: files.clone(),
            stop: signal,
            watch: live.then(|| Arc::new(Live) as Arc<dyn Watch>),
        })
    };
    if let Some(count) = args.repeat {
        return repeat::execute(context, chosen, count, &limits, attempt).await;
    }
    let (handle, signal) = StopSignal::pair();
    let interrupt = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            handle.stop(Stop::Interrupted);
        }
        std::future::pending::<()>().await;
    });
    let report = attempt(signal).await;
    interrupt.abort();
    print(context, chosen, &report, &limits, input_bytes);
    Ok(match report.outcome {
        Outcome::Failed(_) => ExitCode::from(Exit::Failed as u8),
        _ => ExitCode::SUCCESS,
    })
}

fn read_json(argument: &str, what: &str) -> Result<String, Error> {
    let text = output::read_input(argument)?;
    match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Error::usage(format!("{what} is not JSON: {error}"))
            .hint("give JSON text, @FILE to read a file, or - for standard input")),
    }
}

fn read_target(context: &Context, args: &RunArgs) -> Result<Target, Error> {
    let bytes_max = context.config.component_bytes_max;
    let is_manifest = args.target.is_dir()
        || args
            .target
            .extension()
            .is_some_and(|extension| extension == "toml");
    let (path, manifest) = if is_manifest {
        let file = ManifestFile::read(&args.target)?;
        let path = file.component_path().ok_or_else(|| {
            Error::usage(format!(
                "manifest {}: it names no component: external types are not run",
                file.path.display()
            ))
        })?;
        (path, Some(file))
    } else {
        (args.target.clone(), None)
    };
    let bytes = deploy::read_component(&path, bytes_max)?;
    Ok(Target {
        what: path.display().to_string(),
        bytes,
        manifest,
    })
}

/// The types that a component with a handler describes.
async fn described_names(target: &Target, prepared: &Prepared) -> Result<Vec<TypeName>, Error> {
    let described: Vec<TypeDescription> = prepared
        .describe()
        .await
        .map_err(|error| deploy::describe_error(&target.what, error))?;
    Ok(described.into_iter().map(|type_| type_.name).collect())
}

/// The types of a WASI command: the manifest's. A bare one is of any type that it is told to be.
fn command_names(target: &Target, args: &RunArgs) -> Result<Vec<TypeName>, Error> {
    let Some(file) = &target.manifest else {
        let name = args.type_name.as_deref().unwrap_or("command");
        let name = name
            .parse()
            .map_err(|error| Error::usage(format!("--type: {error}")))?;
        return Ok(vec![name]);
    };
    let types = file.manifest.types.as_ref().ok_or_else(|| {
        Error::usage(format!(
            "manifest {}: the component is a WASI command, which describes no types",
            file.path.display()
        ))
        .hint("name a type for it: [types.NAME]")
    })?;
    let own = types.iter().filter(|(_, asked)| !asked.external);
    Ok(own.map(|(name, _)| name.clone()).collect())
}

/// How the component is started: as the manifest or, for a bare one, the flags say.
fn command(
    args: &RunArgs,
    target: &Target,
    name: &TypeName,
    is_command: bool,
) -> Result<Command, Error> {
    let has_flags = !args.args.is_empty() || !args.env.is_empty() || args.text_output;
    if let Some(file) = &target.manifest {
        if has_flags {
            return Err(
                Error::usage("--arg, --env and --text-output are for a bare WASI command")
                    .hint(format!("set them in {}", file.path.display())),
            );
        }
        return deploy::command_of(file, name, is_command);
    }
    if has_flags && !is_command {
        return Err(Error::usage(
            "--arg, --env and --text-output are for WASI commands, and this component has a handler",
        )
        .hint("leave them out; a handler reads --config-value"));
    }
    let command = Command {
        args: args.args.clone(),
        env: args.env.iter().cloned().collect(),
        output: match args.text_output {
            true => CommandOutput::Text,
            false => CommandOutput::Json,
        },
        ..Command::default()
    };
    command
        .check()
        .map_err(|error| Error::usage(error.to_string()))?;
    Ok(command)
}

/// The read-only files: the manifest's, or for a bare component the flags'.
fn files(args: &RunArgs, target: &Target, name: &TypeName) -> Result<FileTree, Error> {
    let (_, contents) = match &target.manifest {
        Some(file) if !args.files.is_empty() => {
            return Err(Error::usage("--file is for a bare component")
                .hint(format!("set `files` in {}", file.path.display())));
        }
        Some(file) => {
            let asked = file.of_type(name)?.files;
            file.read_files(&asked)?
        }
        None => {
            let files = args.files.iter();
            let asked = files.map(|(guest_path, path)| (guest_path.clone(), path.into()));
            deploy::files::read("--file", &Source::Folder, Path::new(""), &asked.collect())?
        }
    };
    let files = contents.into_iter();
    Ok(FileTree::new(
        files.map(|(path, bytes)| (path, bytes.into())),
    ))
}

fn choose<'a>(
    target: &Target,
    names: &'a [TypeName],
    wanted: Option<&str>,
) -> Result<&'a TypeName, Error> {
    let listed = || {
        let names: Vec<&str> = names.iter().map(TypeName::as_str).collect();
        names.join(", ")
    };
    match (wanted, names) {
        (Some(wanted), _) => names
            .iter()
            .find(|name| name.as_str() == wanted)
            .ok_or_else(|| {
                Error::usage(format!("{} has no type `{wanted}`", target.what))
                    .hint(format!("it has: {}", listed()))
            }),
        (None, [only]) => Ok(only),
        (None, _) => Err(Error::usage(format!("{} has several types", target.what))
            .hint(format!("choose with --type: {}", listed()))),
    }
}

/// Limits and capabilities: the manifest's, lowered by the flags; or for a bare component the flags'.
fn grant(
    context: &Context,
    args: &RunArgs,
    target: &Target,
    name: &TypeName,
) -> Result<(Limits, Capabilities), Error> {
    let ceiling = &context.config.ceiling;
    let limit_error = |error: hardstop_domain::limit::LimitError| Error::usage(error.to_string());
    let Some(file) = &target.manifest else {
        let mut asked = args.limits.patch();
        asked.set(LimitName::Stack, args.stack);
        let capabilities = Capabilities {
            chains: args.allow_chains,
            scratch: args.allow_scratch,
            deterministic: args.deterministic,
            config: args.config_values.iter().cloned().collect(),
            http: HttpCapability {
                allow: HttpRules::try_from(args.allow_http.clone())
                    .map_err(|error| Error::usage(format!("--allow-http: {error}")))?,
            },
            secrets: args.secrets.iter().cloned().collect(),
        };
        capabilities.check().map_err(Error::usage)?;
        return Ok((
            Limits::for_type(ceiling, &asked).map_err(limit_error)?,
            capabilities,
        ));
    };
    if args.allow_chains
        || args.allow_scratch
        || args.deterministic
        || !args.config_values.is_empty()
        || !args.allow_http.is_empty()
        || !args.secrets.is_empty()
        || args.stack.is_some()
    {
        return Err(Error::usage(
            "--allow-chains, --allow-scratch, --deterministic, --config-value, --allow-http, --secret and --stack are for a bare \
             component",
        )
        .hint(format!("set them in {}", file.path.display())));
    }
    let of_type = file.of_type(name)?;
    let limits = Limits::for_type(ceiling, &of_type.limits)
        .and_then(|limits| limits.for_job(ceiling, &args.limits.patch()))
        .map_err(limit_error)?;
    Ok((limits, of_type.capabilities))
}

/// Shows log and progress as they come.
struct Live;

impl Watch for Live {
    fn log(&self, entry: &LogEntry) {
        eprintln!("{}", output::log_line(entry));
    }

    fn progress(&self, progress: &Progress) {
        let message = progress.message.as_deref().unwrap_or_default();
        eprintln!("           {:>3.0}%  {message}", progress.fraction * 100.0);
    }
}

fn print(context: &Context, name: &TypeName, report: &Report, limits: &Limits, input_bytes: u64) {
    if !context.output.is_human() {
        let printed = Printed {
            type_name: name,
            outcome: report.outcome.kind(),
            output: match &report.outcome {
                Outcome::Completed { output } => Some(value(output)),
                _ => None,
            },
            next: match &report.outcome {
                Outcome::Continued { next } => Some(NextJob::of(next)),
                _ => None,
            },
            snooze_ms: match &report.outcome {
                Outcome::Snoozed { delay_ms } => Some(*delay_ms),
                _ => None,
            },
            failure: report.outcome.failure(),
            usage: &report.usage,
            limits,
            near: near(&report.usage, limits),
            progress: report.progress.as_ref(),
            children: report
                .children
                .iter()
                .map(|child| NextJob::of(&child.first))
                .collect(),
            refusals: &report.refusals,
            log: &report.log,
        };
        context.output.one(&printed, String::new);
        return;
    }
    match &report.outcome {
        Outcome::Completed { output } => {
            eprintln!("completed in {}", format_us(report.usage.wall_us));
            output::print(&output::indent_json(output));
        }
        Outcome::Continued { next } => {
            let waits = match next.blockers.len() {
                0 => String::new(),
                count => format!(" once {count} chains have closed"),
            };
            eprintln!("continued: would go on with `{}`{waits}", next.type_name);
            output::print(&output::indent_json(&next.input));
        }
        Outcome::Snoozed { delay_ms } => eprintln!("snoozed: would run again in {delay_ms} ms"),
        Outcome::Failed(failure) => eprint!("{}", output::failure(failure)),
    }
    for child in &report.children {
        eprintln!("would start a chain of `{}`", child.first.type_name);
    }
    for refusal in &report.refusals {
        eprintln!("refused: {}; to grant it:\n{}", refusal.rule, refusal.grant);
    }
    eprintln!();
    let children = report.children.len() as u64;
    eprint!(
        "{}",
        output::usage(&report.usage, limits, input_bytes, children)
    );
    eprint!("{}", output::near(&near(&report.usage, limits)));
}
