//! `hardstop session ...`.

use clap::Subcommand;

/// `hardstop session ...`.
#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// List the workers that are registered.
    List,
    /// Ask a worker to drain: it claims nothing new, finishes what it runs and ends.
    Drain {
        /// The number of its session.
        session: i32,
    },
}
