//! Every scenario of `cargo xtask bench`, small: what it measures here means nothing, but it can be measured.

use std::process::{Command, Output};

use hardstop_tests::{Kind, binary, root};
use serde_json::Value;

on_both!(every_scenario_has_its_figures);

/// So small that a build without optimisation is done in seconds. More guests sleep than a worker has threads, slots and memory for
/// by default.
const SMALL: &str = "--jobs 60 --repeat 1 --concurrency 4 --window 1 --sleepers 1200 --backlog 1000 --held 1 --long 400";
/// The same, where rounds are counted by jobs.
const SMALLER: &str = "--jobs 1 --repeat 1 --history 10000 --backlog 1000";

/// A scenario's key, and a figure that it must have.
const SCENARIOS: [(&str, &str); 21] = [
    ("start_single", "ratio_to_insert"),
    ("start_batch_100", "jobs_per_s"),
    ("start_batch_1000", "jobs_per_s"),
    ("drain", "rss_mib"),
    ("statements", "jobs_per_s"),
    ("drain_no_history", "jobs_per_s"),
    ("drain_handlers", "jobs_per_s"),
    ("pickup", "p50_ms"),
    ("pickup_loaded", "load_jobs_per_s"),
    ("chains", "alone_ms"),
    ("fan_in", "release_ms"),
    ("idle", "cpu_percent"),
    ("processes", "of_4_jobs_per_s"),
    ("sleepers", "kib_per_guest"),
    ("sandbox", "ratio"),
    ("backlog", "ratio"),
    ("held_transaction", "ratio"),
    ("long", "claim_ratio_p50"),
    ("ratios", "drain_of_statements"),
    ("ratios", "drain_no_history_of_drain"),
    ("ratios", "drain_handlers_of_drain"),
];

fn bench(kind: Kind, scenarios: &[&str], options: &str) -> Output {
    let mut command = Command::new(binary().with_file_name("hardstop-bench"));
    command
        .current_dir(root())
        .args(scenarios)
        .args(options.split(' '));
    if kind == Kind::Postgres {
        command.args(["--store", "postgres"]);
    }
    command.args(["-o", "json"]).output().unwrap()
}

fn results(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

fn every_scenario_has_its_figures(kind: Kind) {
    let mut names: Vec<String> = Vec::new();
    for (scenario, _) in SCENARIOS {
        if scenario != "ratios" {
            names.push(scenario.replace('_', "-"));
        }
    }
    if kind == Kind::Postgres {
        names.push("distant".to_owned());
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let output = bench(kind, &names, SMALL);
    let found = results(&output);
    assert!(output.status.success());
    let distant = (kind == Kind::Postgres).then_some(("distant", "ratio"));
    for (scenario, measure) in SCENARIOS.into_iter().chain(distant) {
        let median = found[scenario][measure]["median"].as_f64();
        assert!(
            median.is_some_and(f64::is_finite),
            "{scenario}.{measure}: {found}"
        );
    }
    let logged = match kind {
        Kind::Postgres => "wal_bytes_per_job",
        _ => "written_bytes_per_job",
    };
    let logged = &found["drain"][logged]["median"];
    assert!(logged.as_f64().unwrap() > 0.0, "{found}");
    for part in ["machine", "setting"] {
        assert!(found[part].is_object(), "{found}");
    }
}

#[test]
fn lateness_and_pages_have_their_figures() {
    let output = bench(Kind::Sqlite, &["stop"], SMALLER);
    let found = results(&output);
    let samples = &found["stop"]["spinners_1"]["slot_free_ms"]["samples"];
    assert_eq!(samples, 1, "{found}");
    let output = bench(Kind::Sqlite, &["pages"], SMALLER);
    let found = results(&output);
    assert!(found["pages"]["/audit"]["median"].is_f64(), "{found}");
    // Here it may well be too slow; then that is what it says.
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let slow = ["loads over", "of the drain rate"];
    assert!(
        output.status.success() || slow.iter().any(|part| said.contains(part)),
        "{said}"
    );
}

#[test]
fn mistakes_say_what_to_do() {
    for (scenario, options, part) in [
        ("distant", "--jobs 1", "add --store postgres"),
        ("drain", "--sync-commit off", "add --store postgres"),
        ("drain", "--report --from nowhere.json", "nowhere.json"),
        ("drain", "--sleepers 10001", "10001"),
    ] {
        let mut command = Command::new(binary().with_file_name("hardstop-bench"));
        let command = command.current_dir(root()).arg(scenario);
        let output = command.args(options.split(' ')).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && said.contains(part),
            "{options}: {said}"
        );
    }
}
