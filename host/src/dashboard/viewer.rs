//! Whoever looks at a page: what they may do, and how they like it shown.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::session::COOKIE;
use super::shell::{Section, Shell};
use super::show::now;
use crate::api::Api;
use crate::api::access::{Access, Caller, Refused, access, remember};
use crate::api::problem::Problem;
use crate::error::Error;
use crate::service::Service;

/// The value of a cookie.
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let headers = headers.get_all(header::COOKIE).into_iter();
    let cookies = headers.filter_map(|value| value.to_str().ok());
    let mut cookies = cookies.flat_map(|value| value.split(';'));
    cookies.find_map(|cookie| cookie.trim().strip_prefix(name)?.strip_prefix('='))
}

/// Finds out who sent a request: by their session, or as the API does.
pub async fn recognise(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    match known(&api, request.headers()).await {
        Ok(found) => remember(&mut request, found),
        Err(error) => return Problem::from(error).into_response(),
    }
    next.run(request).await
}

async fn known(api: &Api, headers: &HeaderMap) -> Result<Result<Access, Refused>, Error> {
    let session = cookie(headers, COOKIE);
    let Some(id) = session.and_then(|session| api.sessions.token(session, now())) else {
        return access(&api.door, headers).await;
    };
    let token = api.door.service.usable_token(id).await?;
    Ok(token.map(Access::of).ok_or(Refused::BadToken))
}

/// Whoever looks at a page, and the use cases as they may use them.
pub struct Viewer {
    /// The use cases.
    pub service: Service,
    caller: Caller,
    shell: Shell,
}

impl Viewer {
    /// What is around a page that they look at.
    pub fn shell(&self, section: Section, title: impl Into<String>) -> Shell {
        self.shell.titled(section, title.into())
    }

    /// What they may see of a job.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }
}

impl FromRequestParts<Api> for Viewer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, api).await?;
        Ok(Self {
            service: caller.service.clone(),
            shell: Shell::of(&parts.headers, &parts.uri, Some(caller.access())),
            caller,
        })
    }
}
