//! Tokens of the HTTP API.

use hardstop_domain::{Digest, Scopes, Timestamp, TokenId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The longest name of a token, in bytes.
pub const TOKEN_NAME_BYTES_MAX: usize = 128;
/// The most tokens that one page holds.
pub const TOKEN_LIMIT_MAX: u32 = 500;

/// A token to make.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Its id. UUIDv7.
    pub id: TokenId,
    /// Its name, for people: 1 to [`TOKEN_NAME_BYTES_MAX`] bytes.
    pub name: String,
    /// The SHA-256 of its secret.
    pub hash: Digest,
    /// What it may be used for: at least one.
    pub scopes: Scopes,
    /// Who makes it: 1 to 128 bytes.
    pub actor: String,
    /// How long it can be used; none: without end.
    pub time: Option<Duration>,
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// Its name.
    pub name: String,
    /// What it may be used for.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub actor: String,
    /// When it ends by itself; none: never.
    pub expires_at: Option<Timestamp>,
    /// Whether that has passed.
    pub expired: bool,
    /// When somebody ended it.
    pub revoked_at: Option<Timestamp>,
}

impl Token {
    /// Whether it can be used.
    pub fn is_usable(&self) -> bool {
        !self.expired && self.revoked_at.is_none()
    }
}

/// What a look for a token found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundToken {
    /// Whether there is, or was, any token at all.
    pub any: bool,
    /// The one looked for, and the hash of its secret.
    pub token: Option<(Token, Digest)>,
}
