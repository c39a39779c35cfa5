//! A WASI command as a job: what it is started with, what it writes, and what its exit means.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hardstop_domain::command::{Command, CommandOutput};
use hardstop_domain::{Failure, LimitName, Limits, Outcome, OutcomeKind};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p2::pipe::MemoryInputPipe;

use crate::binding::hardstop::job::types as wit;
use crate::guest::Remains;
use crate::journal::cut;
use crate::json;
use crate::lock::lock;
use crate::outcome::{hit, of_limit};
use crate::redaction::Redactor;
use crate::stdio::{Outlet, Sink};

/// How much of an output that cannot be used is shown, in bytes.
const OUTPUT_BYTES_SHOWN: usize = 80;
/// How much of the last line of standard error a failure repeats, in bytes.
const LINE_BYTES_SHOWN: usize = 512;

/// One run of a command: what goes in, and what has come out.
pub(crate) struct Invocation {
    command: Command,
    program: String,
    env: Vec<(&'static str, String)>,
    input: Bytes,
    written: Arc<Mutex<Written>>,
}

impl Invocation {
    /// The run of a command for a job, whose output may come to so many bytes.
    pub(crate) fn new(command: Command, job: wit::Job, output_bytes_max: u64) -> Self {
        let mut env = vec![
            ("HARDSTOP_JOB_ID", job.id),
            ("HARDSTOP_CHAIN_ID", job.chain_id),
            ("HARDSTOP_ATTEMPT", job.attempt.to_string()),
        ];
        env.extend(job.trace_parent.map(|parent| ("TRACEPARENT", parent)));
        Self {
            command,
            program: job.type_,
            env,
            input: job.input.into(),
            written: Arc::new(Mutex::new(Written {
                bytes: Vec::new(),
                asked: 0,
                bytes_max: output_bytes_max,
            })),
        }
    }

    /// Arguments, environment, standard input and output.
    pub(crate) fn apply(&self, builder: &mut WasiCtxBuilder, deadline: Instant) {
        let left: Duration = deadline.saturating_duration_since(Instant::now());
        builder.arg(&self.program).args(&self.command.args);
        for (name, value) in &self.command.env {
            builder.env(name, value);
        }
        for (name, value) in &self.env {
            builder.env(name, value);
        }
        builder
            .env("HARDSTOP_DEADLINE_MS", left.as_millis().to_string())
            .stdin(MemoryInputPipe::new(self.input.clone()))
            .stdout(Outlet(Output(self.written.clone())));
    }

    /// How much the command has tried to write to standard output, in bytes.
    pub(crate) fn output_bytes(&self) -> u64 {
        lock(&self.written).asked
    }
}

/// What a command has written to standard output.
struct Written {
    bytes: Vec<u8>,
    asked: u64,
    bytes_max: u64,
}

/// Ends a command that writes more than its output may have: no later byte could make it good.
#[derive(Debug, thiserror::Error)]
#[error("wrote more to standard output than limit `output`")]
pub(crate) struct OutputOverflow;

/// Standard output of a command.
#[derive(Clone)]
struct Output(Arc<Mutex<Written>>);

impl Sink for Output {
    type Error = OutputOverflow;

    fn take(&self, bytes: &[u8]) -> Result<(), OutputOverflow> {
        let mut written = lock(&self.0);
        written.asked += bytes.len() as u64;
        if written.asked > written.bytes_max {
            return Err(OutputOverflow);
        }
        written.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

/// What it means that a command has exited with this code.
pub(crate) fn exited(code: i32, remains: &mut Remains, limits: &Limits) -> Outcome {
    let Some(invocation) = &remains.effects.invocation else {
        // Not reached: only a command exits.
        return Outcome::Failed(Failure::new(OutcomeKind::Trapped, "did not run"));
    };
    let command = &invocation.command;
    let bytes = std::mem::take(&mut lock(&invocation.written).bytes);
    if code != 0 {
        let is_fatal =
            u8::try_from(code).is_ok_and(|code| command.fatal_exit_codes.contains(&code));
        let kind = match is_fatal {
            true => OutcomeKind::FailedFatal,
            false => OutcomeKind::FailedRetryable,
        };
        let mut message = format!("exited with code {code}");
        if let Some(line) = remains.said.entries.last() {
            message.push_str("; the last line of its log: ");
            message.push_str(&cut(line.message.clone(), LINE_BYTES_SHOWN));
        }
        return Outcome::Failed(Failure::new(kind, message));
    }
    let redactor = remains.grant.secrets.redactor();
    let output = match command.output {
        CommandOutput::Json => json_output(bytes, &redactor),
        CommandOutput::Text => text_output(bytes, &redactor),
    };
    match output {
        Ok(output) => {
            let bytes = output.len() as u64;
            remains.usage.output_bytes = bytes;
            if bytes > limits.output_bytes_max {
                let hit = hit(LimitName::Output, limits.output_bytes_max, bytes);
                let doing = "wrote text that is, as JSON,";
                return Outcome::Failed(of_limit(OutcomeKind::OutputTooLarge, doing, hit));
            }
            Outcome::Completed { output }
        }
        Err(message) => Outcome::Failed(Failure::new(OutcomeKind::FailedFatal, message)),
    }
}

fn json_output(bytes: Vec<u8>, redactor: &Redactor) -> Result<String, String> {
    let bad = |text: String, reason: String| {
        let shown = cut(text, OUTPUT_BYTES_SHOWN);
        Err(format!(
            "the command's output is not JSON: {reason}; it begins with {shown:?}; write JSON to standard \
             output and all else to standard error, or set output = \"text\" for the type"
        ))
    };
    let text = match String::from_utf8(bytes) {
        Ok(text) => redactor.json(text),
        Err(error) => {
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            return bad(redactor.text(text), "it is not UTF-8".to_owned());
        }
    };
    let trimmed = text.trim_ascii();
    if trimmed.is_empty() {
        return Ok("null".to_owned());
    }
    match json::check(trimmed) {
        Ok(()) if trimmed.len() == text.len() => Ok(text),
        Ok(()) => Ok(trimmed.to_owned()),
        Err(reason) => bad(text, reason),
    }
}

fn text_output(bytes: Vec<u8>, redactor: &Redactor) -> Result<String, String> {
    match String::from_utf8(bytes) {
        Ok(text) => Ok(serde_json::Value::String(redactor.text(text)).to_string()),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            Err(format!(
                "the command's output is not UTF-8 text: byte {at} is wrong; encode it, such as with base64"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_json_or_text() {
        let none = Redactor::default();
        for (bytes, expected) in [
            (&b"{\"a\": 1}"[..], Ok("{\"a\": 1}")),
            (b" [1]\r\n", Ok("[1]")),
            (b"", Ok("null")),
            (b"\n", Ok("null")),
            (b"hello", Err("it begins with \"hello\"")),
            (b"1 2", Err("is not JSON: ")),
            (b"\xff", Err("it is not UTF-8; it begins with \"\u{fffd}\"")),
        ] {
            match (json_output(bytes.to_vec(), &none), expected) {
                (Ok(text), Ok(expected)) => assert_eq!(text, expected),
                (Err(text), Err(part)) => assert!(text.contains(part), "{text}"),
                (got, _) => panic!("{got:?} for {bytes:?}"),
            }
        }
        assert_eq!(
            text_output(b"a \"b\"\n".to_vec(), &none).as_deref(),
            Ok(r#""a \"b\"\n""#)
        );
        let error = text_output(b"ab\xff".to_vec(), &none).expect_err("not text");
        assert!(error.contains("byte 2 is wrong"), "{error}");
    }
}
