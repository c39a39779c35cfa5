//! `hardstop type ...`: look at deployed job types.

use std::fmt::Write as _;
use std::process::ExitCode;

use hardstop_domain::quantity::{format_duration_ms, format_size};
use hardstop_domain::retry::RetryRule;
use hardstop_domain::{Failures, LimitName, Limits, QuarantinePolicy, RetryPolicy, TypeSpec};
use hardstop_store::{ActiveType, CanaryChange, Pause, TypeDeployment, TypeEventKind, TypeHistory};
use serde_json::json;

use super::args::{CanaryArgs, CanaryChangeArgs, TypeCommand};
use super::deployment::short;
use super::{Context, output};
use crate::error::Error;
use crate::service::{Used, quarantine_hint, quarantine_text};

pub async fn execute(context: &Context, command: TypeCommand) -> Result<ExitCode, Error> {
    let service = context.service(false).await?;
    match command {
        TypeCommand::List => {
            let (types, printed): (Vec<_>, Vec<_>) =
                service.types_in_force().await?.into_iter().unzip();
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
                        "canary",
                    ],
                    types
                        .iter()
                        .zip(&printed)
                        .map(|(active, shown)| row(active, shown.paused.as_ref())),
                )
            });
            for quarantine in types.iter().filter_map(|active| active.quarantine.as_ref()) {
                if context.output.is_human() {
                    let hint = quarantine_hint(&quarantine.type_name);
                    eprintln!("{}\nhint: {hint}", quarantine_text(quarantine));
                }
            }
            if types.is_empty() && context.output.is_human() {
                eprintln!("no types: `hardstop deploy` adds some");
            }
        }
        TypeCommand::History { name } => {
            let history = service.type_history(&name).await?;
            context.output.one(&history, || history_text(&history));
        }
        TypeCommand::Rollback { name, to } => {
            let (from, to) = service.rollback(&name, to).await?;
            let printed = json!({ "type": name, "from": from, "to": to });
            context.output.one(&printed, || {
                format!("{to} is in force in place of {from}\n")
            });
        }
        TypeCommand::Canary(CanaryArgs { name, change }) => {
            let (change, said) = match change {
                CanaryChangeArgs {
                    percent: Some(percent),
                    ..
                } => (
                    CanaryChange::Percent(percent),
                    format!("gets {percent}% of the jobs"),
                ),
                CanaryChangeArgs { promote: true, .. } => {
                    (CanaryChange::Promote, "is in force".to_owned())
                }
                CanaryChangeArgs { .. } => (CanaryChange::End, "is the canary no more".to_owned()),
            };
            let deployment = service.change_canary(&name, change).await?;
            let percent = match change {
                CanaryChange::Percent(percent) => Some(percent),
                CanaryChange::Promote | CanaryChange::End => None,
            };
            let in_force = change == CanaryChange::Promote;
            let printed = json!({
                "type": name, "deployment": deployment, "canary_percent": percent, "in_force": in_force,
            });
            context
                .output
                .one(&printed, || format!("{deployment} {said}\n"));
        }
        TypeCommand::Release { name } => {
            let released = service.release(&name).await?;
            let printed = json!({ "type": name, "released": released });
            context.output.one(&printed, || {
                format!("released {released} of {name} from quarantine\n")
            });
        }
        TypeCommand::Show { name } => {
            let (active, shown) = service.show_type(&name).await?;
            context.output.one(&shown, || {
                let mut text = show(&active);
                push_used(&shown.usage, "jobs", &active.spec.limits, &mut text);
                if let Some(canary) = &shown.view.canary
                    && let Some(usage) = &canary.usage
                {
                    let limits = &canary.canary.spec.limits;
                    push_used(usage, "jobs of the canary", limits, &mut text);
                }
                text
            });
        }
    }
    service.close().await;
    Ok(ExitCode::SUCCESS)
}

/// A table of what jobs used, where any did.
fn push_used(used: &Used, whose: &str, limits: &Limits, text: &mut String) {
    if used.attempts > 0 {
        let _ = writeln!(
            text,
            "\nused by the last {} {whose} that ended well",
            used.attempts
        );
        text.push_str(&output::distributions(&used.limits, limits));
    }
}

fn history_text(history: &TypeHistory) -> String {
    let status = |it: &TypeDeployment| {
        let canary = it
            .canary_percent
            .map(|percent| format!("canary {percent}%"));
        let parts = [
            it.in_force.then(|| "in force".to_owned()),
            canary,
            it.quarantined.then(|| "quarantined".to_owned()),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    };
    let mut text = output::table(
        ["deployment", "created", "component", "name", "status"],
        history.deployments.iter().map(|it| {
            [
                it.id.to_string(),
                it.created_at.to_string(),
                short(it.component),
                it.name.clone(),
                status(it),
            ]
        }),
    );
    text.push('\n');
    text.push_str(&output::table(
        ["at", "what", "deployment", "note"],
        history.events.iter().map(|event| {
            let what = match (event.kind, event.percent) {
                (TypeEventKind::Deployed, _) => "deployed".to_owned(),
                (TypeEventKind::RolledBack, _) => "rolled back".to_owned(),
                (TypeEventKind::Canary, Some(percent)) => format!("canary {percent}%"),
                (TypeEventKind::Canary, None) => "canary".to_owned(),
                (TypeEventKind::Promoted, _) => "promoted".to_owned(),
                (TypeEventKind::CanaryEnded, _) => "canary ended".to_owned(),
                (TypeEventKind::Quarantined, _) => "quarantined".to_owned(),
                (TypeEventKind::Released, _) => "released".to_owned(),
            };
            let note = event.note.clone().unwrap_or_default();
            [
                event.at.to_string(),
                what,
                event.deployment.to_string(),
                note,
            ]
        }),
    ));
    text
}

fn row(active: &ActiveType, pause: Option<&Pause>) -> [String; 9] {
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
            _ if active.quarantine.is_some() => "quarantined".to_owned(),
            None => String::new(),
            Some(Pause { until: None, .. }) => "yes".to_owned(),
            Some(Pause {
                until: Some(until), ..
            }) => format!("until {until}"),
        },
        match &active.canary {
            Some(canary) => format!("{} {}%", short(canary.spec.component), canary.percent),
            None => String::new(),
        },
    ]
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
    if let Some(larger) = policy.larger_memory {
        let _ = writeln!(
            text,
            "            out-of-memory: one attempt more, with a memory of {}",
            format_size(larger)
        );
    }
    let _ = writeln!(
        text,
        "            a handler may ask to wait up to {}",
        format_duration_ms(policy.retry_after_max)
    );
    text
}

/// The rule of the type.
fn quarantine(policy: &QuarantinePolicy) -> String {
    let attempts = policy.attempts;
    match (policy.enabled, policy.failures) {
        (false, _) => "never".to_owned(),
        (true, Failures::Percent(percent)) => {
            format!("where {percent}% of the last {attempts} attempts trap or pass a limit")
        }
        (true, Failures::Count(count)) => {
            format!("where {count} of the last {attempts} attempts trap or pass a limit")
        }
    }
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
    if let Some(canary) = &active.canary {
        let _ = writeln!(
            text,
            "canary      {}% to {} ({}), component {}",
            canary.percent,
            canary.deployed_at,
            canary.deployment,
            short(canary.spec.component)
        );
    }
    if let Some(quarantine) = &active.quarantine {
        let _ = writeln!(
            text,
            "held        {}\n            {}",
            quarantine_text(quarantine),
            quarantine_hint(&quarantine.type_name)
        );
    }
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
    let _ = writeln!(text, "quarantine  {}", quarantine(&spec.quarantine));
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
