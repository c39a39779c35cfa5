//! Job types: the stable names that bind an input to a handler.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::capability::Capabilities;
use crate::id::Digest;
use crate::limit::Limits;
use crate::retry::RetryPolicy;
use crate::snooze::SnoozePolicy;

/// The longest name of a job type, in bytes.
pub const TYPE_NAME_BYTES_MAX: usize = 64;

/// The name of a job type: 1 to 64 of `a-z`, `0-9`, `-`, `_` and `.`, beginning with a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TypeSpec {
    /// The type's name.
    pub name: TypeName,
    /// A paragraph for people.
    pub description: String,
    /// The component that implements it.
    pub component: Digest,
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
    /// What handlers may reach.
    pub capabilities: Capabilities,
}

#[cfg(test)]
mod tests {
    use super::*;

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
