//! HTTP requests: [`Ctx::fetch`](crate::Ctx::fetch).
//!
//! ```
//! use hardstop_guest::http::{Request, Response};
//! use hardstop_guest::{Ctx, Failure};
//!
//! /// Charges a card.
//! #[hardstop_guest::job]
//! fn charge(ctx: &Ctx, cents: u32) -> Result<String, Failure> {
//!     let key = ctx.secret("STRIPE_KEY")?;
//!     let request = Request::post("https://api.stripe.com/v1/charges")
//!         .header("authorization", format!("Bearer {key}"))
//!         .header("idempotency-key", ctx.job_id())
//!         .json(&serde_json::json!({ "amount": cents }));
//!     ctx.fetch(request)?.success()?.text()
//! }
//!
//! let ctx = Ctx::for_test()
//!     .with_secret("STRIPE_KEY", "hardstop-secret-1")
//!     .with_http(|request| {
//!         assert_eq!(request.header_value("authorization"), Some("Bearer hardstop-secret-1"));
//!         Ok(Response::new(200, "ch_1"))
//!     });
//! assert_eq!(charge(&ctx, 100), Ok("ch_1".to_owned()));
//! ```
//!
//! The job type's manifest asks for the hosts in `[types.<name>.capabilities.http]`, and the operator's
//! configuration allows them. Redirects are not followed: a response of 301 is a response like any other.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// A request that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) timeout: Option<Duration>,
    /// Why it cannot be sent.
    pub(crate) fault: Option<String>,
}

impl Request {
    /// A request of this method, in capitals, to this URL, `https://api.example.com/v1?q=x`.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: None,
            fault: None,
        }
    }

    /// `GET`.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// `POST`.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// `PUT`.
    pub fn put(url: impl Into<String>) -> Self {
        Self::new("PUT", url)
    }

    /// `DELETE`.
    pub fn delete(url: impl Into<String>) -> Self {
        Self::new("DELETE", url)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.into(), value.as_ref().to_vec()));
        self
    }

    /// Sets the body. Its length becomes a header by itself.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the body to a value as JSON, and the header that says so. Where it cannot be written as JSON,
    /// the request is not sent and fails.
    #[must_use]
    pub fn json(mut self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => self.body = body,
            Err(error) => self.fault = Some(format!("the body cannot be written as JSON: {error}")),
        }
        self.header("content-type", "application/json")
    }

    /// How long to wait for the connection, for the first byte of the response, and then between bytes.
    /// Without it, until the deadline of the attempt.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The first header of a name, where it is text.
    pub fn header_value(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The body.
    pub fn body_bytes(&self) -> &[u8] {
        &self.body
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// A response, for a test to answer with.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// The same with a header, for a test.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.into(), value.as_ref().to_vec()));
        self
    }

    /// The status, such as 200.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The first header of a name, in any case, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// Every header, in order.
    pub fn headers(&self) -> &[(String, Vec<u8>)] {
        &self.headers
    }

    /// The body.
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// The body as text; a fatal failure where it is none.
    pub fn text(&self) -> Result<String, Failure> {
        String::from_utf8(self.body.clone())
            .map_err(|error| Failure::fatal(format!("the response's body is not text: {error}")))
    }

    /// The body from JSON; a fatal failure that says where it does not fit.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        crate::payload::read(&self.text()?, "the response's body")
    }

    /// The response, if its status is from 200 to 299. Otherwise a failure: retryable for 408, 425, 429 and
    /// 500 to 599, with the wait that `retry-after` asks for in seconds; fatal for any other.
    pub fn success(self) -> Result<Self, Failure> {
        let status = self.status;
        let message = format!("the server answered with status {status}");
        match status {
            200..=299 => Ok(self),
            408 | 425 | 429 | 500..=599 => {
                let failure = Failure::retryable(message);
                let wait = self
                    .header("retry-after")
                    .and_then(|text| text.trim().parse().ok());
                Err(match wait {
                    Some(seconds) => failure.retry_after(Duration::from_secs(seconds)),
                    None => failure,
                })
            }
            _ => Err(Failure::fatal(message)),
        }
    }
}

