//! The use cases of a server, over its HTTP API: what `hardstop --server URL` asks.
//!
//! Requests and answers are the API's own types. An error of the server is the error that the same command would have
//! met on the database, with its message, hint and exit code.

pub mod address;
mod chain;
mod component;
mod connection;
mod dead_letter;
mod deployment;
mod event;
mod follow;
mod job;
mod job_type;
mod operation;
mod schedule;
mod stream;
mod subscription;

use std::time::Duration;

use axum::body::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::PREFIX;
use crate::api::problem::{MEDIA_TYPE, ProblemBody, TYPE_PREFIX};
use crate::error::{Error, Kind};
use address::Address;
use connection::{Answer, Connection};

/// How long a server may take to answer. It gives up itself before that.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);
/// The same for a deployment.
const DEPLOY_TIMEOUT: Duration = Duration::from_secs(960);
/// The most bytes of an answer: the largest page of the largest jobs has less.
const ANSWER_BYTES_MAX: usize = 1 << 30;
/// What to do where it is not known whether something was done.
const LOOK: &str = "what was asked for may have been done: look before you ask again";
/// What stands for itself in a path.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The use cases of a server.
pub struct Client {
    connection: Connection,
}

impl Client {
    /// Those of the server at this address, asked with this token. Nothing is sent yet.
    pub fn new(address: Address, token: Option<HeaderValue>) -> Self {
        Self {
            connection: Connection::new(address, token),
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let request = self.request(Method::GET, path);
        self.answer(request, Bytes::new(), ANSWER_TIMEOUT).await
    }

    /// Gets with a query.
    async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &impl Serialize,
    ) -> Result<T, Error> {
        let query = serde_urlencoded::to_string(query)
            .map_err(|error| Error::environment(format!("the query cannot be written: {error}")))?;
        self.get(&format!("{path}?{query}")).await
    }

    async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let request = self.request(Method::DELETE, path);
        self.answer(request, Bytes::new(), ANSWER_TIMEOUT).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Error> {
        self.send_json(Method::POST, path, body).await
    }

    /// Posts to what asks for nothing but its path.
    async fn post_empty<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let request = self.request(Method::POST, path);
        self.answer(request, Bytes::new(), ANSWER_TIMEOUT).await
    }

    async fn send_json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Error> {
        let body = serde_json::to_vec(body).map_err(|error| {
            Error::environment(format!("the request cannot be written: {error}"))
        })?;
        let request = self
            .request(method, path)
            .header(header::CONTENT_TYPE, "application/json");
        self.answer(request, body.into(), ANSWER_TIMEOUT).await
    }

    fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let path = format!("{}{PREFIX}{path}", self.connection.address.path);
        Request::builder().method(method).uri(path)
    }

    /// Sends a request and reads its answer.
    async fn answer<T: DeserializeOwned>(
        &self,
        request: http::request::Builder,
        body: Bytes,
        timeout: Duration,
    ) -> Result<T, Error> {
        let exchange = async {
            let (response, sender) = self.open(request, body).await?.split();
            let bytes = self.read(response).await?;
            self.connection.keep(sender).await;
            Ok::<_, Error>(bytes)
        };
        let bytes = tokio::time::timeout(timeout, exchange).await;
        let bytes = bytes.unwrap_or_else(|_| {
            let seconds = timeout.as_secs();
            let address = &self.connection.address;
            Err(Error::environment(format!(
                "the server {address} did not answer within {seconds} s"
            ))
            .hint(LOOK))
        })?;
        serde_json::from_slice(&bytes)
            .map_err(|error| self.foreign(format!("its answer cannot be read: {error}")))
    }

    /// Sends a request, and waits for an answer that is not an error.
    async fn open(&self, request: http::request::Builder, body: Bytes) -> Result<Answer, Error> {
        let request = request.body(Full::new(body)).map_err(|error| {
            Error::environment(format!("the request cannot be written: {error}"))
        })?;
        let answer = self.connection.send(request).await?;
        let status = answer.response.status();
        if status.is_success() {
            return Ok(answer);
        }
        if status.is_redirection() {
            let place = answer.response.headers().get(header::LOCATION);
            let place = place.and_then(|it| it.to_str().ok()).unwrap_or("elsewhere");
            return Err(Error::usage(format!(
                "the server {} refers to {place}, and is not followed there",
                self.connection.address
            ))
            .hint("give --server the address where the API itself is"));
        }
        let (response, _) = answer.split();
        Err(self.error(status, response).await)
    }

    async fn read(&self, response: Response<Incoming>) -> Result<Bytes, Error> {
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect();
        let body = body.await.map_err(|error| {
            Error::environment(format!(
                "the answer of {} broke off: {error}",
                self.connection.address
            ))
            .hint(LOOK)
        })?;
        Ok(body.to_bytes())
    }

    /// What an answer that is an error says.
    async fn error(&self, status: StatusCode, response: Response<Incoming>) -> Error {
        let text = |name: &str| {
            let value = response.headers().get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        let is_problem = text("content-type").is_some_and(|it| it == MEDIA_TYPE);
        let request = text("x-request-id").unwrap_or_default();
        if !is_problem {
            return self.foreign(format!("it answered with status {status}"));
        }
        let bytes = match self.read(response).await {
            Ok(bytes) => bytes,
            Err(error) => return error,
        };
        match serde_json::from_slice::<ProblemBody>(&bytes) {
            Ok(problem) => self.problem(problem, &request),
            Err(error) => self.foreign(format!("its problem cannot be read: {error}")),
        }
    }

    fn problem(&self, problem: ProblemBody, request: &str) -> Error {
        let address = &self.connection.address;
        let slug = problem.problem_type.strip_prefix(TYPE_PREFIX);
        let ProblemBody { detail, hint, .. } = problem;
        let Some(kind) = slug.and_then(Kind::from_slug) else {
            return self.foreign(format!("it answered: {detail}"));
        };
        let error = Error {
            exit: kind.exit(),
            kind,
            message: detail,
            hint,
        };
        match kind {
            Kind::Unauthenticated => error.context(format!("the server {address}")).hint(
                "give --token-file, or HARDSTOP_TOKEN; `hardstop token create` makes one, on the server's machine",
            ),
            Kind::NoSuchRoute | Kind::MethodNotAllowed => error
                .context(format!("the server {address} does not know this command"))
                .hint("it is older than this hardstop, or the address is not that of its root"),
            Kind::Malformed => error
                .context(format!("the server {address} cannot read the request"))
                .hint("it may be of another version than this hardstop"),
            Kind::Internal => {
                error.context(format!("the server {address} failed at the request {request}"))
            }
            _ => error,
        }
    }

    /// Says that what answers is no server of this kind or version.
    fn foreign(&self, reason: String) -> Error {
        let address = &self.connection.address;
        Error::environment(format!(
            "{address} is not the server that was expected: {reason}"
        ))
        .hint("does --server name a `hardstop serve` of this version?")
    }
}

/// A path of these parts, whatever is in them.
fn path<const N: usize>(parts: [&str; N]) -> String {
    let parts = parts.map(|part| format!("/{}", utf8_percent_encode(part, PLAIN)));
    parts.concat()
}
