//! From a manifest and a component to a deployment: read, check, compile, ask, and only then store.

mod capability;
mod command;
mod external;
pub(crate) mod files;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hardstop_domain::quantity::duration_ms_option;
use hardstop_domain::{
    Capabilities, Command, DeploymentId, Digest, Files, Keep, Limits, LimitsPatch,
    QuarantinePolicy, RetryPolicy, SnoozePolicy, TypeName, TypeSpec,
};
use hardstop_sandbox::{DescribeError, PrepareError, Profile, Sandbox};
use hardstop_store::{NewComponent, NewDeployment};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::catalogue;
use crate::config::Config;
use crate::error::Error;
use crate::memory::Budget;
pub(crate) use source::Source;

/// The manifest's file name.
pub const MANIFEST: &str = "job.toml";

/// `job.toml`: a component and the types that it serves.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// A name for people.
    pub name: String,
    /// The component's file, relative to the manifest. Only a manifest of external types has none.
    #[serde(default)]
    pub component: Option<PathBuf>,
    /// The types to deploy. Each must be one that the component describes, or external. Where the table is
    /// left out, all of the component's, with default limits and no capabilities.
    #[serde(default)]
    pub types: Option<BTreeMap<TypeName, TypeManifest>>,
}

/// What the manifest says of one type.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TypeManifest {
    /// Its ceilings.
    pub limits: LimitsPatch,
    /// When to try again.
    pub retry: RetryPolicy,
    /// How often and how long its handlers may put a job off.
    pub snooze: SnoozePolicy,
    /// When a component that ends badly is kept from running.
    pub quarantine: QuarantinePolicy,
    /// Which of its final jobs stay in the store.
    pub keep: Keep,
    /// What its handlers may reach.
    pub capabilities: Capabilities,
    /// How its component is started, where that is a WASI command.
    pub command: Option<Command>,
    /// The read-only files that its attempts see: where the guest opens them, and where they are now, relative
    /// to the manifest.
    pub files: BTreeMap<String, PathBuf>,
    /// Whether it has no handler and is completed from outside.
    pub external: bool,
    /// How long a ready job of an external type waits for its completion; a week where it is left out.
    #[serde(with = "duration_ms_option")]
    pub deadline: Option<u64>,
    /// For external types and commands, which nothing else describes: a paragraph for people.
    pub description: Option<String>,
    /// The input's schema, or the path of a file that holds it, relative to the manifest.
    pub input_schema: Option<Value>,
    /// The output's.
    pub output_schema: Option<Value>,
}

/// A manifest and where it was found.
#[derive(Debug, Clone)]
pub struct ManifestFile {
    /// The file.
    pub path: PathBuf,
    /// What it says.
    pub manifest: Manifest,
    /// The same as it is written.
    pub text: String,
    source: Source,
}

