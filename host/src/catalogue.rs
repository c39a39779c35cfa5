//! The active job types, and whether an input fits one.
//!
//! One check for every way in: starts, continuations and children pass through [`Catalogue::check_start`].

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use hardstop_domain::dedup::DedupError;
use hardstop_domain::job::{BLOCKERS_MAX, DELAY_MS_MAX, PRIORITY_MAX, PRIORITY_MIN};
use hardstop_domain::limit::LimitError;
use hardstop_domain::quantity::{format_duration_ms, format_size};
use hardstop_domain::{
    DeploymentId, Digest, JobId, Limits, LimitsPatch, NewChain, NewJob, TypeId, TypeName, TypeSpec,
    canary,
};
use hardstop_store::ActiveType;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

use crate::sensitive;

/// The active types of a database, as they were when it was asked.
#[derive(Debug, Default)]
pub struct Catalogue {
    by_name: BTreeMap<TypeName, Arc<Entry>>,
    by_id: HashMap<TypeId, Arc<Entry>>,
}

/// One active type.
#[derive(Debug)]
pub struct Entry {
    /// What the database says of it.
    pub active: ActiveType,
    /// Compiled at first use: a worker that only runs jobs never needs most of them.
    validator: OnceLock<Result<jsonschema::Validator, String>>,
}

/// What one job of a type runs: the deployment in force, or the canary.
#[derive(Debug, Clone, Copy)]
pub struct Version<'e> {
    /// The deployment.
    pub deployment: DeploymentId,
    /// What it says of the type.
    pub spec: &'e TypeSpec,
}

/// A start that cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// No such type.
    #[error("type `{0}` is not deployed")]
    UnknownType(TypeName),
    /// The input is too large.
    #[error(
        "the input of `{type_name}` is {} long, over its limit `input` = {}",
        format_size(*bytes),
        format_size(*limit)
    )]
    InputTooLarge {
        /// The type.
        type_name: TypeName,
        /// The input's size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The input does not parse.
    #[error("the input of `{type_name}` is not JSON: {reason}")]
    NotJson {
        /// The type.
        type_name: TypeName,
        /// What the parser said, with line and column.
        reason: String,
    },
    /// The input does not match the type's schema.
    #[error("the input of `{type_name}` does not match its schema: {reason}")]
    Mismatch {
        /// The type.
        type_name: TypeName,
        /// The place in the input and what is wrong there.
        reason: String,
    },
    /// The type's own schema cannot be used.
    #[error("the input schema of `{type_name}` cannot be used: {reason}")]
    Schema {
        /// The type.
        type_name: TypeName,
        /// What is wrong with it.
        reason: String,
    },
    /// A limit that cannot be set so.
    #[error("type `{type_name}`: {error}")]
    Limit {
        /// The type.
        type_name: TypeName,
        /// Which limit and why.
        error: LimitError,
    },
    /// A priority out of range.
    #[error("priority {0} is not from {PRIORITY_MIN} to {PRIORITY_MAX}")]
    Priority(i16),
    /// A delay out of range.
    #[error("a delay of {} is over {}", format_duration_ms(*.0), format_duration_ms(DELAY_MS_MAX))]
    Delay(u64),
    /// Too many blockers.
    #[error("{0} blockers are more than the {BLOCKERS_MAX} that a job may have")]
    Blockers(usize),
    /// A deduplication that cannot be used.
    #[error(transparent)]
    Dedup(#[from] DedupError),
}

impl Catalogue {
    /// The catalogue of these types. What `before` knew already is kept, compiled schemas included.
    pub fn new(types: Vec<ActiveType>, before: &Self) -> Self {
        let mut catalogue = Self::default();
        for active in types {
            let entry = match before.by_id.get(&active.id) {
                Some(entry) if entry.active == active => Arc::clone(entry),
                _ => Arc::new(Entry {
                    active,
                    validator: OnceLock::new(),
                }),
            };
            catalogue.by_id.insert(entry.active.id, Arc::clone(&entry));
            catalogue
                .by_name
                .insert(entry.active.spec.name.clone(), entry);
        }
        catalogue
    }

    /// The type of this number.
    pub fn by_id(&self, id: TypeId) -> Option<&Arc<Entry>> {
        self.by_id.get(&id)
    }

    /// The type of this name.
    pub fn by_name(&self, name: &TypeName) -> Result<&Arc<Entry>, StartError> {
        self.by_name
            .get(name)
            .ok_or_else(|| StartError::UnknownType(name.clone()))
    }

    /// Every type, by name.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.by_name.values()
    }

    /// Whether a chain may be started: its key and its first job.
    pub fn check_chain(&self, chain: &NewChain, ceiling: &Limits) -> Result<(), StartError> {
        if let Some(dedup) = &chain.dedup {
            dedup.check()?;
        }
        self.check_start(&chain.first, ceiling)
    }

    /// Whether a job may be started: type, input, limits, priority, delay and the number of blockers.
    pub fn check_start(&self, job: &NewJob, ceiling: &Limits) -> Result<(), StartError> {
        self.by_name(&job.type_name)?.check_start(job, ceiling)
    }
}

