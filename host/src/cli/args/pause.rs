//! `hardstop pause` and `hardstop resume`.

use std::time::Duration;

use clap::Args;

/// What to pause or resume.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct PauseTarget {
    /// The type.
    #[arg(value_name = "TYPE")]
    pub type_name: Option<String>,
    /// Everything.
    #[arg(long)]
    pub all: bool,
}

/// `hardstop pause`.
#[derive(Debug, Args)]
pub struct PauseArgs {
    /// What.
    #[command(flatten)]
    pub target: PauseTarget,
    /// How long, such as 10m. Without an end it lasts until it is resumed.
    #[arg(long = "for", value_parser = super::duration, conflicts_with = "until", value_name = "DURATION")]
    pub time: Option<Duration>,
    /// Until when, such as 2027-01-31T08:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Why, for whoever wonders.
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Who pauses it [default: the user; of a server, the token]
    #[arg(long, value_name = "NAME")]
    pub actor: Option<String>,
}
