//! The document: OpenAPI 3.1, made of the handlers' types.

use std::collections::BTreeMap;

use aide::generate::in_context;
use aide::openapi::{Info, OpenApi};
use axum::Router;
use axum::http::header;
use axum::routing::get;
use bytes::Bytes;
use hardstop_domain::Scope;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::problem::{MEDIA_TYPE, ProblemBody, TYPE_PREFIX};
use super::route::Routes;
use super::{Api, PREFIX, idempotency};
use crate::error::Kind;

/// The name of the bearer tokens in the document.
pub const SECURITY: &str = "token";
/// Where the document keeps schemas.
const SCHEMAS: &str = "#/components/schemas/";
/// Statuses of problems that concern requests with a body only.
const OF_BODIES: [u16; 3] = [408, 413, 415];

/// The document of these routes, and their router.
pub fn of(routes: Routes) -> (Value, Router<Api>) {
    let mut api = OpenApi {
        info: Info {
            title: "Hardstop".to_owned(),
            description: Some(
                "Starts, shows and steers jobs. Every error is a problem as RFC 9457 has it, told apart by its `type`. \
                 Lists are paged: `next` of a page is the `cursor` of the next one. Durations are written `30s`, sizes \
                 `64MiB` or as a number of bytes, times as RFC 3339."
                    .to_owned(),
            ),
            version: "1".to_owned(),
            ..Info::default()
        },
        ..OpenApi::default()
    };
    let once = routes.once();
    let router = routes.finish(&mut api);
    let mut document = serde_json::to_value(&api).unwrap_or_default();
    for path in once {
        let operation = &mut document["paths"][path]["post"];
        match operation["parameters"].as_array_mut() {
            Some(parameters) => parameters.push(idempotency::parameter()),
            None => operation["parameters"] = json!([idempotency::parameter()]),
        }
    }
    complete(&mut document);
    (document, router)
}

/// Schemas as OpenAPI 3.1 has them. To be called before handlers are looked at, on the same thread.
pub fn begin() {
    in_context(|context| {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = SCHEMAS.into();
        });
        context.schema = settings.into_generator();
    });
}

/// Adds what all operations have in common: problems, the server, and how tokens are sent.
fn complete(document: &mut Value) {
    document["servers"] = json!([{ "url": PREFIX }]);
    document["components"]["securitySchemes"][SECURITY] = json!({
        "type": "http",
        "scheme": "bearer",
        "description": format!(
            "A token that `hardstop token create` made. Each operation names the scope that it needs: {}. Where no \
             token was ever made, and the server listens on a loopback address, none is needed.",
            Scope::ALL.map(Scope::name).join(", ")
        ),
    });
    let mut problem = schemars::schema_for!(ProblemBody).to_value();
    if let Some(schema) = problem.as_object_mut() {
        schema.remove("$schema");
    }
    document["components"]["schemas"]["Problem"] = problem;
    let mut kinds: BTreeMap<u16, Vec<Kind>> = BTreeMap::new();
    for kind in Kind::ALL {
        kinds.entry(kind.status()).or_default().push(kind);
    }
    for (status, kinds) in &kinds {
        let lines = kinds
            .iter()
            .map(|kind| format!("`{TYPE_PREFIX}{}`: {}", kind.slug(), kind.description()));
        document["components"]["responses"][format!("Problem{status}")] = json!({
            "description": lines.collect::<Vec<_>>().join("\n\n"),
            "content": { MEDIA_TYPE: { "schema": { "$ref": format!("{SCHEMAS}Problem") } } },
        });
    }
    for operation in operations(document) {
        let has_body = operation.get("requestBody").is_some();
        for status in kinds.keys() {
            if *status != 405 && (has_body || !OF_BODIES.contains(status)) {
                operation["responses"][status.to_string()] =
                    json!({ "$ref": format!("#/components/responses/Problem{status}") });
            }
        }
    }
}

fn operations(document: &mut Value) -> impl Iterator<Item = &mut Value> {
    let paths = document["paths"].as_object_mut();
    let items = paths.into_iter().flat_map(|paths| paths.values_mut());
    let methods = items.filter_map(Value::as_object_mut);
    methods.flat_map(|item| item.values_mut().filter(|it| it.get("responses").is_some()))
}

/// The route of the document itself, which needs no token: it says nothing about jobs.
pub fn route(document: &Value) -> Router<Api> {
    let text = Bytes::from(document.to_string());
    Router::new().route(
        "/openapi.json",
        get(|| async move { ([(header::CONTENT_TYPE, "application/json")], text) }),
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The document as it is kept in the repository.
    const KEPT: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/reference/openapi.json"
    );
    /// Set to write the kept document anew.
    const RENEW: &str = "HARDSTOP_RENEW";

    #[test]
    fn is_the_one_that_is_kept() {
        let mut text = serde_json::to_string_pretty(&crate::api::openapi()).expect("writes");
        text.push('\n');
        if std::env::var_os(RENEW).is_some() {
            std::fs::write(KEPT, &text).expect("writes the document");
        }
        let kept = std::fs::read_to_string(Path::new(KEPT)).unwrap_or_default();
        assert!(
            kept == text,
            "the API's document is not the one in docs/reference/openapi.json. If that is meant, write it anew:\n    \
             {RENEW}=1 cargo test --workspace --lib -- api::document\nand look at the difference before you commit it"
        );
    }

    #[test]
    fn says_of_every_operation_who_may_and_what_may_come() {
        let mut document = crate::api::openapi();
        assert_eq!(document["openapi"], "3.1.0");
        let mut ids = std::collections::BTreeSet::new();
        for operation in operations(&mut document) {
            let id = operation["operationId"]
                .as_str()
                .expect("has an id")
                .to_owned();
            assert!(operation["summary"].is_string(), "{id}");
            let scopes = &operation["security"][0][SECURITY];
            assert_eq!(scopes.as_array().map(Vec::len), Some(1), "{id}");
            for status in ["401", "403", "500", "503"] {
                assert!(operation["responses"][status].is_object(), "{id} {status}");
            }
            let good = ["200", "201"].into_iter();
            let good = good.filter(|it| operation["responses"][*it]["content"].is_object());
            assert_eq!(good.count(), 1, "{id}");
            assert!(ids.insert(id.clone()), "{id} is there twice");
        }
        assert!(ids.len() > 40, "{}", ids.len());
    }
}
