//! Events of everything, as they are committed, as server-sent events.
//!
//! A stream is a listener in the database, for which events are written with the facts that they tell of. It outlives the
//! connection: whoever lost it goes on at any host with the id of the last event that came.

use std::sync::Arc;
use std::time::Duration;

use aide::axum::routing::get_with;
use aide::generate::GenContext;
use aide::openapi::{Operation, Response as DocumentedResponse, StatusCode};
use aide::operation::{OperationInput, OperationOutput};
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use hardstop_domain::{EventKind, EventMark, Scope};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Api;
use super::access::Caller;
use super::extract::{Query, document_header};
use super::problem::Problem;
use super::route::Routes;
use super::sse::{self, Look, Source};
use crate::error::{Error, Kind};
use crate::service::{EventsRequest, LOOK_INTERVAL, Listening, Told, ToldEvent};

/// How many streams one host tells at once: each looks for its events a few times a second.
pub const HEARERS_MAX: usize = 64;

pub fn routes(routes: Routes) -> Routes {
    routes.add(
        Scope::Read,
        "/events",
        get_with(stream, |op| {
            op.id("streamEvents").summary(
                "Events of jobs, chains and types as they are committed, from now on or from the last one that came",
            )
        }),
    )
}

/// Which events to hear.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Events {
    /// Kinds, separated by commas, such as `job.discarded,chain.closed`; all where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    /// Types, separated by commas, 64 at the most; all where it is left out.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    types: Option<String>,
}

impl Events {
    /// As they are asked for.
    pub fn of(request: &EventsRequest) -> Self {
        let kinds: Vec<&str> = request.kinds.iter().map(|kind| kind.name()).collect();
        let types: Vec<&str> = request.types.iter().map(String::as_str).collect();
        let joined = |names: &[&str]| (!names.is_empty()).then(|| names.join(","));
        Self {
            kind: joined(&kinds),
            types: joined(&types),
        }
    }

    fn request(self, since: Option<EventMark>) -> Result<EventsRequest, Error> {
        let names = |text: Option<String>| -> Vec<String> {
            let text = text.as_deref();
            let names = text.map(|text| text.split(',').map(str::to_owned).collect());
            names.unwrap_or_default()
        };
        let kinds = names(self.kind).into_iter();
        let kinds = kinds.map(|name| name.parse::<EventKind>());
        Ok(EventsRequest {
            kinds: kinds
                .collect::<Result<_, _>>()
                .map_err(|error| Error::usage(error.to_string()).context("kind"))?,
            types: names(self.types),
            since,
        })
    }
}

/// What was heard before, as the header `Last-Event-ID` tells.
struct LastEvent(Option<EventMark>);

impl<S: Send + Sync> FromRequestParts<S> for LastEvent {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        sse::last_heard(parts, "a stream", |id| id.parse().ok()).map(Self)
    }
}

impl OperationInput for LastEvent {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let description = "The id of the last event that came, from whichever host: the stream goes on behind it. \
                           Without it a stream begins.";
        document_header(context, operation, "Last-Event-ID", description);
    }
}

/// The answer.
struct EventStream(Response);

impl IntoResponse for EventStream {
    fn into_response(self) -> Response {
        self.0
    }
}

impl OperationOutput for EventStream {
    type Inner = String;

    fn inferred_responses(
        _: &mut GenContext,
        _: &mut Operation,
    ) -> Vec<(Option<StatusCode>, DocumentedResponse)> {
        sse::document(
            "Events: each is named by its kind and has `type`, `timestamp` and `data`, as what is posted to subscriptions. \
             `begin` comes first in a new stream, and `end` where nothing more will: its `reason` is `gone` where the \
             stream has ended, and `taken` where somebody else goes on with it. Without `end`, send the last id again.",
        )
    }
}

async fn stream(
    caller: Caller,
    State(api): State<Api>,
    Query(query): Query<Events>,
    LastEvent(since): LastEvent,
) -> Result<EventStream, Problem> {
    let request = query.request(since)?;
    let Ok(slot) = Arc::clone(&api.hearers).try_acquire_owned() else {
        return Err(Problem::new(
            Kind::Overloaded,
            format!("this host tells {HEARERS_MAX} streams of events, which is the maximum"),
        ));
    };
    let listening = caller.service.listen(&request).await?;
    let begin = sse::event("begin", &listening.mark().to_string(), &json!({}));
    let begin = since.is_none().then_some(begin);
    let stopping = api.stopping.clone();
    let source = Hearing(listening);
    Ok(EventStream(sse::answer(source, begin, stopping, slot)))
}

struct Hearing(Listening);

impl Source for Hearing {
    const INTERVAL: Duration = LOOK_INTERVAL;

    async fn look(&mut self) -> Result<Look, Error> {
        let told = self.0.next().await?;
        let ended = matches!(told, Told::Ended(_));
        let events = match told {
            Told::Events(events) => events.iter().map(text).collect(),
            Told::Ended(reason) => vec![sse::event(
                "end",
                &self.0.mark().to_string(),
                &json!({ "reason": reason }),
            )],
        };
        Ok(Look { events, ended })
    }
}

/// An event as it is sent.
fn text(event: &ToldEvent) -> String {
    let name = event.message.kind.name();
    sse::event(name, &event.id.to_string(), &event.message)
}
