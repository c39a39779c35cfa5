//! One test or more for each guest in `tests/guests`.

mod capability;
mod children;
mod command;
mod compile;
mod description;
mod effects;
mod file;
mod hostile;
mod http;
mod kill;
mod limit;
mod log;
mod memory;
mod neighbour;
mod output;
mod preparation;
mod scratch;
mod secret;
mod stop;
mod time;
mod trap;

use hardstop_domain::Outcome;

use crate::harness::*;

/// The sources of all tests, in which each guest must be named.
const SOURCES: [&str; 19] = [
    include_str!("capability.rs"),
    include_str!("children.rs"),
    include_str!("compile.rs"),
    include_str!("command.rs"),
    include_str!("description.rs"),
    include_str!("effects.rs"),
    include_str!("file.rs"),
    include_str!("hostile.rs"),
    include_str!("kill.rs"),
    include_str!("limit.rs"),
    include_str!("log.rs"),
    include_str!("memory.rs"),
    include_str!("neighbour.rs"),
    include_str!("output.rs"),
    include_str!("preparation.rs"),
    include_str!("scratch.rs"),
    include_str!("stop.rs"),
    include_str!("time.rs"),
    include_str!("trap.rs"),
];

#[test]
fn every_guest_is_claimed() {
    for entry in std::fs::read_dir(guests()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "wat") {
            continue;
        }
        let name = format!("\"{}\"", path.file_stem().unwrap().to_str().unwrap());
        assert!(
            SOURCES.iter().any(|source| source.contains(&name)),
            "no test claims tests/guests/{name}"
        );
    }
}

#[track_caller]
fn assert_completed(report: &hardstop_domain::Report, expected: &str) {
    match &report.outcome {
        Outcome::Completed { output } => assert_eq!(output, expected),
        _ => panic!("not completed: {report:#?}"),
    }
}
