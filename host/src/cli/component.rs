//! `hardstop component ...`: look at stored components.

use std::process::ExitCode;

use hardstop_domain::TypeName;
use hardstop_domain::quantity::format_size;
use hardstop_store::Component;

use super::args::ComponentCommand;
use super::{Context, output};
use crate::error::Error;

pub async fn execute(context: &Context, command: ComponentCommand) -> Result<ExitCode, Error> {
    let service = context.service(false);
    match command {
        ComponentCommand::List => {
            let components = service.components().await?;
            context.output.many(&components, || {
                output::table(
                    ["component", "name", "size", "types", "created"],
                    components.iter().map(|component| {
                        [
                            component.digest.short(),
                            component.name.clone(),
                            format_size(component.size_bytes),
                            types(component),
                            component.created_at.to_string(),
                        ]
                    }),
                )
            });
        }
        ComponentCommand::Show { component } => {
            let component = service.component(&component).await?;
            context.output.one(&component, || {
                format!(
                    "digest   {}\nname     {}\nsize     {}\ncreated  {}\ntypes    {}\n",
                    component.digest,
                    component.name,
                    format_size(component.size_bytes),
                    component.created_at,
                    types(&component)
                )
            });
        }
    }
    service.close().await;
    Ok(ExitCode::SUCCESS)
}

fn types(component: &Component) -> String {
    if component.types.is_empty() {
        return "none active".to_owned();
    }
    component
        .types
        .iter()
        .map(TypeName::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}
