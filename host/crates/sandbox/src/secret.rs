//! Secrets: which an attempt may use, their values, and where placeholders are replaced.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use hardstop_domain::capability::http::HttpTarget;
use hardstop_domain::capability::secret::{
    SECRET_BYTES_MAX, SECRET_BYTES_MIN, SecretName, SecretRule, SecretUse,
};
use hardstop_domain::capability::{Missing, Refusal};
use hardstop_domain::{Capabilities, TypeName};
use http::HeaderMap;
use http::header::HeaderValue;
use uuid::Uuid;
use wasmtime_wasi_http::Error;
use zeroize::Zeroizing;

use crate::redaction::Redactor;

/// What every placeholder begins with. Letters, digits and dashes, so that it passes for a token.
const PLACEHOLDER: &str = "hardstop-secret-";

/// The value of a secret: text that is never shown, and wiped from memory with its last copy.
#[derive(Clone)]
pub struct SecretValue(Arc<Zeroizing<String>>);

/// A value that cannot be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretValueError {
    /// Too short to be told apart from other text, or too long.
    #[error("its value has {0} bytes and must have {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX}")]
    Length(usize),
    /// Not text.
    #[error("its value is not UTF-8 text: store it encoded, such as in Base64")]
    NotText,
}

impl SecretValue {
    /// A value within its bounds: [`SECRET_BYTES_MIN`] to [`SECRET_BYTES_MAX`] bytes.
    pub fn new(value: Zeroizing<Vec<u8>>) -> Result<Self, SecretValueError> {
        let text = std::str::from_utf8(&value).map_err(|_| SecretValueError::NotText)?;
        match text.len() {
            SECRET_BYTES_MIN..=SECRET_BYTES_MAX => {
                Ok(Self(Arc::new(Zeroizing::new(text.to_owned()))))
            }
            length => Err(SecretValueError::Length(length)),
        }
    }

    /// The text, for whoever uses it as what it is: never to be shown or logged.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(..)")
    }
}

/// The value of a secret on its way; or why there is none, in a sentence without it.
pub type Revealing<'a> = Pin<Box<dyn Future<Output = Result<SecretValue, String>> + Send + 'a>>;

/// Where the values of secrets are.
pub trait SecretSource: fmt::Debug + Send + Sync {
    /// The value of a secret.
    fn reveal<'a>(&'a self, name: &'a SecretName) -> Revealing<'a>;
}

/// The operator's side of secrets.
#[derive(Debug, Clone)]
pub struct SecretConfig {
    /// Every secret that there is, and who may use it for what.
    pub rules: Arc<BTreeMap<SecretName, SecretRule>>,
    /// Where their values are.
    pub source: Arc<dyn SecretSource>,
}

impl Default for SecretConfig {
    /// No secret.
    fn default() -> Self {
        Self {
            rules: Arc::default(),
            source: Arc::new(Nowhere),
        }
    }
}

#[derive(Debug)]
struct Nowhere;

impl SecretSource for Nowhere {
    fn reveal<'a>(&'a self, _name: &'a SecretName) -> Revealing<'a> {
        Box::pin(async { Err("no secret is configured".to_owned()) })
    }
}

/// The secrets of one attempt. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Option<Arc<Granted>>);

struct Granted {
    secrets: Vec<Secret>,
    redactor: Redactor,
}

struct Secret {
    name: SecretName,
    value: SecretValue,
    used: SecretUse,
    /// Of this attempt alone.
    placeholder: String,
    rule: SecretRule,
}

/// A secret that is granted and cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("secret `{name}` cannot be had: {reason}")]
pub(crate) struct SecretError {
    name: SecretName,
    reason: String,
}

impl SecretConfig {
    /// Gets the values of all secrets that a type asks for and may use.
    pub(crate) async fn open(
        &self,
        type_name: &TypeName,
        capabilities: &Capabilities,
    ) -> Result<Secrets, SecretError> {
        let mut secrets = Vec::new();
        for (name, used) in &capabilities.secrets {
            let granted = self
                .rules
                .get(name)
                .filter(|rule| rule.allows(type_name, *used));
            // One that is not granted is refused when the guest asks for it.
            let Some(rule) = granted else {
                continue;
            };
            let value = self
                .source
                .reveal(name)
                .await
                .map_err(|reason| SecretError {
                    name: name.clone(),
                    reason,
                })?;
            secrets.push(Secret {
                name: name.clone(),
                value,
                used: *used,
                placeholder: format!("{PLACEHOLDER}{}", Uuid::now_v7().simple()),
                rule: rule.clone(),
            });
        }
        let Some(first) = secrets.first() else {
            return Ok(Secrets::default());
        };
        let values = secrets
            .iter()
            .map(|secret| (&secret.name, secret.value.0.as_str()));
        let redactor = Redactor::new(values).map_err(|reason| SecretError {
            name: first.name.clone(),
            reason,
        })?;
        Ok(Secrets(Some(Arc::new(Granted { secrets, redactor }))))
    }

    /// The refusal of a secret that the attempt does not have.
    pub(crate) fn refusal(
        &self,
        type_name: Option<&TypeName>,
        asked: Option<SecretUse>,
        name: &SecretName,
    ) -> Refusal {
        let used = asked.unwrap_or(SecretUse::Placeholder);
        let rule = self.rules.get(name);
        let allows = |type_name| rule.is_some_and(|rule| rule.allows(type_name, used));
        let missing = Missing {
            manifest: asked.is_none(),
            operator: !type_name.is_some_and(allows),
        };
        let type_name = type_name.map_or("describe", TypeName::as_str);
        Refusal::secret(type_name, name.as_str(), used, missing, rule.is_some())
    }
}

impl Secrets {
    fn iter(&self) -> impl Iterator<Item = &Secret> {
        self.0.iter().flat_map(|granted| &granted.secrets)
    }

    /// What the guest gets for a name: the value or the placeholder; none where it has no such secret.
    pub(crate) fn get(&self, name: &SecretName) -> Option<String> {
        let secret = self.iter().find(|secret| secret.name == *name)?;
        Some(match secret.used {
            SecretUse::Readable => secret.value.0.as_str().to_owned(),
            SecretUse::Placeholder => secret.placeholder.clone(),
        })
    }

    /// What finds them in text.
    pub(crate) fn redactor(&self) -> Redactor {
        match &self.0 {
            Some(granted) => granted.redactor.clone(),
            None => Redactor::default(),
        }
    }

    /// Puts values in the place of placeholders, in the headers of a request to the secrets' own hosts.
    pub(crate) fn fill_in(
        &self,
        target: &HttpTarget,
        headers: &mut HeaderMap,
    ) -> Result<(), Error> {
        for secret in self.iter().filter(|it| it.rule.is_sent_to(target)) {
            for value in headers.values_mut() {
                let Ok(text) = value.to_str() else {
                    continue;
                };
                if !text.contains(&secret.placeholder) {
                    continue;
                }
                let filled = Zeroizing::new(text.replace(&secret.placeholder, &secret.value.0));
                // A value with a line end cannot be a header.
                let mut filled = HeaderValue::from_str(&filled)
                    .or_else(|_| HeaderValue::from_bytes(filled.as_bytes()))
                    .map_err(|_| Error::ConfigurationError)?;
                filled.set_sensitive(true);
                *value = filled;
            }
        }
        Ok(())
    }
}
