//! `hardstop type ...`: look at deployed job types.

use std::fmt::Write as _;
use std::process::ExitCode;

use hardstop_domain::quantity::{format_duration_ms, format_size};
use hardstop_domain::retry::RetryRule;
use hardstop_domain::{Failures, Keep, LimitName, Limits, QuarantinePolicy, RetryPolicy};
use hardstop_store::{CanaryChange, Pause, TypeDeployment, TypeEventKind, TypeHistory};
use serde_json::json;

use super::args::{CanaryArgs, CanaryChangeArgs, TypeCommand};
use super::deployment::short;
use super::{Context, output};
use crate::error::Error;
use crate::service::{CanaryView, TypeInForce, TypeView, Used, quarantine_hint, quarantine_text};

pub async fn execute(context: &Context, command: TypeCommand) -> Result<ExitCode, Error> {
    let service = context.service(false);
    match command {
        TypeCommand::List => {
            let types = service.types_in_force().await?;
            context.output.many(&types, || {
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
                    types.iter().map(row),
                )
            });
            for quarantine in types.iter().filter_map(|it| it.view.quarantine.as_ref()) {
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
            let shown = service.show_type(&name).await?;
            context.output.one(&shown, || {
                let mut text = show(&shown.view);
                push_used(&shown.usage, "jobs", &shown.view.limits, &mut text);
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

fn row(shown: &TypeInForce) -> [String; 9] {
    let TypeInForce { view, paused } = shown;
    let [component, wall, cpu, memory] =
        output::implementation(view.component, view.external, &view.limits);
    let attempts = match view.external {
        Some(_) => "-".to_owned(),
        None => view.retry.attempts_max.to_string(),
    };
    [
        view.name.to_string(),
        component,
        wall,
        cpu,
        memory,
        attempts,
        view.deployed_at.to_string(),
        match paused {
            _ if view.quarantine.is_some() => "quarantined".to_owned(),
            None => String::new(),
            Some(Pause { until: None, .. }) => "yes".to_owned(),
            Some(Pause {
                until: Some(until), ..
            }) => format!("until {until}"),
        },
        match &view.canary {
            Some(CanaryView { canary, .. }) => {
                format!("{} {}%", short(canary.spec.component), canary.percent)
            }
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

fn keeps(keep: Keep) -> &'static str {
    match keep {
        Keep::All => "all final jobs",
        Keep::Failures => "failures: a job that its first attempt completes leaves nothing",
    }
}

fn show(view: &TypeView) -> String {
    let mut text = format!("{}\n", view.name);
    if !view.description.is_empty() {
        let _ = writeln!(text, "{}", view.description);
    }
    text.push('\n');
    if let Some(component) = view.component {
        let _ = writeln!(text, "component   {component}");
    }
    if let Some(external) = view.external {
        let deadline = format_duration_ms(external.deadline_ms);
        let _ = writeln!(text, "external    to be completed within {deadline}");
    }
    let _ = writeln!(
        text,
        "deployed    {} ({})",
        view.deployed_at, view.deployment
    );
    if let Some(CanaryView { canary, .. }) = &view.canary {
        let _ = writeln!(
            text,
            "canary      {}% to {} ({}), component {}",
            canary.percent,
            canary.deployed_at,
            canary.deployment,
            short(canary.spec.component)
        );
    }
    if let Some(quarantine) = &view.quarantine {
        let _ = writeln!(
            text,
            "held        {}\n            {}",
            quarantine_text(quarantine),
            quarantine_hint(&quarantine.type_name)
        );
    }
    if view.external.is_none() {
        push_runs(&mut text, view);
    }
    for (name, schema) in [
        ("input", &view.input_schema),
        ("output", &view.output_schema),
    ] {
        let _ = writeln!(text, "\n{name}\n{}", output::pretty(schema));
    }
    text
}

/// How its handler runs.
fn push_runs(text: &mut String, view: &TypeView) {
    let limits: Vec<String> = LimitName::ALL
        .into_iter()
        .filter_map(|name| Some(format!("{name} {}", name.format(view.limits.get(name)?))))
        .collect();
    let _ = writeln!(text, "limits      {}", limits.join(", "));
    text.push_str(&retry(&view.retry));
    let _ = writeln!(
        text,
        "snooze      {} times, {} altogether",
        view.snooze.count_max,
        format_duration_ms(view.snooze.total_max)
    );
    if !view.files.is_empty() {
        let files = view.files.iter();
        let files: Vec<String> = files
            .map(|(path, file)| format!("{path} ({})", format_size(file.bytes)))
            .collect();
        let _ = writeln!(text, "files       {}", files.join(", "));
    }
    let _ = writeln!(text, "quarantine  {}", quarantine(&view.quarantine_policy));
    let _ = writeln!(text, "keeps       {}", keeps(view.keep));
    let capabilities = view.capabilities.describe();
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
