//! `hardstop deployment ...`, and what `hardstop type ...` does with deployments.

use clap::{Args, Subcommand};
use hardstop_domain::DeploymentId;

/// `hardstop deployment ...`.
#[derive(Debug, Subcommand)]
pub enum DeploymentCommand {
    /// List deployments, newest first.
    List {
        /// How many at the most.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        limit: u32,
    },
    /// Show a deployment: its component and what it says of its types.
    Show {
        /// The deployment.
        deployment: DeploymentId,
    },
    /// Show what is different from one deployment to another, field by field.
    Diff {
        /// The earlier one; alone: the later one, and what is in force of its types is the earlier.
        #[arg(value_name = "A")]
        a: DeploymentId,
        /// The later one.
        #[arg(value_name = "B")]
        b: Option<DeploymentId>,
    },
}

/// `hardstop type canary`.
#[derive(Debug, Args)]
pub struct CanaryArgs {
    /// The type.
    #[arg(value_name = "TYPE")]
    pub name: String,
    /// What becomes of its canary.
    #[command(flatten)]
    pub change: CanaryChangeArgs,
}

/// What becomes of a canary.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct CanaryChangeArgs {
    /// Give it another share of the jobs, in percent.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=99), value_name = "N")]
    pub percent: Option<u8>,
    /// Put it in force.
    #[arg(long)]
    pub promote: bool,
    /// End it: its jobs go to the deployment in force.
    #[arg(long)]
    pub end: bool,
}
