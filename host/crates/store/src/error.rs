//! What can go wrong with a store.

use std::time::Duration;

use hardstop_domain::{ChainId, SessionId, Timestamp, TypeName};

use crate::sqlite::SqliteFailure;

/// An operation that did not happen.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL names no database that Hardstop knows.
    #[error("database URL `{url}`: {reason}")]
    Url {
        /// The URL, without its password.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The database does not answer.
    #[error("cannot reach the database {database}: {reason}")]
    Unreachable {
        /// Which one, without secrets.
        database: String,
        /// What the driver said.
        reason: String,
    },
    /// The database may be read only.
    #[error("the database {database} is read-only: {reason}")]
    ReadOnly {
        /// Which one.
        database: String,
        /// What the driver said.
        reason: String,
    },
    /// Migrations are missing.
    #[error("the database's schema is at {found}, this host needs {needed}")]
    SchemaBehind {
        /// The last migration applied, or `nothing`.
        found: String,
        /// The last migration that this host knows.
        needed: String,
    },
    /// The schema is newer than this host.
    #[error("the database's schema is at {found}, which is newer than this host's {known}")]
    SchemaAhead {
        /// The last migration applied.
        found: String,
        /// The last migration that this host knows.
        known: String,
    },
    /// A migration failed.
    #[error("migration failed: {0}")]
    Migration(String),
    /// A type that is not deployed.
    #[error("type `{0}` is not deployed")]
    UnknownType(TypeName),
    /// A session that has ended, or was never opened.
    #[error("session {0} has ended")]
    SessionEnded(SessionId),
    /// Two jobs of one id.
    #[error("a job with the id {0} exists already")]
    DuplicateJob(String),
    /// A chain that does not exist.
    #[error("there is no chain {0}")]
    UnknownChain(ChainId),
    /// A pause that would be over before it began.
    #[error("a pause until {0} would be over already")]
    PauseOver(Timestamp),
    /// Chains that wait for each other.
    #[error("chains block each other: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(" waits for "))]
    BlockerCycle(Vec<ChainId>),
    /// More descendants of a root chain than it may have.
    #[error(
        "limit `descendants` = {limit}: chain {root} would have {count} descendants, with those that others started meanwhile"
    )]
    TooManyDescendants {
        /// The root chain.
        root: ChainId,
        /// How many it would have.
        count: u64,
        /// How many it may have.
        limit: u64,
    },
    /// A deployment that cannot be the canary of a type.
    #[error("type `{type_name}` cannot have this canary: {refusal}")]
    CanaryRefused {
        /// The type.
        type_name: TypeName,
        /// Why.
        refusal: CanaryRefusal,
    },
    /// An idempotency key that another request has.
    #[error("the idempotency key belongs to another request")]
    RequestReused,
    /// A value that cannot be stored: over a maximum, or against a rule of the record.
    #[error("{0}")]
    Invalid(String),
    /// A value in the database that this host cannot read.
    #[error("the database holds a value that this host cannot read: {0}")]
    Corrupt(String),
    /// The operation took longer than it may. Whether it happened is not known.
    #[error("the database did not answer within {0:?}")]
    Timeout(Duration),
    /// Anything else from the driver.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
}

/// Why a deployment cannot be the canary of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CanaryRefusal {
    /// There is nothing for it to be beside.
    #[error("the type is not deployed")]
    NotDeployed,
    /// Nothing runs an external type.
    #[error("an external type runs nowhere")]
    External,
    /// Health is told by components.
    #[error("its component is the one in force, and could not be told apart from it")]
    SameComponent,
    /// It ended badly before.
    #[error("its component is in quarantine")]
    Quarantined,
}

