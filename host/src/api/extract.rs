//! What handlers take from a request. Each refuses what it cannot read with a documented problem.

use std::time::Duration;

use aide::generate::GenContext;
use aide::openapi::{
    HeaderStyle, Operation, Parameter, ParameterData, ParameterSchemaOrContent, SchemaObject,
};
use aide::operation::{OperationInput, add_parameters};
use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header;
use axum::http::request::Parts;
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::body::JSON_BYTES_MAX;
use super::problem::Problem;
use crate::error::Kind;
use crate::telemetry::trace::Context;

/// How long a client may take to send a body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(20);

/// A JSON body.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let media_type = request.headers().get(header::CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok());
        if !media_type.is_some_and(is_json) {
            let detail = match media_type {
                Some(other) => format!("the body is announced as `{other}`"),
                None => "the body is announced as nothing".to_owned(),
            };
            return Err(Problem::new(Kind::UnsupportedMediaType, detail)
                .hint("send JSON, and the header `Content-Type: application/json`"));
        }
        let bytes = read(request.into_body(), JSON_BYTES_MAX, BODY_TIMEOUT).await?;
        let mut reader = serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let place = error.path().to_string();
            let detail = match place.as_str() {
                "." => error.into_inner().to_string(),
                place => format!("{place}: {}", error.inner()),
            };
            malformed(detail)
        })?;
        reader.end().map_err(|error| malformed(error.to_string()))?;
        Ok(Self(value))
    }
}

impl<T: JsonSchema> OperationInput for Body<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Json::<T>::operation_input(ctx, operation);
    }
}

/// Documents a header that a handler reads, if it is sent.
pub fn document_header(
    context: &mut GenContext,
    operation: &mut Operation,
    name: &str,
    description: &str,
) {
    let schema = SchemaObject {
        json_schema: context.schema.subschema_for::<String>(),
        example: None,
        external_docs: None,
    };
    let data = ParameterData {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        required: false,
        deprecated: None,
        format: ParameterSchemaOrContent::Schema(schema),
        example: None,
        examples: Default::default(),
        explode: None,
        extensions: Default::default(),
    };
    let parameter = Parameter::Header {
        parameter_data: data,
        style: HeaderStyle::Simple,
    };
    add_parameters(context, operation, [parameter]);
}

/// The trace of whoever sent a request: what it starts goes on in it. A header that is no `traceparent` is as none, as W3C
/// has it.
pub struct TraceParent(Option<String>);

impl TraceParent {
    /// For a start that names none itself.
    pub fn over(&self, own: &mut Option<String>) {
        if own.is_none() {
            own.clone_from(&self.0);
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for TraceParent {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let header = parts.headers.get("traceparent");
        let text = header.and_then(|value| value.to_str().ok()).map(str::trim);
        let text = text.filter(|text| Context::parse(text).is_some());
        Ok(Self(text.map(str::to_owned)))
    }
}

impl OperationInput for TraceParent {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let description =
            "W3C trace context: the jobs go on in its trace, unless they name another.";
        document_header(context, operation, "traceparent", description);
    }
}

fn malformed(detail: String) -> Problem {
    Problem::new(Kind::Malformed, detail).hint("/api/v1/openapi.json has the schema of each body")
}

fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// Reads a whole body, up to so many bytes and for so long. It is copied into one piece as it comes: bytes that come one
/// by one must not take more than those that come together.
pub async fn read(
    body: axum::body::Body,
    bytes_max: usize,
    timeout: Duration,
) -> Result<Bytes, Problem> {
    let mut body = Limited::new(body, bytes_max);
    let collect = async {
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                bytes.extend_from_slice(&data);
            }
        }
        Ok::<_, axum::BoxError>(bytes)
    };
    match tokio::time::timeout(timeout, collect).await {
        Ok(Ok(bytes)) => Ok(bytes.into()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::new(
            Kind::BodyTooLarge,
            format!("the body has more than {bytes_max} bytes"),
        )),
        Ok(Err(error)) => Err(malformed(format!("the body broke off: {error}"))),
        Err(_) => Err(Problem::new(
            Kind::SlowClient,
            format!("the body was not complete after {} s", timeout.as_secs()),
        )),
    }
}

/// The parameters of a path.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(value)| Self(value))
            .map_err(|error: PathRejection| malformed(error.body_text()))
    }
}

impl<T: JsonSchema> OperationInput for Path<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        axum::extract::Path::<T>::operation_input(ctx, operation);
    }
}

/// The parameters of a query. A parameter that is not documented is refused: a filter that is misspelt would
/// show everything.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        query
            .map(|axum::extract::Query(value)| Self(value))
            .map_err(|error: QueryRejection| malformed(error.body_text()))
    }
}

impl<T: JsonSchema> OperationInput for Query<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        axum::extract::Query::<T>::operation_input(ctx, operation);
    }
}
