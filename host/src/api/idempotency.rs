//! Requests that may be sent again: with the header `Idempotency-Key`, a request that makes something makes it once.
//!
//! The key is taken in the transaction that makes it, beside a fingerprint of the request. So there is no moment in which
//! something was made and the key is free, or the other way round: of two that come at once one waits for the other, and
//! whoever finds that it was made is answered as the first was.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use hardstop_domain::Digest;
use hardstop_store::{REQUEST_KEY_BYTES_MAX, RequestKey};
use serde_json::{Value, json};

use super::extract;
use super::problem::Problem;
use super::upload::{UPLOAD_BYTES_MAX, UPLOAD_TIMEOUT};
use crate::error::Kind;

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// Reads the key, and what the request asks for.
pub async fn read(request: Request, next: Next) -> Response {
    match with_key(request).await {
        Ok(request) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

async fn with_key(request: Request) -> Result<Request, Problem> {
    let Some(key) = request.headers().get(HEADER) else {
        return Ok(request);
    };
    let key = key.to_str().unwrap_or_default().to_owned();
    let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
    if !visible || !(1..=REQUEST_KEY_BYTES_MAX).contains(&key.len()) {
        return Err(Problem::new(
            Kind::Malformed,
            format!(
                "`Idempotency-Key` has not from 1 to {REQUEST_KEY_BYTES_MAX} visible characters"
            ),
        )
        .hint("a UUID is a good one"));
    }
    let (mut parts, body) = request.into_parts();
    let place = parts
        .uri
        .path_and_query()
        .map_or("", |place| place.as_str());
    let mut text = format!("{} {place}\n", parts.method).into_bytes();
    let media_type = parts.headers.get(header::CONTENT_TYPE);
    let media_type = media_type.and_then(|it| it.to_str().ok());
    let (bytes_max, timeout) = match media_type {
        Some(it) if it.starts_with("multipart/") => (UPLOAD_BYTES_MAX, UPLOAD_TIMEOUT),
        _ => (extract::BODY_BYTES_MAX, extract::BODY_TIMEOUT),
    };
    let body = extract::read(body, bytes_max, timeout).await?;
    text.extend_from_slice(&body);
    parts.extensions.insert(RequestKey {
        key,
        fingerprint: Digest::of(&text),
    });
    Ok(Request::from_parts(parts, Body::from(body)))
}

/// The header, as the document shows it.
pub fn parameter() -> Value {
    json!({
        "in": "header",
        "name": "Idempotency-Key",
        "description": "A name for this request, such as a UUID. Sent again within a day, with the same key and the same body, \
                        it is answered as the first time and makes nothing more.",
        "schema": { "type": "string", "minLength": 1, "maxLength": REQUEST_KEY_BYTES_MAX },
    })
}
