//! What a job type may reach beyond its own memory. The default is nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The grants of a job type, as its manifest asks for them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Capabilities {
    /// Whether handlers may start chains of their own.
    pub chains: bool,
    /// Whether handlers have a scratch folder, `/scratch`: empty at the beginning of an attempt, gone at its end.
    pub scratch: bool,
    /// The configuration values that handlers may read, by key.
    pub config: BTreeMap<String, String>,
}

impl Capabilities {
    /// The names of what is granted, as an operator's `[capabilities] allow` list writes them.
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
}

/// Every capability that there is.
pub const NAMES: [&str; 3] = ["chains", "config", "scratch"];

/// A call that a guest made without the grant for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What was refused, as `chains` or `config key "region"`.
    pub capability: String,
    /// The rule that refused it, in one sentence.
    pub rule: String,
    /// The manifest lines that would grant it.
    pub grant: String,
}

impl Refusal {
    /// A start of a chain by a type without `chains`.
    pub fn chains(type_name: &str) -> Self {
        Self {
            capability: "chains".to_owned(),
            rule: format!("type `{type_name}` may not start chains"),
            grant: format!("[types.{type_name}.capabilities]\nchains = true"),
        }
    }

    /// A path into the scratch folder by a type without `scratch`.
    pub fn scratch(type_name: &str) -> Self {
        Self {
            capability: "scratch".to_owned(),
            rule: format!("type `{type_name}` has no scratch folder"),
            grant: format!("[types.{type_name}.capabilities]\nscratch = true"),
        }
    }

    /// A read of a configuration key that the manifest does not name.
    pub fn config(type_name: &str, key: &str) -> Self {
        Self {
            capability: format!("config key {key:?}"),
            rule: format!("type `{type_name}` may not read config key {key:?}"),
            grant: format!("[types.{type_name}.capabilities.config]\n{key:?} = \"...\""),
        }
    }
}
