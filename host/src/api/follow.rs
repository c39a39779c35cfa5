//! A job as it goes on: its states and its log, as server-sent events.
//!
//! What a host keeps of a job is what was committed, so that is what is told: a state when it has changed, and the log of
//! an attempt when it was settled. The id of an event says how much was told up to it. Whoever lost the connection sends
//! the last one, as browsers do by themselves, and hears the rest.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use aide::axum::routing::get_with;
use aide::generate::GenContext;
use aide::openapi::{MediaType, Operation, Response as DocumentedResponse, StatusCode};
use aide::operation::{OperationInput, OperationOutput};
use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use futures::{Stream, stream};
use hardstop_domain::{Digest, JobId, Scope};
use hardstop_store::JobDetail;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::Api;
use super::access::Caller;
use super::extract::{Path, document_header};
use super::problem::Problem;
use super::route::Routes;
use crate::error::{Error, Kind};
use crate::service::{Service, logs};

/// How many jobs are followed at once: each looks at its job once an interval.
pub const FOLLOWERS_MAX: usize = 64;
/// How often a job is looked at.
const INTERVAL: Duration = Duration::from_millis(500);
/// How long nothing is sent at the most, so that whatever is in between keeps the connection.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// How long one answer goes on. Whoever wants more sends the last id, and the token again.
const FOLLOW_MAX: Duration = Duration::from_secs(600);
/// What is sent where there is nothing to say.
const COMMENT: &str = ":\n\n";
const EVENT_STREAM: &str = "text/event-stream";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

pub fn routes(routes: Routes) -> Routes {
    routes.add(
        Scope::Read,
        "/jobs/{job}/follow",
        get_with(follow, |op| {
            op.id("followJob")
                .summary("A job's states and log as they are committed, until it is final")
        }),
    )
}

#[derive(Deserialize, JsonSchema)]
struct JobPath {
    /// The job.
    job: JobId,
}

/// How much somebody has heard of a job.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heard {
    /// How many lines of the log.
    lines: usize,
    /// The beginning of the digest of the last state.
    state: String,
}

impl Heard {
    /// All there is to hear of a job as it was read.
    pub fn all_of(job: &JobDetail) -> Self {
        let mut heard = Self::default();
        drop(heard.events(job));
        heard
    }

    /// What an event's id says.
    pub fn read(id: &str) -> Option<Self> {
        let (lines, state) = id.split_once('-')?;
        Some(Self {
            lines: lines.parse().ok()?,
            state: state.to_owned(),
        })
    }

    /// As the id of an event.
    pub fn id(&self) -> String {
        format!("{}-{}", self.lines, self.state)
    }

    /// The events that are new, as they are sent.
    fn events(&mut self, job: &JobDetail) -> Vec<String> {
        let mut events = Vec::new();
        let summary = serde_json::to_string(&job.summary).unwrap_or_default();
        let state = Digest::of(summary.as_bytes()).short();
        let lines = logs(job);
        for line in lines.iter().skip(self.lines) {
            self.lines += 1;
            events.push(event("log", &self.id(), line));
        }
        // After the lines that led to it.
        if state != self.state {
            self.state = state;
            events.push(event("job", &self.id(), &job.summary));
        }
        events
    }
}

fn event(name: &str, id: &str, data: &impl Serialize) -> String {
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {name}\nid: {id}\ndata: {data}\n\n")
}

/// What was heard before, as the header `Last-Event-ID` tells.
pub struct LastEvent(pub Heard);

impl<S: Send + Sync> FromRequestParts<S> for LastEvent {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(id) = parts.headers.get(LAST_EVENT_ID) else {
            return Ok(Self(Heard::default()));
        };
        let heard = id.to_str().ok().and_then(Heard::read);
        heard.map(Self).ok_or_else(|| {
            Problem::new(
                Kind::InvalidCursor,
                "`Last-Event-ID` is no id of an event of a job",
            )
            .hint("send the `id` of the last event that came, or none, to begin")
        })
    }
}

impl OperationInput for LastEvent {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let description = "The id of the last event that came.";
        document_header(context, operation, "Last-Event-ID", description);
    }
}

/// Server-sent events.
pub struct Events(Body);

impl IntoResponse for Events {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, EVENT_STREAM)], self.0).into_response()
    }
}

impl OperationOutput for Events {
    type Inner = String;

    fn inferred_responses(
        _: &mut GenContext,
        _: &mut Operation,
    ) -> Vec<(Option<StatusCode>, DocumentedResponse)> {
        let response = DocumentedResponse {
            description: "Events: `job` has a `JobSummary`, `log` a `LogLine`, and `end` says that the job is final. \
                          Without `end`, send the last id again."
                .to_owned(),
            content: [(EVENT_STREAM.to_owned(), MediaType::default())].into_iter().collect(),
            ..DocumentedResponse::default()
        };
        vec![(Some(StatusCode::Code(200)), response)]
    }
}

async fn follow(
    caller: Caller,
    State(api): State<Api>,
    Path(path): Path<JobPath>,
    LastEvent(heard): LastEvent,
) -> Result<Events, Problem> {
    events(caller.service, &api, path.job, heard).await
}

/// The events of a job, for who has heard so much of it.
pub async fn events(
    service: Service,
    api: &Api,
    job: JobId,
    heard: Heard,
) -> Result<Events, Problem> {
    let Ok(slot) = Arc::clone(&api.followers).try_acquire_owned() else {
        return Err(Problem::new(
            Kind::Overloaded,
            format!("{FOLLOWERS_MAX} jobs are being followed"),
        ));
    };
    // A job that does not exist is a problem still.
    service.job(job).await?;
    let following = Following {
        service,
        job,
        heard,
        pending: VecDeque::new(),
        ended: false,
        until: Instant::now() + FOLLOW_MAX,
        spoke_at: Instant::now(),
        stopping: api.stopping.clone(),
        _slot: slot,
    };
    Ok(Events(Body::from_stream(following.events())))
}

struct Following {
    service: Service,
    job: JobId,
    heard: Heard,
    pending: VecDeque<String>,
    ended: bool,
    until: Instant,
    spoke_at: Instant,
    stopping: watch::Receiver<bool>,
    _slot: OwnedSemaphorePermit,
}

impl Following {
    fn events(self) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
        stream::try_unfold(self, async |mut following| {
            let next = following.next().await;
            let next = next.map_err(|error| std::io::Error::other(error.message))?;
            Ok(next.map(|text| (Bytes::from(text), following)))
        })
    }

    /// What is sent next; none at the end.
    async fn next(&mut self) -> Result<Option<String>, Error> {
        loop {
            if let Some(text) = self.pending.pop_front() {
                self.spoke_at = Instant::now();
                return Ok(Some(text));
            }
            if self.ended || Instant::now() >= self.until {
                return Ok(None);
            }
            let job = self.service.job(self.job).await?;
            self.pending.extend(self.heard.events(&job));
            if job.summary.state.is_final() {
                self.ended = true;
                self.pending
                    .push_back(event("end", &self.heard.id(), &job.summary.state));
            }
            if !self.pending.is_empty() {
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
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_back() {
        let heard = Heard {
            lines: 12,
            state: "abc".to_owned(),
        };
        assert_eq!(Heard::read(&heard.id()), Some(heard));
        for text in ["", "12", "-", "x-y", "-1-a"] {
            assert_eq!(Heard::read(text), None, "{text}");
        }
    }
}
