//! Jobs: a page of them, and what the search field means.

use std::fmt::Display;

use askama::Template;
use axum::response::Redirect;
use form_urlencoded::Serializer;
use hardstop_domain::quantity::parse_duration;
use hardstop_domain::{JobId, Scope, State, Timestamp, TypeName};
use hardstop_store::{DeadLetterFilter, DeadLetterQuery, JobQuery, JobSummary};
use uuid::Uuid;

use super::field::{Fields, Query};
use super::route::Routes;
use super::shell::{Page, Section, Shell};
use super::show;
use super::viewer::Viewer;
use crate::api::problem::Problem;
use crate::error::{Error, Kind};
use crate::service::{SEARCHED_MAX, Service};

/// How many rows a page has.
pub const ROWS: u32 = 50;

pub fn routes(routes: Routes) -> Routes {
    routes
        .page(Scope::Read, "/jobs", "Jobs, newest first", list)
        .page(Scope::Read, "/search", "Go to what a text means", search)
}

/// Which jobs to list, as the address says it.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub type_name: Option<TypeName>,
    pub state: Option<State>,
    /// Text of the error of a job that ended badly.
    pub error: Option<String>,
    pub key: Option<String>,
    /// A time, or how long ago.
    pub since: Option<String>,
    pub until: Option<String>,
    since_at: Option<Timestamp>,
    until_at: Option<Timestamp>,
    before: Option<JobId>,
}

/// A job, and what was wrong with it.
pub struct Row {
    pub job: JobSummary,
    pub error: Option<String>,
}

/// A page of jobs.
pub struct Rows {
    pub rows: Vec<Row>,
    /// The last job that was searched for a text, where older ones were not.
    pub searched_to: Option<JobId>,
}