impl ManifestFile {
    /// Reads a manifest: the file, or `job.toml` in the folder.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let path = if path.is_dir() {
            path.join(MANIFEST)
        } else {
            path.to_owned()
        };
        let text = std::fs::read_to_string(&path).map_err(|error| {
            Error::usage(format!(
                "cannot read the manifest {}: {error}",
                path.display()
            ))
            .hint(format!("name a {MANIFEST} or the folder that holds one"))
        })?;
        Self::parse(path, &text, Source::Folder)
    }

    /// A manifest and the files beside it, by the paths that it names, as a request brings them.
    pub fn given(text: &str, files: BTreeMap<PathBuf, Vec<u8>>) -> Result<Self, Error> {
        Self::parse(PathBuf::from(MANIFEST), text, Source::Given(files))
    }

    fn parse(path: PathBuf, text: &str, source: Source) -> Result<Self, Error> {
        let manifest = toml::from_str(text).map_err(|error: toml::de::Error| {
            Error::usage(format!(
                "manifest {}: {}",
                path.display(),
                error.to_string().trim_end()
            ))
            .hint("docs/reference/manifest.md lists every key")
        })?;
        Ok(Self {
            path,
            manifest,
            text: text.to_owned(),
            source,
        })
    }

    /// The component's file, where the manifest names one.
    pub fn component_path(&self) -> Option<PathBuf> {
        Some(self.beside(self.manifest.component.as_ref()?))
    }

    /// The component's bytes, where the manifest names one.
    pub fn read_component(&self, bytes_max: u64) -> Result<Option<Vec<u8>>, Error> {
        self.component_path()
            .map(|path| component_of(&self.source, &path, bytes_max))
            .transpose()
    }

    /// The bytes of a file that the manifest names; of one that has more than `bytes_max`, how many it has at the least.
    pub(crate) fn read_within(
        &self,
        path: &Path,
        bytes_max: u64,
    ) -> std::io::Result<Result<Vec<u8>, u64>> {
        self.source.read_within(&self.beside(path), bytes_max)
    }

    /// The files that it names beside the component, by the paths that it gives them.
    pub fn read_named(&self) -> Result<BTreeMap<PathBuf, Vec<u8>>, Error> {
        let mut named = BTreeMap::new();
        for (name, asked) in self.manifest.types.iter().flatten() {
            let in_manifest = |error: Error| {
                let error = error.context(format!("[types.{name}]"));
                error.context(format!("manifest {}", self.path.display()))
            };
            for (which, schema) in [
                ("input", &asked.input_schema),
                ("output", &asked.output_schema),
            ] {
                if let Some(Value::String(path)) = schema {
                    let text = external::schema_file(self, which, path.as_ref());
                    named.insert(path.into(), text.map_err(in_manifest)?.into_bytes());
                }
            }
            let (_, mut contents) = self.read_files(&asked.files).map_err(in_manifest)?;
            for (guest_path, path) in &asked.files {
                named.insert(
                    path.clone(),
                    contents.remove(guest_path).unwrap_or_default(),
                );
            }
        }
        Ok(named)
    }

    /// What it says of a type: nothing, where it leaves `types` out.
    pub fn of_type(&self, name: &TypeName) -> Result<TypeManifest, Error> {
        match &self.manifest.types {
            None => Ok(TypeManifest::default()),
            Some(types) => types.get(name).cloned().ok_or_else(|| {
                Error::usage(format!(
                    "{} has no table [types.{name}]",
                    self.path.display()
                ))
                .hint("add it, or run the component file itself")
            }),
        }
    }

    /// The read-only files of a type: what a deployment says of them, and what they hold.
    pub(crate) fn read_files(
        &self,
        asked: &BTreeMap<String, PathBuf>,
    ) -> Result<(Files, BTreeMap<String, Vec<u8>>), Error> {
        files::read("files", &self.source, self.folder(), asked)
    }

    /// Where its paths begin.
    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// A path as the manifest gives it: relative to the manifest.
    pub(crate) fn beside(&self, path: &Path) -> PathBuf {
        self.folder().join(path)
    }
}

