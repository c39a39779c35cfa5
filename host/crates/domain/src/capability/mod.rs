//! What a job type may reach beyond its own memory. The default is nothing.

pub mod address;
pub mod http;
mod refusal;
pub mod secret;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use http::HttpRules;
pub use refusal::{Missing, Refusal};
use secret::{SECRETS_MAX, SecretName, SecretUse};

/// The grants of a job type, as its manifest asks for them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Capabilities {
    /// Whether handlers may start chains of their own.
    pub chains: bool,
    /// Whether handlers have a scratch folder, `/scratch`: empty at the beginning of an attempt, gone at its end.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub scratch: bool,
    /// Whether clocks and random numbers come from the job's id and the attempt's number, so that each run of an
    /// attempt sees the same.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub deterministic: bool,
    /// The configuration values that handlers may read, by key.
    pub config: BTreeMap<String, String>,
    /// Where handlers may send HTTP requests.
    #[serde(skip_serializing_if = "HttpCapability::is_empty")]
    pub http: HttpCapability,
    /// The secrets that handlers may use, and how.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<SecretName, SecretUse>,
}

/// What a manifest asks for of HTTP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpCapability {
    /// The requests that handlers may send.
    pub allow: HttpRules,
}

impl HttpCapability {
    fn is_empty(&self) -> bool {
        self.allow.is_empty()
    }
}

impl Capabilities {
    /// The names of what is granted by name, as an operator's `[capabilities] allow` list writes them.
    /// HTTP and secrets have rules of their own there.
    pub fn names(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        if self.chains {
            names.push("chains");
        }
        if !self.config.is_empty() {
            names.push("config");
        }
        if self.scratch {
            names.push("scratch");
        }
        names
    }

    /// Everything that is asked for, in words.
    pub fn describe(&self) -> Vec<String> {
        let names = self.names().into_iter().map(str::to_owned);
        let names = names.chain(
            self.deterministic
                .then(|| "deterministic clocks and random".to_owned()),
        );
        let http = self.http.allow.iter().map(|rule| format!("http {rule}"));
        let secrets = self
            .secrets
            .iter()
            .map(|(name, used)| format!("secret {name} ({})", used.name()));
        names.chain(http).chain(secrets).collect()
    }

    /// Fails with a sentence where there is more than a type may ask for.
    pub fn check(&self) -> Result<(), String> {
        match self.secrets.len() {
            0..=SECRETS_MAX => Ok(()),
            count => Err(format!(
                "capabilities.secrets names {count} secrets and may name {SECRETS_MAX}"
            )),
        }
    }
}

/// Every capability that is granted by name.
pub const NAMES: [&str; 3] = ["chains", "config", "scratch"];
