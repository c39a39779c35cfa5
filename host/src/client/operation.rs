//! What operators do: pauses, workers, tokens, and the audit of all changes.

use hardstop_domain::{SessionId, TokenId};
use hardstop_store::{AuditQuery, AuditRecord, Pause, Session, Token};

use super::{Client, path};
use crate::api::audit::Records;
use crate::api::cursor::Page;
use crate::api::pause::{PauseStart, PauseTarget, Resumed};
use crate::api::token::{TokenCreate, Tokens};
use crate::error::Error;
use crate::service::{MadeToken, PauseRequest, TokenRequest, optional_type};

impl Client {
    /// Keeps a type, or everything, from being claimed. What runs goes on.
    pub async fn pause(&self, request: PauseRequest) -> Result<Pause, Error> {
        acts_by_token(request.actor.clone())?;
        self.post("/pause", &PauseStart::of(request)?).await
    }

    /// Ends a pause.
    pub async fn resume(&self, type_name: Option<&str>) -> Result<(), Error> {
        let type_name = optional_type(type_name)?;
        let _: Resumed = self.post("/resume", &PauseTarget { type_name }).await?;
        Ok(())
    }

    /// The pauses in force.
    pub async fn pauses(&self) -> Result<Vec<Pause>, Error> {
        self.get("/pauses").await
    }

    /// Every open session.
    pub async fn sessions(&self) -> Result<Vec<Session>, Error> {
        self.get("/sessions").await
    }

    /// Asks a worker to drain.
    pub async fn drain_session(&self, id: SessionId) -> Result<Session, Error> {
        self.post_empty(&path(["sessions", &id.to_string(), "drain"]))
            .await
    }

    /// A page of records of changes, newest first.
    pub async fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRecord>, Error> {
        let page: Page<_> = self.list("/audit", &Records::of(query)).await?;
        Ok(page.items)
    }

    /// Makes a token.
    pub async fn create_token(&self, request: TokenRequest) -> Result<MadeToken, Error> {
        self.post("/tokens", &TokenCreate::of(request)).await
    }

    /// A page of tokens, newest first.
    pub async fn tokens(&self, before: Option<TokenId>, limit: u32) -> Result<Vec<Token>, Error> {
        let query = Tokens {
            before,
            cursor: None,
            limit,
        };
        let page: Page<_> = self.list("/tokens", &query).await?;
        Ok(page.items)
    }

    /// Ends a token, from the next request on.
    pub async fn revoke_token(&self, id: TokenId) -> Result<Token, Error> {
        self.delete(&path(["tokens", &id.to_string()])).await
    }
}

/// Fails where a name is given for whoever acts: a server knows that by the token.
pub(super) fn acts_by_token(actor: Option<String>) -> Result<(), Error> {
    match actor {
        None => Ok(()),
        Some(actor) => Err(Error::usage(format!(
            "`--actor {actor}` is for a database: a server records the name of the token"
        ))
        .hint("leave --actor out; `hardstop token create NAME` makes a token of another name")),
    }
}