/// Reads the bytes of a component, or of a core module that is to become one.
pub fn read_component(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Error> {
    component_of(&Source::Folder, path, bytes_max)
}

fn component_of(source: &Source, path: &Path, bytes_max: u64) -> Result<Vec<u8>, Error> {
    let cannot = |error: std::io::Error| {
        Error::usage(format!(
            "cannot read the component {}: {error}",
            path.display()
        ))
        .hint("build it first, such as with `cargo build --target wasm32-wasip2`")
    };
    let bytes = source.read_within(path, bytes_max).map_err(cannot)?;
    bytes.map_err(|size| {
        Error::usage(format!(
            "the component {} has {size} bytes, over `component_bytes_max` = {bytes_max}",
            path.display()
        ))
        .hint("strip it and build with opt-level = \"s\", or raise component_bytes_max in hardstop.toml")
    })
}

/// The component that these bytes are, or that is made of them: a core module for WASI preview 1 becomes the component
/// that runs it. That is what is stored, and whose digest is shown.
pub async fn adapted(
    what: impl std::fmt::Display,
    bytes: Vec<u8>,
    sandbox: &Sandbox,
) -> Result<Vec<u8>, Error> {
    let adapted = sandbox.adapt(bytes).await;
    adapted.map_err(|error| prepare_error(what, error))
}

/// How the manifest starts the component for a type, where that is a WASI command.
pub fn command_of(
    file: &ManifestFile,
    name: &TypeName,
    is_command: bool,
) -> Result<Command, Error> {
    let command = command::command(&file.of_type(name)?, is_command).map_err(|error| {
        error.context(format!("manifest {}: [types.{name}]", file.path.display()))
    })?;
    Ok(command.unwrap_or_default())
}

/// Says that a component cannot be used.
pub fn prepare_error(what: impl std::fmt::Display, error: PrepareError) -> Error {
    Error::usage(format!("{what}: {error}"))
}

/// Says that a component cannot describe itself.
pub fn describe_error(what: impl std::fmt::Display, error: DescribeError) -> Error {
    Error::usage(format!("{what}: {error}"))
}

/// Checks everything about a manifest and its component. Nothing is stored. `component` are the component's
/// bytes, where the manifest names one.
pub async fn verify(
    file: &ManifestFile,
    component: Option<Vec<u8>>,
    sandbox: &Sandbox,
    config: &Config,
) -> Result<NewDeployment, Error> {
    let component = match component {
        Some(bytes) => {
            let what = file.component_path().unwrap_or_default();
            Some(adapted(what.display(), bytes, sandbox).await?)
        }
        None => None,
    };
    let manifest = &file.manifest;
    let in_manifest = |error: Error| error.context(format!("manifest {}", file.path.display()));
    let (outside, inside): (BTreeMap<_, _>, BTreeMap<_, _>) = manifest
        .types
        .clone()
        .unwrap_or_default()
        .into_iter()
        .partition(|(_, asked)| asked.external);
    let inside = manifest.types.is_some().then_some(inside);
    let (mut types, mut files) = (Vec::new(), BTreeMap::new());
    for (name, asked) in outside {
        let spec = external::spec(file, &name, asked, config);
        types.push(spec.map_err(|error| in_manifest(error.context(format!("[types.{name}]"))))?);
    }
    let has_handlers = inside.as_ref().is_none_or(|inside| !inside.is_empty());
    match (&component, has_handlers) {
        (Some(bytes), true) => {
            types.extend(handlers(file, bytes, inside, sandbox, config, &mut files).await?);
        }
        (None, true) => {
            return Err(in_manifest(Error::usage("names no component")).hint(
                "write component = \"FILE.wasm\"; only types with external = true need none",
            ));
        }
        (Some(_), false) if !types.is_empty() => {
            return Err(in_manifest(Error::usage(
                "names a component, and every type is external",
            ))
            .hint("leave out `component`, or name a type that it implements"));
        }
        (_, false) if types.is_empty() => {
            return Err(in_manifest(Error::usage("no types"))
                .hint("write a [types.NAME] table for each type to deploy, or leave `types` out"));
        }
        (_, false) => {}
    }
    Ok(NewDeployment {
        id: DeploymentId(Uuid::now_v7()),
        component: component.map(NewComponent::new),
        name: manifest.name.clone(),
        types,
        files,
        canary_percent: None,
    })
}

/// The types that the component implements: those asked for, or all that it describes.
async fn handlers(
    file: &ManifestFile,
    bytes: &[u8],
    asked: Option<BTreeMap<TypeName, TypeManifest>>,
    sandbox: &Sandbox,
    config: &Config,
    files: &mut BTreeMap<Digest, Vec<u8>>,
) -> Result<Vec<TypeSpec>, Error> {
    let what = file.component_path().unwrap_or_default();
    let what = what.display().to_string();
    let common = Profile::of(&Limits::default());
    let prepared = sandbox
        .prepare(bytes, common)
        .await
        .map_err(|error| prepare_error(&what, error))?;
    let is_command = prepared.is_command();
    let described = match is_command {
        true => command::describe(file, asked.as_ref())?,
        false => prepared
            .describe()
            .await
            .map_err(|error| describe_error(&what, error))?,
    };
    let asked = asked.unwrap_or_else(|| {
        described
            .iter()
            .map(|type_| (type_.name.clone(), TypeManifest::default()))
            .collect()
    });

    let component = Digest::of(bytes);
    let budget = Budget::new(config.worker.memory_budget);
    let mut compiled = BTreeSet::from([common]);
    let mut types = Vec::new();
    for (name, asked) in asked {
        let of_type = |error: Error| {
            error.context(format!("manifest {}: [types.{name}]", file.path.display()))
        };
        let Some(description) = described.iter().find(|type_| type_.name == name) else {
            let names: Vec<&str> = described.iter().map(|type_| type_.name.as_str()).collect();
            return Err(of_type(Error::usage("the component has no such type"))
                .hint(format!("it describes: {}", names.join(", "))));
        };
        let limits = Limits::for_type(&config.ceiling, &asked.limits).map_err(|error| {
            of_type(Error::usage(error.to_string()))
                .hint("ceilings are in the [limits] table of hardstop.toml")
        })?;
        if let Some(refusal) = budget.refusal(&limits) {
            return Err(of_type(Error::usage(refusal)).hint(
                "lower the type's `memory`, or raise memory_budget in the [worker] table of hardstop.toml",
            ));
        }
        asked
            .retry
            .check()
            .map_err(|error| of_type(Error::usage(error.to_string())))?;
        asked
            .retry
            .check_memory(&limits, &config.ceiling)
            .map_err(|error| {
                of_type(Error::usage(error.to_string()))
                    .hint("ceilings are in the [limits] table of hardstop.toml")
            })?;
        let larger = Limits {
            memory_bytes_max: asked.retry.larger_memory.unwrap_or(0),
            ..limits.clone()
        };
        if let Some(refusal) = budget.refusal(&larger) {
            return Err(
                of_type(Error::usage(refusal).context("retry.larger_memory")).hint(
                    "lower it, or raise memory_budget in the [worker] table of hardstop.toml",
                ),
            );
        }
        asked
            .quarantine
            .check()
            .map_err(|error| of_type(Error::usage(error.to_string())))?;
        asked
            .snooze
            .check()
            .map_err(|error| of_type(Error::usage(error.to_string())))?;
        capability::check(&name, &asked.capabilities, config).map_err(of_type)?;
        for (which, schema) in [
            ("input", &description.input_schema),
            ("output", &description.output_schema),
        ] {
            catalogue::check_schema(schema).map_err(|reason| {
                of_type(Error::usage(format!(
                    "its {which} schema cannot be used: {reason}"
                )))
            })?;
        }
        // The type's own engine may refuse what the common one takes.
        let profile = Profile::of(&limits);
        if compiled.insert(profile) {
            sandbox
                .prepare(bytes, profile)
                .await
                .map_err(|error| of_type(prepare_error(&what, error)))?;
        }
        let command = command::command(&asked, is_command).map_err(of_type)?;
        let read = file.read_files(&asked.files);
        let (its_files, contents) = read.map_err(of_type)?;
        let digests = its_files.values().map(|file| file.digest);
        files.extend(digests.zip(contents.into_values()));
        types.push(TypeSpec {
            name: name.clone(),
            description: description.description.clone(),
            component: Some(component),
            external: None,
            input_schema: description.input_schema.clone(),
            output_schema: description.output_schema.clone(),
            limits,
            retry: asked.retry,
            snooze: asked.snooze,
            quarantine: asked.quarantine,
            keep: asked.keep,
            capabilities: asked.capabilities,
            command,
            files: its_files,
        });
    }
    Ok(types)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFESTS: [&str; 3] = [
        include_str!("../../tests/guests/plain/job.toml"),
        include_str!("../../jobs-examples/unruly/job.toml"),
        include_str!("../../jobs-examples/thumbnail/job.toml"),
    ];

    /// Pieces of manifests in the wrong places.
    #[test]
    fn mutants_of_manifests_are_read_or_refused() {
        let pieces: Vec<&str> = MANIFESTS
            .iter()
            .flat_map(|text| text.split_inclusive(['=', '\n', '.', '"', '[']))
            .chain([
                "[[",
                "{",
                "}",
                "\u{0}",
                "999999999999999999999",
                "-1",
                "\"1e9GiB\"",
                "'\"'",
            ])
            .collect();
        let mut random = fastrand::Rng::with_seed(4);
        let (mut good, mut bad) = (0, 0);
        for round in 0..5_000 {
            let mut text = MANIFESTS[round % MANIFESTS.len()].to_owned();
            for _ in 0..random.usize(1..4) {
                let places: Vec<usize> = text.char_indices().map(|(place, _)| place).collect();
                let from = random.usize(0..places.len());
                let to = (from + random.usize(0..20)).min(places.len() - 1);
                let piece = pieces[random.usize(0..pieces.len())];
                text.replace_range(places[from]..places[to], piece);
            }
            match toml::from_str::<Manifest>(&text) {
                Ok(_) => good += 1,
                Err(_) => bad += 1,
            }
        }
        // Else these mutants say nothing.
        assert!(good > 50 && bad > 50, "{good} good, {bad} bad");
    }
}
