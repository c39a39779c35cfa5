//! Secrets: how a type may use them, and where.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::http::{HttpRules, HttpTarget};
use crate::job_type::{TypeName, TypeNameError};

/// The longest name of a secret, in bytes.
pub const SECRET_NAME_BYTES_MAX: usize = 64;
/// How many secrets one type may ask for.
pub const SECRETS_MAX: usize = 32;
/// The shortest value of a secret, in bytes. Of a shorter one the host could not tell an occurrence from
/// an accident, and would black out half of a log.
pub const SECRET_BYTES_MIN: usize = 8;
/// The longest value of a secret, in bytes.
pub const SECRET_BYTES_MAX: usize = 16 << 10;

/// The name of a secret: 1 to 64 of `A-Z`, `a-z`, `0-9`, `-` and `_`, beginning with a letter.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);

/// Text that cannot name a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot name a secret: 1 to {SECRET_NAME_BYTES_MAX} of A-Z, a-z, 0-9, `-` and `_`, beginning \
     with a letter"
)]
pub struct SecretNameError(String);

impl SecretName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SecretName {
    type Err = SecretNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid = text.len() <= SECRET_NAME_BYTES_MAX
            && text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        match valid {
            true => Ok(Self(text.to_owned())),
            false => Err(SecretNameError(text.chars().take(80).collect())),
        }
    }
}

impl TryFrom<String> for SecretName {
    type Error = SecretNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SecretName> for String {
    fn from(name: SecretName) -> Self {
        name.0
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Borrow<str> for SecretName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// What a type asks for of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SecretUse {
    /// A stand-in, which the host replaces in the headers of requests to the secret's own hosts.
    Placeholder,
    /// The value itself.
    Readable,
}

impl SecretUse {
    /// As a manifest writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Placeholder => "placeholder",
            Self::Readable => "readable",
        }
    }
}

/// The types that an operator names: some, or with `*` all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<String>")]
pub struct TypeRules {
    all: bool,
    names: BTreeSet<TypeName>,
}

impl TypeRules {
    /// Whether a type is among them.
    pub fn covers(&self, name: &TypeName) -> bool {
        self.all || self.names.contains(name)
    }

    /// Whether no type is.
    pub fn is_empty(&self) -> bool {
        !self.all && self.names.is_empty()
    }
}

impl TryFrom<Vec<String>> for TypeRules {
    type Error = TypeNameError;

    fn try_from(names: Vec<String>) -> Result<Self, Self::Error> {
        let mut rules = Self::default();
        for name in names {
            match name.as_str() {
                "*" => rules.all = true,
                name => {
                    rules.names.insert(name.parse()?);
                }
            }
        }
        Ok(rules)
    }
}

/// What the operator says of a secret, apart from where its value is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretRule {
    /// The requests in whose headers its placeholders are replaced.
    pub hosts: HttpRules,
    /// The types that may have a placeholder.
    pub usable_by: TypeRules,
    /// The types that may have the value. They may have a placeholder, too.
    pub readable_by: TypeRules,
}

impl SecretRule {
    /// Whether a type may use the secret so.
    pub fn allows(&self, name: &TypeName, used: SecretUse) -> bool {
        self.readable_by.covers(name)
            || (used == SecretUse::Placeholder && self.usable_by.covers(name))
    }

    /// Whether the placeholder is replaced in a request.
    pub fn is_sent_to(&self, target: &HttpTarget) -> bool {
        self.hosts.allow(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(names: &[&str]) -> TypeRules {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        names.try_into().expect("names")
    }

    #[test]
    fn names_are_checked() {
        for name in ["STRIPE_KEY", "a", "a-1"] {
            assert!(name.parse::<SecretName>().is_ok(), "{name}");
        }
        for name in ["", "1a", "_a", "a.b", "a b", "\u{e9}", &"a".repeat(65)] {
            assert!(name.parse::<SecretName>().is_err(), "{name}");
        }
    }

    #[test]
    fn whoever_may_read_may_use() {
        let rule = SecretRule {
            usable_by: types(&["bill"]),
            readable_by: types(&["audit"]),
            ..SecretRule::default()
        };
        for (name, used, expected) in [
            ("bill", SecretUse::Placeholder, true),
            ("bill", SecretUse::Readable, false),
            ("audit", SecretUse::Placeholder, true),
            ("audit", SecretUse::Readable, true),
            ("other", SecretUse::Placeholder, false),
            ("other", SecretUse::Readable, false),
        ] {
            let name = name.parse().expect("a name");
            assert_eq!(rule.allows(&name, used), expected, "{name} {used:?}");
        }
        let all = SecretRule {
            usable_by: types(&["*"]),
            ..SecretRule::default()
        };
        let name = "anything".parse().expect("a name");
        assert!(all.allows(&name, SecretUse::Placeholder));
        assert!(!all.allows(&name, SecretUse::Readable));
        assert!(TypeRules::try_from(vec!["No".to_owned()]).is_err());
    }
}
