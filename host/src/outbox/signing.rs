//! Secrets of subscriptions, and signatures. No secret is kept: each is derived from one key, which is the operator's.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hardstop_domain::SubscriptionId;
use hardstop_domain::capability::secret::SecretName;
use hardstop_sandbox::SecretSource;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::config::Config;
use crate::error::Error;

/// The headers of a signed request: id, time, signature.
pub const SIGNATURE_HEADERS: [&str; 3] = ["webhook-id", "webhook-timestamp", "webhook-signature"];
/// What a secret begins with as it is shown.
const SECRET_PREFIX: &str = "whsec_";
/// The least bytes of the key.
const KEY_BYTES_MIN: usize = 32;
/// What is derived, and in which way.
const PURPOSE: &[u8] = b"hardstop event subscription 1";

/// What secrets are derived from.
#[derive(Debug, Clone, Default)]
pub struct Signing(Option<(SecretName, Arc<dyn SecretSource>)>);

impl Signing {
    /// As it is configured.
    pub fn new(config: &Config) -> Self {
        let name = config.events.signing_secret.clone();
        Self(name.map(|name| (name, Arc::clone(&config.secrets.source))))
    }

    /// The secret of a subscription.
    pub async fn secret(&self, id: SubscriptionId) -> Result<[u8; 32], Error> {
        let Some((name, source)) = &self.0 else {
            return Err(Error::usage("there is no key to sign events with").hint(
                "in hardstop.toml of every host: [events] signing_secret = \"EVENTS_KEY\", and \
                 [secrets.EVENTS_KEY] env = \"EVENTS_KEY\"; `openssl rand -base64 32` makes a key",
            ));
        };
        let key = source.reveal(name).await;
        let key = key.map_err(|reason| {
            Error::environment(format!("secret `{name}` cannot be had: {reason}"))
        })?;
        let key = key.expose();
        if key.len() < KEY_BYTES_MIN {
            return Err(Error::usage(format!(
                "secret `{name}` has {} bytes, under the {KEY_BYTES_MIN} that a key to sign with must have",
                key.len()
            ))
            .hint("`openssl rand -base64 32` makes one"));
        }
        Ok(mac(key.as_bytes(), &[PURPOSE, id.0.as_bytes()]))
    }
}

/// A secret as a receiver is given it.
pub fn shown_secret(secret: &[u8]) -> String {
    format!("{SECRET_PREFIX}{}", STANDARD.encode(secret))
}

/// The signature of a request: of its id, its time in seconds and its body.
pub(super) fn signature(secret: &[u8], id: &str, timestamp: u64, body: &[u8]) -> String {
    let head = format!("{id}.{timestamp}.");
    format!(
        "v1,{}",
        STANDARD.encode(mac(secret, &[head.as_bytes(), body]))
    )
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // Never fails: a key of any length can be used.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return [0; 32];
    };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_the_scheme_has_it() {
        // The example of the specification, and what its libraries make of it.
        let secret = STANDARD
            .decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
            .expect("is Base64");
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(
            signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }
}