impl StoreError {
    /// Whether the same call may succeed later: the database was away or busy.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout(_) => true,
            Self::Database(sqlx::Error::Database(error)) => {
                let code = error.code().unwrap_or_default();
                match sqlite_primary(&**error) {
                    // Constraint, type mismatch, too big, misuse and plain SQL errors stay.
                    Some(primary) => !matches!(primary, 1 | 18 | 19 | 20 | 21 | 25),
                    // Feature not supported, data, integrity, syntax and access rules stay.
                    None => !["0A", "22", "23", "42"].contains(&code.get(..2).unwrap_or_default()),
                }
            }
            Self::Database(error) => !matches!(
                error,
                sqlx::Error::ColumnDecode { .. }
                    | sqlx::Error::ColumnNotFound(_)
                    | sqlx::Error::Decode(_)
                    | sqlx::Error::Encode(_)
            ),
            _ => false,
        }
    }

    /// Whether the values of the statement are at fault: a constraint, a type, a size. The same
    /// statement with other rows may do.
    pub(crate) fn is_data(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::Encode(_)) => true,
            Self::Database(sqlx::Error::Database(error)) => {
                let code = error.code().unwrap_or_default();
                match sqlite_primary(&**error) {
                    Some(primary) => matches!(primary, 18..=20),
                    None => matches!(code.get(..2), Some("22" | "23")),
                }
            }
            _ => false,
        }
    }

    /// Whether what was asked for cannot be, whatever the database says: one part of a batch may be at fault.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Invalid(_)
                | Self::TooManyDescendants { .. }
                | Self::UnknownChain(_)
                | Self::BlockerCycle(_)
                | Self::UnknownType(_)
        )
    }

    /// Whether Postgres rolled the transaction back because it and another waited for each other.
    pub(crate) fn is_deadlock(&self) -> bool {
        matches!(
            self,
            Self::Database(sqlx::Error::Database(error))
                if matches!(error.code().as_deref(), Some("40P01" | "40001"))
        )
    }

    /// Whether a key existed already.
    pub(crate) fn is_unique(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(error)) if error.is_unique_violation())
    }

    /// The same error for another caller whose work shared a transaction that failed.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Unreachable { database, reason } => Self::Unreachable {
                database: database.clone(),
                reason: reason.clone(),
            },
            Self::ReadOnly { database, reason } => Self::ReadOnly {
                database: database.clone(),
                reason: reason.clone(),
            },
            Self::Timeout(after) => Self::Timeout(*after),
            other => Self::Database(sqlx::Error::Protocol(format!(
                "the transaction was rolled back: {other}"
            ))),
        }
    }
}

/// Turns what the driver said into what it means.
#[derive(Debug, Clone)]
pub(crate) struct Interpreter {
    /// The database, for people.
    pub(crate) database: String,
    /// The timeout of a statement.
    pub(crate) timeout: Duration,
}

impl Interpreter {
    pub(crate) fn unreachable(&self, reason: impl ToString) -> StoreError {
        StoreError::Unreachable {
            database: self.database.clone(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn timeout(&self) -> StoreError {
        StoreError::Timeout(self.timeout)
    }

    /// Does the work within the time, its errors refined.
    pub(crate) async fn within<T>(
        &self,
        timeout: Duration,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(timeout, work).await {
            Ok(result) => result.map_err(|error| self.read(error)),
            Err(_) => Err(StoreError::Timeout(timeout)),
        }
    }

    /// Refines an error that carries the driver's.
    pub(crate) fn read(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::Database(error) => self.driver(error),
            other => other,
        }
    }

    fn driver(&self, error: sqlx::Error) -> StoreError {
        match &error {
            sqlx::Error::Database(inner) => match sqlite_primary(&**inner) {
                Some(primary) => match primary {
                    // Busy, locked, interrupted.
                    5 | 6 | 9 => self.timeout(),
                    8 => self.read_only(inner.message()),
                    // Cannot open, not a database.
                    14 | 26 => self.unreachable(inner.message()),
                    11 => StoreError::Corrupt(inner.message().to_owned()),
                    _ => StoreError::Database(error),
                },
                None => match inner.code().unwrap_or_default().as_ref() {
                    // Query cancelled by the statement timeout, lock not available.
                    "57014" | "55P03" => self.timeout(),
                    "25006" => self.read_only(inner.message()),
                    // Shutting down, crashed, starting up, database dropped, too many connections,
                    // no such database or role.
                    "57P01" | "57P02" | "57P03" | "57P04" | "53300" | "3D000" => {
                        self.unreachable(inner.message())
                    }
                    code if code.starts_with("08") || code.starts_with("28") => {
                        self.unreachable(inner.message())
                    }
                    _ => StoreError::Database(error),
                },
            },
            sqlx::Error::PoolTimedOut => self.unreachable("no connection became free in time"),
            sqlx::Error::PoolClosed => self.unreachable("the store is closed"),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed => self.unreachable(error),
            _ => StoreError::Database(error),
        }
    }

    fn read_only(&self, reason: &str) -> StoreError {
        StoreError::ReadOnly {
            database: self.database.clone(),
            reason: reason.to_owned(),
        }
    }
}

/// The primary result code of an error of SQLite; none for one of Postgres.
fn sqlite_primary(error: &dyn sqlx::error::DatabaseError) -> Option<i32> {
    if let Some(failure) = error.try_downcast_ref::<SqliteFailure>() {
        return Some(failure.primary());
    }
    error.try_downcast_ref::<sqlx::sqlite::SqliteError>()?;
    let code: i32 = error.code()?.parse().ok()?;
    Some(code & 0xff)
}
