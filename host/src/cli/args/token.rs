//! `hardstop token ...`.

use std::time::Duration;

use clap::{Args, Subcommand};
use hardstop_domain::{Scope, TokenId};

/// `hardstop token ...`.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token for the HTTP API. Its secret is printed once.
    Create(TokenCreateArgs),
    /// List tokens, newest first.
    List {
        /// Only tokens older than this one: the last of the page before.
        #[arg(long, value_name = "TOKEN")]
        before: Option<TokenId>,
        /// How many at the most.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
        limit: u32,
    },
    /// End a token, from the next request on.
    Revoke {
        /// Its id.
        token: TokenId,
    },
}

/// `hardstop token create`.
#[derive(Debug, Args)]
pub struct TokenCreateArgs {
    /// Its name, for people and records.
    pub name: String,
    /// What it may be used for: read, operate, deploy or admin. May be given again.
    #[arg(long = "scope", required = true, value_name = "SCOPE")]
    pub scopes: Vec<Scope>,
    /// How long it can be used, such as 720h [default: without end]
    #[arg(long, value_parser = super::duration, value_name = "DURATION")]
    pub expires_in: Option<Duration>,
}
