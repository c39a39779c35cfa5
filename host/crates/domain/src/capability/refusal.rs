//! Calls that were refused, and the lines that would grant them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::http::HttpTarget;
use super::secret::SecretUse;
use core::net::IpAddr;

/// A call that a guest made without the grant for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    /// What was refused, as `chains` or `config key "region"`.
    pub capability: String,
    /// The rule that refused it, in one sentence.
    pub rule: String,
    /// The lines that would grant it: the manifest's, or under a comment that names the file, also the
    /// operator's.
    pub grant: String,
}

/// Which of the two keys did not turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// The manifest does not ask.
    pub manifest: bool,
    /// The operator does not allow.
    pub operator: bool,
}

impl Missing {
    /// The lines of those that are missing, each under the name of its file.
    fn lines(self, manifest: &str, operator: &str) -> String {
        let manifest = self.manifest.then(|| format!("# job.toml\n{manifest}"));
        let operator = self
            .operator
            .then(|| format!("# hardstop.toml\n{operator}"));
        let lines: Vec<String> = [manifest, operator].into_iter().flatten().collect();
        lines.join("\n")
    }

    fn whose(self) -> &'static str {
        match (self.manifest, self.operator) {
            (true, true) => "neither its manifest nor the operator allows it",
            (true, false) => "its manifest does not ask for it",
            _ => "the operator does not allow it",
        }
    }
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

    /// A request that the manifest's rules, the operator's, or neither allow.
    pub fn http(type_name: &str, target: &HttpTarget, missing: Missing) -> Self {
        let (origin, method) = (target.origin(), &target.method);
        let line = format!("allow = [\"{method} {origin}\"]");
        Self {
            capability: format!("http {method} {origin}"),
            rule: format!(
                "type `{type_name}` may not send this {method} to {origin}: {}",
                missing.whose()
            ),
            grant: missing.lines(
                &format!("[types.{type_name}.capabilities.http]\n{line}"),
                &format!("[capabilities.http]\n{line}"),
            ),
        }
    }

    /// A request to a host whose address is none of the public internet; `what` says what it is.
    pub fn address(type_name: &str, target: &HttpTarget, address: IpAddr, what: &str) -> Self {
        let origin = target.origin();
        let shown = match address.to_canonical() {
            IpAddr::V4(address) => format!("{address}:{}", target.port),
            IpAddr::V6(address) => format!("[{address}]:{}", target.port),
        };
        Self {
            capability: format!("http {origin}"),
            rule: format!(
                "type `{type_name}` may not send requests to {origin}: its address {address} is {what}"
            ),
            grant: format!("# hardstop.toml\n[capabilities.http]\nallow_private = [\"{shown}\"]"),
        }
    }

    /// A use of a secret that the manifest does not ask for, or the operator does not allow. `known` says
    /// whether the operator has such a secret at all.
    pub fn secret(
        type_name: &str,
        name: &str,
        used: SecretUse,
        missing: Missing,
        known: bool,
    ) -> Self {
        let key = match used {
            SecretUse::Placeholder => "usable_by",
            SecretUse::Readable => "readable_by",
        };
        let source = match known {
            true => "",
            false => "env = \"...\"\n",
        };
        let verb = match used {
            SecretUse::Placeholder => "use",
            SecretUse::Readable => "read",
        };
        Self {
            capability: format!("secret {name:?}"),
            rule: format!(
                "type `{type_name}` may not {verb} secret {name:?}: {}",
                missing.whose()
            ),
            grant: missing.lines(
                &format!(
                    "[types.{type_name}.capabilities.secrets]\n{name} = \"{}\"",
                    used.name()
                ),
                &format!("[secrets.{name}]\n{source}{key} = [\"{type_name}\"]"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::http::Scheme;
    use super::*;

    #[test]
    fn the_lines_are_those_that_are_missing() {
        let target = HttpTarget::new(Scheme::Https, "api.example.com", "POST", "/v1").expect("one");
        let both = Missing {
            manifest: true,
            operator: true,
        };
        let refusal = Refusal::http("bill", &target, both);
        assert_eq!(
            refusal.grant,
            "# job.toml\n[types.bill.capabilities.http]\nallow = [\"POST https://api.example.com\"]\n\
             # hardstop.toml\n[capabilities.http]\nallow = [\"POST https://api.example.com\"]"
        );
        let operator = Missing {
            manifest: false,
            operator: true,
        };
        let refusal = Refusal::http("bill", &target, operator);
        assert_eq!(
            refusal.grant,
            "# hardstop.toml\n[capabilities.http]\nallow = [\"POST https://api.example.com\"]"
        );
        assert_eq!(
            refusal.rule,
            "type `bill` may not send this POST to https://api.example.com: the operator does not \
             allow it"
        );
        let address = "::ffff:10.0.0.5".parse().expect("an address");
        let refusal = Refusal::address("bill", &target, address, "private");
        assert_eq!(
            refusal.grant,
            "# hardstop.toml\n[capabilities.http]\nallow_private = [\"10.0.0.5:443\"]"
        );
        let refusal = Refusal::secret("bill", "KEY", SecretUse::Readable, both, false);
        assert_eq!(
            refusal.grant,
            "# job.toml\n[types.bill.capabilities.secrets]\nKEY = \"readable\"\n\
             # hardstop.toml\n[secrets.KEY]\nenv = \"...\"\nreadable_by = [\"bill\"]"
        );
    }
}
