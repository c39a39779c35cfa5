//! Requests that may be sent again: with the header `Idempotency-Key`, a request that makes something makes it once.
//!
//! The key is taken in the transaction that makes it, beside a fingerprint of the request. So there is no moment in which
//! something was made and the key is free, or the other way round: of two that come at once one waits for the other, and
//! whoever finds that it was made is answered as the first was.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::HeaderName;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use hardstop_domain::Digest;
use hardstop_store::{REQUEST_KEY_BYTES_MAX, RequestKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::body::{self, UPLOAD_BYTES_MAX};
use super::extract;
use super::problem::Problem;
use super::upload::UPLOAD_TIMEOUT;
use crate::error::Kind;

/// The size of the pieces in which a body is read again.
const PIECE_BYTES: usize = 64 << 10;
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
    let (mut parts, sent) = request.into_parts();
    let place = parts
        .uri
        .path_and_query()
        .map_or("", |place| place.as_str());
    let mut fingerprint = Sha256::new();
    fingerprint.update(format!("{} {place}\n", parts.method));
    let bytes_max = body::bytes_max(&parts.headers);
    let timeout = match bytes_max {
        UPLOAD_BYTES_MAX => UPLOAD_TIMEOUT,
        _ => extract::BODY_TIMEOUT,
    };
    let read = extract::read(sent, bytes_max, timeout).await?;
    fingerprint.update(&read);
    parts.extensions.insert(RequestKey {
        key,
        fingerprint: Digest(fingerprint.finalize().into()),
    });
    Ok(Request::from_parts(parts, again(read)))
}

/// The body once more, in pieces: whoever reads parts of it copies each, and not all of it first.
fn again(read: Bytes) -> Body {
    let pieces = (0..read.len()).step_by(PIECE_BYTES).map(move |begin| {
        let end = read.len().min(begin + PIECE_BYTES);
        Ok::<_, Infallible>(read.slice(begin..end))
    });
    Body::from_stream(stream::iter(pieces))
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
