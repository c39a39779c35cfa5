//! What was changed, and by whom.

use askama::Template;
use form_urlencoded::Serializer;
use hardstop_domain::{AuditId, Scope};
use hardstop_store::{AuditAction, AuditQuery, AuditRecord};

use super::field::Query;
use super::job_list::ROWS;
use super::route::Routes;
use super::shell::{Page, Section, Shell};
use super::show;
use super::viewer::Viewer;
use crate::api::problem::Problem;
use crate::error::Error;

/// How much of what was and is a row shows.
const SHOWN_BYTES_MAX: usize = 4 << 10;

pub fn routes(routes: Routes) -> Routes {
    routes.page(
        Scope::Admin,
        "/audit",
        "What was changed, and by whom",
        list,
    )
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    shell: Shell,
    actor: Option<String>,
    action: Option<AuditAction>,
    subject: Option<String>,
    records: Vec<AuditRecord>,
    older: Option<String>,
    is_later: bool,
}

impl AuditPage {
    fn address(&self, before: Option<AuditId>) -> String {
        let mut query = Serializer::new(String::new());
        let pairs = [
            ("actor", self.actor.clone()),
            ("action", self.action.map(|action| action.name().to_owned())),
            ("subject", self.subject.clone()),
            ("before", before.map(|id| id.to_string())),
        ];
        for (name, value) in pairs {
            if let Some(value) = value {
                query.append_pair(name, &value);
            }
        }
        format!("/audit?{}", query.finish())
    }

    fn newest(&self) -> String {
        self.address(None)
    }

    fn is_filtered(&self) -> bool {
        self.actor.is_some() || self.action.is_some() || self.subject.is_some()
    }
}

fn shown(value: &Option<serde_json::Value>) -> String {
    let text = value
        .as_ref()
        .map(|value| serde_json::to_string_pretty(value).unwrap_or_default());
    show::cut(text.unwrap_or_default(), SHOWN_BYTES_MAX)
}

async fn list(viewer: Viewer, Query(query): Query) -> Result<Page<AuditPage>, Problem> {
    let action = query.text("action").map(|text| {
        AuditAction::from_name(text)
            .ok_or_else(|| Error::usage(format!("`action`: `{text}` is nothing that is recorded")))
    });
    let before: Option<AuditId> = query.read("before")?;
    let wanted = AuditQuery {
        actor: query.owned("actor"),
        action: action.transpose()?,
        subject: query.owned("subject"),
        before,
        limit: ROWS,
        ..AuditQuery::default()
    };
    let records = viewer.service.audit(&wanted).await?;
    let mut page = AuditPage {
        shell: viewer.shell(Section::Audit, "Audit"),
        actor: wanted.actor,
        action: wanted.action,
        subject: wanted.subject,
        records,
        older: None,
        is_later: before.is_some(),
    };
    let last = page
        .records
        .last()
        .filter(|_| page.records.len() == ROWS as usize);
    page.older = last.map(|last| page.address(Some(last.id)));
    Ok(Page(page))
}
