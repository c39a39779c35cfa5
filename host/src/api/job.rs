//! Jobs: list, show, steer, complete from outside.

use aide::axum::routing::{get_with, post_with};
use axum::Json;
use hardstop_domain::quantity::duration_ms_option;
use hardstop_domain::{ChainId, JobId, OnBlockerFailure, Scope, State, Timestamp, TypeName};
use hardstop_store::{AttemptRecord, Completion, Due, JobDetail, JobQuery, JobSummary};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::access::Caller;
use super::cursor::{List, Page, limit_default};
use super::extract::{Body, Path, Query};
use super::problem::Problem;
use super::route::Routes;
use crate::error::Kind;
use crate::service::explain::Explained;
use crate::service::{Finished, JobChanged, LogLine, Verdict, logs};

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(
            Scope::Read,
            "/jobs",
            get_with(list, |op| op.id("listJobs").summary("Jobs, newest first")),
        )
        .add(
            Scope::Read,
            "/jobs/{job}",
            get_with(show, |op| {
                op.id("showJob")
                    .summary("One job: input, output, failure, attempts, usage, log")
            }),
        )
        .add(
            Scope::Read,
            "/jobs/{job}/attempts",
            get_with(attempts, |op| {
                op.id("listAttempts")
                    .summary("The attempts that did not finish a job well, oldest first")
            }),
        )
        .add(
            Scope::Read,
            "/jobs/{job}/logs",
            get_with(log, |op| {
                op.id("showLogs").summary("What the attempts of a job said")
            }),
        )
        .add(
            Scope::Read,
            "/jobs/{job}/explain",
            get_with(explain, |op| {
                op.id("explainJob")
                    .summary("Why a job is not running, or where it stands")
            }),
        )
        .add(
            Scope::Operate,
            "/jobs/{job}/completion",
            get_with(completion, |op| {
                op.id("showCompletion")
                    .summary("With what an external job is completed, and until when")
            }),
        )
        .add(
            Scope::Operate,
            "/jobs/{job}/retry",
            post_with(retry, |op| {
                op.id("retryJob")
                    .summary("Make a discarded, cancelled or scheduled job ready")
            }),
        )
        .add(
            Scope::Operate,
            "/jobs/{job}/cancel",
            post_with(cancel, |op| {
                op.id("cancelJob")
                    .summary("Cancel a job; one that runs is stopped")
            }),
        )
        .add(
            Scope::Operate,
            "/jobs/{job}/trigger",
            post_with(trigger, |op| {
                op.id("triggerJob").summary("Make a scheduled job due now")
            }),
        )
        .add(
            Scope::Operate,
            "/jobs/{job}/reschedule",
            post_with(reschedule, |op| {
                op.id("rescheduleJob")
                    .summary("Make a queued job due at another time")
            }),
        )
        .add(
            Scope::Operate,
            "/jobs/{job}/complete",
            post_with(complete, |op| {
                op.id("completeJob")
                    .summary("Complete an external job, with its token")
            }),
        )
        .add(
            Scope::Operate,
            "/jobs/{job}/continue",
            post_with(go_on, |op| {
                op.id("continueJob")
                    .summary("Let the chain of an external job go on, with its token")
            }),
        )
        .add(
            Scope::Operate,
            "/jobs/{job}/fail",
            post_with(fail, |op| {
                op.id("failJob")
                    .summary("Fail an external job for good, with its token")
            }),
        )
}

#[derive(Deserialize, JsonSchema)]
struct JobPath {
    /// The job.
    job: JobId,
}

/// Which jobs to list.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Jobs {
    /// Only this type.
    #[serde(rename = "type")]
    type_name: Option<TypeName>,
    /// Only this state.
    state: Option<State>,
    /// Only jobs of chains that were started with this deduplication key of the type.
    key: Option<String>,
    /// Only jobs created at this time or later, as their ids tell.
    since: Option<Timestamp>,
    /// Only jobs created before this time.
    until: Option<Timestamp>,
    /// Only jobs older than this one.
    before: Option<JobId>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// How many at the most.
    #[serde(default = "limit_default")]
    #[schemars(range(min = 1, max = 1000))]
    limit: u32,
}

impl Jobs {
    /// The jobs that the query means.
    pub fn of(query: &JobQuery) -> Self {
        let query = query.clone();
        Self {
            type_name: query.type_name,
            state: query.state,
            key: query.key,
            since: query.since,
            until: query.until,
            before: query.before,
            cursor: None,
            limit: query.limit,
        }
    }
}

/// How to trigger a job.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// Let a blocked job run without what it still waits for.
    #[serde(default)]
    pub force: bool,
}

/// When a job is to run: `after` or `at`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reschedule {
    /// How long from now, such as `10m`.
    #[serde(default, with = "duration_ms_option")]
    #[schemars(with = "Option<String>")]
    pub after: Option<u64>,
    /// The time. One that has passed is now.
    #[serde(default)]
    pub at: Option<Timestamp>,
}

/// What an external job came to.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Complete {
    /// The completion token of the job.
    pub token: Uuid,
    /// Its output: any JSON that fits the type's schema; `null` where it is left out.
    #[serde(default)]
    #[schemars(with = "Option<serde_json::Value>")]
    pub output: Option<Box<RawValue>>,
}

