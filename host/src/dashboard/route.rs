//! Adding pages: each with the scope that it needs, and a row in the table of all of them.

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::{HeaderName, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use hardstop_domain::Scope;

use crate::api::Api;
use crate::api::access::require;
use crate::api::problem::Problem;
use crate::error::Kind;

/// A page or a form's target.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "a test makes the kept table of routes of it")
)]
pub struct Entry {
    pub method: &'static str,
    pub path: &'static str,
    /// None: for everybody.
    pub scope: Option<Scope>,
    pub what: &'static str,
}

/// The routes that have been added.
pub struct Routes {
    router: Router<Api>,
    entries: Vec<Entry>,
}

impl Routes {
    /// None yet.
    pub fn none() -> Self {
        Self {
            router: Router::new(),
            entries: Vec::new(),
        }
    }

    /// Adds a page for those who have this scope.
    #[must_use]
    pub fn page<H, T>(self, scope: Scope, path: &'static str, what: &'static str, page: H) -> Self
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        let methods = get(page).route_layer(from_fn(move |request: Request, next: Next| {
            require(scope, request, next)
        }));
        self.add("GET", path, Some(scope), what, methods)
    }

    /// Adds what a form sends to, for those who have this scope.
    #[must_use]
    pub fn action<H, T>(
        self,
        scope: Scope,
        path: &'static str,
        what: &'static str,
        action: H,
    ) -> Self
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        let methods = post(action)
            .route_layer(from_fn(from_a_page))
            .route_layer(from_fn(move |request: Request, next: Next| {
                require(scope, request, next)
            }));
        self.add("POST", path, Some(scope), what, methods)
    }

    /// Adds what everybody may have sent by a form, logged in or not.
    #[must_use]
    pub fn open_action<H, T>(self, path: &'static str, what: &'static str, action: H) -> Self
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        let methods = post(action).route_layer(from_fn(from_a_page));
        self.add("POST", path, None, what, methods)
    }

    /// Adds a page for everybody, logged in or not.
    #[must_use]
    pub fn open_page<H, T>(self, path: &'static str, what: &'static str, page: H) -> Self
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        self.add("GET", path, None, what, get(page))
    }

    fn add(
        mut self,
        method: &'static str,
        path: &'static str,
        scope: Option<Scope>,
        what: &'static str,
        methods: axum::routing::MethodRouter<Api>,
    ) -> Self {
        self.entries.push(Entry {
            method,
            path,
            scope,
            what,
        });
        Self {
            router: self.router.route(path, methods),
            entries: self.entries,
        }
    }

    /// The router, and what is in it.
    pub fn finish(self) -> (Router<Api>, Vec<Entry>) {
        (self.router, self.entries)
    }
}

/// Lets pass what a page of this server sent. That it was one of another's has been refused already, where the browser
/// said so: see [`crate::api`]. Here it has to say, for a form needs no more than a cookie.
async fn from_a_page(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let says = headers.contains_key(header::ORIGIN)
        || headers.contains_key(HeaderName::from_static("sec-fetch-site"));
    match says {
        true => next.run(request).await,
        false => Problem::new(
            Kind::ForeignOrigin,
            "the request does not say which page it comes from",
        )
        .hint("send the form from the page itself; programs use the API under /api/v1")
        .into_response(),
    }
}