impl Filter {
    pub fn read(fields: &Fields, now: Timestamp) -> Result<Self, Error> {
        let filter = Self {
            type_name: fields.read("type")?,
            state: fields.read("state")?,
            error: fields.owned("error"),
            key: fields.owned("key"),
            since: fields.owned("since"),
            until: fields.owned("until"),
            since_at: point(fields, "since", now)?,
            until_at: point(fields, "until", now)?,
            before: fields.read("before")?,
        };
        match filter.state {
            Some(state) if filter.error.is_some() && !is_dead(state) => Err(Error::usage(format!(
                "a job that is {state} has no error to look for"
            ))
            .hint("look among discarded or cancelled jobs, or leave the text out")),
            _ if filter.error.is_some() && filter.key.is_some() => Err(Error::usage(
                "text of an error and a key are not looked for together",
            )
            .hint("leave one of them out: the jobs of a key are few")),
            _ => Ok(filter),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.pairs().is_empty()
    }

    fn pairs(&self) -> Vec<(&'static str, String)> {
        let text = |value: &Option<String>| value.clone();
        let pairs = [
            ("type", self.type_name.as_ref().map(TypeName::to_string)),
            ("state", self.state.map(|state| state.to_string())),
            ("error", text(&self.error)),
            ("key", text(&self.key)),
            ("since", text(&self.since)),
            ("until", text(&self.until)),
        ];
        let set = pairs.into_iter();
        set.filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }

    /// The address of the list, with something more in it.
    pub fn address(&self, more: &[(&str, &dyn Display)]) -> String {
        let mut query = Serializer::new(String::new());
        for (name, value) in self.pairs() {
            if !more.iter().any(|(other, _)| *other == name) {
                query.append_pair(name, &value);
            }
        }
        for (name, value) in more {
            let value = value.to_string();
            if !value.is_empty() {
                query.append_pair(name, &value);
            }
        }
        match query.finish() {
            query if query.is_empty() => "/jobs".to_owned(),
            query => format!("/jobs?{query}"),
        }
    }

    /// The address of the list from its begin.
    pub fn newest(&self) -> String {
        self.address(&[])
    }

    /// The same list in another state; an empty one is any.
    pub fn in_state(&self, state: &str) -> String {
        self.address(&[("state", &state)])
    }

    /// A page of the jobs that are meant.
    pub async fn rows(&self, service: &Service, limit: u32) -> Result<Rows, Error> {
        let state = self.state.or(self.error.as_ref().map(|_| State::Discarded));
        if let Some(state) = state.filter(|state| is_dead(*state))
            && self.key.is_none()
        {
            let query = DeadLetterQuery {
                filter: DeadLetterFilter {
                    type_name: self.type_name.clone(),
                    state: Some(state),
                    message: self.error.clone(),
                    since: self.since_at,
                    until: self.until_at,
                    ..DeadLetterFilter::default()
                },
                before: self.before,
                from: None,
                limit,
            };
            let found = service.search_dead_letters(&query).await?;
            let rows = found.letters.into_iter().map(|letter| Row {
                job: letter.summary,
                error: letter.failure.map(|failure| failure.message),
            });
            return Ok(Rows {
                rows: rows.collect(),
                searched_to: found.searched_to,
            });
        }
        let query = JobQuery {
            type_name: self.type_name.clone(),
            state: self.state,
            key: self.key.clone(),
            since: self.since_at,
            until: self.until_at,
            before: self.before,
            limit,
        };
        let found = service.jobs(&query).await?.into_iter();
        Ok(Rows {
            rows: found.map(|job| Row { job, error: None }).collect(),
            searched_to: None,
        })
    }
}

fn is_dead(state: State) -> bool {
    matches!(state, State::Discarded | State::Cancelled)
}

/// A time, or a length of time before now.
fn point(fields: &Fields, name: &str, now: Timestamp) -> Result<Option<Timestamp>, Error> {
    let Some(text) = fields.text(name) else {
        return Ok(None);
    };
    if let Ok(ago) = parse_duration(text) {
        return Ok(Some(Timestamp(
            now.0.saturating_sub(ago.as_micros() as i64),
        )));
    }
    text.parse().map(Some).map_err(|_| {
        Error::usage(format!("`{name}`: `{text}` is no time"))
            .kind(Kind::Malformed)
            .hint("write how long ago, such as 24h, or a time such as 2026-11-21T07:00:00Z")
    })
}

#[derive(Template)]
#[template(path = "jobs.html")]
struct JobsPage {
    shell: Shell,
    filter: Filter,
    types: Vec<TypeName>,
    rows: Vec<Row>,
    /// The address of the next page.
    older: Option<String>,
    /// How many jobs were searched for a text, where there are older ones.
    searched: Option<u32>,
    /// Whether this is not the first one.
    is_later: bool,
    /// Whether what is listed has errors.
    with_errors: bool,
}

async fn list(viewer: Viewer, Query(query): Query) -> Result<Page<JobsPage>, Problem> {
    let shell = viewer.shell(Section::Jobs, "Jobs");
    let filter = Filter::read(&query, shell.now)?;
    let Rows { rows, searched_to } = filter.rows(&viewer.service, ROWS).await?;
    let last = rows.last().filter(|_| rows.len() == ROWS as usize);
    let last = searched_to.or(last.map(|row| row.job.id));
    Ok(Page(JobsPage {
        older: last.map(|id| filter.address(&[("before", &id)])),
        searched: searched_to.map(|_| SEARCHED_MAX),
        is_later: filter.before.is_some(),
        with_errors: rows.iter().any(|row| row.error.is_some()),
        types: viewer.service.type_names().await?,
        rows,
        filter,
        shell,
    }))
}

/// What the search field means: an id, a state, a type, or text of an error.
async fn search(viewer: Viewer, Query(query): Query) -> Result<Redirect, Problem> {
    let Some(text) = query.text("q") else {
        return Ok(Redirect::to("/jobs"));
    };
    if let Ok(id) = text.parse::<Uuid>() {
        // A chain has the id of its first job.
        return Ok(Redirect::to(&format!("/jobs/{id}")));
    }
    let mut filter = Filter::default();
    let types = viewer.service.type_names().await?;
    match (
        text.parse::<State>(),
        types.into_iter().find(|name| name.as_str() == text),
    ) {
        (_, Some(name)) => filter.type_name = Some(name),
        (Ok(state), None) => filter.state = Some(state),
        (Err(_), None) => filter.error = Some(text.to_owned()),
    }
    Ok(Redirect::to(&filter.address(&[])))
}
