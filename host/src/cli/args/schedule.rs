//! `hardstop schedule ...`.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

/// `hardstop schedule ...`.
#[derive(Debug, Subcommand)]
pub enum ScheduleCommand {
    /// Make a schedule, or change the one of its name.
    Put(PutArgs),
    /// List schedules.
    List,
    /// Show a schedule: its next times, and what became of the last ones.
    Show {
        /// Its name.
        name: String,
    },
    /// Let a schedule rest. What was due meanwhile is not made up for.
    Pause {
        /// Its name.
        name: String,
    },
    /// Let a schedule go on, from now.
    Resume {
        /// Its name.
        name: String,
    },
    /// Start a chain of a schedule now. When it is due next stays.
    Trigger {
        /// Its name.
        name: String,
    },
    /// Delete a schedule. Chains that it started stay.
    Delete {
        /// Its name.
        name: String,
    },
}

/// `hardstop schedule put`.
#[derive(Debug, Args)]
pub struct PutArgs {
    /// Its name, such as reports/daily.
    pub name: String,
    /// The type of the chains that it starts.
    #[arg(long = "type", value_name = "TYPE")]
    pub type_name: String,
    /// When.
    #[command(flatten)]
    pub timing: TimingArgs,
    /// The zone of the cron expression, such as Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// The input: JSON text, @FILE, or - for standard input.
    #[arg(long, short, default_value = "{}", value_name = "JSON")]
    pub input: String,
    /// Smaller runs earlier among jobs of one type, from -100 to 100.
    #[arg(long, allow_negative_numbers = true, value_name = "N")]
    pub priority: Option<i16>,
    /// What to do while the chain that it started last is still open.
    #[arg(long, value_enum, default_value_t = OverlapArg::Skip)]
    pub overlap: OverlapArg,
    /// What to do about times at which no worker was there.
    #[arg(long, value_enum, default_value_t = MissedArg::Once)]
    pub missed: MissedArg,
    /// With --missed all: for how many of them at the most [default: 100]
    #[arg(long, value_name = "N")]
    pub missed_cap: Option<u32>,
}

/// When a schedule fires.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct TimingArgs {
    /// Minute, hour, day of month, month, day of week, such as '0 9 * * mon-fri'; or @hourly, @daily ...
    #[arg(long, value_name = "EXPRESSION")]
    pub cron: Option<String>,
    /// An interval, such as 15m, counted from when the schedule was made.
    #[arg(long, value_parser = super::duration, value_name = "DURATION")]
    pub every: Option<Duration>,
}

/// What to do while the chain before is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OverlapArg {
    /// Start nothing.
    Skip,
    /// Start a chain that waits for it.
    Queue,
    /// Start a chain all the same.
    Allow,
}

/// What to do about missed times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MissedArg {
    /// Nothing.
    Skip,
    /// Start one chain for all of them.
    Once,
    /// Start a chain for each.
    All,
}
