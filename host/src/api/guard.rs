//! What stands before every request: an id, a limit on how many there are at once, a time limit, a last resort for
//! panics, and a refusal of what web pages of others send.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::{Instrument as _, error, info_span};
use uuid::Uuid;

use super::problem::Problem;
use crate::dashboard;
use crate::error::{Error, Kind};

/// How many requests are worked on at once. One more is refused at once: waiting would only make all of them late.
const REQUESTS_MAX: usize = 256;
/// How long a request may take, up to the head of its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// The same for a deployment, whose component is sent and compiled meanwhile.
const DEPLOY_TIMEOUT: Duration = Duration::from_secs(900);
/// Where deployments are sent to.
const DEPLOYMENTS: &str = "/api/v1/deployments";
/// The id of a request, which the host's log has too.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request, for who answers it.
#[derive(Debug, Clone, Copy)]
pub struct RequestId(pub Uuid);

/// The router behind all of it.
pub fn around(router: Router) -> Router {
    let slots = Arc::new(Semaphore::new(REQUESTS_MAX));
    router
        .layer(from_fn(same_origin))
        .layer(from_fn(in_time))
        .layer(from_fn(move |request: Request, next: Next| {
            shed(Arc::clone(&slots), request, next)
        }))
        .layer(CatchPanicLayer::custom(
            |_: Box<dyn std::any::Any + Send>| {
                error!("a handler panicked: this is a defect");
                Problem::from(Error::environment("a handler panicked")).into_response()
            },
        ))
        .layer(from_fn(dashboard::present))
        .layer(from_fn(named))
}

/// Gives the request an id, and the answer the headers that every answer has.
async fn named(mut request: Request, next: Next) -> Response {
    let id = Uuid::now_v7();
    let span = info_span!("request", %id, method = %request.method(), path = request.uri().path());
    request.extensions_mut().insert(RequestId(id));
    let mut response = next.run(request).instrument(span).await;
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn shed(slots: Arc<Semaphore>, request: Request, next: Next) -> Response {
    if matches!(request.uri().path(), "/healthz" | "/readyz") {
        return next.run(request).await;
    }
    match slots.try_acquire() {
        Ok(_slot) => next.run(request).await,
        Err(_) => Problem::new(
            Kind::Overloaded,
            format!("{REQUESTS_MAX} requests are being worked on"),
        )
        .into_response(),
    }
}

async fn in_time(request: Request, next: Next) -> Response {
    let uploads = request.method() == Method::POST && request.uri().path().starts_with(DEPLOYMENTS);
    let timeout = match uploads {
        true => DEPLOY_TIMEOUT,
        false => REQUEST_TIMEOUT,
    };
    match tokio::time::timeout(timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            Kind::RequestTimeout,
            format!("it took longer than {} s", timeout.as_secs()),
        )
        .hint("look whether it had an effect before you send it again")
        .into_response(),
    }
}

/// Refuses what a browser sends on behalf of a page of another origin: nobody who is logged in nowhere, on a host that
/// asks for no token, must be able to change something by visiting a page.
async fn same_origin(request: Request, next: Next) -> Response {
    match foreign(&request) {
        None => next.run(request).await,
        Some(detail) => Problem::new(Kind::ForeignOrigin, detail).into_response(),
    }
}

fn foreign(request: &Request) -> Option<String> {
    let text = |name: HeaderName| request.headers().get(name)?.to_str().ok();
    let is_safe = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    let host = text(header::HOST)?;
    if !is_safe {
        let site = text(HeaderName::from_static("sec-fetch-site"));
        if site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
            return Some("a web page of another origin sent it".to_owned());
        }
        if let Some(origin) = text(header::ORIGIN)
            && origin.split_once("://").map(|(_, origin)| origin) != Some(host)
        {
            return Some(format!("the origin `{origin}` is not this server's"));
        }
    }
    None
}

/// Whether a `Host` header names this machine itself: by an address, or as `localhost`. A name that somebody made to
/// point to a loopback address does not.
pub fn names_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_told_from_names_that_point_to_it() {
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:8080",
            "127.0.0.1",
            "[::1]:80",
            "[::1]",
        ] {
            assert!(names_loopback(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example:8080",
            "10.0.0.1:8080",
            "127.0.0.1.evil.example",
            "[::2]",
        ] {
            assert!(!names_loopback(host), "{host}");
        }
    }
}
