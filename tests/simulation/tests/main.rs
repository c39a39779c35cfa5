//! Many real workers over the model of the store, on a simulated clock, with everything that can go wrong
//! between them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod simulation;
