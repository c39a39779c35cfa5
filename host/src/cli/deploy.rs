//! `hardstop deploy`: verify components and make their types the active ones.

use std::process::ExitCode;

use hardstop_domain::TypeName;
use hardstop_domain::quantity::format_size;

use super::args::DeployArgs;
use super::deployment::differences_text;
use super::{Context, output};
use crate::deploy::ManifestFile;
use crate::error::Error;
use crate::service::{DeploymentMade, quarantine_hint, quarantine_text};
use crate::use_case::UseCases;

pub async fn execute(context: &Context, args: DeployArgs) -> Result<ExitCode, Error> {
    if args.component.is_some() && args.manifests.len() > 1 {
        return Err(Error::usage("--component goes with one manifest"));
    }
    let mut files = Vec::new();
    for path in &args.manifests {
        let mut file = ManifestFile::read(path)?;
        if let Some(component) = &args.component {
            let path = std::path::absolute(component).map_err(|error| {
                Error::usage(format!("cannot find {}: {error}", component.display()))
            })?;
            file.manifest.component = Some(path);
        }
        files.push(file);
    }
    let service = context.service(!args.diff && !args.check);
    // Of several, all are verified before the first is stored.
    if args.check || (files.len() > 1 && !args.diff) {
        for file in &files {
            let verified = service.verify(file).await?;
            if args.check {
                let types: Vec<&str> = verified.types.iter().map(TypeName::as_str).collect();
                eprintln!(
                    "{}: good ({}); nothing was stored",
                    verified.name,
                    types.join(", ")
                );
            }
        }
    }
    if args.diff {
        let mut differences = Vec::new();
        for file in &files {
            differences.extend(service.preview(file).await?);
        }
        context
            .output
            .many(&differences, || differences_text(&differences));
    } else if !args.check {
        let mut made = Vec::new();
        for file in &files {
            made.push(service.deploy(file, args.canary).await?);
        }
        show(context, service, &made).await?;
    }
    service.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn show(
    context: &Context,
    service: &dyn UseCases,
    made: &[DeploymentMade],
) -> Result<(), Error> {
    let mut rows = Vec::new();
    for deployment in made {
        let size = match deployment.component {
            Some(digest) if context.output.is_human() => {
                let component = service.component(&digest.to_string()).await?;
                Some(component.size_bytes)
            }
            _ => None,
        };
        for spec in service.deployment(deployment.deployment).await?.types {
            let [component, wall, cpu, memory] =
                output::implementation(spec.component, spec.external, &spec.limits);
            let size = size.filter(|_| spec.component.is_some());
            let size = size.map_or("-".to_owned(), format_size);
            rows.push([spec.name.to_string(), component, size, wall, cpu, memory]);
        }
    }
    context.output.many(made, || {
        output::table(["type", "component", "size", "wall", "cpu", "memory"], rows)
    });
    // The same component again, which ended badly before.
    for shown in service.types_in_force().await? {
        if let Some(quarantine) = &shown.view.quarantine
            && made.iter().any(|it| it.types.contains(&shown.view.name))
        {
            let hint = quarantine_hint(&shown.view.name);
            eprintln!(
                "{}: its jobs wait\nhint: {hint}",
                quarantine_text(quarantine)
            );
        }
    }
    Ok(())
}