impl Version<'_> {
    /// The limits of a job that lowers them so. `larger_memory`: an attempt of it ran out of memory before.
    pub fn limits(
        &self,
        asked: &LimitsPatch,
        larger_memory: bool,
        ceiling: &Limits,
    ) -> Result<Limits, StartError> {
        let spec = self.spec;
        let limits = spec.limits.for_job(ceiling, asked);
        let mut limits = limits.map_err(|error| StartError::Limit {
            type_name: spec.name.clone(),
            error,
        })?;
        if let Some(larger) = self.larger_memory(asked, larger_memory) {
            limits.memory_bytes_max = larger.min(ceiling.memory_bytes_max);
        }
        Ok(limits)
    }

    /// The larger limit on memory, where an attempt has it.
    pub fn larger_memory(&self, asked: &LimitsPatch, larger_memory: bool) -> Option<u64> {
        let retry = &self.spec.retry;
        retry.larger_memory_of(asked).filter(|_| larger_memory)
    }

    /// The limits of the attempt of this version that needs most.
    pub fn most(&self, ceiling: &Limits) -> Result<Limits, StartError> {
        self.limits(&LimitsPatch::default(), true, ceiling)
    }
}

impl Entry {
    /// The deployment in force.
    pub fn in_force(&self) -> Version<'_> {
        Version {
            deployment: self.active.deployment,
            spec: &self.active.spec,
        }
    }

    /// The canary, and its share of the jobs in percent.
    fn canary(&self) -> Option<(Version<'_>, u8)> {
        let canary = self.active.canary.as_ref()?;
        let version = Version {
            deployment: canary.deployment,
            spec: &canary.spec,
        };
        Some((version, canary.percent))
    }

    /// The deployment in force, and the canary.
    pub fn versions(&self) -> impl Iterator<Item = Version<'_>> {
        let canary = self.canary().map(|(version, _)| version);
        std::iter::once(self.in_force()).chain(canary)
    }

    /// What a job runs: every attempt the same, as long as nothing else is deployed.
    pub fn version_of(&self, job: JobId) -> Version<'_> {
        match self.canary() {
            Some((version, percent)) if canary::is_among(job, percent) => version,
            _ => self.in_force(),
        }
    }

    /// The components that its jobs run, and the files that they see.
    pub fn digests(&self) -> impl Iterator<Item = Digest> + '_ {
        self.versions().flat_map(|version| {
            let files = version.spec.files.values().map(|file| file.digest);
            version.spec.component.into_iter().chain(files)
        })
    }

    fn check_start(&self, job: &NewJob, ceiling: &Limits) -> Result<(), StartError> {
        let limits = self.in_force().limits(&job.limits, false, ceiling)?;
        if let Some(priority) = job.priority
            && !(PRIORITY_MIN..=PRIORITY_MAX).contains(&priority)
        {
            return Err(StartError::Priority(priority));
        }
        if job.delay_ms > DELAY_MS_MAX {
            return Err(StartError::Delay(job.delay_ms));
        }
        if job.blockers.len() > BLOCKERS_MAX {
            return Err(StartError::Blockers(job.blockers.len()));
        }
        self.check_input(&job.input, &limits)
    }

    /// Everything that its schema has against an input: where, as a JSON pointer, and what. Of what is no JSON, or that
    /// the schema cannot be used, [`Self::check_input`] tells.
    pub fn faults(&self, input: &str) -> Vec<(String, String)> {
        let Ok(value) = serde_json::from_str(input) else {
            return Vec::new();
        };
        let validator = self.validator();
        validator
            .as_ref()
            .map_or_else(|_| Vec::new(), |validator| faults(validator, &value))
    }

    fn validator(&self) -> &Result<jsonschema::Validator, String> {
        self.validator
            .get_or_init(|| compile(&self.active.spec.input_schema))
    }

    /// Whether an input is one of this type.
    pub fn check_input(&self, input: &str, limits: &Limits) -> Result<(), StartError> {
        let spec = &self.active.spec;
        let type_name = || spec.name.clone();
        let bytes = input.len() as u64;
        if bytes > limits.input_bytes_max {
            return Err(StartError::InputTooLarge {
                type_name: type_name(),
                bytes,
                limit: limits.input_bytes_max,
            });
        }
        let value: Value = serde_json::from_str(input).map_err(|error| StartError::NotJson {
            type_name: type_name(),
            reason: error.to_string(),
        })?;
        let validator = self
            .validator()
            .as_ref()
            .map_err(|reason| StartError::Schema {
                type_name: type_name(),
                reason: reason.clone(),
            })?;
        first_error(&spec.input_schema, validator, &value).map_or(Ok(()), |reason| {
            Err(StartError::Mismatch {
                type_name: type_name(),
                reason,
            })
        })
    }
}

