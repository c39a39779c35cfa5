//! Tokens of the HTTP API. Whoever has one is known by it; of its secret the database has a hash only.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hardstop_domain::{Digest, Scopes, TokenId};
use hardstop_store::{NewToken, Token};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use super::Service;
use crate::error::{Error, Kind};

/// What every token begins with, so that whoever finds one knows what it is.
const PREFIX: &str = "hardstop_";
/// The bytes of a secret that are random.
const SECRET_BYTES: usize = 32;
/// An id and a secret.
const TOKEN_BYTES: usize = 16 + SECRET_BYTES;

/// A token as it is asked for.
#[derive(Debug, Clone)]
pub struct TokenRequest {
    /// Its name, for people and records.
    pub name: String,
    /// What it may be used for.
    pub scopes: Scopes,
    /// How long it can be used; none: without end.
    pub time: Option<Duration>,
}

/// A token that was just made.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct MadeToken {
    /// What is kept of it.
    #[serde(flatten)]
    pub token: Token,
    /// What is sent as `Authorization: Bearer ...`. It is shown now, and never again.
    pub secret: String,
}

impl Service {
    /// Makes a token.
    pub async fn create_token(&self, request: TokenRequest) -> Result<MadeToken, Error> {
        let id = Uuid::now_v7();
        let mut bytes = [0; TOKEN_BYTES];
        bytes[..16].copy_from_slice(id.as_bytes());
        random(&mut bytes[16..])?;
        let secret = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        let token = NewToken {
            id: TokenId(id),
            name: request.name,
            hash: Digest::of(secret.as_bytes()),
            scopes: request.scopes,
            actor: self.actor.to_string(),
            time: request.time,
        };
        let token = self.store.put_token(token).await?;
        if token.id != TokenId(id) {
            return Err(Error::failed(format!(
                "token {} was made by this request when it was sent first; its secret is not kept",
                token.id
            ))
            .hint("revoke it and make another, where its secret was lost"));
        }
        Ok(MadeToken { token, secret })
    }

    /// The token that this text is, where it can be used.
    pub async fn token_of(&self, secret: &str) -> Result<Option<Token>, Error> {
        let Some(id) = id_of(secret) else {
            return Ok(None);
        };
        let Some((token, hash)) = self.store.find_token(id).await?.token else {
            return Ok(None);
        };
        let is_it: bool = Digest::of(secret.as_bytes()).0.ct_eq(&hash.0).into();
        Ok((is_it && token.is_usable()).then_some(token))
    }

    /// The token of this id, where it can be used.
    pub async fn usable_token(&self, id: TokenId) -> Result<Option<Token>, Error> {
        let found = self.store.find_token(id).await?.token;
        Ok(found.map(|(token, _)| token).filter(Token::is_usable))
    }

    /// Whether there is, or was, any token.
    pub async fn has_tokens(&self) -> Result<bool, Error> {
        Ok(self.store.find_token(TokenId(Uuid::nil())).await?.any)
    }

    /// How many tokens can be used.
    pub async fn usable_tokens(&self) -> Result<u64, Error> {
        Ok(self.store.usable_tokens().await?)
    }

    /// A page of tokens, newest first.
    pub async fn tokens(&self, before: Option<TokenId>, limit: u32) -> Result<Vec<Token>, Error> {
        Ok(self.store.tokens(before, limit).await?)
    }

    /// Ends a token, from the next request on.
    pub async fn revoke_token(&self, id: TokenId) -> Result<Token, Error> {
        if let Some(token) = self.store.revoke_token(id).await? {
            return Ok(token);
        }
        Err(match self.store.find_token(id).await?.token {
            Some(_) => Error::failed(format!("token {id} is revoked already")),
            None => Error::usage(format!("there is no token {id}"))
                .kind(Kind::NoSuchToken)
                .hint("`hardstop token list` shows them"),
        })
    }
}

/// The id that a token's text carries.
fn id_of(secret: &str) -> Option<TokenId> {
    let bytes = URL_SAFE_NO_PAD.decode(secret.strip_prefix(PREFIX)?).ok()?;
    if bytes.len() != TOKEN_BYTES {
        return None;
    }
    Uuid::from_slice(&bytes[..16]).ok().map(TokenId)
}

/// Fills these bytes with randomness of the system.
pub fn random(mut bytes: &mut [u8]) -> Result<(), Error> {
    while !bytes.is_empty() {
        let got = rustix::rand::getrandom(&mut *bytes, rustix::rand::GetRandomFlags::empty());
        let got = got.map_err(|error| {
            Error::environment(format!("the system has no randomness: {error}"))
        })?;
        bytes = &mut bytes[got..];
    }
    Ok(())
}
