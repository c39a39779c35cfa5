//! Errors as HTTP answers: RFC 9457 problem details.

use aide::generate::GenContext;
use aide::openapi::{Operation, Response as DocumentedResponse, StatusCode as DocumentedStatus};
use aide::operation::OperationOutput;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing::error;

use crate::error::{Error, Kind};

/// The media type of problems.
pub const MEDIA_TYPE: &str = "application/problem+json";
/// What the `type` of each problem begins with; the rest is the name of its kind.
pub const TYPE_PREFIX: &str = "urn:hardstop:problem:";

/// A request that did not do what it asked for.
#[derive(Debug)]
pub struct Problem {
    error: Error,
}

/// What a problem says, beside an answer that says it as JSON: for those who show it otherwise.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Its kind.
    pub kind: Kind,
    /// What happened this time.
    pub detail: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What a problem says.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub struct ProblemBody {
    /// What kind it is: never changes, so programs tell problems apart by it.
    #[serde(rename = "type")]
    pub problem_type: String,
    /// The kind in a few words.
    pub title: String,
    /// The status of the answer.
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    /// A problem of this kind.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Error::usage(detail).kind(kind).into()
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.error = self.error.hint(hint);
        self
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.error.kind
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self { error }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Error {
            kind,
            mut message,
            mut hint,
            ..
        } = self.error;
        if kind.is_internal() {
            // It may name the database, files or statements, which are nobody's business outside.
            error!(problem = kind.slug(), %message, "a request failed");
            message = match kind {
                Kind::Internal => "the host's log says why, under the request's id".to_owned(),
                _ => kind.description().to_owned(),
            };
            hint = None;
        }
        let body = ProblemBody {
            problem_type: format!("{TYPE_PREFIX}{}", kind.slug()),
            title: kind.title().to_owned(),
            status: kind.status(),
            detail: message,
            hint,
        };
        let status =
            StatusCode::from_u16(kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let shown = Shown {
            kind,
            detail: body.detail.clone(),
            hint: body.hint.clone(),
        };
        let mut response = (status, Json(body)).into_response();
        response.extensions_mut().insert(shown);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        match kind {
            Kind::Unauthenticated => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Kind::Overloaded | Kind::DatabaseUnavailable => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}

/// The document gives problems to all operations alike: see [`super::document`].
impl OperationOutput for Problem {
    type Inner = ProblemBody;

    fn inferred_responses(
        _: &mut GenContext,
        _: &mut Operation,
    ) -> Vec<(Option<DocumentedStatus>, DocumentedResponse)> {
        Vec::new()
    }
}
