//! Who is logged in: a token's id and an end, signed, in a cookie.
//!
//! The cookie holds no secret and nothing is stored of it: the key is made anew by each process, so the database gives
//! nobody a session, and a restart ends all of them. The token is looked up at each request, so its end ends them too.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hardstop_domain::{Timestamp, TokenId};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use uuid::Uuid;

use crate::error::Error;
use crate::service::random;

/// How long somebody stays logged in.
pub const SESSION_TIME: Duration = Duration::from_secs(12 * 3_600);
/// The name of the cookie.
pub const COOKIE: &str = "hardstop_session";
/// An id and a time.
const CLAIM_BYTES: usize = 16 + 8;
const SIGNATURE_BYTES: usize = 32;

/// Makes and reads the sessions of one process.
pub struct Sessions {
    key: [u8; 64],
}

impl Sessions {
    /// Under a new key.
    pub fn new() -> Result<Self, Error> {
        let mut key = [0; 64];
        random(&mut key)?;
        Ok(Self { key })
    }

    /// The session of a token that begins now.
    pub fn begin(&self, token: TokenId, now: Timestamp) -> String {
        let until = now.0.saturating_add(SESSION_TIME.as_micros() as i64);
        let mut bytes = token.0.into_bytes().to_vec();
        bytes.extend(until.to_be_bytes());
        let signature = self.sign(&bytes).finalize().into_bytes();
        bytes.extend(signature);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The token whose session this is, where it goes on.
    pub fn token(&self, session: &str, now: Timestamp) -> Option<TokenId> {
        let bytes = URL_SAFE_NO_PAD.decode(session).ok()?;
        if bytes.len() != CLAIM_BYTES + SIGNATURE_BYTES {
            return None;
        }
        let (claim, signature) = bytes.split_at(CLAIM_BYTES);
        // In constant time.
        self.sign(claim).verify_slice(signature).ok()?;
        let (id, until) = claim.split_at(16);
        let until = i64::from_be_bytes(until.try_into().ok()?);
        let id = Uuid::from_slice(id).ok()?;
        (now.0 < until).then_some(TokenId(id))
    }

    fn sign(&self, claim: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new(&self.key.into());
        mac.update(b"hardstop dashboard session 1");
        mac.update(claim);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_790_000_000_000_000);

    #[test]
    fn is_read_by_the_process_that_made_it_until_it_ends() {
        let (sessions, others) = (
            Sessions::new().expect("a key"),
            Sessions::new().expect("a key"),
        );
        let token = TokenId(Uuid::from_u128(7));
        let session = sessions.begin(token, NOW);
        let later = |time: Duration| Timestamp(NOW.0 + time.as_micros() as i64);
        assert_eq!(sessions.token(&session, NOW), Some(token));
        let last = later(SESSION_TIME - Duration::from_micros(1));
        assert_eq!(sessions.token(&session, last), Some(token));
        assert_eq!(sessions.token(&session, later(SESSION_TIME)), None);
        assert_eq!(others.token(&session, NOW), None);
    }

    #[test]
    fn none_can_be_made_up() {
        let sessions = Sessions::new().expect("a key");
        let session = sessions.begin(TokenId(Uuid::from_u128(7)), NOW);
        let bytes = URL_SAFE_NO_PAD.decode(&session).expect("base64");
        for index in 0..bytes.len() {
            let mut mutant = bytes.clone();
            mutant[index] ^= 1;
            let mutant = URL_SAFE_NO_PAD.encode(mutant);
            assert_eq!(sessions.token(&mutant, NOW), None, "byte {index}");
        }
        for text in ["", "x", "!!", &session[1..]] {
            assert_eq!(sessions.token(text, NOW), None, "{text}");
        }
    }
}
