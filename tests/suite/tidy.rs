//! The rules of the house that a compiler does not hold: which way dependencies point, and what no
//! file may contain.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hardstop_tests::root;
use serde_json::Value;

/// The direct dependencies that a package may have of the project's own, and of those that are kept
/// in one place. Development dependencies included.
const ALLOWED: &[(&str, &[&str])] = &[
    ("hardstop-domain", &[]),
    // The model, for the property test.
    (
        "hardstop-store",
        &["hardstop-domain", "hardstop-simulation", "rusqlite", "sqlx"],
    ),
    (
        "hardstop-sandbox",
        &[
            "hardstop-domain",
            "wasmparser",
            "wasmtime",
            "wasmtime-wasi",
            "wasmtime-wasi-http",
        ],
    ),
    (
        "hardstop",
        &["hardstop-domain", "hardstop-store", "hardstop-sandbox"],
    ),
    ("hardstop-guest", &["hardstop-guest-macros", "wit-bindgen"]),
    ("hardstop-guest-macros", &[]),
    (
        "hardstop-demo",
        &[
            "hardstop",
            "hardstop-domain",
            "hardstop-store",
            "hardstop-sandbox",
        ],
    ),
    // The bare engine and the bare databases, to measure the sandbox and the store against.
    (
        "hardstop-bench",
        &[
            "hardstop",
            "hardstop-domain",
            "hardstop-store",
            "hardstop-sandbox",
            "rusqlite",
            "sqlx",
            "wasmtime",
            "wasmtime-wasi",
        ],
    ),
    (
        "hardstop-simulation",
        &[
            "hardstop",
            "hardstop-domain",
            "hardstop-store",
            "hardstop-sandbox",
        ],
    ),
    ("hardstop-tests", &[]),
    ("xtask", &[]),
];

/// Dependencies with one place.
const KEPT: &[&str] = &[
    "rusqlite",
    "sqlx",
    "wasmparser",
    "wasmtime",
    "wasmtime-wasi",
    "wasmtime-wasi-http",
    "wit-bindgen",
];

#[test]
fn dependencies_point_one_way() {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root())
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(
        packages.len() > ALLOWED.len(),
        "{} packages",
        packages.len()
    );
    for package in packages {
        let name = package["name"].as_str().unwrap();
        // Guests see the SDK and nothing else of the project.
        let allowed = ALLOWED
            .iter()
            .find(|(known, _)| *known == name)
            .map_or(["hardstop-guest"].as_slice(), |(_, allowed)| allowed);
        for dependency in package["dependencies"].as_array().unwrap() {
            let dependency = dependency["name"].as_str().unwrap();
            if dependency.starts_with("hardstop") || KEPT.contains(&dependency) {
                assert!(
                    allowed.contains(&dependency),
                    "{name} must not depend on {dependency}"
                );
            }
        }
    }
}

#[test]
fn the_domain_reads_no_clock_and_does_no_io() {
    for path in sources(&root().join("host/crates/domain/src")) {
        let text = fs::read_to_string(&path).unwrap();
        for word in [
            "std::fs",
            "std::net",
            "std::env",
            "Instant::now",
            "SystemTime",
            "now_v7",
            "async fn",
            "tokio",
        ] {
            assert!(!text.contains(word), "{} has {word}", path.display());
        }
    }
}

#[test]
fn no_module_is_called_after_nothing() {
    for folder in [
        "host",
        "guest-sdk",
        "jobs-examples",
        "tests",
        "xtask",
        "fuzz/fuzz_targets",
    ] {
        for path in sources(&root().join(folder)) {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            for bad in [
                "util", "utils", "common", "helper", "helpers", "manager", "misc",
            ] {
                assert_ne!(name, bad, "{}", path.display());
            }
        }
    }
}

/// `THREATS.md` names tests as its evidence: `zoo::time::in_realloc` is a function in a file or folder
/// `time`, somewhere below one of `zoo`.
#[test]
fn every_test_that_is_named_as_evidence_exists() {
    let text = fs::read_to_string(root().join("THREATS.md")).unwrap();
    let mut tests = Vec::new();
    for folder in ["host", "tests"] {
        for path in sources(&root().join(folder)) {
            let text = fs::read_to_string(&path).unwrap();
            let below = path.strip_prefix(root()).unwrap().with_extension("");
            let mut place: Vec<String> = below
                .components()
                .map(|part| part.as_os_str().to_string_lossy().into_owned())
                .collect();
            // Tests within a file stand in a module of their own.
            if text.contains("\nmod tests {") {
                place.push("tests".to_owned());
            }
            tests.push((place, text));
        }
    }
    let named: Vec<&str> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| code.contains("::") && !code.ends_with("::"))
        .collect();
    assert!(named.len() > 50, "{}", named.len());
    for name in named {
        let mut parts: Vec<&str> = name.split("::").collect();
        let function = format!("fn {}(", parts.pop().unwrap());
        let exists = tests.iter().any(|(place, text)| {
            // In this order, though not all of the folders need be named.
            let mut folders = place.iter();
            parts
                .iter()
                .all(|part| folders.any(|folder| folder == part))
                && text.contains(&function)
        });
        assert!(exists, "THREATS.md names `{name}`, which there is not");
    }
}

/// Every Rust file below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
