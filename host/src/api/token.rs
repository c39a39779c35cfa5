//! Tokens: made, listed, revoked.

use std::time::Duration;

use aide::axum::routing::{delete_with, get_with, post_with};
use axum::Json;
use hardstop_domain::quantity::duration_ms_option;
use hardstop_domain::{Scope, Scopes, TokenId};
use hardstop_store::Token;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::Caller;
use super::cursor::{List, Page, limit_default};
use super::extract::{Body, Path, Query};
use super::problem::Problem;
use super::route::{Created, Routes};
use crate::service::{MadeToken, TokenRequest};

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(
            Scope::Admin,
            "/tokens",
            get_with(list, |op| {
                op.id("listTokens").summary("Tokens, newest first")
            }),
        )
        .create(
            Scope::Admin,
            "/tokens",
            post_with(create, |op| {
                op.id("createToken")
                    .summary("Make a token: its secret is in the answer, and nowhere else")
            }),
        )
        .add(
            Scope::Admin,
            "/tokens/{token}",
            delete_with(revoke, |op| op.id("revokeToken").summary("End a token")),
        )
}

/// A token to make.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenCreate {
    /// Its name, for people and records.
    name: String,
    /// What it may be used for.
    scopes: Scopes,
    /// How long it can be used, such as `720h`; without an end where it is left out.
    #[serde(default, with = "duration_ms_option")]
    #[schemars(with = "Option<String>")]
    expires_in: Option<u64>,
}

impl TokenCreate {
    /// As it is asked for.
    pub fn of(request: TokenRequest) -> Self {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            name: request.name,
            scopes: request.scopes,
            expires_in: request.time.map(ms),
        }
    }
}

#[derive(Deserialize, JsonSchema)]
struct TokenPath {
    /// The token's id.
    token: TokenId,
}

/// Which tokens to list.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// Only tokens older than this one.
    pub before: Option<TokenId>,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// How many at the most.
    #[serde(default = "limit_default")]
    #[schemars(range(min = 1, max = 500))]
    pub limit: u32,
}

async fn list(caller: Caller, Query(query): Query<Tokens>) -> Result<Json<Page<Token>>, Problem> {
    let list = List::new("tokens", &());
    let before = query.before.map(|token| token.0);
    let before = list.begin(query.cursor.as_deref(), before)?.map(TokenId);
    let tokens = caller.service.tokens(before, query.limit).await?;
    Ok(Json(list.page(tokens, query.limit, |it| it.id.0)))
}

async fn create(
    caller: Caller,
    Body(create): Body<TokenCreate>,
) -> Result<Created<MadeToken>, Problem> {
    let request = TokenRequest {
        name: create.name,
        scopes: create.scopes,
        time: create.expires_in.map(Duration::from_millis),
    };
    Ok(Created::without_place(
        caller.service.create_token(request).await?,
    ))
}

async fn revoke(caller: Caller, Path(path): Path<TokenPath>) -> Result<Json<Token>, Problem> {
    Ok(Json(caller.service.revoke_token(path.token).await?))
}
