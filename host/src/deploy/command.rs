//! Types of a WASI command: the manifest describes them, for the component cannot.

use std::collections::BTreeMap;

use hardstop_domain::{Command, TypeName};
use hardstop_sandbox::TypeDescription;

use super::{ManifestFile, TypeManifest, external};
use crate::error::Error;

/// What the manifest says of each type that it asks for.
pub(super) fn describe(
    file: &ManifestFile,
    asked: Option<&BTreeMap<TypeName, TypeManifest>>,
) -> Result<Vec<TypeDescription>, Error> {
    let Some(asked) = asked else {
        return Err(Error::usage(format!(
            "manifest {}: the component is a WASI command, which describes no types",
            file.path.display()
        ))
        .hint("name a type for it: [types.NAME]"));
    };
    let schema = |name: &TypeName, which, given: &Option<_>| {
        external::schema(file, which, given.clone()).map_err(|error| {
            error.context(format!("manifest {}: [types.{name}]", file.path.display()))
        })
    };
    asked
        .iter()
        .map(|(name, asked)| {
            Ok(TypeDescription {
                name: name.clone(),
                description: asked.description.clone().unwrap_or_default(),
                input_schema: schema(name, "input", &asked.input_schema)?,
                output_schema: schema(name, "output", &asked.output_schema)?,
            })
        })
        .collect()
}

/// How a type's component is started: as the manifest says where it is a command, not at all where it has a
/// handler.
pub(super) fn command(asked: &TypeManifest, is_command: bool) -> Result<Option<Command>, Error> {
    let key = match is_command {
        true => asked.deadline.is_some().then_some("deadline"),
        false => asked.external_key(),
    };
    if let Some(key) = key {
        let (whose, has) = match key {
            "deadline" => ("external types", "is run by the host"),
            _ => ("external types and WASI commands", "has a handler"),
        };
        return Err(
            Error::usage(format!("`{key}` is for {whose}, and this one {has}"))
                .hint("leave it out, or set external = true"),
        );
    }
    match (&asked.command, is_command) {
        (Some(_), false) => Err(Error::usage(
            "has a table `command`, and its component exports a handler: it is no WASI command",
        )
        .hint("leave the table out; a handler reads `config` values in place of arguments")),
        (None, false) => Ok(None),
        (command, true) => {
            let command = command.clone().unwrap_or_default();
            command
                .check()
                .map_err(|error| Error::usage(format!("command.{error}")))?;
            Ok(Some(command))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_takes_no_command() {
        let asked = TypeManifest {
            command: Some(Command::default()),
            ..TypeManifest::default()
        };
        let error = command(&asked, false).expect_err("a handler").to_string();
        assert!(error.contains("exports a handler"), "{error}");
        assert_eq!(command(&TypeManifest::default(), false).ok(), Some(None));
    }
}
