//! Fuzzing the HTTP API with schemathesis.

use anyhow::{Result, bail};

use crate::{cargo, guest, run, step, target, tool};

/// How many requests are made up for each operation, where nobody says: more than the tests do.
const EXAMPLES: &str = "200";

pub fn fuzz(args: &[String]) -> Result<()> {
    let examples = match args {
        [] => EXAMPLES,
        [examples] if examples.parse::<u32>().is_ok_and(|it| it > 0) => examples,
        _ => bail!("write cargo xtask fuzz [EXAMPLES], with a number from 1"),
    };
    tool::install()?;
    guest::build()?;
    step("host (a first build takes some minutes)");
    run(cargo().args(["build", "--workspace", "--all-targets"]))?;
    step("requests");
    run(cargo()
        .args(["test", "--workspace", "--test", "suite", "--", "api::fuzz"])
        .arg("--nocapture")
        .env("HARDSTOP_BIN", target().join("debug/hardstop"))
        .env("HARDSTOP_FUZZ_EXAMPLES", examples)
        .env(tool::VARIABLE, tool::folder()))
}
