//! What can go wrong with something that a user asked for: an exit code, a sentence and a hint.

mod kind;

use hardstop_store::{CanaryRefusal, StoreError};

pub use kind::Kind;

/// Exit codes of the `hardstop` command. 0 is success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// What was asked for failed: a job did not complete.
    Failed = 1,
    /// Usage or configuration: a flag, a file, a manifest, a component, an input.
    Usage = 2,
    /// Environment or internal: the database, the file system, the sandbox.
    Environment = 3,
    /// A wait timed out.
    Timeout = 4,
}

/// An error for people.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// The exit code that it leads to.
    pub exit: Exit,
    /// What programs tell it by.
    pub kind: Kind,
    /// What failed and why.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Error {
    /// A fault in what the user gave.
    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Usage,
            kind: Kind::Invalid,
            message: message.into(),
            hint: None,
        }
    }

    /// A fault in the surroundings.
    pub fn environment(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Environment,
            kind: Kind::Internal,
            message: message.into(),
            hint: None,
        }
    }

    /// Something asked for that did not succeed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Failed,
            kind: Kind::Conflict,
            message: message.into(),
            hint: None,
        }
    }

    /// A wait that was too short.
    pub fn timeout(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Timeout,
            kind: Kind::WaitTimedOut,
            message: message.into(),
            hint: None,
        }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same as an error of another kind.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// The same with what it concerns put before the message.
    #[must_use]
    pub fn context(mut self, what: impl std::fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        let kind = match &error {
            StoreError::Url { .. }
            | StoreError::Invalid(_)
            | StoreError::TooManyDescendants { .. }
            | StoreError::PauseOver(_) => Kind::Invalid,
            StoreError::UnknownType(_) => Kind::NotDeployed,
            StoreError::UnknownChain(_) => Kind::UnknownChain,
            StoreError::BlockerCycle(_) => Kind::BlockerCycle,
            StoreError::CanaryRefused { .. } => Kind::DeploymentRefused,
            StoreError::DuplicateJob(_) => Kind::Conflict,
            StoreError::RequestReused => Kind::IdempotencyKeyReused,
            StoreError::SchemaBehind { .. } | StoreError::SchemaAhead { .. } => Kind::SchemaVersion,
            StoreError::Unreachable { .. }
            | StoreError::ReadOnly { .. }
            | StoreError::Timeout(_) => Kind::DatabaseUnavailable,
            StoreError::SessionEnded(_)
            | StoreError::Migration(_)
            | StoreError::Corrupt(_)
            | StoreError::Database(_) => Kind::Internal,
        };
        let error = match error {
            StoreError::Url { .. } => Self::usage(message).hint(
                "write sqlite://PATH (such as sqlite://hardstop.db) or \
                 postgres://USER:PASSWORD@HOST/DATABASE",
            ),
            StoreError::UnknownType(_) => Self::usage(message)
                .hint("`hardstop type list` shows what is deployed; `hardstop deploy` adds to it"),
            StoreError::UnknownChain(_) => Self::usage(message)
                .hint("a chain's id is that of its first job; `hardstop start` prints it"),
            StoreError::RequestReused => Self::usage(message)
                .hint("choose another key for each request, such as a UUID; the same one only to send it again"),
            StoreError::BlockerCycle(_) => {
                Self::usage(message).hint("leave out one of these waits")
            }
            StoreError::CanaryRefused { type_name, refusal } => {
                let error = Self::usage(message);
                match refusal {
                    CanaryRefusal::NotDeployed => error.hint(
                        "a canary needs a deployment in force beside it: deploy without --canary first",
                    ),
                    CanaryRefusal::External => {
                        error.hint("leave its table out of the manifest that you deploy as a canary")
                    }
                    CanaryRefusal::SameComponent => {
                        error.hint("deploy it without --canary, or build another component")
                    }
                    CanaryRefusal::Quarantined => error.hint(format!(
                        "`hardstop type release {type_name}` lets its components run again"
                    )),
                }
            }
            StoreError::Invalid(_)
            | StoreError::TooManyDescendants { .. }
            | StoreError::DuplicateJob(_) => Self::usage(message),
            StoreError::SchemaBehind { .. } => {
                Self::environment(message).hint("run `hardstop migrate` with the same database")
            }
            StoreError::SchemaAhead { .. } => Self::environment(message)
                .hint("this database was migrated by a newer hardstop: run that one"),
            StoreError::Unreachable { .. } => Self::environment(message).hint(
                "does the database run, and does --database-url (or HARDSTOP_DATABASE_URL) name \
                 it? A SQLite file is made by `hardstop deploy` or `hardstop migrate`",
            ),
            StoreError::ReadOnly { .. } => Self::environment(message).hint(
                "the file, its -wal and -shm companions and its folder must be writable for this \
                 user",
            ),
            _ => Self::environment(message),
        };
        error.kind(kind)
    }
}
