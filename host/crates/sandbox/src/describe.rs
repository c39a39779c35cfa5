//! Asking a component which job types it implements.

use std::collections::BTreeSet;

use hardstop_domain::job_type::TypeNameError;
use hardstop_domain::quantity::format_size;
use hardstop_domain::{Failure, Limits, OutcomeKind, TypeName};

use crate::binding::hardstop::job::types as wit;
use crate::children::Children;
use crate::deadline::Ended;
use crate::filesystem::FileTree;
use crate::guest::{Call, Order, Remains, Returned};
use crate::json;
use crate::outcome;
use crate::prepare::Prepared;
use crate::state::Grant;

/// How many types one component may implement.
pub const TYPES_MAX: usize = 64;
/// The longest description of a type, in bytes.
pub const DESCRIPTION_BYTES_MAX: usize = 4 << 10;
/// The largest schema of an input or output, in bytes.
pub const SCHEMA_BYTES_MAX: usize = 64 << 10;

/// A job type, as the component that implements it describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeDescription {
    /// The type's name.
    pub name: TypeName,
    /// A paragraph for people.
    pub description: String,
    /// JSON Schema of the input: JSON text.
    pub input_schema: String,
    /// JSON Schema of the output: JSON text.
    pub output_schema: String,
}

/// Why a component's description cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    /// The call did not end well, or not within its limits.
    #[error("the component could not describe itself: {}", .0.message)]
    Failed(Box<Failure>),
    /// It has no handler to ask.
    #[error(
        "the component is a WASI command, which describes no types: name a type for it in a manifest, \
         [types.NAME]"
    )]
    Command,
    /// No type at all.
    #[error("the component implements no job type: give its handler a name")]
    NoType,
    /// Too many types.
    #[error("the component implements {count} job types and may implement {TYPES_MAX}: split it")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// A name that cannot name a type.
    #[error("the component describes a type with a bad name: {0}")]
    Name(#[from] TypeNameError),
    /// One name twice.
    #[error("the component describes type `{0}` twice")]
    Twice(TypeName),
    /// A description over its limit.
    #[error(
        "the description of type `{name}` is {} and may be {}",
        format_size(*.bytes as u64),
        format_size(DESCRIPTION_BYTES_MAX as u64)
    )]
    Description {
        /// Of which type.
        name: TypeName,
        /// How long it is.
        bytes: usize,
    },
    /// A schema that is none, or too large.
    #[error("the {of} schema of type `{name}` cannot be used: {reason}")]
    Schema {
        /// Of which type.
        name: TypeName,
        /// `input` or `output`.
        of: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl Prepared {
    /// Asks the component what it implements, under limits of its own: 2 s, 1 s of CPU, 64 MiB. It
    /// may log; nothing else is granted.
    pub async fn describe(&self) -> Result<Vec<TypeDescription>, DescribeError> {
        if self.is_command() {
            return Err(DescribeError::Command);
        }
        let limits = self.describe_limits();
        let order = Order {
            call: Call::Describe,
            invocation: None,
            files: FileTree::default(),
            seed: None,
            grant: Grant::none(),
            children: Children::new(limits.clone(), None, 0),
            limits,
            watch: None,
        };
        let gone = || {
            let message = "the sandbox was shut down, or failed, during the call";
            let kind = OutcomeKind::Interrupted;
            DescribeError::Failed(Box::new(Failure::new(kind, message)))
        };
        let slot = self
            .shared
            .slots
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| gone())?;
        let (_task, described) = self.spawn(order, slot, described);
        match described.await {
            Ok(Ok(Returned::Described(types))) => check(types),
            Ok(Err(failure)) => Err(DescribeError::Failed(failure)),
            Ok(Ok(Returned::Ran(_) | Returned::Exited(_))) | Err(_) => Err(gone()),
        }
    }

    fn describe_limits(&self) -> Limits {
        let profile = self.class.profile;
        Limits {
            wall_timeout_ms: 2_000,
            cpu_time_ms: 1_000,
            // Metered code runs out of CPU time first.
            fuel: profile.metered.then_some(u64::MAX),
            memory_bytes_max: 64 << 20,
            stack_bytes_max: profile.stack_bytes_max,
            input_bytes_max: 0,
            output_bytes_max: 8 << 20,
            log_bytes_max: 16 << 10,
            children_max: 0,
            depth_max: 0,
            descendants_max: 0,
            progress_per_s_max: 0,
            http_requests_max: 0,
            http_connections_max: 0,
            http_request_bytes_max: 0,
            http_response_bytes_max: 0,
            dns_lookups_max: 0,
            ..Limits::default()
        }
    }
}

fn described(remains: Remains, limits: &Limits) -> Result<Returned, Box<Failure>> {
    match (outcome::failure(&remains, limits), remains.ended) {
        (None, Ended::Returned(Ok(returned))) => Ok(returned),
        (Some(failure), _) => Err(Box::new(failure)),
        // Not reached: what did not return is a failure.
        (None, _) => Err(Box::new(Failure::new(OutcomeKind::Trapped, "did not run"))),
    }
}

fn check(types: Vec<wit::JobType>) -> Result<Vec<TypeDescription>, DescribeError> {
    if types.is_empty() {
        return Err(DescribeError::NoType);
    }
    if types.len() > TYPES_MAX {
        return Err(DescribeError::TooMany { count: types.len() });
    }
    let mut names = BTreeSet::new();
    let mut descriptions = Vec::with_capacity(types.len());
    for described in types {
        let name: TypeName = described.name.parse()?;
        if !names.insert(name.clone()) {
            return Err(DescribeError::Twice(name));
        }
        let bytes = described.description.len();
        if bytes > DESCRIPTION_BYTES_MAX {
            return Err(DescribeError::Description { name, bytes });
        }
        for (of, schema) in [
            ("input", &described.input_schema),
            ("output", &described.output_schema),
        ] {
            check_schema(schema).map_err(|reason| DescribeError::Schema {
                name: name.clone(),
                of,
                reason,
            })?;
        }
        descriptions.push(TypeDescription {
            name,
            description: described.description,
            input_schema: described.input_schema,
            output_schema: described.output_schema,
        });
    }
    Ok(descriptions)
}

fn check_schema(schema: &str) -> Result<(), String> {
    if schema.len() > SCHEMA_BYTES_MAX {
        let size = format_size(schema.len() as u64);
        let limit = format_size(SCHEMA_BYTES_MAX as u64);
        return Err(format!("it is {size} and may be {limit}"));
    }
    json::check_schema(schema)
}
