//! What `hardstop chain ...` looks like.

use std::time::Duration;

use clap::{Args, Subcommand};
use hardstop_domain::{ChainId, State, Timestamp, TypeName};

use super::duration;
use super::time::time_ago;

/// `hardstop chain ...`. A chain is named by its first job.
#[derive(Debug, Subcommand)]
pub enum ChainCommand {
    /// List chains, newest first.
    List(ChainListArgs),
    /// Show a chain: its jobs, what it waits for, what waits for it, its output or failure.
    Show(ChainShowArgs),
    /// Wait until a chain is closed and print its output. A failed chain exits with 1.
    Wait(ChainWaitArgs),
    /// Cancel the live job of a chain. One that runs is stopped.
    Cancel(ChainCancelArgs),
    /// Delete a chain with all its jobs. Refused while others wait for it or need its output.
    Delete(ChainDeleteArgs),
}

/// `hardstop chain cancel`.
#[derive(Debug, Args)]
pub struct ChainCancelArgs {
    /// The chain.
    pub chain: ChainId,
}

/// `hardstop chain delete`.
#[derive(Debug, Args)]
pub struct ChainDeleteArgs {
    /// The chain.
    pub chain: ChainId,
    /// Delete the chains that wait for it too, and so on downwards.
    #[arg(long)]
    pub cascade: bool,
}

/// `hardstop chain list`.
#[derive(Debug, Args)]
pub struct ChainListArgs {
    /// Only chains whose first job has this type.
    #[arg(long = "type", value_name = "TYPE")]
    pub type_name: Option<TypeName>,
    /// Only chains whose last job is in this state.
    #[arg(long)]
    pub state: Option<State>,
    /// Only chains that were started with this deduplication key of the type.
    #[arg(long, requires = "type_name", value_name = "KEY")]
    pub key: Option<String>,
    /// Only chains created at this time or later, as their ids tell: RFC 3339, or a duration ago such
    /// as 1h.
    #[arg(long, value_parser = time_ago, value_name = "TIME")]
    pub since: Option<Timestamp>,
    /// Only chains created before this time, written in the same way.
    #[arg(long, value_parser = time_ago, value_name = "TIME")]
    pub until: Option<Timestamp>,
    /// Only chains older than this one: the last of the page before.
    #[arg(long, value_name = "CHAIN")]
    pub before: Option<ChainId>,
    /// How many at the most.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub limit: u32,
}

/// `hardstop chain show`.
#[derive(Debug, Args)]
pub struct ChainShowArgs {
    /// The chain.
    pub chain: ChainId,
}

/// `hardstop chain wait`.
#[derive(Debug, Args)]
pub struct ChainWaitArgs {
    /// The chain.
    pub chain: ChainId,
    /// How long to wait at the most. A wait that runs out exits with 4.
    #[arg(long, value_parser = duration, value_name = "DURATION")]
    pub timeout: Option<Duration>,
}
