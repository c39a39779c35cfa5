//! `hardstop audit ...`.

use clap::{Args, Subcommand};
use hardstop_domain::{AuditId, Timestamp};
use hardstop_store::{AuditAction, AuditQuery};

use super::time::time_ago;

/// `hardstop audit ...`.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// List what was changed, newest first.
    List {
        /// Which records.
        #[command(flatten)]
        filter: AuditFilterArgs,
        /// Only records older than this one: the last of the page before.
        #[arg(long, value_name = "RECORD")]
        before: Option<AuditId>,
        /// How many at the most.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        limit: u32,
    },
    /// Print all of it, newest first, as one JSON object a line.
    Export {
        /// Which records.
        #[command(flatten)]
        filter: AuditFilterArgs,
    },
}

/// Which records are meant.
#[derive(Debug, Args)]
#[command(next_help_heading = "Filters")]
pub struct AuditFilterArgs {
    /// Only by this actor: the name of a user or of a token.
    #[arg(long, value_name = "NAME")]
    pub actor: Option<String>,
    /// Only this action, such as cancel-job.
    #[arg(long, value_parser = action, value_name = "ACTION")]
    pub action: Option<AuditAction>,
    /// Only to this: an id, the name of a type or schedule, or `everything`.
    #[arg(long, value_name = "SUBJECT")]
    pub subject: Option<String>,
    /// Only at this time or later: RFC 3339, or a duration ago such as 1h.
    #[arg(long, value_parser = time_ago, value_name = "TIME")]
    pub since: Option<Timestamp>,
    /// Only before this time, written in the same way.
    #[arg(long, value_parser = time_ago, value_name = "TIME")]
    pub until: Option<Timestamp>,
}

impl AuditFilterArgs {
    /// As the store takes it.
    pub fn query(self, before: Option<AuditId>, limit: u32) -> AuditQuery {
        AuditQuery {
            actor: self.actor,
            action: self.action,
            subject: self.subject,
            since: self.since,
            until: self.until,
            before,
            limit,
        }
    }
}

fn action(text: &str) -> Result<AuditAction, String> {
    AuditAction::from_name(text).ok_or_else(|| {
        let names = AuditAction::ALL.map(AuditAction::name);
        format!("write one of {}", names.join(", "))
    })
}
