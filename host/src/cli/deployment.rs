//! `hardstop deployment ...`: look at deployments and compare them.

use std::fmt::Write as _;
use std::process::ExitCode;

use hardstop_domain::{Digest, TypeName};
use hardstop_store::DeploymentDetail;

use super::args::DeploymentCommand;
use super::{Context, output};
use crate::error::Error;
use crate::service::{TypeChange, TypeDifference};

pub async fn execute(context: &Context, command: DeploymentCommand) -> Result<ExitCode, Error> {
    let service = context.service(false);
    match command {
        DeploymentCommand::List { limit } => {
            let deployments = service.deployments(limit).await?;
            context.output.many(&deployments, || {
                output::table(
                    ["deployment", "name", "component", "types", "created"],
                    deployments.iter().map(|deployment| {
                        [
                            deployment.id.to_string(),
                            deployment.name.clone(),
                            short(deployment.component),
                            names(&deployment.types),
                            deployment.created_at.to_string(),
                        ]
                    }),
                )
            });
        }
        DeploymentCommand::Show { deployment } => {
            let deployment = service.deployment(deployment).await?;
            context.output.one(&deployment, || show(&deployment));
        }
        DeploymentCommand::Diff { a, b } => {
            let differences = service.diff(a, b).await?;
            context
                .output
                .many(&differences, || differences_text(&differences));
        }
    }
    service.close().await;
    Ok(ExitCode::SUCCESS)
}

/// The digest of a component for tables.
pub fn short(component: Option<Digest>) -> String {
    component.map_or("external".to_owned(), |digest| digest.short())
}

fn names(types: &[TypeName]) -> String {
    let names: Vec<&str> = types.iter().map(TypeName::as_str).collect();
    names.join(", ")
}

fn show(deployment: &DeploymentDetail) -> String {
    let component = match deployment.component {
        Some(component) => component.to_string(),
        None => "none: completed from outside".to_owned(),
    };
    let mut text = format!(
        "deployment  {}\nname        {}\ncomponent   {component}\ncreated     {}\n\n",
        deployment.id, deployment.name, deployment.created_at
    );
    text.push_str(&output::table(
        ["type", "wall", "cpu", "memory", "attempts"],
        deployment.types.iter().map(|spec| {
            let [_, wall, cpu, memory] =
                output::implementation(spec.component, spec.external, &spec.limits);
            let attempts = spec.retry.attempts_max.to_string();
            [spec.name.to_string(), wall, cpu, memory, attempts]
        }),
    ));
    text
}

/// A line for each field that is different.
pub fn differences_text(types: &[TypeDifference]) -> String {
    let mut text = String::new();
    for difference in types {
        let name = &difference.type_name;
        let _ = match difference.change {
            TypeChange::Same => writeln!(text, "{name}: nothing is different"),
            TypeChange::Added => writeln!(text, "{name}: added"),
            TypeChange::Removed => writeln!(text, "{name}: removed"),
            TypeChange::Changed => writeln!(text, "{name}:"),
        };
        for field in &difference.fields {
            let side = |side: &Option<String>| side.clone().unwrap_or("none".to_owned());
            let (before, after) = (side(&field.before), side(&field.after));
            let _ = writeln!(text, "    {}: {before} -> {after}", field.field);
        }
    }
    text
}
