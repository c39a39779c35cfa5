//! Failures of SQLite on a connection of ours, in the form in which those of sqlx's come.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use sqlx::error::{DatabaseError, ErrorKind};

use crate::StoreError;

/// What SQLite refused.
#[derive(Debug)]
pub(crate) struct SqliteFailure {
    /// The extended result code.
    code: i32,
    message: String,
}

impl SqliteFailure {
    /// The result code that the extended one refines.
    pub(crate) fn primary(&self) -> i32 {
        self.code & 0xff
    }
}

impl fmt::Display for SqliteFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(code: {}) {}", self.code, self.message)
    }
}

impl Error for SqliteFailure {}

impl DatabaseError for SqliteFailure {
    fn message(&self) -> &str {
        &self.message
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        Some(self.code.to_string().into())
    }

    fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn Error + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn Error + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> ErrorKind {
        use rusqlite::ffi;
        match self.code {
            ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY => {
                ErrorKind::UniqueViolation
            }
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY => ErrorKind::ForeignKeyViolation,
            ffi::SQLITE_CONSTRAINT_NOTNULL => ErrorKind::NotNullViolation,
            ffi::SQLITE_CONSTRAINT_CHECK => ErrorKind::CheckViolation,
            _ => ErrorKind::Other,
        }
    }
}

/// What the library said, as the store says it.
pub(super) fn read(error: rusqlite::Error) -> StoreError {
    let error = match error {
        rusqlite::Error::SqliteFailure(inner, message) => {
            let message = message.unwrap_or_else(|| inner.to_string());
            sqlx::Error::Database(Box::new(SqliteFailure {
                code: inner.extended_code,
                message,
            }))
        }
        other => sqlx::Error::Decode(other.into()),
    };
    StoreError::Database(error)
}
