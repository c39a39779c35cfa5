//! What the tests need of Python's packages: in an environment of its own, in `target/tools`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{root, run, step, target};

/// What is installed, to the version.
const REQUIREMENTS: &str = "tests/tools/requirements.txt";
/// The copy of it in the environment, which tells what is there.
const INSTALLED: &str = "requirements.txt";
/// What the tests find the programs by.
pub const VARIABLE: &str = "HARDSTOP_TEST_TOOLS";

/// Where the programs are.
pub fn folder() -> PathBuf {
    target().join("tools/bin")
}

/// Installs what is not there.
pub fn install() -> Result<()> {
    let requirements = root().join(REQUIREMENTS);
    let wanted = std::fs::read(&requirements).context(REQUIREMENTS)?;
    let environment = target().join("tools");
    let installed = environment.join(INSTALLED);
    if std::fs::read(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    step("tools of the tests, from PyPI");
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&environment))
    .context("the tests need Python with venv: apt-get install -y python3-venv")?;
    run(Command::new(environment.join("bin/pip"))
        .args(["install", "--quiet", "--no-deps", "--requirement"])
        .arg(&requirements))
    .context("cannot install what tests/tools/requirements.txt lists")?;
    std::fs::write(installed, wanted).context("cannot note what was installed")
}
