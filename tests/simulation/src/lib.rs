//! A model of the store: what `enqueue`, `claim`, `settle` and the rest mean, without a database.
//!
//! It is single-threaded and simple enough to be seen to be right. Two proofs stand on it: the store's
//! property test drives it and both databases with the same random commands and compares every answer, and the
//! simulation (`tests/` of this package) runs many real workers over it.

#![allow(
    clippy::result_large_err,
    reason = "errors are the store's own, so that they can be compared"
)]

mod model;

pub use model::{Attempt, Blocker, Chain, Job, Model, Session};
