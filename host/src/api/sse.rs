//! Server-sent events: how they are written, for how long an answer of them goes on, and what was heard before.

use std::time::Duration;

use aide::openapi::{MediaType, Response as DocumentedResponse, StatusCode};
use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse as _, Response};
use futures::{Stream, stream};
use serde::Serialize;

use super::problem::Problem;
use crate::error::{Error, Kind};

/// How long nothing is sent at the most, so that whatever is in between keeps the connection.
pub const SILENCE_MAX: Duration = Duration::from_secs(15);
/// How long one answer goes on. Whoever wants more sends the last id, and the token again.
pub const ANSWER_MAX: Duration = Duration::from_secs(600);
/// What is sent where there is nothing to say.
pub const COMMENT: &str = ":\n\n";
/// The header that says what was heard before.
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const MEDIA_TYPE: &str = "text/event-stream";

/// An event as it is sent.
pub fn event(name: &str, id: &str, data: &impl Serialize) -> String {
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {name}\nid: {id}\ndata: {data}\n\n")
}

/// What says what is sent next, and waits for it; none at the end.
pub trait Source: Send + 'static {
    /// The next event or comment.
    fn next(&mut self) -> impl Future<Output = Result<Option<String>, Error>> + Send;
}

/// An answer of what a source says.
pub fn answer(source: impl Source) -> Response {
    let body = Body::from_stream(pieces(source));
    ([(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response()
}

fn pieces(source: impl Source) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
    stream::try_unfold(source, async |mut source| {
        let next = source.next().await;
        let next = next.map_err(|error| std::io::Error::other(error.message))?;
        Ok(next.map(|text| (Bytes::from(text), source)))
    })
}

/// What the document says of such an answer.
pub fn document(description: &str) -> Vec<(Option<StatusCode>, DocumentedResponse)> {
    let response = DocumentedResponse {
        description: description.to_owned(),
        content: [(MEDIA_TYPE.to_owned(), MediaType::default())]
            .into_iter()
            .collect(),
        ..DocumentedResponse::default()
    };
    vec![(Some(StatusCode::Code(200)), response)]
}

/// What was heard before, where a request says so; `what` is said to who sends something else.
pub fn last_heard<T>(
    parts: &Parts,
    what: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    let Some(id) = parts.headers.get(LAST_EVENT_ID) else {
        return Ok(None);
    };
    let heard = id.to_str().ok().and_then(read);
    heard.map(Some).ok_or_else(|| {
        let detail = format!("`Last-Event-ID` is no id of an event of {what}");
        Problem::new(Kind::InvalidCursor, detail)
            .hint("send the `id` of the last event that came, or none, to begin")
    })
}
