//! A job as it goes on: its states and its log, as server-sent events.
//!
//! What is told was committed: a state when it has changed, and the log of an attempt, with its progress, as its worker keeps
//! it while it runs, or when it was settled. The id of an event says how much was told up to it. Whoever lost the
//! connection sends the last one, as browsers do by themselves, and hears the rest.

use std::sync::Arc;
use std::time::Duration;

use aide::axum::routing::get_with;
use aide::generate::GenContext;
use aide::openapi::{Operation, Response as DocumentedResponse, StatusCode};
use aide::operation::{OperationInput, OperationOutput};
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use hardstop_domain::{Digest, JobId, Scope};
use hardstop_store::JobDetail;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Api;
use super::access::Caller;
use super::extract::{Path, document_header};
use super::problem::Problem;
use super::route::Routes;
use super::sse::{self, Look, Source, event};
use crate::error::{Error, Kind};
use crate::service::{Service, logs};

/// How many jobs are followed at once: each looks at its job once an interval.
pub const FOLLOWERS_MAX: usize = 64;

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
    /// The run whose log was told last. All that runs before it said was told.
    run: u32,
    /// How many lines of that log.
    lines: usize,
    /// The beginning of the digest of the last state.
    state: String,
    /// The beginning of the digest of the last progress.
    progress: String,
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
        let mut parts = id.split('-');
        let heard = Self {
            run: parts.next()?.parse().ok()?,
            lines: parts.next()?.parse().ok()?,
            state: parts.next()?.to_owned(),
            progress: parts.next()?.to_owned(),
        };
        parts.next().is_none().then_some(heard)
    }

    /// As the id of an event.
    pub fn id(&self) -> String {
        let Self {
            run,
            lines,
            state,
            progress,
        } = self;
        format!("{run}-{lines}-{state}-{progress}")
    }

    /// The events that are new, as they are sent.
    fn events(&mut self, job: &JobDetail) -> Vec<String> {
        let mut events = Vec::new();
        let (mut run, mut lines) = (0, 0);
        for line in logs(job) {
            // A run that left nothing, because its host is gone, may have been told in part.
            let of = line.run.unwrap_or(job.run);
            if of != run {
                (run, lines) = (of, 0);
            }
            lines += 1;
            if (run, lines) > (self.run, self.lines) {
                (self.run, self.lines) = (run, lines);
                events.push(event("log", &self.id(), &line));
            }
        }
        let progress = job.progress.as_ref().map(digest).unwrap_or_default();
        if progress != self.progress {
            self.progress = progress;
            if let Some(progress) = &job.progress {
                events.push(event("progress", &self.id(), progress));
            }
        }
        // After what led to it.
        let state = digest(&job.summary);
        if state != self.state {
            self.state = state;
            events.push(event("job", &self.id(), &job.summary));
        }
        events
    }
}

/// The beginning of the digest of something that may have changed.
fn digest(what: &impl Serialize) -> String {
    Digest::of(&serde_json::to_vec(what).unwrap_or_default()).short()
}

/// What was heard before, as the header `Last-Event-ID` tells.
pub struct LastEvent(pub Heard);

impl<S: Send + Sync> FromRequestParts<S> for LastEvent {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let heard = sse::last_heard(parts, "a job", Heard::read)?;
        Ok(Self(heard.unwrap_or_default()))
    }
}

impl OperationInput for LastEvent {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let description = "The id of the last event that came.";
        document_header(context, operation, "Last-Event-ID", description);
    }
}

/// Server-sent events.
pub struct Events(Response);

impl IntoResponse for Events {
    fn into_response(self) -> Response {
        self.0
    }
}

impl OperationOutput for Events {
    type Inner = String;

    fn inferred_responses(
        _: &mut GenContext,
        _: &mut Operation,
    ) -> Vec<(Option<StatusCode>, DocumentedResponse)> {
        sse::document(
            "Events: `job` has a `JobSummary`, `log` a `LogLine`, `progress` how far the attempt is, and `end` says \
             in which state the job is final, or null where it is gone. Without `end`, send the last id again.",
        )
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
    };
    let stopping = api.stopping.clone();
    Ok(Events(sse::answer(following, None, stopping, slot)))
}

struct Following {
    service: Service,
    job: JobId,
    heard: Heard,
}

impl Source for Following {
    const INTERVAL: Duration = Duration::from_millis(500);

    async fn look(&mut self) -> Result<Look, Error> {
        let job = match self.service.job(self.job).await {
            // It was there when this began.
            Err(error) if error.kind == Kind::NoSuchJob => {
                let events = vec![event("end", &self.heard.id(), &None::<()>)];
                let ended = true;
                return Ok(Look { events, ended });
            }
            job => job?,
        };
        let mut events = self.heard.events(&job);
        let ended = job.summary.state.is_final();
        if ended {
            events.push(event("end", &self.heard.id(), &job.summary.state));
        }
        Ok(Look { events, ended })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_back() {
        let heard = Heard {
            run: 2,
            lines: 12,
            state: "abc".to_owned(),
            progress: String::new(),
        };
        assert_eq!(Heard::read(&heard.id()), Some(heard));
        for text in ["", "12", "-", "1-2-a", "1-x-a-b", "-1-2-a-b", "1-2-a-b-c"] {
            assert_eq!(Heard::read(text), None, "{text}");
        }
    }
}