/// How many faults of a value are told.
const FAULTS_MAX: usize = 50;

/// What is wrong with a value: where, as a JSON pointer, and what, in which nothing of the value is quoted.
fn faults(validator: &jsonschema::Validator, value: &Value) -> Vec<(String, String)> {
    let errors = validator.iter_errors(value).take(FAULTS_MAX);
    let faults = errors.map(|error| {
        let place = error.instance_path().to_string();
        match error.kind() {
            // Said of what is not there, rather than of what it is not in.
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                let name = name.replace('~', "~0").replace('/', "~1");
                (format!("{place}/{name}"), "it is required".to_owned())
            }
            _ => (place, error.masked_with("it").to_string()),
        }
    });
    faults.collect()
}

/// The first thing that is wrong with a value: where, and what. The sentence goes into failures, logs and answers, so
/// nothing is quoted of a value of which the schema marks a part as not for everybody's eyes.
fn first_error(schema: &str, validator: &jsonschema::Validator, value: &Value) -> Option<String> {
    let error = validator.iter_errors(value).next()?;
    let place = error.instance_path().to_string();
    let hidden = sensitive::hidden_part(schema, value, &place);
    let (place, mut what) = match hidden {
        Some(part) => (part, "what is there does not fit".to_owned()),
        None if sensitive::may_mark(schema) => {
            (place.as_str(), error.masked_with("it").to_string())
        }
        None => (place.as_str(), error.to_string()),
    };
    let place = if place.is_empty() { "/" } else { place };
    // The message quotes the offending value, which may be the whole input.
    if what.len() > 300 {
        what = what.chars().take(300).collect::<String>() + "...";
    }
    Some(format!("at {place}: {what}"))
}

