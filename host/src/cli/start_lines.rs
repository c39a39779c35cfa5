//! `hardstop start TYPE --inputs FILE`: one chain for each line.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal as _, Write as _, stdin, stdout};
use std::path::Path;
use std::process::ExitCode;

use futures::{StreamExt as _, stream};
use serde_json::json;

use super::Context;
use super::args::Format;
use crate::error::Error;
use crate::service::StartRequest;
use crate::use_case::{UseCases, start_stream};

/// Starts a chain like `template` for each line of the file, and prints its id on a line as soon as it is
/// committed. A line that cannot be started ends it.
pub async fn execute(
    context: &Context,
    service: &dyn UseCases,
    template: StartRequest,
    file: &Path,
) -> Result<ExitCode, Error> {
    let name = file.display().to_string();
    let cannot =
        |error: std::io::Error| Error::usage(format!("cannot read the inputs {name}: {error}"));
    let reader: Box<dyn BufRead> = if name == "-" {
        if stdin().is_terminal() {
            eprintln!("reading inputs from the terminal, one a line; Ctrl-D ends them");
        }
        Box::new(BufReader::new(stdin()))
    } else {
        Box::new(BufReader::new(File::open(file).map_err(cannot)?))
    };
    let mut number = 0_u64;
    let requests = stream::iter(reader.lines().map(|line| {
        number += 1;
        Ok(StartRequest {
            input: line.map_err(cannot)?,
            ..template.clone()
        })
    }));
    let mut started = Box::pin(start_stream(service, requests));
    let mut out = std::io::BufWriter::new(stdout());
    let mut count = 0_u64;
    let human = context.output.format() == Format::Human;
    let failure = loop {
        let written = match started.next().await {
            None => break None,
            Some(Err(error)) => break Some(error),
            Some(Ok(chain)) if human => writeln!(out, "{}", chain.chain_id),
            Some(Ok(chain)) => writeln!(out, "{}", json!(chain)),
        };
        count += 1;
        if written.is_err() {
            // Whoever read the ids has gone away; what was to be started is no longer wanted.
            return Ok(ExitCode::SUCCESS);
        }
    };
    // A reader that has gone away has what it wanted.
    let _ = out.flush();
    match failure {
        None => Ok(ExitCode::SUCCESS),
        Some(error) => Err(error
            .context(format!("inputs {name}, line {}", count + 1))
            .hint(format!(
                "{count} chains were started before it: go on from that line when it is mended"
            ))),
    }
}
