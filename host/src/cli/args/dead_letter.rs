//! `hardstop dead-letter ...`.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use hardstop_domain::quantity::parse_duration;
use hardstop_domain::{JobId, OutcomeKind, ReplayId, State, Timestamp, TypeName};
use hardstop_store::DeadLetterFilter;

/// `hardstop dead-letter ...`.
#[derive(Debug, Subcommand)]
pub enum DeadLetterCommand {
    /// List dead letters, newest first.
    List {
        /// Which ones.
        #[command(flatten)]
        filter: DeadLetterFilterArgs,
        /// Only jobs older than this one: the last of the page before.
        #[arg(long, value_name = "JOB")]
        before: Option<JobId>,
        /// How many at the most.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
        limit: u32,
    },
    /// Show a dead letter: input, failure with backtrace, attempts, logs.
    Show {
        /// The job.
        job: JobId,
    },
    /// Take dead letters back to the queue, and record who did so and why.
    Replay(ReplayArgs),
    /// List replays, newest first.
    Replays {
        /// Only replays older than this one.
        #[arg(long, value_name = "REPLAY")]
        before: Option<ReplayId>,
        /// How many at the most.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
        limit: u32,
    },
    /// Show a replay: who, when, why, and what has become of its jobs.
    ReplayShow {
        /// The replay.
        replay: ReplayId,
        /// Only jobs younger than this one: the last of the page before.
        #[arg(long, value_name = "JOB")]
        after: Option<JobId>,
        /// How many jobs at the most.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
        limit: u32,
    },
    /// Print dead letters in full, with input, attempts, failures and logs, as one JSON object a line.
    Export {
        /// Which ones.
        #[command(flatten)]
        filter: DeadLetterFilterArgs,
    },
}

/// Which dead letters are meant.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Filters")]
pub struct DeadLetterFilterArgs {
    /// Only this type.
    #[arg(long = "type", value_name = "TYPE")]
    pub type_name: Option<TypeName>,
    /// Discarded jobs, or cancelled ones.
    #[arg(long, value_parser = dead_state, default_value = "discarded", value_name = "STATE")]
    pub state: Option<State>,
    /// Only those whose last attempt came to this, such as timed-out-wall.
    #[arg(long, value_parser = outcome, value_name = "KIND")]
    pub outcome: Option<OutcomeKind>,
    /// Only those whose failure's message holds this text, letter by letter.
    #[arg(long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Only jobs created at this time or later: 2026-11-21T08:00:00Z, or so long ago, such as 2h.
    #[arg(long, value_parser = time, value_name = "TIME")]
    pub since: Option<Timestamp>,
    /// Only jobs created before this time: 2026-11-21T08:00:00Z, or so long ago, such as 30m.
    #[arg(long, value_parser = time, value_name = "TIME")]
    pub until: Option<Timestamp>,
}

impl DeadLetterFilterArgs {
    /// As the store takes it.
    pub fn filter(self) -> DeadLetterFilter {
        DeadLetterFilter {
            type_name: self.type_name,
            state: self.state,
            outcome: self.outcome,
            message: self.message,
            since: self.since,
            until: self.until,
            jobs: None,
        }
    }

    /// Whether it means every dead letter of its state.
    pub fn is_everything(&self) -> bool {
        self.type_name.is_none()
            && self.outcome.is_none()
            && self.message.is_none()
            && self.since.is_none()
            && self.until.is_none()
    }
}

/// `hardstop dead-letter replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The jobs; or give filters, or --all.
    #[arg(
        value_name = "JOB",
        conflicts_with_all = ["type_name", "outcome", "message", "since", "until", "all"]
    )]
    pub jobs: Vec<JobId>,
    /// Which ones.
    #[command(flatten)]
    pub filter: DeadLetterFilterArgs,
    /// Every dead letter.
    #[arg(long, conflicts_with_all = ["type_name", "outcome", "message", "since", "until"])]
    pub all: bool,
    /// Show how many would be replayed, and the first of them, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Why: kept with the replay.
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Who: kept with the replay [default: the user; of a server, the token]
    #[arg(long, value_name = "NAME")]
    pub actor: Option<String>,
}

fn dead_state(text: &str) -> Result<State, String> {
    match text.parse() {
        Ok(state @ (State::Discarded | State::Cancelled)) => Ok(state),
        _ => Err("write discarded or cancelled".to_owned()),
    }
}

fn outcome(text: &str) -> Result<OutcomeKind, String> {
    let found = OutcomeKind::ALL
        .into_iter()
        .find(|kind| kind.name() == text);
    found.ok_or_else(|| {
        let names: Vec<&str> = OutcomeKind::ALL.iter().map(|kind| kind.name()).collect();
        format!("write one of {}", names.join(", "))
    })
}

fn time(text: &str) -> Result<Timestamp, String> {
    if let Ok(ago) = parse_duration(text) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_us = now.map_or(0, |since| since.as_micros() as i64);
        let ago_us = i64::try_from(ago.as_micros()).unwrap_or(i64::MAX);
        return Ok(Timestamp(now_us.saturating_sub(ago_us)));
    }
    serde_json::from_value(serde_json::Value::from(text)).map_err(|_| {
        "write a time such as 2026-11-21T08:00:00Z, or a duration such as 2h".to_owned()
    })
}
