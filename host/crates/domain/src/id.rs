//! Identifiers, each its own type so that one cannot stand in for another.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Text that is not the identifier it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct ParseIdError {
    text: String,
    expected: &'static str,
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self).map_err(|_| ParseIdError {
                    text: text.to_owned(),
                    expected: $expected,
                })
            }
        }
    };
}

uuid_id! {
    /// A job. UUIDv7, so ids sort by creation time and name the day that the job was created on.
    JobId, "a job id (a UUID such as 0198c2f4-7d5e-7c1a-b0de-5a3f0c9d2e11)"
}
uuid_id! {
    /// A chain. It equals the [`JobId`] of the chain's first job.
    ChainId, "a chain id (the id of the chain's first job)"
}
uuid_id! {
    /// A deployment. UUIDv7.
    DeploymentId, "a deployment id"
}

uuid_id! {
    /// A replay of dead letters. UUIDv7.
    ReplayId, "a replay id (`hardstop dead-letter replays` shows them)"
}

uuid_id! {
    /// A token of the HTTP API. UUIDv7.
    TokenId, "a token id (`hardstop token list` shows them)"
}

uuid_id! {
    /// A record of a change. UUIDv7.
    AuditId, "the id of an audit record (`hardstop audit list` shows them)"
}

uuid_id! {
    /// A subscription to events. UUIDv7.
    SubscriptionId, "a subscription id"
}

impl From<JobId> for ChainId {
    fn from(id: JobId) -> Self {
        Self(id.0)
    }
}

impl From<ChainId> for JobId {
    /// The chain's first job.
    fn from(id: ChainId) -> Self {
        Self(id.0)
    }
}

/// A job type's number in one database. Names are what people use; rows carry this.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct TypeId(pub i32);

/// One worker process's registration in one database. Never reused: it comes from a durable insert.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct SessionId(pub i32);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A session's right to settle the jobs of one claim: `session << 32 | batch`.
///
/// Safe where a counter in the row is not: when a database loses an asynchronously committed claim,
/// the next claimer has another session or another batch, so a late settlement cannot match.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct LeaseToken(pub i64);

impl LeaseToken {
    /// The token of a session's claim number `batch`.
    pub fn new(session: SessionId, batch: u32) -> Self {
        Self(i64::from(session.0) << 32 | i64::from(batch))
    }

    /// The session that made the claim.
    pub fn session(self) -> SessionId {
        SessionId((self.0 >> 32) as i32)
    }

    /// The number of the claim within its session.
    pub fn batch(self) -> u32 {
        self.0 as u32
    }
}

impl fmt::Display for LeaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.session(), self.batch())
    }
}

/// The SHA-256 of a component's bytes: what names it. Written `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(transparent)]
pub struct Digest(#[schemars(with = "String")] pub [u8; 32]);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The first 12 hexadecimal digits, for people.
    pub fn short(&self) -> String {
        self.hex()[..12].to_owned()
    }

    fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseIdError {
            text: text.to_owned(),
            expected: "a component digest (`sha256:` and 64 hexadecimal digits)",
        };
        let hex = text.strip_prefix("sha256:").unwrap_or(text);
        if hex.len() != 64 || !hex.is_ascii() {
            return Err(error());
        }
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[index * 2..index * 2 + 2], 16).map_err(|_| error())?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lease_token_carries_session_and_batch() {
        for (session, batch) in [(1, 0), (7, 9), (i32::MAX, u32::MAX)] {
            let token = LeaseToken::new(SessionId(session), batch);
            assert_eq!(
                (token.session(), token.batch()),
                (SessionId(session), batch)
            );
        }
    }

    #[test]
    fn digest_reads_what_it_writes() {
        let digest = Digest::of(b"component");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert!("sha256:12".parse::<Digest>().is_err());
        assert!("zz".repeat(32).parse::<Digest>().is_err());
    }
}
