//! Guests that send HTTP requests, and peers that mean harm.

mod grant;
mod limit;
mod peer;

use hardstop_domain::{Limits, OutcomeKind, Report};
use serde_json::{Value, json};

use super::*;
use crate::harness::web::*;

/// The output of an attempt that completed, as JSON.
#[track_caller]
fn output(report: &Report) -> Value {
    match &report.outcome {
        Outcome::Completed { output } => serde_json::from_str(output).unwrap(),
        _ => panic!("not completed: {report:#?}"),
    }
}

fn here(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}
