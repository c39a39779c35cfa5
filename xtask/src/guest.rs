//! Building the components.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{cargo, root, run, step};

const TARGET: &str = "wasm32-wasip2";

/// Adds the compilation target where it is missing, and builds every guest of the repository to
/// `target/wasm32-wasip2/guest/*.wasm`.
pub fn build() -> Result<()> {
    add_target()?;
    step("components");
    let mut command = cargo();
    command.args(["build", "--profile", "guest", "--target", TARGET]);
    // Manifests name their component in this folder, wherever else cargo may be told to build.
    command.arg("--target-dir").arg(root().join("target"));
    for package in packages()? {
        command.args(["--package", &package]);
    }
    run(&mut command)
}

/// Every folder of `jobs-examples/` and `tests/guests/` that holds a package is a guest.
fn packages() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for parent in ["jobs-examples", "tests/guests"] {
        let parent = root().join(parent);
        let entries = std::fs::read_dir(&parent)
            .with_context(|| format!("cannot read {}", parent.display()))?;
        for entry in entries {
            let folder: PathBuf = entry?.path();
            if folder.join("Cargo.toml").exists()
                && let Some(name) = folder.file_name()
            {
                names.push(name.to_string_lossy().into_owned());
            }
        }
    }
    names.sort();
    Ok(names)
}

fn add_target() -> Result<()> {
    let libraries = Command::new("rustc")
        .current_dir(root())
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .context("cannot run rustc; https://rustup.rs installs it")?;
    let folder = String::from_utf8_lossy(&libraries.stdout).trim().to_owned();
    if libraries.status.success() && PathBuf::from(&folder).exists() {
        return Ok(());
    }
    step(&format!("rustup target add {TARGET}"));
    let added = Command::new("rustup")
        .current_dir(root())
        .args(["target", "add", TARGET])
        .status();
    match added {
        Ok(status) if status.success() => Ok(()),
        _ => bail!(
            "the compilation target {TARGET} is missing and could not be added\n\
             hint: run `rustup target add {TARGET}`"
        ),
    }
}
