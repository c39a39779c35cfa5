//! Logging in and out, and the choice of colours.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse as _, Redirect, Response};

use super::field::{Form, Query};
use super::route::Routes;
use super::session::{COOKIE, SESSION_TIME};
use super::shell::{Page, Shell, THEME_COOKIE, Theme, with_status};
use super::show::now;
use crate::api::Api;
use crate::api::problem::Problem;

/// How long the choice of colours is kept: a year.
const THEME_SECONDS: u64 = 366 * 86_400;

pub fn routes(routes: Routes) -> Routes {
    routes
        .open_page("/login", "Where a token is asked for", page)
        .open_action("/login", "Begin a session with a token", login)
        .open_action("/logout", "End the session", logout)
        .open_action("/theme", "Choose light or dark", theme)
}

#[derive(Template)]
#[template(path = "login.html")]
pub struct LoginPage {
    shell: Shell,
    /// Where to go then.
    next: String,
    /// What was wrong with the token.
    wrong: bool,
    /// Whether to ask for the page again at once: see [`is_first_from_elsewhere`].
    again: bool,
}

impl LoginPage {
    /// In the place of a page.
    pub fn asked(mut shell: Shell, next: String, again: bool) -> Self {
        shell.title = "Log in".to_owned();
        Self {
            shell,
            next,
            wrong: false,
            again,
        }
    }
}

/// Whether a request came by a link on a page of somebody else's, with which browsers send no session. Asked for once
/// more by this server's own page, they do.
pub fn is_first_from_elsewhere(headers: &HeaderMap) -> bool {
    let site = headers.get(HeaderName::from_static("sec-fetch-site"));
    site.is_some_and(|site| site == "cross-site" || site == "same-site")
}

async fn page(headers: HeaderMap, uri: axum::http::Uri, Query(query): Query) -> Page<LoginPage> {
    let shell = Shell::of(&headers, &uri, None);
    let next = way_back(query.text("next"));
    Page(LoginPage::asked(shell, next, false))
}

async fn login(
    State(api): State<Api>,
    headers: HeaderMap,
    uri: axum::http::Uri,
    Form(form): Form,
) -> Result<Response, Problem> {
    let next = way_back(form.text("next"));
    let secret = form.text("token").unwrap_or_default();
    let Some(token) = api.door.service.token_of(secret).await? else {
        let mut page = LoginPage::asked(Shell::of(&headers, &uri, None), next, false);
        page.wrong = true;
        return Ok(with_status(StatusCode::UNAUTHORIZED, page));
    };
    let session = api.sessions.begin(token.id, now());
    let cookie = set_cookie(&headers, COOKIE, &session, SESSION_TIME.as_secs());
    Ok((
        AppendHeaders([(header::SET_COOKIE, cookie)]),
        Redirect::to(&next),
    )
        .into_response())
}

async fn logout(headers: HeaderMap) -> Response {
    let cookie = set_cookie(&headers, COOKIE, "", 0);
    (
        AppendHeaders([(header::SET_COOKIE, cookie)]),
        Redirect::to("/"),
    )
        .into_response()
}

async fn theme(headers: HeaderMap, Form(form): Form) -> Response {
    let theme = form
        .text("theme")
        .and_then(Theme::from_name)
        .unwrap_or_default();
    let cookie = set_cookie(&headers, THEME_COOKIE, theme.name(), THEME_SECONDS);
    let back = Redirect::to(&way_back(form.text("next")));
    (AppendHeaders([(header::SET_COOKIE, cookie)]), back).into_response()
}

/// A cookie that no script sees, and that goes with nothing that another site's page sends.
fn set_cookie(headers: &HeaderMap, name: &str, value: &str, seconds: u64) -> String {
    // A proxy in front of this server that speaks TLS says so.
    let is_tls = headers
        .get("x-forwarded-proto")
        .is_some_and(|proto| proto == "https");
    let secure = if is_tls { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

/// An address of this server, and no other's.
fn way_back(next: Option<&str>) -> String {
    let plain = |next: &&str| {
        next.starts_with('/')
            && !next.starts_with("//")
            && next.chars().all(|c| c.is_ascii_graphic() && c != '\\')
    };
    next.filter(plain).unwrap_or("/").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_leads_nowhere_else() {
        for (next, back) in [
            ("/jobs?state=ready&before=1", "/jobs?state=ready&before=1"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example", "/"),
            ("/a\r\nset-cookie: x=y", "/"),
            ("", "/"),
        ] {
            assert_eq!(way_back(Some(next)), back, "{next}");
        }
        assert_eq!(way_back(None), "/");
    }
}
