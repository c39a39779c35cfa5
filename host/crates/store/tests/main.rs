//! The store's tests against real databases. `conformance::sqlite` and `conformance::postgres` are one
//! suite, a file per operation; `sql` looks at the SQL itself, `plan` at what reads cost; `postgres` and `sqlite` hold what only one
//! of them can do.

#![allow(clippy::unwrap_used, missing_docs)]

mod conformance;
mod fixture;
mod plan;
mod pool;
mod postgres;
mod property;
mod sql;
mod sqlite;
mod start_chain;
