//! The statements about tokens.

use async_trait::async_trait;
use hardstop_domain::TokenId;
use uuid::Uuid;

use crate::StoreError;
use crate::record::{FoundToken, NewToken, Token};

#[async_trait]
pub(crate) trait TokenStatements: Send {
    async fn put_token(&mut self, token: &NewToken) -> Result<Token, StoreError>;
    async fn tokens(&mut self, before: Uuid, limit: u32) -> Result<Vec<Token>, StoreError>;
    async fn token(&mut self, id: TokenId) -> Result<FoundToken, StoreError>;
    async fn usable_tokens(&mut self) -> Result<u64, StoreError>;
    async fn revoke_token(&mut self, id: TokenId) -> Result<Option<Token>, StoreError>;
}
