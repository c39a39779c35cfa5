//! The operations of the store, each over the statements of either database.

pub(crate) mod audit;
pub(crate) mod change;
pub(crate) mod condition;
pub(crate) mod continuation;
pub(crate) mod dead_letter;
pub(crate) mod deploy;
pub(crate) mod deployment;
pub(crate) mod enqueue;
pub(crate) mod explain;
pub(crate) mod external;
pub(crate) mod fire;
pub(crate) mod lease;
pub(crate) mod list;
pub(crate) mod listener;
pub(crate) mod operate;
pub(crate) mod own_transaction;
pub(crate) mod pause;
pub(crate) mod read;
pub(crate) mod removal;
pub(crate) mod running;
pub(crate) mod schedule;
pub(crate) mod settle;
pub(crate) mod statistic;
pub(crate) mod subscription;
pub(crate) mod token;
pub(crate) mod unblock;

use std::future::Future;

use crate::StoreError;
use crate::transaction::Transaction;

/// Statements that belong together. They are owned values, because SQLite's writer runs them on its
/// own task, and they can be run again, because a connection may turn out to be broken.
pub(crate) trait Operation: Send + Sync + 'static {
    /// What comes of it.
    type Output: Send + 'static;

    /// How it is to be run.
    fn mode(&self) -> Mode;

    /// Runs it. What it did is undone where it fails.
    fn run(
        &self,
        tx: &mut dyn Transaction,
    ) -> impl Future<Output = Result<Self::Output, StoreError>> + Send;
}

/// How an operation is to be run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mode {
    pub(crate) access: Access,
    /// Whether it has several statements that stand or fall together. One alone is a transaction
    /// by itself and saves two round trips.
    pub(crate) atomic: bool,
    /// Whether it may be run again when the connection broke and nobody knows if it was committed.
    pub(crate) resend: bool,
    /// Whether it writes so little that the caller may as well do it itself, where the database is in this process.
    pub(crate) short: bool,
}

/// What an operation needs of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reads only.
    Read,
    /// Reads what a person asked for among all that there is, such as a page of a list. Which way is the best one
    /// depends on what was asked for, and it must not hold up what runs jobs. On connections of its own, where each
    /// statement is planned anew with its values.
    List,
    /// Writes what must survive a crash of the database; on SQLite, of the process: see `open` there.
    Write,
    /// Writes leases, which may be lost in a crash: the jobs are ready again then, and the token
    /// keeps the old holder from settling them. On connections of their own, so that no
    /// other work makes a heartbeat late.
    Lease,
}

impl Mode {
    pub(crate) const READ: Self = Self {
        access: Access::Read,
        atomic: false,
        resend: true,
        short: false,
    };
    pub(crate) const LIST: Self = Self {
        access: Access::List,
        ..Self::READ
    };
    /// One statement.
    pub(crate) const WRITE: Self = Self {
        access: Access::Write,
        atomic: false,
        resend: false,
        short: false,
    };
    /// Several statements.
    pub(crate) const WRITE_ATOMIC: Self = Self {
        atomic: true,
        ..Self::WRITE
    };
    pub(crate) const LEASE: Self = Self {
        access: Access::Lease,
        ..Self::WRITE
    };

    pub(crate) const fn resend(self) -> Self {
        Self {
            resend: true,
            ..self
        }
    }

    /// Writes so many jobs with so many bytes of text.
    pub(crate) const fn of_jobs(self, count: usize, bytes: usize) -> Self {
        Self {
            short: count <= SHORT_MAX && bytes <= SHORT_BYTES_MAX,
            ..self
        }
    }
}

/// An operation on so many jobs is a short one. Each takes some ten microseconds.
const SHORT_MAX: usize = 16;
const SHORT_BYTES_MAX: usize = 64 << 10;

/// Fails where a page cannot have so many rows.
fn check_limit(limit: u32, max: u32) -> Result<(), StoreError> {
    match (1..=max).contains(&limit) {
        true => Ok(()),
        false => Err(StoreError::Invalid(format!(
            "limit {limit} is not from 1 to {max}"
        ))),
    }
}

/// A defect of this crate, not of the caller or the database: a value of ours that JSON cannot hold.
pub(crate) fn unwritable(reason: String) -> StoreError {
    StoreError::Invalid(reason)
}