/// Whether a text is an output of an external type: within its limit, JSON, and as its schema has it. Fails with a
/// sentence.
pub fn check_output(spec: &TypeSpec, output: &str) -> Result<(), String> {
    let name = &spec.name;
    let (bytes, limit) = (output.len() as u64, spec.limits.output_bytes_max);
    if bytes > limit {
        return Err(format!(
            "the output of `{name}` is {} long, over its limit `output` = {}",
            format_size(bytes),
            format_size(limit)
        ));
    }
    let value = serde_json::from_str(output).map_err(|error| output_not_json(name, &error))?;
    let validator = compile(&spec.output_schema)
        .map_err(|reason| format!("the output schema of `{name}` cannot be used: {reason}"))?;
    match first_error(&spec.output_schema, &validator, &value) {
        None => Ok(()),
        Some(reason) => Err(format!(
            "the output of `{name}` does not match its schema: {reason}"
        )),
    }
}

/// Says that an output is not JSON.
pub fn output_not_json(name: &TypeName, error: &serde_json::Error) -> String {
    format!("the output of `{name}` is not JSON: {error}")
}

/// Compiles a schema. References are resolved inside the schema only: nothing is fetched.
fn compile(schema: &str) -> Result<jsonschema::Validator, String> {
    let schema: Value = serde_json::from_str(schema).map_err(|error| error.to_string())?;
    jsonschema::validator_for(&schema).map_err(|error| error.to_string())
}

