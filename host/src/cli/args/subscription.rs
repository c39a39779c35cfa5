//! `hardstop subscription ...`.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use hardstop_domain::{EventKind, Timestamp};
use hardstop_store::DeliveryState;

use super::time::time_ago;

/// `hardstop subscription ...`.
#[derive(Debug, Subcommand)]
pub enum SubscriptionCommand {
    /// Subscribe to events. The secret that signs them is printed once.
    Create(SubscriptionCreateArgs),
    /// List subscriptions.
    List,
    /// Show a subscription: whether its events arrive, and why not.
    Show {
        /// Its name.
        name: String,
    },
    /// List a subscription's events, newest first, and what became of each.
    Deliveries {
        /// Its name.
        name: String,
        /// Only in this state.
        #[arg(long, value_enum)]
        state: Option<DeliveryStateArg>,
        /// Only those with lower numbers: the last of the page before.
        #[arg(long, value_name = "NUMBER")]
        before: Option<i64>,
        /// How many at the most.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
        limit: u32,
    },
    /// Keep a subscription's events until it is resumed.
    Pause {
        /// Its name.
        name: String,
    },
    /// Let a subscription go on that was paused, or that its receiver stopped.
    Resume {
        /// Its name.
        name: String,
    },
    /// Delete a subscription. What waits for it is delivered to nobody.
    Delete {
        /// Its name.
        name: String,
    },
    /// Deliver events again, at most 10,000 at once.
    Replay {
        /// The subscription's name.
        name: String,
        /// Which.
        #[command(flatten)]
        which: ReplayWhich,
    },
}

/// `hardstop subscription create`.
#[derive(Debug, Args)]
pub struct SubscriptionCreateArgs {
    /// Its name, such as pager.
    pub name: String,
    /// Where events are posted to: an https URL, or an http one.
    #[arg(long, value_name = "URL")]
    pub url: String,
    /// Which events: job.completed, job.continued, job.discarded, job.cancelled, chain.closed, type.failing or
    /// type.stuck. May be given again.
    #[arg(long = "event", required = true, value_name = "KIND")]
    pub kinds: Vec<EventKind>,
    /// Only of this type.
    #[arg(long = "type", value_name = "TYPE")]
    pub type_name: Option<String>,
    /// For type.failing: the share of failed attempts, in percent [default: 50]
    #[arg(long, value_name = "PERCENT")]
    pub failing_percent: Option<u8>,
    /// For type.failing: how many attempts there must be [default: 20]
    #[arg(long, value_name = "N")]
    pub failing_attempts_min: Option<u32>,
    /// For type.failing: over which time, in whole minutes [default: 10m]
    #[arg(long, value_parser = super::duration, value_name = "DURATION")]
    pub failing_window: Option<Duration>,
    /// For type.stuck: how long a ready job may wait, or a running one go on after its deadline [default: 15m]
    #[arg(long, value_parser = super::duration, value_name = "DURATION")]
    pub stuck_after: Option<Duration>,
}

/// Which events to deliver again.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct ReplayWhich {
    /// The event of this number.
    #[arg(long, value_name = "NUMBER")]
    pub delivery: Option<i64>,
    /// Those that were given up.
    #[arg(long)]
    pub dead: bool,
    /// Those of this time on: RFC 3339, or so long ago, such as 1h.
    #[arg(long, value_parser = time_ago, value_name = "TIME")]
    pub since: Option<Timestamp>,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DeliveryStateArg {
    /// It is still to be delivered.
    Waiting,
    /// The receiver has it.
    Delivered,
    /// It failed too often.
    Dead,
}

impl From<DeliveryStateArg> for DeliveryState {
    fn from(state: DeliveryStateArg) -> Self {
        match state {
            DeliveryStateArg::Waiting => Self::Waiting,
            DeliveryStateArg::Delivered => Self::Delivered,
            DeliveryStateArg::Dead => Self::Dead,
        }
    }
}
