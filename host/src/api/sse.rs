//! Server-sent events: how they are written, for how long an answer of them goes on, and what was heard before.

use std::collections::VecDeque;
use std::time::Duration;

use aide::openapi::{MediaType, Response as DocumentedResponse, StatusCode};
use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse as _, Response};
use futures::{Stream, stream};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::problem::Problem;
use crate::error::{Error, Kind};

/// How long nothing is sent at the most, so that whatever is in between keeps the connection.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// How long one answer goes on. Whoever wants more sends the last id, and the token again.
const ANSWER_MAX: Duration = Duration::from_secs(600);
/// What is sent where there is nothing to say.
const COMMENT: &str = ":\n\n";
/// The header that says what was heard before.
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const MEDIA_TYPE: &str = "text/event-stream";

/// An event as it is sent.
pub fn event(name: &str, id: &str, data: &impl Serialize) -> String {
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {name}\nid: {id}\ndata: {data}\n\n")
}

/// What there was to say.
pub struct Look {
    /// Events, as they are sent; perhaps none.
    pub events: Vec<String>,
    /// Whether nothing more will come.
    pub ended: bool,
}

/// What is looked at again and again for something to say.
pub trait Source: Send + 'static {
    /// How long until the next look, where there was nothing.
    const INTERVAL: Duration;

    /// What has come since the last look.
    fn look(&mut self) -> impl Future<Output = Result<Look, Error>> + Send;
}

/// An answer of what a source has to say, behind the event that it begins with, if any. It ends with the source, when it has gone on
/// for long enough, and when the server stops; whoever sends the last id hears the rest.
pub fn answer(
    source: impl Source,
    begin: Option<String>,
    stopping: watch::Receiver<bool>,
    slot: OwnedSemaphorePermit,
) -> Response {
    let body = Body::from_stream(pieces(Telling {
        source,
        pending: begin.into_iter().collect(),
        ended: false,
        until: Instant::now() + ANSWER_MAX,
        spoke_at: Instant::now(),
        stopping,
        _slot: slot,
    }));
    ([(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response()
}

fn pieces(telling: Telling<impl Source>) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
    stream::try_unfold(telling, async |mut telling| {
        let next = telling.next().await;
        let next = next.map_err(|error| std::io::Error::other(error.message))?;
        Ok(next.map(|text| (Bytes::from(text), telling)))
    })
}

struct Telling<S> {
    source: S,
    pending: VecDeque<String>,
    ended: bool,
    until: Instant,
    spoke_at: Instant,
    stopping: watch::Receiver<bool>,
    _slot: OwnedSemaphorePermit,
}

impl<S: Source> Telling<S> {
    /// The next event or comment; none at the end.
    async fn next(&mut self) -> Result<Option<String>, Error> {
        loop {
            if let Some(text) = self.pending.pop_front() {
                self.spoke_at = Instant::now();
                return Ok(Some(text));
            }
            // What was not told is told to whoever goes on.
            if self.ended || *self.stopping.borrow() || Instant::now() >= self.until {
                return Ok(None);
            }
            let look = self.source.look().await?;
            self.ended = look.ended;
            self.pending.extend(look.events);
            if self.ended || !self.pending.is_empty() {
                continue;
            }
            if self.spoke_at.elapsed() >= SILENCE_MAX {
                self.pending.push_back(COMMENT.to_owned());
                continue;
            }
            tokio::select! {
                biased;
                // Told, or nobody is left to tell.
                _ = self.stopping.wait_for(|stopping| *stopping) => return Ok(None),
                () = tokio::time::sleep(S::INTERVAL) => {}
            }
        }
    }
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
