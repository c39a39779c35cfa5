//! Types without a handler, as a manifest describes them.

use std::io;
use std::path::Path;

use hardstop_domain::job_type::EXTERNAL_DEADLINE_MS_DEFAULT;
use hardstop_domain::{
    Capabilities, External, LimitName, Limits, QuarantinePolicy, RetryPolicy, TypeName, TypeSpec,
};
use hardstop_sandbox::SCHEMA_BYTES_MAX;
use serde_json::Value;

use super::{ManifestFile, TypeManifest};
use crate::catalogue;
use crate::config::Config;
use crate::error::Error;

impl TypeManifest {
    /// A key that only makes sense for an external type.
    pub(super) fn external_key(&self) -> Option<&'static str> {
        [
            ("deadline", self.deadline.is_some()),
            ("description", self.description.is_some()),
            ("input_schema", self.input_schema.is_some()),
            ("output_schema", self.output_schema.is_some()),
        ]
        .into_iter()
        .find_map(|(key, given)| given.then_some(key))
    }
}

/// The specification of an external type.
pub(super) fn spec(
    file: &ManifestFile,
    name: &TypeName,
    asked: TypeManifest,
    config: &Config,
) -> Result<TypeSpec, Error> {
    let has_no_meaning = |name: LimitName| !matches!(name, LimitName::Input | LimitName::Output);
    let refused = [
        ("command", asked.command.is_some()),
        ("files", !asked.files.is_empty()),
        ("retry", asked.retry != RetryPolicy::default()),
        (
            "quarantine",
            asked.quarantine != QuarantinePolicy::default(),
        ),
        ("keep", !asked.keep.is_all()),
        (
            "capabilities",
            asked.capabilities != Capabilities::default(),
        ),
        ("limits", asked.limits.names().any(has_no_meaning)),
    ];
    if let Some((key, _)) = refused.into_iter().find(|(_, given)| *given) {
        return Err(Error::usage(format!(
            "`{key}` is for types with a handler, and this one is external"
        ))
        .hint("nothing runs an external job: of its limits only `input` and `output` can be set"));
    }
    let limits = Limits::for_type(&config.ceiling, &asked.limits).map_err(|error| {
        Error::usage(error.to_string()).hint("ceilings are in the [limits] table of hardstop.toml")
    })?;
    let spec = TypeSpec {
        name: name.clone(),
        description: asked.description.unwrap_or_default(),
        component: None,
        external: Some(External {
            deadline_ms: asked.deadline.unwrap_or(EXTERNAL_DEADLINE_MS_DEFAULT),
        }),
        input_schema: schema(file, "input", asked.input_schema)?,
        output_schema: schema(file, "output", asked.output_schema)?,
        limits,
        snooze: asked.snooze,
        retry: asked.retry,
        quarantine: asked.quarantine,
        keep: asked.keep,
        capabilities: asked.capabilities,
        command: None,
        files: hardstop_domain::Files::new(),
    };
    spec.check().map_err(|reason| {
        Error::usage(reason).hint("write a deadline such as \"12h\" or \"7d\"")
    })?;
    Ok(spec)
}

/// A schema as JSON text: given in the manifest, or in a file that the manifest names. Anything goes where there
/// is none.
pub(super) fn schema(
    file: &ManifestFile,
    which: &str,
    given: Option<Value>,
) -> Result<String, Error> {
    let text = match given {
        None => "true".to_owned(),
        Some(Value::String(path)) => schema_file(file, which, path.as_ref())?,
        Some(schema) => schema.to_string(),
    };
    catalogue::check_schema(&text)
        .map_err(|reason| Error::usage(format!("its {which} schema cannot be used: {reason}")))?;
    Ok(text)
}

/// The text of a file that holds a schema.
pub(super) fn schema_file(file: &ManifestFile, which: &str, path: &Path) -> Result<String, Error> {
    let bytes = file.read_within(path, SCHEMA_BYTES_MAX as u64);
    let text = bytes.and_then(|bytes| {
        let bytes = bytes.map_err(|size| {
            io::Error::other(format!(
                "it has {size} bytes, and a schema may have {SCHEMA_BYTES_MAX}"
            ))
        })?;
        String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    });
    text.map_err(|error| {
        let path = file.beside(path);
        Error::usage(format!(
            "cannot read its {which} schema {}: {error}",
            path.display()
        ))
        .hint("give the path of a JSON file relative to the manifest, or the schema itself")
    })
}
