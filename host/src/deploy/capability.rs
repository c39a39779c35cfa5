//! Whether what a manifest asks for could ever be granted on this host.

use hardstop_domain::capability::secret::SecretUse;
use hardstop_domain::{Capabilities, TypeName};

use crate::config::Config;
use crate::error::Error;

/// Refuses what the operator does not allow. Requests are checked again when they are made: on the host
/// that runs the job, by that host's configuration.
pub(super) fn check(name: &TypeName, asked: &Capabilities, config: &Config) -> Result<(), Error> {
    asked.check().map_err(Error::usage)?;
    let refused = asked
        .names()
        .into_iter()
        .find(|it| !config.allow.contains(*it));
    if let Some(refused) = refused {
        return Err(Error::usage(format!(
            "asks for the capability `{refused}`, which this host does not allow"
        ))
        .hint(format!(
            "to allow it, name {refused:?} in [capabilities] allow of hardstop.toml"
        )));
    }
    if let Some(rule) = asked.http.allow.first_outside(&config.http.allow) {
        return Err(Error::usage(format!(
            "asks for HTTP to `{rule}`, which this host does not allow"
        ))
        .hint(format!(
            "to allow it, add to hardstop.toml:\n[capabilities.http]\nallow = [\"{rule}\"]"
        )));
    }
    for (secret, used) in &asked.secrets {
        let rule = config.secrets.rules.get(secret);
        if rule.is_some_and(|rule| rule.allows(name, *used)) {
            continue;
        }
        let key = match used {
            SecretUse::Placeholder => "usable_by",
            SecretUse::Readable => "readable_by",
        };
        let source = if rule.is_some() {
            ""
        } else {
            "\nenv = \"...\""
        };
        return Err(Error::usage(format!(
            "asks for secret `{secret}` as {}, which this host does not allow",
            used.name()
        ))
        .hint(format!(
            "to allow it, add to hardstop.toml:\n[secrets.{secret}]{source}\n{key} = [\"{name}\"]"
        )));
    }
    Ok(())
}
