//! Rows of what attempts say while they run.

use hardstop_domain::LogEntry;
use hardstop_domain::outcome::Progress;

use super::View;
use crate::StoreError;

/// Lines of a log, and how far the attempt is.
pub(crate) type Said = (Vec<LogEntry>, Option<Progress>);

pub(crate) fn said(row: &impl View) -> Result<Said, StoreError> {
    Ok((
        row.json_option("log")?.unwrap_or_default(),
        row.json_option("progress")?,
    ))
}
