//! `hardstop type ...`: look at deployed job types.

use std::fmt::Write as _;
use std::process::ExitCode;

use hardstop_domain::profile::distributions;
use hardstop_domain::quantity::{format_duration_ms, format_size};
use hardstop_domain::retry::RetryRule;
use hardstop_domain::{LimitName, RetryPolicy, TypeSpec};
use hardstop_store::{ActiveType, Pause};
use serde_json::{Value, json};

use super::args::TypeCommand;
use super::{Context, output};
use crate::error::Error;

/// How many jobs tell how much of its limits a type uses.
const USAGE_SAMPLES: u32 = 1_000;

pub async fn execute(context: &Context, command: TypeCommand) -> Result<ExitCode, Error> {
    let service = context.service(false).await?;
    match command {
        TypeCommand::List => {
            let types = service.types().await?;
            let pauses = service.pauses().await?;
            let printed: Vec<Value> = types
                .iter()
                .map(|active| {
                    let mut value = to_json(active);
                    value["paused"] = json!(pause_of(active, &pauses));
                    value
                })
                .collect();
            context.output.many(&printed, || {
                output::table(
                    [
                        "type",
                        "component",
                        "wall",
                        "cpu",
                        "memory",
                        "attempts",
                        "deployed",
                        "paused",
                    ],
                    types
                        .iter()
                        .map(|active| row(active, pause_of(active, &pauses))),
                )
            });
            if types.is_empty() && context.output.is_human() {
                eprintln!("no types: `hardstop deploy` adds some");
            }
        }
        TypeCommand::Show { name } => {
            let active = service.job_type(&name).await?;
            let used = service.type_usage(&active.spec.name, USAGE_SAMPLES).await?;
            let usage = distributions(&used);
            let mut value = to_json(&active);
            value["usage"] = json!({ "attempts": used.len(), "limits": usage });
            context.output.one(&value, || {
                let mut text = show(&active);
                if !used.is_empty() {
                    let _ = writeln!(
                        text,
                        "\nused by the last {} jobs that ended well",
                        used.len()
                    );
                    text.push_str(&output::distributions(&usage, &active.spec.limits));
                }
                text
            });
        }
    }
    service.close().await;
    Ok(ExitCode::SUCCESS)
}

/// The pause that keeps a type from being claimed: that of everything, or its own.
fn pause_of<'p>(active: &ActiveType, pauses: &'p [Pause]) -> Option<&'p Pause> {
    let concerns = |pause: &&Pause| match &pause.type_name {
        None => true,
        Some(name) => *name == active.spec.name,
    };
    pauses.iter().find(concerns)
}

fn row(active: &ActiveType, pause: Option<&Pause>) -> [String; 8] {
    let spec = &active.spec;
    let [component, wall, cpu, memory] = output::implementation(spec);
    let attempts = match spec.external {
        Some(_) => "-".to_owned(),
        None => spec.retry.attempts_max.to_string(),
    };
    [
        spec.name.to_string(),
        component,
        wall,
        cpu,
        memory,
        attempts,
        active.deployed_at.to_string(),
        match pause {
            None => String::new(),
            Some(Pause { until: None, .. }) => "yes".to_owned(),
            Some(Pause {
                until: Some(until), ..
            }) => format!("until {until}"),
        },
    ]
}

/// Schemas are JSON text in the store, and JSON to whoever reads this.
fn to_json(active: &ActiveType) -> Value {
    let spec = &active.spec;
    let schema = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
    json!({
        "name": spec.name,
        "description": spec.description,
        "component": spec.component,
        "external": spec.external,
        "deployment": active.deployment,
        "deployed_at": active.deployed_at,
        "limits": spec.limits,
        "retry": spec.retry,
        "snooze": spec.snooze,
        "capabilities": spec.capabilities,
        "input_schema": schema(&spec.input_schema),
        "output_schema": schema(&spec.output_schema),
    })
}

/// The policy of the type, and a line for each outcome that has its own.
fn retry(policy: &RetryPolicy) -> String {
    let rule = |rule: RetryRule| {
        format!(
            "{} attempts, waits up to {} doubling to {}",
            rule.attempts_max,
            format_duration_ms(rule.backoff_ms),
            format_duration_ms(rule.backoff_ms_max)
        )
    };
    let special: Vec<_> = policy
        .kinds
        .keys()
        .filter_map(|kind| Some((kind, policy.rule(*kind)?)))
        .collect();
    let common: Vec<&str> = policy
        .on
        .iter()
        .filter(|kind| !policy.kinds.contains_key(kind))
        .map(|kind| kind.name())
        .collect();
    let mut text = format!(
        "retry       {}, on {}\n",
        rule(policy.base()),
        if common.is_empty() {
            "nothing".to_owned()
        } else {
            common.join(", ")
        }
    );
    for (kind, its) in special {
        let _ = match its.attempts_max {
            1 => writeln!(text, "            {kind}: never"),
            _ => writeln!(text, "            {kind}: {}", rule(its)),
        };
    }
    let _ = writeln!(
        text,
        "            a handler may ask to wait up to {}",
        format_duration_ms(policy.retry_after_max)
    );
    text
}

fn show(active: &ActiveType) -> String {
    let spec = &active.spec;
    let mut text = format!("{}\n", spec.name);
    if !spec.description.is_empty() {
        let _ = writeln!(text, "{}", spec.description);
    }
    text.push('\n');
    if let Some(component) = spec.component {
        let _ = writeln!(text, "component   {component}");
    }
    if let Some(external) = spec.external {
        let deadline = format_duration_ms(external.deadline_ms);
        let _ = writeln!(text, "external    to be completed within {deadline}");
    }
    let _ = writeln!(
        text,
        "deployed    {} ({})",
        active.deployed_at, active.deployment
    );
    if spec.external.is_none() {
        push_runs(&mut text, spec);
    }
    let _ = writeln!(text, "\ninput\n{}", output::indent_json(&spec.input_schema));
    let _ = writeln!(
        text,
        "\noutput\n{}",
        output::indent_json(&spec.output_schema)
    );
    text
}

/// How its handler runs.
fn push_runs(text: &mut String, spec: &TypeSpec) {
    let limits: Vec<String> = LimitName::ALL
        .into_iter()
        .filter_map(|name| Some(format!("{name} {}", name.format(spec.limits.get(name)?))))
        .collect();
    let _ = writeln!(text, "limits      {}", limits.join(", "));
    text.push_str(&retry(&spec.retry));
    let _ = writeln!(
        text,
        "snooze      {} times, {} altogether",
        spec.snooze.count_max,
        format_duration_ms(spec.snooze.total_max)
    );
    if !spec.files.is_empty() {
        let files = spec.files.iter();
        let files: Vec<String> = files
            .map(|(path, file)| format!("{path} ({})", format_size(file.bytes)))
            .collect();
        let _ = writeln!(text, "files       {}", files.join(", "));
    }
    let capabilities = spec.capabilities.describe();
    let _ = writeln!(
        text,
        "may use     {}",
        if capabilities.is_empty() {
            "nothing".to_owned()
        } else {
            capabilities.join(", ")
        }
    );
}
