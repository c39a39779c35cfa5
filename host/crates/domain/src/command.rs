//! How a WASI command runs as a job: what it is started with, and what its end means.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many bytes all arguments and all of the environment may come to, each with an end of one byte.
pub const COMMAND_BYTES_MAX: usize = 64 << 10;
/// Beginnings of variables that the host sets itself.
const RESERVED: [&str; 2] = ["HARDSTOP_", "TRACEPARENT"];

/// What a manifest says of a type whose component is a WASI command.
///
/// The job's input is on standard input, its output is what the command writes to standard output, and
/// what it writes to standard error goes into the log. Exit code 0 is a completed job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Command {
    /// The arguments after the program's name, which is the type's.
    pub args: Vec<String>,
    /// The environment, beside what the host adds.
    pub env: BTreeMap<String, String>,
    /// What standard output holds.
    pub output: CommandOutput,
    /// The exit codes that no further attempt could help. All others but 0 are tried again.
    pub fatal_exit_codes: BTreeSet<u8>,
}

/// What a command writes to standard output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommandOutput {
    /// JSON text, which is the job's output. Nothing at all stands for `null`.
    #[default]
    Json,
    /// Any UTF-8 text. The job's output is a JSON string of it.
    Text,
}

impl Command {
    /// Fails where the command could not be started with this.
    pub fn check(&self) -> Result<(), CommandError> {
        let mut bytes = 0;
        for text in &self.args {
            check_text("args", text)?;
            bytes += text.len() + 1;
        }
        for (name, value) in &self.env {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(CommandError::Name(name.clone()));
            }
            if RESERVED.iter().any(|reserved| name.starts_with(reserved)) {
                return Err(CommandError::Reserved(name.clone()));
            }
            check_text("env", value)?;
            bytes += name.len() + value.len() + 2;
        }
        if bytes > COMMAND_BYTES_MAX {
            return Err(CommandError::TooLarge { bytes });
        }
        if self.fatal_exit_codes.contains(&0) {
            return Err(CommandError::ZeroIsFatal);
        }
        Ok(())
    }
}

fn check_text(of: &'static str, text: &str) -> Result<(), CommandError> {
    match text.contains('\0') {
        true => Err(CommandError::Nul { of }),
        false => Ok(()),
    }
}

/// What a command cannot be started with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// A variable without a name, or with one that no environment can hold.
    #[error("env: {0:?} cannot name a variable: it is empty, or holds `=` or NUL")]
    Name(String),
    /// A variable of the host's own.
    #[error(
        "env: the variable {0} is set by the host: names that begin with HARDSTOP_ or TRACEPARENT \
         are its own; choose another"
    )]
    Reserved(String),
    /// Text that ends early.
    #[error("{of}: a value holds NUL, which would end it there; leave it out")]
    Nul {
        /// `args` or `env`.
        of: &'static str,
    },
    /// More than a process is started with.
    #[error(
        "args and env come to {bytes} bytes and may come to {COMMAND_BYTES_MAX}: pass large values in \
         the input"
    )]
    TooLarge {
        /// What they come to.
        bytes: usize,
    },
    /// A success that would be a failure.
    #[error("fatal_exit_codes: 0 means that the command completed; leave it out")]
    ZeroIsFatal,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(json: &str) -> Command {
        serde_json::from_str(json).expect(json)
    }

    #[test]
    fn what_a_process_can_be_started_with() {
        let most = "x".repeat(COMMAND_BYTES_MAX - 1);
        for good in [
            "{}",
            r#"{"args":["-v",""],"env":{"LANG":"C"},"output":"text","fatal_exit_codes":[64,255]}"#,
            &format!(r#"{{"args":["{most}"]}}"#),
        ] {
            assert_eq!(command(good).check(), Ok(()));
        }
    }

    #[test]
    fn what_it_cannot_be_started_with_is_named() {
        let too_much = "x".repeat(COMMAND_BYTES_MAX - 3);
        for (bad, expected) in [
            (r#"{"args":["a\u0000b"]}"#, "args: a value holds NUL"),
            (r#"{"env":{"A":"\u0000"}}"#, "env: a value holds NUL"),
            (r#"{"env":{"":"1"}}"#, r#"env: "" cannot name a variable"#),
            (
                r#"{"env":{"A=B":"1"}}"#,
                r#"env: "A=B" cannot name a variable"#,
            ),
            (
                r#"{"env":{"HARDSTOP_JOB_ID":"1"}}"#,
                "HARDSTOP_JOB_ID is set by the host",
            ),
            (
                r#"{"env":{"TRACEPARENT":"1"}}"#,
                "TRACEPARENT is set by the host",
            ),
            (
                r#"{"fatal_exit_codes":[0]}"#,
                "0 means that the command completed",
            ),
            (
                &format!(r#"{{"env":{{"AB":"{too_much}"}}}}"#),
                "come to 65537 bytes and may come to 65536",
            ),
        ] {
            let error = command(bad).check().expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
