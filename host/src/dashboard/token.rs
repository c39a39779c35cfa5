//! Tokens: made, listed, revoked.

use askama::Template;
use axum::response::Redirect;
use hardstop_domain::quantity::parse_duration;
use hardstop_domain::{Scope, Scopes, TokenId};
use hardstop_store::Token;

use super::field::{Form, Query};
use super::job_list::ROWS;
use super::route::Routes;
use super::shell::{Page, Section, Shell};
use super::show;
use super::viewer::Viewer;
use crate::api::extract::Path;
use crate::api::problem::Problem;
use crate::error::Error;
use crate::service::TokenRequest;

pub fn routes(routes: Routes) -> Routes {
    routes
        .page(Scope::Admin, "/tokens", "Tokens", list)
        .action(Scope::Admin, "/tokens", "Make a token", make)
        .action(
            Scope::Admin,
            "/tokens/{token}/revoke",
            "End a token",
            revoke,
        )
}

#[derive(serde::Deserialize)]
struct TokenPath {
    token: TokenId,
}

#[derive(Template)]
#[template(path = "tokens.html")]
struct TokensPage {
    shell: Shell,
    tokens: Vec<Token>,
    older: Option<TokenId>,
    is_later: bool,
    /// The secret of one that was just made: it is shown this once.
    secret: Option<String>,
}

impl TokensPage {
    async fn new(
        viewer: &Viewer,
        before: Option<TokenId>,
        secret: Option<String>,
    ) -> Result<Self, Error> {
        let tokens = viewer.service.tokens(before, ROWS).await?;
        let last = tokens.last().filter(|_| tokens.len() == ROWS as usize);
        Ok(Self {
            shell: viewer.shell(Section::Tokens, "Tokens"),
            older: last.map(|last| last.id),
            is_later: before.is_some(),
            tokens,
            secret,
        })
    }
}

async fn list(viewer: Viewer, Query(query): Query) -> Result<Page<TokensPage>, Problem> {
    Ok(Page(
        TokensPage::new(&viewer, query.read("before")?, None).await?,
    ))
}

async fn make(viewer: Viewer, Form(form): Form) -> Result<Page<TokensPage>, Problem> {
    let time = form.text("expires_in").map(parse_duration).transpose();
    let time = time.map_err(|error| {
        Error::usage(format!("`expires in`: {error}"))
            .hint("write 720h, or leave it empty for a token without an end")
    })?;
    let scopes: Scopes = form.read_all::<Scope>("scope")?.into_iter().collect();
    let request = TokenRequest {
        name: form.owned("name").unwrap_or_default(),
        scopes,
        time,
    };
    let made = viewer.service.create_token(request).await?;
    Ok(Page(
        TokensPage::new(&viewer, None, Some(made.secret)).await?,
    ))
}

async fn revoke(viewer: Viewer, Path(path): Path<TokenPath>) -> Result<Redirect, Problem> {
    viewer.service.revoke_token(path.token).await?;
    Ok(Redirect::to("/tokens?done=revoked"))
}
