//! The sandbox against guests that mean harm, and against those that mean none.

#![allow(clippy::unwrap_used)]

mod harness;
mod zoo;
