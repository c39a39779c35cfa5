//! The HTTP API through the real binary. Every answer is held against the server's document by the harness.

mod access;
mod audit;
mod bad_input;
mod event;
mod follow;
mod fuzz;
mod idempotency;
mod load;
mod process;
mod resource;
mod sse;
mod upload;
