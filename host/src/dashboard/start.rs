//! Starting a job of a type: by a form that its schema makes, or by JSON.

use std::time::Duration;

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use hardstop_domain::quantity::parse_duration;
use hardstop_domain::{Dedup, DedupScope, Scope, TypeName};
use hardstop_store::ActiveType;
use serde_json::Value;

use super::field::{Fields, Form, Query};
use super::form::{self, Fault, Field, Widget};
use super::route::Routes;
use super::shell::{Page, Section, Shell, with_status};
use super::viewer::Viewer;
use crate::api::extract::Path;
use crate::api::problem::Problem;
use crate::error::{Error, Kind};
use crate::service::StartRequest;

pub fn routes(routes: Routes) -> Routes {
    routes
        .page(
            Scope::Operate,
            "/types/{type}/start",
            "The start form of a type",
            ask,
        )
        .action(
            Scope::Operate,
            "/types/{type}/start",
            "Start a chain of a type",
            start,
        )
}

#[derive(serde::Deserialize)]
pub struct TypePath {
    #[serde(rename = "type")]
    pub type_name: TypeName,
}

#[derive(Template)]
#[template(path = "start.html")]
struct StartPage {
    shell: Shell,
    name: TypeName,
    description: String,
    /// Whether the input is given as JSON.
    raw: bool,
    /// Whether there is a form to go back to.
    has_fields: bool,
    fields: String,
    json: String,
    /// What is wrong with the whole of it.
    errors: Vec<String>,
    after: String,
    priority: String,
    key: String,
}

/// One field and what is in it. Groups hold others.
#[derive(Template)]
#[template(path = "field.html")]
struct FieldPart<'f> {
    field: &'f Field,
    inner: Vec<String>,
    outermost: bool,
}

fn part(field: &Field, outermost: bool) -> Result<String, Error> {
    let fields = match &field.widget {
        Widget::Group(fields) | Widget::List(fields) => fields.as_slice(),
        _ => &[],
    };
    let inner = fields
        .iter()
        .map(|field| part(field, false))
        .collect::<Result<_, Error>>()?;
    let part = FieldPart {
        field,
        inner,
        outermost,
    };
    part.render()
        .map_err(|error| Error::environment(format!("a form: {error}")))
}

impl StartPage {
    fn new(
        viewer: &Viewer,
        active: &ActiveType,
        filled: Option<&Fields>,
        raw: bool,
        faults: &[Fault],
    ) -> Result<Self, Error> {
        let spec = &active.spec;
        let schema = schema(active);
        let field = form::form(&schema, filled, faults);
        let has_fields = form::has_fields(&schema);
        let text = |name: &str| {
            filled
                .and_then(|filled| filled.raw(name))
                .unwrap_or_default()
                .to_owned()
        };
        let shown = places(&field);
        let elsewhere = faults
            .iter()
            .filter(|fault| raw || !has_fields || !shown.contains(&fault.place));
        let errors = elsewhere.map(|fault| match fault.place.as_str() {
            "" => fault.what.clone(),
            place => format!("{place}: {}", fault.what),
        });
        Ok(Self {
            shell: viewer.shell(Section::Types, format!("Start {}", spec.name)),
            name: spec.name.clone(),
            description: spec.description.clone(),
            raw: raw || !has_fields,
            has_fields,
            errors: errors.collect(),
            fields: part(&field, true)?,
            json: match filled {
                Some(_) => text("json"),
                None => "{}".to_owned(),
            },
            after: text("after"),
            priority: text("priority"),
            key: text("key"),
        })
    }
}

fn places(field: &Field) -> Vec<String> {
    let mut found = vec![
        field
            .name
            .strip_prefix(form::ROOT)
            .unwrap_or_default()
            .to_owned(),
    ];
    if let Widget::Group(fields) | Widget::List(fields) = &field.widget {
        found.extend(fields.iter().flat_map(places));
    }
    found
}

fn schema(active: &ActiveType) -> Value {
    serde_json::from_str(&active.spec.input_schema).unwrap_or(Value::Bool(true))
}

async fn ask(
    viewer: Viewer,
    Path(path): Path<TypePath>,
    Query(query): Query,
) -> Result<Page<StartPage>, Problem> {
    let active = viewer.service.job_type(path.type_name.as_str()).await?;
    let raw = query.text("raw").is_some();
    Ok(Page(StartPage::new(&viewer, &active, None, raw, &[])?))
}

async fn start(
    viewer: Viewer,
    Path(path): Path<TypePath>,
    Form(filled): Form,
) -> Result<Response, Problem> {
    let active = viewer.service.job_type(path.type_name.as_str()).await?;
    let raw = filled.text("raw").is_some();
    let again = |faults: &[Fault]| -> Result<Response, Problem> {
        let page = StartPage::new(&viewer, &active, Some(&filled), raw, faults)?;
        Ok(match faults.is_empty() {
            true => Page(page).into_response(),
            false => with_status(StatusCode::UNPROCESSABLE_ENTITY, page),
        })
    };
    if filled.text("add").is_some() {
        return again(&[]);
    }
    let input = match raw {
        true => Ok(filled.raw("json").unwrap_or_default().to_owned()),
        false => form::input(&schema(&active), &filled).map(|input| input.to_string()),
    };
    let input = match input {
        Ok(input) => input,
        Err(faults) => return again(&faults),
    };
    let faults = viewer.service.faults(&path.type_name, &input).await?;
    let faults: Vec<Fault> = faults
        .into_iter()
        .map(|(place, what)| Fault { place, what })
        .collect();
    if !faults.is_empty() {
        return again(&faults);
    }
    let request = match request(&path.type_name, &filled, input) {
        Ok(request) => request,
        Err(error) => return again(&[whole(error)]),
    };
    match viewer.service.start(request).await {
        Ok(started) => {
            let (place, done) = match started.deduplicated {
                true => (format!("/chains/{}", started.chain_id), "deduplicated"),
                false => (format!("/jobs/{}", started.chain_id), "started"),
            };
            Ok(Redirect::to(&format!("{place}?done={done}")).into_response())
        }
        Err(error) if matches!(error.kind, Kind::Invalid | Kind::SchemaMismatch) => {
            again(&[whole(error)])
        }
        Err(error) => Err(error.into()),
    }
}

fn whole(error: Error) -> Fault {
    Fault {
        place: String::new(),
        what: error.message,
    }
}

fn request(name: &TypeName, filled: &Fields, input: String) -> Result<StartRequest, Error> {
    let delay = filled.text("after").map(parse_duration).transpose();
    let delay = delay.map_err(|error| Error::usage(format!("`wait`: {error}")))?;
    Ok(StartRequest {
        type_name: name.to_string(),
        input,
        delay: delay.unwrap_or(Duration::ZERO),
        priority: filled.read("priority")?,
        dedup: filled.owned("key").map(|key| Dedup {
            key,
            scope: DedupScope::Open,
        }),
        ..StartRequest::default()
    })
}
