//! The statements about tokens.

use async_trait::async_trait;
use hardstop_domain::TokenId;
use uuid::Uuid;

use super::{SqliteTransaction, sql};
use crate::StoreError;
use crate::record::{FoundToken, NewToken, Token};
use crate::transaction::token::TokenStatements;
use crate::view::token::{self as view, time_us};
use crate::view::{View, all};

#[async_trait]
impl TokenStatements for SqliteTransaction<'_> {
    async fn put_token(&mut self, token: &NewToken) -> Result<Token, StoreError> {
        let row = sql!("put_token")
            .bind(token.id.0)
            .bind(&token.name)
            .bind(&token.hash.0[..])
            .bind(token.scopes.code())
            .bind(&token.actor)
            .bind(time_us(token))
            .bind(self.now)
            .fetch_one(&mut self.connection)
            .await?;
        view::token(&row)
    }

    async fn tokens(&mut self, before: Uuid, limit: u32) -> Result<Vec<Token>, StoreError> {
        let rows = sql!("tokens")
            .bind(before)
            .bind(i64::from(limit))
            .bind(self.now)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::token)
    }

    async fn token(&mut self, id: TokenId) -> Result<FoundToken, StoreError> {
        let row = sql!("token")
            .bind(id.0)
            .bind(self.now)
            .fetch_one(&mut self.connection)
            .await?;
        view::found(&row)
    }

    async fn usable_tokens(&mut self) -> Result<u64, StoreError> {
        let row = sql!("usable_tokens")
            .bind(self.now)
            .fetch_one(&mut self.connection)
            .await?;
        row.int("tokens")
    }

    async fn revoke_token(&mut self, id: TokenId) -> Result<Option<Token>, StoreError> {
        let row = sql!("revoke_token")
            .bind(id.0)
            .bind(self.now)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| view::token(&row)).transpose()
    }
}
