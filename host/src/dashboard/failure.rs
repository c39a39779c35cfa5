//! What went wrong, as a page; and the headers of every answer that a browser minds.

use askama::Template;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::Response;

use uuid::Uuid;

use super::login::{self, LoginPage};
use super::shell::{Shell, with_status};
use crate::api::guard::RequestId;
use crate::api::problem::Shown;
use crate::error::Kind;

/// What pages may load and do: what this server serves, and nothing else. No script or style is in a page itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage {
    shell: Shell,
    status: u16,
    detail: String,
    hint: Option<String>,
    /// Where only the host's log says more.
    request: Option<Uuid>,
}

/// Shows a problem of any route that is no program's as a page, and adds the headers that browsers mind.
pub async fn present(request: Request, next: Next) -> Response {
    let is_page = !for_programs(request.uri().path());
    let (uri, headers) = (request.uri().clone(), request.headers().clone());
    let method = request.method().clone();
    let id = request.extensions().get::<RequestId>().copied();
    let mut response = next.run(request).await;
    if is_page && let Some(shown) = response.extensions_mut().remove::<Shown>() {
        let status = response.status();
        let mut page = page(&method, &uri, &headers, status, shown, id);
        for name in [header::ALLOW, header::RETRY_AFTER, header::WWW_AUTHENTICATE] {
            if let Some(value) = response.headers_mut().remove(&name) {
                page.headers_mut().insert(name, value);
            }
        }
        response = page;
    }
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        // A form tells its origin still.
        (header::REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Whether what is served there is for programs, who read problems as JSON.
fn for_programs(path: &str) -> bool {
    let first = path.trim_start_matches('/').split('/').next();
    matches!(first, Some("api" | "healthz" | "readyz" | "metrics"))
}

fn page(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    status: StatusCode,
    shown: Shown,
    id: Option<RequestId>,
) -> Response {
    let mut shell = Shell::of(headers, uri, None);
    shell.done = None;
    if shown.kind == Kind::Unauthenticated {
        let next = match *method {
            Method::GET => shell.here.clone(),
            _ => "/".to_owned(),
        };
        return with_status(
            status,
            LoginPage::asked(shell, next, login::is_first_from_elsewhere(headers)),
        );
    }
    shell.title = shown.kind.title().to_owned();
    let page = FailurePage {
        shell,
        status: status.as_u16(),
        detail: shown.detail,
        hint: shown.hint,
        request: id.filter(|_| shown.kind.is_internal()).map(|id| id.0),
    };
    with_status(status, page)
}
