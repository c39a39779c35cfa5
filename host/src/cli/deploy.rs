//! `hardstop deploy`: verify components and make their types the active ones.

use std::process::ExitCode;

use hardstop_domain::quantity::format_size;

use super::args::DeployArgs;
use super::deployment::differences_text;
use super::{Context, output};
use crate::deploy::{self, ManifestFile};
use crate::error::Error;
use crate::service::{quarantine_hint, quarantine_text};

pub async fn execute(context: &Context, args: DeployArgs) -> Result<ExitCode, Error> {
    if args.component.is_some() && args.manifests.len() > 1 {
        return Err(Error::usage("--component goes with one manifest"));
    }
    let sandbox = context.sandbox(4)?;
    // Everything is verified before anything is stored.
    let mut verified = Vec::new();
    for path in &args.manifests {
        let mut file = ManifestFile::read(path)?;
        if let Some(component) = &args.component {
            let path = std::path::absolute(component).map_err(|error| {
                Error::usage(format!("cannot find {}: {error}", component.display()))
            })?;
            file.manifest.component = Some(path);
        }
        let bytes = file.read_component(context.config.component_bytes_max)?;
        let mut new = deploy::verify(&file, bytes, &sandbox, &context.config).await?;
        new.canary_percent = args.canary;
        verified.push(new);
    }
    if args.check {
        for deployment in &verified {
            let types: Vec<&str> = deployment
                .types
                .iter()
                .map(|spec| spec.name.as_str())
                .collect();
            eprintln!(
                "{}: good ({}); nothing was stored",
                deployment.name,
                types.join(", ")
            );
        }
        return Ok(ExitCode::SUCCESS);
    }
    let service = context.service(!args.diff).await?;
    if args.diff {
        let mut differences = Vec::new();
        for new in &verified {
            differences.extend(service.diff_new(new).await?);
        }
        context
            .output
            .many(&differences, || differences_text(&differences));
        service.close().await;
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = Vec::new();
    let mut printed = Vec::new();
    let mut names = Vec::new();
    for new in verified {
        let size = new.component.as_ref().map(|new| new.bytes.len() as u64);
        for spec in &new.types {
            let [component, wall, cpu, memory] = output::implementation(spec);
            let size = size.filter(|_| spec.component.is_some());
            let size = size.map_or("-".to_owned(), format_size);
            names.push(spec.name.clone());
            rows.push([spec.name.to_string(), component, size, wall, cpu, memory]);
        }
        printed.push(service.make_deployment(new).await?);
    }
    context.output.many(&printed, || {
        output::table(["type", "component", "size", "wall", "cpu", "memory"], rows)
    });
    // The same component again, which ended badly before.
    for active in service.types().await? {
        if let Some(quarantine) = &active.quarantine
            && names.contains(&active.spec.name)
        {
            let hint = quarantine_hint(&active.spec.name);
            eprintln!(
                "{}: its jobs wait\nhint: {hint}",
                quarantine_text(quarantine)
            );
        }
    }
    service.close().await;
    Ok(ExitCode::SUCCESS)
}
