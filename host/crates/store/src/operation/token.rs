//! Tokens of the HTTP API.

use hardstop_domain::TokenId;
use hardstop_domain::job::DELAY_MS_MAX;
use uuid::Uuid;

use super::{Mode, Operation};
use crate::StoreError;
use crate::record::{
    FoundToken, NewToken, PAUSE_ACTOR_BYTES_MAX, TOKEN_LIMIT_MAX, TOKEN_NAME_BYTES_MAX, Token,
};
use crate::transaction::Transaction;

/// Makes a token.
pub(crate) struct PutToken(NewToken);

impl PutToken {
    pub(crate) fn new(token: NewToken) -> Result<Self, StoreError> {
        for (what, text, max) in [
            ("a name", &token.name, TOKEN_NAME_BYTES_MAX),
            ("an actor", &token.actor, PAUSE_ACTOR_BYTES_MAX),
        ] {
            if text.is_empty() || text.len() > max || text.contains('\0') {
                return Err(StoreError::Invalid(format!(
                    "{what} of {} bytes is not from 1 to {max}, without NUL characters",
                    text.len()
                )));
            }
        }
        if token.scopes.is_empty() {
            return Err(StoreError::Invalid(
                "a token without scopes could do nothing".to_owned(),
            ));
        }
        if let Some(time) = token.time
            && (time.is_zero() || time.as_millis() > u128::from(DELAY_MS_MAX))
        {
            return Err(StoreError::Invalid(format!(
                "a token for {} ms is not from 1 to {DELAY_MS_MAX} ms",
                time.as_millis()
            )));
        }
        Ok(Self(token))
    }
}

impl Operation for PutToken {
    type Output = Token;

    fn mode(&self) -> Mode {
        Mode::WRITE
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Token, StoreError> {
        tx.put_token(&self.0).await
    }
}

/// A page of tokens.
pub(crate) struct Tokens {
    before: Uuid,
    limit: u32,
}

impl Tokens {
    pub(crate) fn new(before: Option<TokenId>, limit: u32) -> Result<Self, StoreError> {
        if !(1..=TOKEN_LIMIT_MAX).contains(&limit) {
            return Err(StoreError::Invalid(format!(
                "a limit of {limit} is not from 1 to {TOKEN_LIMIT_MAX}"
            )));
        }
        Ok(Self {
            before: before.map_or(Uuid::max(), |id| id.0),
            limit,
        })
    }
}

impl Operation for Tokens {
    type Output = Vec<Token>;

    fn mode(&self) -> Mode {
        Mode::LIST
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Vec<Token>, StoreError> {
        tx.tokens(self.before, self.limit).await
    }
}

/// One token, by its id; nil for the question whether there is any.
pub(crate) struct FindToken(pub(crate) TokenId);

impl Operation for FindToken {
    type Output = FoundToken;

    fn mode(&self) -> Mode {
        Mode::READ
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<FoundToken, StoreError> {
        tx.token(self.0).await
    }
}

/// How many tokens can be used.
pub(crate) struct UsableTokens;

impl Operation for UsableTokens {
    type Output = u64;

    fn mode(&self) -> Mode {
        Mode::READ
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<u64, StoreError> {
        tx.usable_tokens().await
    }
}

/// Revokes a token. None where there is none, or it is revoked already.
pub(crate) struct RevokeToken(pub(crate) TokenId);

impl Operation for RevokeToken {
    type Output = Option<Token>;

    fn mode(&self) -> Mode {
        Mode::WRITE
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Option<Token>, StoreError> {
        tx.revoke_token(self.0).await
    }
}
