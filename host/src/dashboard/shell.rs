//! What is around every page: where one is, who one is, what was just done.

use askama::Template;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use hardstop_domain::{Scope, Timestamp};

use super::asset::{APP, EVENTS, HTMX, ICON, STYLE};
use super::field::Fields;
use super::show::now;
use super::viewer::cookie;
use crate::api::access::Access;
use crate::api::problem::Problem;
use crate::error::Error;

/// The name of the cookie that keeps the choice of colours.
pub const THEME_COOKIE: &str = "hardstop_theme";

/// The parts of the dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    Overview,
    Jobs,
    Chains,
    Types,
    Deployments,
    Schedules,
    DeadLetters,
    Workers,
    Events,
    Audit,
    Tokens,
}

impl Section {
    const ALL: [Self; 11] = [
        Self::Overview,
        Self::Jobs,
        Self::Chains,
        Self::Types,
        Self::Deployments,
        Self::Schedules,
        Self::DeadLetters,
        Self::Workers,
        Self::Events,
        Self::Audit,
        Self::Tokens,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Jobs => "Jobs",
            Self::Chains => "Chains",
            Self::Types => "Types",
            Self::Deployments => "Deployments",
            Self::Schedules => "Schedules",
            Self::DeadLetters => "Dead letters",
            Self::Workers => "Workers",
            Self::Events => "Events",
            Self::Audit => "Audit",
            Self::Tokens => "Tokens",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Overview => "/",
            Self::Jobs => "/jobs",
            Self::Chains => "/chains",
            Self::Types => "/types",
            Self::Deployments => "/deployments",
            Self::Schedules => "/schedules",
            Self::DeadLetters => "/dead-letters",
            Self::Workers => "/workers",
            Self::Events => "/subscriptions",
            Self::Audit => "/audit",
            Self::Tokens => "/tokens",
        }
    }

    fn scope(self) -> Scope {
        match self {
            Self::Events | Self::Audit | Self::Tokens => Scope::Admin,
            _ => Scope::Read,
        }
    }
}

/// A way to a part of the dashboard.
pub struct Link {
    pub name: &'static str,
    pub path: &'static str,
    pub is_here: bool,
}

/// Which colours somebody has chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// As the system has it.
    #[default]
    Auto,
    Light,
    Dark,
}

impl Theme {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Light, Self::Dark];

    /// As the cookie and the form say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// The choice of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|theme| theme.name() == name)
    }
}

/// What is around a page.
#[derive(Debug, Clone)]
pub struct Shell {
    pub section: Option<Section>,
    pub title: String,
    pub theme: Theme,
    /// The address of the page, to come back to.
    pub here: String,
    /// By the clock of the server.
    pub now: Timestamp,
    /// What was just done.
    pub done: Option<&'static str>,
    /// What is in the search field.
    pub searched: String,
    access: Option<Access>,
}

impl Shell {
    /// Around what a request is answered with.
    pub fn of(headers: &HeaderMap, uri: &Uri, access: Option<&Access>) -> Self {
        let theme = cookie(headers, THEME_COOKIE).and_then(Theme::from_name);
        let query = Fields::parse(uri.query().unwrap_or_default().as_bytes());
        let here = uri.path_and_query().map_or("/", |it| it.as_str());
        Self {
            section: None,
            title: String::new(),
            theme: theme.unwrap_or_default(),
            here: here.to_owned(),
            now: now(),
            done: query.text("done").and_then(done),
            searched: String::new(),
            access: access.cloned(),
        }
    }

    /// The same around a page of this part, under this title.
    pub fn titled(&self, section: Section, title: String) -> Self {
        Self {
            section: Some(section),
            title,
            ..self.clone()
        }
    }

    /// The ways to all parts that may be seen.
    pub fn links(&self) -> Vec<Link> {
        let sections = Section::ALL.into_iter();
        let seen = sections.filter(|section| self.access.is_none() || self.may(section.scope()));
        let links = seen.map(|section| Link {
            name: section.name(),
            path: section.path(),
            is_here: self.section == Some(section),
        });
        links.collect()
    }

    fn may(&self, scope: Scope) -> bool {
        self.access
            .as_ref()
            .is_some_and(|access| access.allows(scope))
    }

    /// Whether to show what starts, steers and stops jobs.
    pub fn may_operate(&self) -> bool {
        self.may(Scope::Operate)
    }

    /// Whether to show what puts deployments in force.
    pub fn may_deploy(&self) -> bool {
        self.may(Scope::Deploy)
    }

    /// The name that somebody is logged in under.
    pub fn who(&self) -> Option<&str> {
        let access = self.access.as_ref().filter(|access| access.has_token());
        access.map(Access::actor)
    }

    pub fn themes(&self) -> impl Iterator<Item = Theme> {
        let chosen = self.theme;
        Theme::ALL.into_iter().filter(move |theme| *theme != chosen)
    }

    pub fn style(&self) -> &'static str {
        STYLE.path()
    }

    pub fn icon(&self) -> &'static str {
        ICON.path()
    }

    pub fn scripts(&self) -> [&'static str; 3] {
        [HTMX.path(), EVENTS.path(), APP.path()]
    }
}

/// The sentence of something that was done. A table, so that no address can make a page say anything else.
fn done(code: &str) -> Option<&'static str> {
    Some(match code {
        "retried" => "The job is in the queue again.",
        "cancelled" => "The job is cancelled.",
        "triggered" => "The job is due now.",
        "completed" => "The job is completed.",
        "failed" => "The job is failed for good.",
        "chain-cancelled" => "The chain is cancelled.",
        "chain-deleted" => "The chain is deleted.",
        "paused" => "Paused: nothing new is claimed, and what runs goes on.",
        "resumed" => "Resumed.",
        "rolled-back" => "Rolled back: new attempts run this deployment.",
        "canary-changed" => "The canary is changed.",
        "canary-promoted" => "The canary is in force.",
        "canary-ended" => "The canary has ended.",
        "released" => "Released from quarantine.",
        "schedule-paused" => "The schedule is paused.",
        "schedule-resumed" => "The schedule is resumed.",
        "schedule-deleted" => "The schedule is deleted. Chains that it started stay.",
        "subscription-paused" => "The subscription is paused: its events are gathered.",
        "subscription-resumed" => "The subscription goes on.",
        "subscription-deleted" => "The subscription is deleted.",
        "redelivered" => "Events wait again to be delivered.",
        "drain" => "The worker finishes what it runs, and claims nothing new.",
        "revoked" => "The token is revoked.",
        "deduplicated" => "Nothing was started: this open chain has the key.",
        "started" => "Started.",
        _ => return None,
    })
}

/// A page.
pub struct Page<T>(pub T);

impl<T: Template> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        match self.0.render() {
            Ok(text) => Html(text).into_response(),
            Err(error) => {
                Problem::from(Error::environment(format!("a page: {error}"))).into_response()
            }
        }
    }
}

/// A page with a status of its own.
pub fn with_status(status: StatusCode, page: impl Template) -> Response {
    let mut response = Page(page).into_response();
    if response.status() == StatusCode::OK {
        *response.status_mut() = status;
    }
    response
}
