//! `hardstop events`.

use clap::Args;
use hardstop_domain::{EventKind, EventMark};

/// `hardstop events`.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Only of this kind, such as job.discarded or chain.closed. May be given again.
    #[arg(long = "kind", value_name = "KIND")]
    pub kinds: Vec<EventKind>,
    /// Only of this type. May be given again.
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Vec<String>,
    /// Go on behind this event, which was printed within the last ten minutes.
    #[arg(long, value_name = "ID")]
    pub since: Option<EventMark>,
}