/// Whether a schema can be used at all. Deploy asks, so that no start meets a broken one.
pub fn check_schema(schema: &str) -> Result<(), String> {
    compile(schema).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hardstop_domain::{ChainId, Dedup, DedupScope, DeploymentId, Digest, JobId, Timestamp};
    use uuid::Uuid;

    fn catalogue(schema: &str) -> Catalogue {
        let name = "resize".parse().expect("a name");
        let mut spec = TypeSpec::new(name, Digest::of(b""));
        spec.input_schema = schema.to_owned();
        spec.limits.input_bytes_max = 64;
        let active = ActiveType {
            id: TypeId(1),
            deployment: DeploymentId(Uuid::nil()),
            deployed_at: Timestamp(0),
            canary: None,
            quarantine: None,
            spec,
        };
        Catalogue::new(vec![active], &Catalogue::default())
    }

    fn job(type_name: &str, input: &str) -> NewJob {
        let name = type_name.parse().expect("a name");
        NewJob::new(JobId(Uuid::nil()), name, input)
    }

    #[test]
    fn only_what_fits_may_start() {
        let catalogue = catalogue(
            r#"{"type":"object","properties":{"width":{"type":"integer"}},"required":["width"]}"#,
        );
        let check = |job: &NewJob| {
            catalogue
                .check_start(job, &Limits::default_ceiling())
                .map_err(|error| error.to_string())
        };
        assert_eq!(check(&job("resize", r#"{"width":3}"#)), Ok(()));
        let long = format!(r#"{{"width":{}}}"#, "1".repeat(80));
        for (job, expected) in [
            (job("rezise", "{}"), "type `rezise` is not deployed"),
            (
                job("resize", "{width:3}"),
                "is not JSON: key must be a string at line 1 column 2",
            ),
            (
                job("resize", "{}"),
                "at /: \"width\" is a required property",
            ),
            (
                job("resize", r#"{"width":"3"}"#),
                "at /width: \"3\" is not of type \"integer\"",
            ),
            (job("resize", &long), "over its limit `input` = 64B"),
            (
                NewJob {
                    priority: Some(101),
                    ..job("resize", r#"{"width":3}"#)
                },
                "priority 101",
            ),
            (
                NewJob {
                    delay_ms: u64::MAX,
                    ..job("resize", r#"{"width":3}"#)
                },
                "a delay of",
            ),
            (
                NewJob {
                    blockers: vec![ChainId(Uuid::nil()); BLOCKERS_MAX + 1],
                    ..job("resize", r#"{"width":3}"#)
                },
                "10001 blockers are more than the 10000",
            ),
        ] {
            let message = check(&job).expect_err(expected);
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn nothing_is_quoted_beside_what_a_schema_marks() {
        let schema = r##"{
            "type": "object",
            "properties": {
                "width": { "type": "integer" },
                "card": { "type": "string", "writeOnly": true },
                "keys": { "writeOnly": true, "additionalProperties": { "type": "string", "maxLength": 3 } },
                "either": { "oneOf": [{ "type": "null" }, { "properties": { "pin": { "writeOnly": true, "minLength": 99 } } }] }
            },
            "additionalProperties": false
        }"##;
        let catalogue = catalogue(schema);
        for (input, said) in [
            (r#""canary""#, "at /: it is not of type"),
            (r#"{"width":"canary"}"#, "at /width: it is not of type"),
            (
                r#"{"card":["canary"]}"#,
                "at /card: what is there does not fit",
            ),
            (
                r#"{"keys":{"canary":"canary"}}"#,
                "at /keys: what is there does not fit",
            ),
            (
                r#"{"either":{"pin":"canary"}}"#,
                "at /either: it is not valid under",
            ),
        ] {
            let error = catalogue.check_start(&job("resize", input), &Limits::default_ceiling());
            let error = error.expect_err(input).to_string();
            assert!(error.contains(said), "{error}");
            assert!(!error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn a_job_goes_to_one_version_and_has_the_larger_memory_of_that_one() {
        let types = catalogue("true");
        let name: TypeName = "resize".parse().expect("a name");
        let mut active = types.by_name(&name).expect("there").active.clone();
        let mut spec = active.spec.clone();
        spec.component = Some(Digest::of(b"new"));
        spec.retry.larger_memory = Some(96 << 20);
        let deployment = DeploymentId(Uuid::from_u128(1));
        active.canary = Some(hardstop_store::Canary {
            deployment,
            deployed_at: Timestamp(0),
            percent: 50,
            spec,
        });
        let types = Catalogue::new(vec![active], &types);
        let entry = types.by_name(&name).expect("there");
        let components = [Digest::of(b""), Digest::of(b"new")];
        assert!(entry.digests().eq(components));
        let ceiling = Limits {
            memory_bytes_max: 80 << 20,
            ..Limits::default_ceiling()
        };
        let memory = |version: Version<'_>, patch: &LimitsPatch| {
            let limits = version.limits(patch, true, &ceiling).expect("limits");
            limits.memory_bytes_max >> 20
        };
        let mut lowered = LimitsPatch::default();
        lowered.set(hardstop_domain::LimitName::Memory, Some(8 << 20));
        for n in 0..100 {
            let job = JobId(Uuid::from_u128(n));
            let version = entry.version_of(job);
            let is_canary = canary::is_among(job, 50);
            assert_eq!(version.deployment == deployment, is_canary);
            let expected = if is_canary { 80 } else { 64 };
            assert_eq!(memory(version, &LimitsPatch::default()), expected);
            assert_eq!(memory(version, &lowered), 8, "no more than it asked for");
        }
    }

    #[test]
    fn a_chain_is_checked_with_its_key() {
        let catalogue = catalogue("true");
        let check = |key: &str| {
            let mut chain = NewChain::new(job("resize", "1"));
            chain.dedup = Some(Dedup {
                key: key.to_owned(),
                scope: DedupScope::Open,
            });
            catalogue.check_chain(&chain, &Limits::default_ceiling())
        };
        assert_eq!(check("today"), Ok(()));
        assert_eq!(check(""), Err(StartError::Dedup(DedupError::Length(0))));
    }

    #[test]
    fn a_schema_that_is_none_is_found() {
        assert!(check_schema(r#"{"type":"object"}"#).is_ok());
        assert!(check_schema(r#"{"type":12}"#).is_err());
        assert!(check_schema("{").is_err());
    }
}
