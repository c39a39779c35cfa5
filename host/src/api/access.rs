//! Who may: bearer tokens, and the scope that each route asks for.
//!
//! [`authenticate`] finds out who sent a request, [`require`] stands before each route and says whether they may. A
//! server on a loopback address for which no token was ever made is open to whoever can reach it, which are the users
//! of this machine.

use aide::operation::OperationInput;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use hardstop_domain::{Scope, Scopes, TokenId};
use hardstop_store::{Acting, JobDetail, RequestKey, Token};

use super::Api;
use super::door::Door;
use super::guard::names_loopback;
use super::problem::Problem;
use crate::error::{Error, Kind};
use crate::service::Service;

/// What whoever sends requests to an open server is called in records.
const ANYBODY: &str = "anybody";

/// Who sent a request, and what they may do.
#[derive(Debug, Clone)]
pub struct Access {
    /// For records: the name of the token.
    actor: String,
    token: Option<TokenId>,
    scopes: Scopes,
}

impl Access {
    /// Whoever has a token.
    pub fn of(token: Token) -> Self {
        Self {
            actor: token.name,
            token: Some(token.id),
            scopes: token.scopes,
        }
    }

    /// Who it is, for records.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// Whether they were known by a token.
    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether they may do what needs this scope.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.allow(scope)
    }
}

/// Finds out who sent a request. Whoever did not say, or wrongly, gets no further than [`require`].
pub async fn authenticate(State(door): State<Door>, mut request: Request, next: Next) -> Response {
    match access(&door, request.headers()).await {
        Ok(found) => remember(&mut request, found),
        Err(error) => return Problem::from(error).into_response(),
    }
    next.run(request).await
}

/// Keeps for [`require`] who sent a request, or why nobody knows.
pub fn remember(request: &mut Request, found: Result<Access, Refused>) {
    match found {
        Ok(access) => drop(request.extensions_mut().insert(access)),
        Err(refused) => drop(request.extensions_mut().insert(refused)),
    }
}

/// Why nobody knows who sent a request.
#[derive(Debug, Clone, Copy)]
pub enum Refused {
    /// None was sent, and one is needed.
    NoToken,
    /// It is unknown, was revoked or has expired.
    BadToken,
    /// No token is needed, but of requests that name this machine.
    ForeignHost,
}

/// Who sent a request with these headers.
pub async fn access(door: &Door, headers: &HeaderMap) -> Result<Result<Access, Refused>, Error> {
    let header = headers.get(header::AUTHORIZATION);
    if let Some(header) = header {
        let token = header.to_str().ok().and_then(|text| {
            let (scheme, token) = text.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let found = match token {
            Some(token) => door.service.token_of(token).await?,
            None => None,
        };
        return Ok(found.ok_or(Refused::BadToken).map(Access::of));
    }
    if !door.is_loopback || door.service.has_tokens().await? {
        return Ok(Err(Refused::NoToken));
    }
    let host = headers.get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok());
    if !host.is_some_and(names_loopback) {
        return Ok(Err(Refused::ForeignHost));
    }
    Ok(Ok(Access {
        actor: ANYBODY.to_owned(),
        token: None,
        scopes: Scopes::all(),
    }))
}

/// Lets those pass who have the scope.
pub async fn require(scope: Scope, request: Request, next: Next) -> Response {
    let extensions = request.extensions();
    if let Some(access) = extensions.get::<Access>() {
        if access.scopes.allow(scope) {
            return next.run(request).await;
        }
        return Problem::new(
            Kind::ScopeMissing,
            format!(
                "the token has the scopes {}, and not {scope}",
                access.scopes
            ),
        )
        .hint(format!(
            "`hardstop token create NAME --scope {scope}` makes one that may"
        ))
        .into_response();
    }
    let problem = match extensions.get::<Refused>() {
        Some(Refused::ForeignHost) => Problem::new(
            Kind::ForeignOrigin,
            "without tokens this server answers to its own loopback address only",
        ),
        Some(Refused::BadToken) => Problem::new(
            Kind::Unauthenticated,
            "the token is unknown, was revoked or has expired",
        ),
        Some(Refused::NoToken) | None => Problem::new(Kind::Unauthenticated, "no token was sent"),
    };
    let hint = "send `Authorization: Bearer TOKEN`; `hardstop token create` makes one";
    problem.hint(hint).into_response()
}

/// Whoever sent a request, and the use cases as they may use them.
pub struct Caller {
    /// The use cases.
    pub service: Service,
    access: Access,
}

impl Caller {
    /// Who it is, and what they may do.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// What the caller may see of a job: its completion token is for those who may complete it.
    pub fn shown(&self, mut job: JobDetail) -> JobDetail {
        if !self.access.scopes.allow(Scope::Operate) {
            job.completion_token = None;
        }
        job
    }
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        // Before every handler stands `require`.
        let access = parts.extensions.get::<Access>().cloned();
        let access = access.ok_or_else(|| Error::environment("a route without a scope"))?;
        let acting = Acting {
            actor: access.actor.clone(),
            token: access.token,
            request: parts.extensions.get::<RequestKey>().cloned(),
        };
        Ok(Self {
            service: api.door.service.acting(acting),
            access,
        })
    }
}

impl OperationInput for Caller {}
