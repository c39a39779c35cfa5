//! `hardstop job explain`: why a job is not running.

use std::process::ExitCode;

use hardstop_domain::JobId;

use super::Context;
use crate::error::Error;
use crate::use_case::UseCases;

pub async fn execute(
    context: &Context,
    service: &dyn UseCases,
    job: JobId,
) -> Result<ExitCode, Error> {
    let explained = service.explain(job).await?;
    context.output.one(&explained, || {
        let lines = explained.reasons.iter();
        lines.map(|reason| format!("{}\n", reason.text)).collect()
    });
    Ok(ExitCode::SUCCESS)
}