fn header<'a>(headers: &'a [(String, Vec<u8>)], name: &str) -> Option<&'a str> {
    let (_, value) = headers
        .iter()
        .find(|(own, _)| own.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(value).ok()
}

/// A request without a response.
///
/// Not a `std::error::Error`, so that `?` makes it the failure that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpError {
    /// Refused by a rule, or over the limit on requests. Fatal by `?`; the job shows the rule, and the lines
    /// that would grant the request.
    Denied(String),
    /// Another limit is reached. Fatal by `?`.
    Limit(String),
    /// The method, the URL or a header cannot be sent. Fatal by `?`.
    Invalid(String),
    /// It did not work this time. Retryable by `?`.
    Failed(String),
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(code) => write!(f, "the HTTP request was refused: {code}"),
            Self::Limit(code) => write!(f, "the HTTP request reached a limit: {code}"),
            Self::Invalid(what) => write!(f, "the HTTP request cannot be sent: {what}"),
            Self::Failed(code) => write!(f, "the HTTP request failed: {code}"),
        }
    }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Failed(_) => Self::retryable(error),
            _ => Self::fatal(error),
        }
    }
}

/// The parts of a URL: scheme, authority, and path with query.
#[cfg_attr(not(target_family = "wasm"), allow(dead_code))]
pub(crate) fn split_url(url: &str) -> Result<(&str, &str, String), HttpError> {
    let bad = || {
        let shown: String = url.chars().take(80).collect();
        HttpError::Invalid(format!(
            "`{shown}` is not a URL such as https://api.example.com/v1"
        ))
    };
    let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.is_empty() {
        return Err(bad());
    }
    let path = match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("/{path}"),
    };
    Ok((scheme, authority, path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    #[test]
    fn urls_are_split() {
        for (url, expected) in [
            ("https://a.de", ("https", "a.de", "/")),
            ("http://a.de:80/x?y#z", ("http", "a.de:80", "/x?y")),
            ("https://a.de?q=/", ("https", "a.de", "/?q=/")),
            ("https://[::1]:8/x", ("https", "[::1]:8", "/x")),
        ] {
            let (scheme, authority, path) = split_url(url).expect(url);
            assert_eq!((scheme, authority, path.as_str()), expected);
        }
        for url in ["", "a.de", "https://", "https:///x"] {
            assert!(
                matches!(split_url(url), Err(HttpError::Invalid(_))),
                "{url}"
            );
        }
    }

    #[test]
    fn a_bad_status_is_a_failure_of_its_kind() {
        let failure = |response: Response| response.success().expect_err("no success");
        assert!(Response::new(204, "").success().is_ok());
        assert_eq!(failure(Response::new(404, "")).kind, FailureKind::Fatal);
        assert_eq!(failure(Response::new(301, "")).kind, FailureKind::Fatal);
        let busy = failure(Response::new(503, "").with_header("Retry-After", "7"));
        assert_eq!(busy.kind, FailureKind::Retryable);
        assert_eq!(busy.retry_after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn bodies_are_read() {
        let response = Response::new(200, "[1, 2]");
        assert_eq!(response.json::<Vec<u32>>(), Ok(vec![1, 2]));
        let failure = response.json::<String>().expect_err("a misfit");
        assert_eq!(failure.kind, FailureKind::Fatal);
        let failure = Response::new(200, [0xff]).text().expect_err("no text");
        assert!(failure.message.contains("not text"), "{failure}");
    }

    #[test]
    fn a_body_that_is_no_json_is_not_sent() {
        let keys_are_lists = std::collections::BTreeMap::from([(vec![1], 1)]);
        let request = Request::post("https://a.de").json(&keys_are_lists);
        let error = crate::Ctx::for_test()
            .with_http(|_| Ok(Response::new(200, "")))
            .fetch(request)
            .expect_err("not sent");
        assert!(matches!(error, HttpError::Invalid(_)), "{error}");
    }
}