/// How the chain of an external job goes on.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Continue {
    /// The completion token of the job.
    pub token: Uuid,
    /// The type of the next job.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Its input: any JSON; `{}` where it is left out.
    #[serde(default)]
    #[schemars(with = "Option<serde_json::Value>")]
    pub input: Option<Box<RawValue>>,
    /// Chains that must close before it may run.
    #[serde(default)]
    pub blockers: Vec<ChainId>,
    /// What becomes of it when one of them ends without an output.
    #[serde(default)]
    pub on_blocker_failure: OnBlockerFailure,
}

/// Why an external job failed.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fail {
    /// The completion token of the job.
    pub token: Uuid,
    /// What happened, in a sentence.
    pub message: String,
    /// More: any JSON.
    #[serde(default)]
    #[schemars(with = "Option<serde_json::Value>")]
    pub details: Option<Box<RawValue>>,
}

async fn list(
    caller: Caller,
    Query(query): Query<Jobs>,
) -> Result<Json<Page<JobSummary>>, Problem> {
    let list = List::new("jobs", &query);
    let before = query.before.map(|job| job.0);
    let before = list.begin(query.cursor.as_deref(), before)?.map(JobId);
    let query = JobQuery {
        type_name: query.type_name,
        state: query.state,
        key: query.key,
        since: query.since,
        until: query.until,
        before,
        limit: query.limit,
    };
    let jobs = caller.service.jobs(&query).await?;
    Ok(Json(list.page(jobs, query.limit, |it| it.id.0)))
}

async fn show(caller: Caller, Path(path): Path<JobPath>) -> Result<Json<JobDetail>, Problem> {
    let job = caller.service.job(path.job).await?;
    Ok(Json(caller.shown(job)))
}

async fn attempts(
    caller: Caller,
    Path(path): Path<JobPath>,
) -> Result<Json<Vec<AttemptRecord>>, Problem> {
    Ok(Json(caller.service.job(path.job).await?.attempts))
}

async fn log(caller: Caller, Path(path): Path<JobPath>) -> Result<Json<Vec<LogLine>>, Problem> {
    Ok(Json(logs(&caller.service.job(path.job).await?)))
}

async fn explain(caller: Caller, Path(path): Path<JobPath>) -> Result<Json<Explained>, Problem> {
    Ok(Json(caller.service.explain(path.job).await?))
}

async fn completion(
    caller: Caller,
    Path(path): Path<JobPath>,
) -> Result<Json<Completion>, Problem> {
    let state = caller.service.job(path.job).await?.summary.state;
    let completion = caller.service.completion(path.job).await?;
    completion.map(Json).ok_or_else(|| {
        Problem::new(
            Kind::Conflict,
            format!(
                "job {} is {state}, or has a handler: nobody is asked to complete it",
                path.job
            ),
        )
    })
}

async fn retry(caller: Caller, Path(path): Path<JobPath>) -> Result<Json<JobChanged>, Problem> {
    Ok(Json(caller.service.retry(path.job).await?))
}

async fn cancel(caller: Caller, Path(path): Path<JobPath>) -> Result<Json<JobChanged>, Problem> {
    Ok(Json(caller.service.cancel(path.job).await?))
}

async fn trigger(
    caller: Caller,
    Path(path): Path<JobPath>,
    Body(trigger): Body<Trigger>,
) -> Result<Json<JobChanged>, Problem> {
    let changed = caller
        .service
        .reschedule(path.job, Due::Now, trigger.force)
        .await?;
    Ok(Json(changed))
}

async fn reschedule(
    caller: Caller,
    Path(path): Path<JobPath>,
    Body(when): Body<Reschedule>,
) -> Result<Json<JobChanged>, Problem> {
    let due = match (when.after, when.at) {
        (Some(delay_ms), None) => Due::After { delay_ms },
        (None, Some(at)) => Due::At(at),
        _ => {
            return Err(Problem::new(
                Kind::Invalid,
                "a job is due once: give `after` or `at`",
            ));
        }
    };
    Ok(Json(caller.service.reschedule(path.job, due, false).await?))
}

async fn complete(
    caller: Caller,
    Path(path): Path<JobPath>,
    Body(complete): Body<Complete>,
) -> Result<Json<Finished>, Problem> {
    let output = text(complete.output, "null");
    let verdict = Verdict::Complete { output };
    Ok(Json(
        caller
            .service
            .finish(path.job, complete.token, verdict)
            .await?,
    ))
}

async fn go_on(
    caller: Caller,
    Path(path): Path<JobPath>,
    Body(next): Body<Continue>,
) -> Result<Json<Finished>, Problem> {
    let verdict = Verdict::Continue {
        type_name: next.type_name,
        input: text(next.input, "{}"),
        blockers: next.blockers,
        on_blocker_failure: next.on_blocker_failure,
    };
    Ok(Json(
        caller.service.finish(path.job, next.token, verdict).await?,
    ))
}

async fn fail(
    caller: Caller,
    Path(path): Path<JobPath>,
    Body(fail): Body<Fail>,
) -> Result<Json<Finished>, Problem> {
    let verdict = Verdict::Fail {
        message: fail.message,
        details: fail.details.map(|details| details.get().to_owned()),
    };
    Ok(Json(
        caller.service.finish(path.job, fail.token, verdict).await?,
    ))
}

fn text(json: Option<Box<RawValue>>, default: &str) -> String {
    json.map_or_else(|| default.to_owned(), |json| json.get().to_owned())
}
