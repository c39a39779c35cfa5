//! Dead letters and their replays.

use aide::axum::routing::{get_with, post_with};
use axum::Json;
use hardstop_domain::{JobId, OutcomeKind, ReplayId, Scope, State, Timestamp, TypeName};
use hardstop_store::{
    DeadLetter, DeadLetterFilter, DeadLetterQuery, JobDetail, Replay, ReplayDetail, ReplayedJob,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::Caller;
use super::cursor::{List, Page, limit_default};
use super::extract::{Body, Path, Query};
use super::problem::Problem;
use super::route::Routes;
use crate::error::Kind;
use crate::service::ReplayReport;

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(
            Scope::Read,
            "/dead-letters",
            get_with(list, |op| {
                op.id("listDeadLetters")
                    .summary("Jobs that ended badly, newest first")
            }),
        )
        .add(
            Scope::Read,
            "/dead-letters/{job}",
            get_with(show, |op| {
                op.id("showDeadLetter").summary("One dead letter in full")
            }),
        )
        .add(
            Scope::Read,
            "/dead-letters/preview",
            post_with(preview, |op| {
                op.id("previewReplay")
                    .summary("How many jobs a replay would take, and the first of them")
            }),
        )
        .create(
            Scope::Operate,
            "/replays",
            post_with(replay, |op| {
                op.id("replay")
                    .summary("Take dead letters back to the queue, as one replay")
            }),
        )
        .add(
            Scope::Read,
            "/replays",
            get_with(replays, |op| {
                op.id("listReplays").summary("Replays, newest first")
            }),
        )
        .add(
            Scope::Read,
            "/replays/{replay}",
            get_with(show_replay, |op| {
                op.id("showReplay")
                    .summary("One replay: who, when, why, and how its jobs fare")
            }),
        )
        .add(
            Scope::Read,
            "/replays/{replay}/jobs",
            get_with(replay_jobs, |op| {
                op.id("listReplayJobs")
                    .summary("The jobs of a replay, oldest first")
            }),
        )
}

#[derive(Deserialize, JsonSchema)]
struct JobPath {
    /// The job.
    job: JobId,
}

#[derive(Deserialize, JsonSchema)]
struct ReplayPath {
    /// The replay.
    replay: ReplayId,
}

/// Which dead letters to list.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadLetters {
    /// Only this type.
    #[serde(rename = "type")]
    type_name: Option<TypeName>,
    /// `discarded`, which is meant where it is left out, or `cancelled`.
    state: Option<State>,
    /// Only those whose last attempt came to this.
    outcome: Option<OutcomeKind>,
    /// Only those whose failure's message holds this text, letter by letter. A page is what was found among 20,000 dead
    /// letters: it may have few items, or none, and still a `next`.
    message: Option<String>,
    /// Only jobs created at this time or later.
    since: Option<Timestamp>,
    /// Only jobs created before this time.
    until: Option<Timestamp>,
    /// Only jobs older than this one.
    before: Option<JobId>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// How many at the most.
    #[serde(default = "limit_default")]
    #[schemars(range(min = 1, max = 500))]
    limit: u32,
}

impl DeadLetters {
    /// The dead letters that the query means.
    pub fn of(query: &DeadLetterQuery) -> Self {
        let filter = query.filter.clone();
        Self {
            type_name: filter.type_name,
            state: filter.state,
            outcome: filter.outcome,
            message: filter.message,
            since: filter.since,
            until: filter.until,
            before: query.before,
            cursor: None,
            limit: query.limit,
        }
    }

    /// Asks for the page behind this cursor.
    pub fn go_on(&mut self, cursor: String) {
        self.before = None;
        self.cursor = Some(cursor);
    }
}

/// A page of replays.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Paging {
    /// Only replays older than this one.
    pub before: Option<ReplayId>,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// How many at the most.
    #[serde(default = "limit_default")]
    #[schemars(range(min = 1, max = 500))]
    pub limit: u32,
}

/// A page of the jobs of a replay.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayJobs {
    /// Only jobs younger than this one.
    pub after: Option<JobId>,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// How many at the most.
    #[serde(default = "limit_default")]
    #[schemars(range(min = 1, max = 500))]
    pub limit: u32,
}

/// Which dead letters to replay: `jobs`, or filters, or `all`.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayStart {
    /// These jobs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<JobId>,
    /// Every dead letter of this type.
    #[serde(default, rename = "type")]
    pub type_name: Option<TypeName>,
    /// `discarded`, which is meant where it is left out, or `cancelled`.
    #[serde(default)]
    pub state: Option<State>,
    /// Those whose last attempt came to this.
    #[serde(default)]
    pub outcome: Option<OutcomeKind>,
    /// Those whose failure's message holds this text, letter by letter.
    #[serde(default)]
    pub message: Option<String>,
    /// Jobs created at this time or later.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// Jobs created before this time.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// Every dead letter of the state: has to be said, because it is so much.
    #[serde(default)]
    pub all: bool,
    /// Why: kept with the replay.
    #[serde(default)]
    pub note: Option<String>,
}

