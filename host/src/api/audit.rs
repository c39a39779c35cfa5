//! What was changed, and by whom: listed, and exported as JSON lines.

use aide::axum::routing::get_with;
use aide::generate::GenContext;
use aide::openapi::{MediaType, Operation, Response as DocumentedResponse, StatusCode};
use aide::operation::OperationOutput;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::{StreamExt as _, TryStreamExt as _};
use hardstop_domain::{AuditId, Scope, Timestamp};
use hardstop_store::{AuditAction, AuditQuery, AuditRecord};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::Caller;
use super::cursor::{List, Page, limit_default};
use super::extract::Query;
use super::problem::Problem;
use super::route::Routes;
use crate::service::json_lines;

/// The media type of JSON lines.
const JSON_LINES: &str = "application/jsonl";

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(
            Scope::Admin,
            "/audit",
            get_with(list, |op| {
                op.id("listAudit")
                    .summary("What people and programs changed, newest first")
            }),
        )
        .add(
            Scope::Admin,
            "/audit/export",
            get_with(export, |op| {
                op.id("exportAudit")
                    .summary("The same, all of it, one JSON object a line")
            }),
        )
}

/// Which records to list.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Records {
    /// Only by this actor.
    actor: Option<String>,
    /// Only this action.
    action: Option<AuditAction>,
    /// Only to this: an id, the name of a type or schedule, or `everything`.
    subject: Option<String>,
    /// Only at this time or later.
    since: Option<Timestamp>,
    /// Only before this time.
    until: Option<Timestamp>,
    /// Only records older than this one.
    before: Option<AuditId>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// How many at the most.
    #[serde(default = "limit_default")]
    #[schemars(range(min = 1, max = 1000))]
    limit: u32,
}

impl Records {
    /// The records that the query means.
    pub fn of(query: &AuditQuery) -> Self {
        let query = query.clone();
        Self {
            actor: query.actor,
            action: query.action,
            subject: query.subject,
            since: query.since,
            until: query.until,
            before: query.before,
            cursor: None,
            limit: query.limit,
        }
    }
}

/// Which records to export.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Exported {
    /// Only by this actor.
    actor: Option<String>,
    /// Only this action.
    action: Option<AuditAction>,
    /// Only to this.
    subject: Option<String>,
    /// Only at this time or later.
    since: Option<Timestamp>,
    /// Only before this time.
    until: Option<Timestamp>,
}

async fn list(
    caller: Caller,
    Query(query): Query<Records>,
) -> Result<Json<Page<AuditRecord>>, Problem> {
    let list = List::new("audit", &query);
    let before = query.before.map(|record| record.0);
    let before = list.begin(query.cursor.as_deref(), before)?.map(AuditId);
    let limit = query.limit;
    let query = AuditQuery {
        actor: query.actor,
        action: query.action,
        subject: query.subject,
        since: query.since,
        until: query.until,
        before,
        limit,
    };
    let records = caller.service.audit(&query).await?;
    Ok(Json(list.page(records, limit, |it| it.id.0)))
}

/// JSON lines, sent as they are read.
struct Lines(Body);

impl IntoResponse for Lines {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, JSON_LINES)], self.0).into_response()
    }
}

impl OperationOutput for Lines {
    type Inner = AuditRecord;

    fn inferred_responses(
        _: &mut GenContext,
        _: &mut Operation,
    ) -> Vec<(Option<StatusCode>, DocumentedResponse)> {
        let response = DocumentedResponse {
            description:
                "A record a line. A connection that breaks off before its end left some out."
                    .to_owned(),
            content: [(JSON_LINES.to_owned(), MediaType::default())]
                .into_iter()
                .collect(),
            ..DocumentedResponse::default()
        };
        vec![(Some(StatusCode::Code(200)), response)]
    }
}

async fn export(caller: Caller, Query(query): Query<Exported>) -> Result<Lines, Problem> {
    let query = AuditQuery {
        actor: query.actor,
        action: query.action,
        subject: query.subject,
        since: query.since,
        until: query.until,
        ..AuditQuery::default()
    };
    let mut pages = Box::pin(caller.service.audit_pages(query));
    // An error of the first page is a problem still; a later one breaks the answer off.
    let first = pages.try_next().await?.unwrap_or_default();
    let rest = pages.map_err(|error| std::io::Error::other(error.message));
    let pages = futures::stream::iter([Ok(first)]).chain(rest);
    let lines = pages.map_ok(|page| Bytes::from(json_lines(&page)));
    Ok(Lines(Body::from_stream(lines)))
}
