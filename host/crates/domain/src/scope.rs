//! What a token of the HTTP API may be used for.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a route asks of a token.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Look at everything but completion tokens, tokens, subscriptions and the audit.
    Read,
    /// Start, cancel, retry, replay, pause, schedule, complete.
    Operate,
    /// Deploy, roll back, steer canaries, release from quarantine.
    Deploy,
    /// All of that, and tokens, subscriptions and the audit.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Read, Self::Operate, Self::Deploy, Self::Admin];

    /// The lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Deploy => "deploy",
            Self::Admin => "admin",
        }
    }

    /// The number that the databases keep in a sum. Never renumbered.
    const fn code(self) -> i16 {
        match self {
            Self::Read => 1,
            Self::Operate => 2,
            Self::Deploy => 4,
            Self::Admin => 8,
        }
    }

    /// Whether who has this one may do what needs the other: everybody may read, and `admin` may do all.
    pub fn covers(self, needed: Self) -> bool {
        self == needed || self == Self::Admin || needed == Self::Read
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Text that names no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a scope: one of read, operate, deploy, admin")]
pub struct ParseScopeError(String);

impl FromStr for Scope {
    type Err = ParseScopeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|scope| scope.name() == text);
        found.ok_or_else(|| ParseScopeError(text.to_owned()))
    }
}

/// Scopes that a token has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// All of them.
    pub fn all() -> Self {
        Scope::ALL.into_iter().collect()
    }

    /// Whether they allow what needs this one.
    pub fn allow(&self, needed: Scope) -> bool {
        self.0.iter().any(|scope| scope.covers(needed))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number that the databases keep.
    pub fn code(&self) -> i16 {
        self.0.iter().map(|scope| scope.code()).sum()
    }

    /// The scopes of a number; none for one that has others in it.
    pub fn from_code(code: i16) -> Option<Self> {
        let scopes: Self = Scope::ALL
            .into_iter()
            .filter(|scope| code & scope.code() != 0)
            .collect();
        (scopes.code() == code).then_some(scopes)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|scope| scope.name()).collect();
        f.write_str(&names.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_back() {
        for code in 0..16 {
            let scopes = Scopes::from_code(code).expect("known");
            assert_eq!(scopes.code(), code);
        }
        assert_eq!(Scopes::from_code(16), None);
        assert_eq!(Scopes::from_code(-1), None);
    }

    #[test]
    fn admin_may_do_all_and_everybody_may_read() {
        for scope in Scope::ALL {
            let alone: Scopes = [scope].into_iter().collect();
            for needed in Scope::ALL {
                let allowed = scope == needed || scope == Scope::Admin || needed == Scope::Read;
                assert_eq!(alone.allow(needed), allowed, "{scope} for {needed}");
            }
            assert!(!Scopes::default().allow(scope));
            assert_eq!(scope.name().parse(), Ok(scope));
        }
    }
}
