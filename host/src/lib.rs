//! Hardstop runs background jobs that it can stop.
//!
//! A host leases jobs from Postgres or SQLite and runs each as a WebAssembly component in its own
//! fresh instance, under hard limits. This library is the host: the `hardstop` command is a thin
//! layer over it, and a program can embed it.
//!
//! ```text
//! start:  cli -> use_case -> service -> domain decides -> store, one transaction -> wake
//! run:    worker claims a batch -> sandbox runs each -> Report
//! settle: domain::transition(outcome, policy) -> store.settle(batch), fenced, one transaction
//! ```

#![forbid(unsafe_code)]

pub mod api;
pub mod catalogue;
pub mod cli;
pub mod client;
pub mod config;
pub mod dashboard;
pub mod deploy;
pub mod difference;
pub mod error;
pub mod local;
pub mod memory;
pub mod outbox;
mod secret;
mod sensitive;
pub mod service;
pub mod telemetry;
mod tls;
pub mod use_case;
pub mod worker;

pub use config::Config;
pub use error::{Error, Exit, Kind};
pub use service::{Service, StartRequest};
pub use worker::{Execute, Loader, Worker};
