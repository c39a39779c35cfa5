//! `hardstop chain delete`.

use clap::Args;
use hardstop_domain::ChainId;

/// `hardstop chain delete`.
#[derive(Debug, Args)]
pub struct ChainDeleteArgs {
    /// The chain: the id of its first job.
    pub chain: ChainId,
    /// Delete the chains that wait for it too, and so on downwards.
    #[arg(long)]
    pub cascade: bool,
}