impl ReplayStart {
    /// Every dead letter that the filter means.
    pub fn of(filter: DeadLetterFilter) -> Self {
        let everything = DeadLetterFilter {
            state: filter.state,
            ..DeadLetterFilter::default()
        };
        Self {
            all: filter == everything,
            jobs: Vec::new(),
            type_name: filter.type_name,
            state: filter.state,
            outcome: filter.outcome,
            message: filter.message,
            since: filter.since,
            until: filter.until,
            note: None,
        }
    }

    async fn replay(self, caller: &Caller, dry_run: bool) -> Result<ReplayReport, Problem> {
        let filter = DeadLetterFilter {
            type_name: self.type_name,
            state: self.state,
            outcome: self.outcome,
            message: self.message,
            since: self.since,
            until: self.until,
            jobs: None,
        };
        let everything = DeadLetterFilter {
            state: filter.state,
            ..DeadLetterFilter::default()
        };
        let invalid = |detail: &str| Problem::new(Kind::Invalid, detail);
        let service = &caller.service;
        if !self.jobs.is_empty() {
            if self.all || filter != DeadLetterFilter::default() {
                return Err(
                    invalid("`jobs` is given, and a filter or `all`").hint("give one or the other")
                );
            }
            return Ok(service
                .replay_jobs(self.jobs, self.note, None, dry_run)
                .await?);
        }
        match (filter == everything, self.all) {
            (true, false) => Err(invalid("neither `jobs` nor a filter is given")
                .hint("`all` replays every one; a preview shows first what that would be")),
            (false, true) => {
                Err(invalid("`all` is given, and a filter").hint("give one or the other"))
            }
            _ => Ok(service
                .replay_matching(filter, self.note, None, dry_run)
                .await?),
        }
    }
}

async fn list(
    caller: Caller,
    Query(query): Query<DeadLetters>,
) -> Result<Json<Page<DeadLetter>>, Problem> {
    let list = List::new("dead-letters", &query);
    let before = query.before.map(|job| job.0);
    let before = list.begin(query.cursor.as_deref(), before)?.map(JobId);
    let limit = query.limit;
    let query = DeadLetterQuery {
        filter: DeadLetterFilter {
            type_name: query.type_name,
            state: query.state,
            outcome: query.outcome,
            message: query.message,
            since: query.since,
            until: query.until,
            jobs: None,
        },
        before,
        from: None,
        limit,
    };
    let found = caller.service.search_dead_letters(&query).await?;
    let mut page = list.page(found.letters, limit, |it| it.summary.id.0);
    if let Some(to) = found.searched_to {
        page.next = Some(list.cursor(to.0));
    }
    Ok(Json(page))
}

async fn show(caller: Caller, Path(path): Path<JobPath>) -> Result<Json<JobDetail>, Problem> {
    let job = caller.service.dead_letter(path.job).await?;
    Ok(Json(caller.shown(job)))
}

async fn preview(
    caller: Caller,
    Body(start): Body<ReplayStart>,
) -> Result<Json<ReplayReport>, Problem> {
    Ok(Json(start.replay(&caller, true).await?))
}

async fn replay(
    caller: Caller,
    Body(start): Body<ReplayStart>,
) -> Result<Json<ReplayReport>, Problem> {
    Ok(Json(start.replay(&caller, false).await?))
}

async fn replays(
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Replay>>, Problem> {
    let list = List::new("replays", &());
    let before = paging.before.map(|replay| replay.0);
    let before = list.begin(paging.cursor.as_deref(), before)?.map(ReplayId);
    let replays = caller.service.replays(before, paging.limit).await?;
    Ok(Json(list.page(replays, paging.limit, |it| it.id.0)))
}

async fn show_replay(
    caller: Caller,
    Path(path): Path<ReplayPath>,
) -> Result<Json<ReplayDetail>, Problem> {
    Ok(Json(caller.service.replay(path.replay).await?))
}

async fn replay_jobs(
    caller: Caller,
    Path(path): Path<ReplayPath>,
    Query(paging): Query<ReplayJobs>,
) -> Result<Json<Page<ReplayedJob>>, Problem> {
    // One that does not exist has no jobs, which is no answer.
    caller.service.replay(path.replay).await?;
    let list = List::new("replay-jobs", &path.replay);
    let after = paging.after.map(|job| job.0);
    let after = list.begin(paging.cursor.as_deref(), after)?.map(JobId);
    let jobs = caller
        .service
        .replayed_jobs(path.replay, after, paging.limit)
        .await?;
    Ok(Json(list.page(jobs, paging.limit, |it| it.id.0)))
}
