//! The arguments of `hardstop job complete` and `hardstop job fail`.

use clap::Args;
use hardstop_domain::{ChainId, JobId};
use uuid::Uuid;

use super::BlockerFailure;

/// `hardstop job complete`.
#[derive(Debug, Args)]
pub struct CompleteArgs {
    /// The job.
    pub job: JobId,
    /// Its token, which `start` and `job show` print.
    #[arg(long, value_name = "TOKEN")]
    pub token: Uuid,
    /// The output: JSON text, @FILE, or - for standard input. (Before the command, --output is how to print.)
    #[arg(
        long = "result",
        short = 'r',
        value_name = "JSON",
        required_unless_present = "continue_with",
        conflicts_with = "continue_with"
    )]
    pub result: Option<String>,
    /// Go on with a job of this type instead of closing the chain.
    #[arg(long, value_name = "TYPE")]
    pub continue_with: Option<String>,
    /// That job's input: JSON text, @FILE, or - for standard input.
    #[arg(
        long,
        short,
        default_value = "{}",
        requires = "continue_with",
        value_name = "JSON"
    )]
    pub input: String,
    /// A chain that must close before that job runs; it gets the chain's output. May be given again.
    #[arg(long = "blocker", requires = "continue_with", value_name = "CHAIN")]
    pub blockers: Vec<ChainId>,
    /// What becomes of that job when a blocker is discarded or cancelled.
    #[arg(long, value_enum, default_value_t = BlockerFailure::Cancel, requires = "blockers")]
    pub on_blocker_failure: BlockerFailure,
}

/// `hardstop job fail`.
#[derive(Debug, Args)]
pub struct FailArgs {
    /// The job.
    pub job: JobId,
    /// Its token, which `start` and `job show` print.
    #[arg(long, value_name = "TOKEN")]
    pub token: Uuid,
    /// What happened, in a sentence.
    #[arg(long, value_name = "TEXT")]
    pub message: String,
    /// More of it: JSON text, @FILE, or - for standard input.
    #[arg(long, value_name = "JSON")]
    pub details: Option<String>,
}
