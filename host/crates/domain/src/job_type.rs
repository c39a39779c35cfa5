//! Job types: the stable names that bind an input to a handler.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::capability::Capabilities;
use crate::command::Command;
use crate::file::Files;
use crate::id::Digest;
use crate::limit::Limits;
use crate::quantity::format_duration_ms;
use crate::quarantine::QuarantinePolicy;
use crate::retry::RetryPolicy;
use crate::snooze::SnoozePolicy;

/// The longest name of a job type, in bytes.
pub const TYPE_NAME_BYTES_MAX: usize = 64;

/// The name of a job type: 1 to 64 of `a-z`, `0-9`, `-`, `_` and `.`, beginning with a letter.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct TypeName(String);

impl TypeName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Text that cannot name a job type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot name a job type: 1 to {TYPE_NAME_BYTES_MAX} of a-z, 0-9, `-`, `_` and `.`, \
     beginning with a letter"
)]
pub struct TypeNameError(String);

impl FromStr for TypeName {
    type Err = TypeNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid = text.len() <= TYPE_NAME_BYTES_MAX
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'));
        if valid {
            return Ok(Self(text.to_owned()));
        }
        let mut shown: String = text.chars().take(80).collect();
        if shown.len() < text.len() {
            shown.push_str("...");
        }
        Err(TypeNameError(shown))
    }
}

impl TryFrom<String> for TypeName {
    type Error = TypeNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TypeName> for String {
    fn from(name: TypeName) -> Self {
        name.0
    }
}

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Borrow<str> for TypeName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// What a deployment says of one job type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TypeSpec {
    /// The type's name.
    pub name: TypeName,
    /// A paragraph for people.
    pub description: String,
    /// The component that implements it. None: it has no handler and is completed from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<Digest>,
    /// How it is completed from outside, where it has no component. A type has one of both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
    /// JSON Schema of the input: JSON text.
    pub input_schema: String,
    /// JSON Schema of the output: JSON text.
    pub output_schema: String,
    /// The ceilings of each attempt.
    pub limits: Limits,
    /// When to try again.
    pub retry: RetryPolicy,
    /// How often and how long a handler may put a job off.
    #[serde(default)]
    pub snooze: SnoozePolicy,
    /// When a component that ends badly is kept from running.
    #[serde(default)]
    pub quarantine: QuarantinePolicy,
    /// Which of its final jobs stay in the store.
    #[serde(default, skip_serializing_if = "Keep::is_all")]
    pub keep: Keep,
    /// What handlers may reach.
    pub capabilities: Capabilities,
    /// How its component is started, where that is a WASI command. None: it exports a handler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    /// The read-only files that its attempts see.
    #[serde(default, skip_serializing_if = "Files::is_empty")]
    pub files: Files,
}

/// Which final jobs of a type stay in the store, for as long as its retention says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// All of them.
    #[default]
    All,
    /// Those that went wrong at some time, or that others refer to. A job leaves nothing where its first attempt
    /// completes it, it is the only one of its chain, its chain has no key, it waited for no other and none waits for it,
    /// and it started none.
    Failures,
}

impl Keep {
    /// Whether it is what it is where a manifest says nothing.
    pub fn is_all(&self) -> bool {
        *self == Self::All
    }
}

/// What a deployment says of a type without a handler, whose jobs somebody outside completes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct External {
    /// Milliseconds from when a job becomes ready, from 1 to [`EXTERNAL_DEADLINE_MS_MAX`]. A job that nobody
    /// has completed by then is discarded.
    pub deadline_ms: u64,
}

/// The longest time that an external job waits for its completion: a year.
pub const EXTERNAL_DEADLINE_MS_MAX: u64 = 366 * 86_400_000;
/// How long it waits where its manifest says nothing: a week.
pub const EXTERNAL_DEADLINE_MS_DEFAULT: u64 = 7 * 86_400_000;

impl TypeSpec {
    /// A type that this component implements and of which nothing else is said: any input and output, limits and
    /// policies as they are by default, nothing that it may reach.
    pub fn new(name: TypeName, component: Digest) -> Self {
        Self {
            name,
            description: String::new(),
            component: Some(component),
            external: None,
            input_schema: "true".to_owned(),
            output_schema: "true".to_owned(),
            limits: Limits::default(),
            retry: RetryPolicy::default(),
            snooze: SnoozePolicy::default(),
            quarantine: QuarantinePolicy::default(),
            keep: Keep::default(),
            capabilities: Capabilities::default(),
            command: None,
            files: Files::new(),
        }
    }

    /// Fails with a sentence where it has neither a component nor somebody outside to complete it, has both, or
    /// its deadline is out of range.
    pub fn check(&self) -> Result<(), String> {
        let name = &self.name;
        match (self.component, self.external) {
            (Some(_), None) => Ok(()),
            (None, Some(external))
                if (1..=EXTERNAL_DEADLINE_MS_MAX).contains(&external.deadline_ms) =>
            {
                Ok(())
            }
            (None, Some(external)) => Err(format!(
                "type `{name}`: a deadline of {} is not from 1ms to {}",
                format_duration_ms(external.deadline_ms),
                format_duration_ms(EXTERNAL_DEADLINE_MS_MAX)
            )),
            (Some(_), Some(_)) => Err(format!(
                "type `{name}` has a component and is external: it can only be one of both"
            )),
            (None, None) => Err(format!(
                "type `{name}` has no component and is not external"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_specification_that_was_stored_before_external_types_reads_as_it_was() {
        let name = "resize".parse().expect("a name");
        let spec = TypeSpec::new(name, Digest::of(b"component"));
        let text = serde_json::to_string(&spec).expect("serialises");
        assert!(text.contains("\"component\":\"sha256:"), "{text}");
        assert!(!text.contains("external"), "{text}");
        assert_eq!(
            serde_json::from_str::<TypeSpec>(&text).expect("reads"),
            spec
        );
    }

    #[test]
    fn a_type_has_a_component_or_is_external_and_never_both() {
        let name: TypeName = "approve".parse().expect("a name");
        let digest = Some(Digest::of(b"component"));
        let spec = |component, deadline_ms: Option<u64>| TypeSpec {
            component,
            external: deadline_ms.map(|deadline_ms| External { deadline_ms }),
            ..TypeSpec::new(name.clone(), Digest::of(b"component"))
        };
        assert_eq!(spec(digest, None).check(), Ok(()));
        assert_eq!(spec(None, Some(1)).check(), Ok(()));
        for (bad, expected) in [
            (spec(digest, Some(1)), "one of both"),
            (spec(None, None), "no component"),
            (spec(None, Some(0)), "not from 1ms to"),
            (
                spec(None, Some(EXTERNAL_DEADLINE_MS_MAX + 1)),
                "not from 1ms to",
            ),
        ] {
            let error = bad.check().expect_err(expected);
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn names() {
        for good in ["a", "csv-report", "acme.billing_v2"] {
            assert!(good.parse::<TypeName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "1a", "A", "a b", "é", &"a".repeat(65)] {
            assert!(bad.parse::<TypeName>().is_err(), "{bad}");
        }
    }
}
