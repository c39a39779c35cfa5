//! Adding routes: each with the scope that it needs, so that none can be without one.

use aide::axum::ApiRouter;
use aide::axum::routing::ApiMethodRouter;
use aide::generate::GenContext;
use aide::openapi::{Operation, Response as DocumentedResponse, StatusCode as DocumentedStatus};
use aide::operation::OperationOutput;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use hardstop_domain::Scope;
use schemars::JsonSchema;
use serde::Serialize;

use super::access::require;
use super::document::SECURITY;
use super::{Api, PREFIX, idempotency};

/// The routes that have been added.
pub struct Routes {
    router: ApiRouter<Api>,
    /// The paths whose POST makes something, and makes it once for each idempotency key.
    once: Vec<String>,
}

impl Routes {
    /// None yet.
    pub fn none() -> Self {
        Self {
            router: ApiRouter::new(),
            once: Vec::new(),
        }
    }

    /// Adds the methods of a path that need this scope.
    #[must_use]
    pub fn add(self, scope: Scope, path: &str, methods: ApiMethodRouter<Api>) -> Self {
        let methods = methods.route_layer(from_fn(move |request: Request, next: Next| {
            require(scope, request, next)
        }));
        let router = self.router.api_route_with(path, methods, |item| {
            item.security_requirement_scopes(SECURITY, [scope.name()])
        });
        Self { router, ..self }
    }

    /// Adds a path whose POST makes something, and makes it once for each idempotency key.
    #[must_use]
    pub fn create(mut self, scope: Scope, path: &str, post: ApiMethodRouter<Api>) -> Self {
        self.once.push(path.to_owned());
        self.add(scope, path, post.route_layer(from_fn(idempotency::read)))
    }

    /// The paths that [`Routes::create`] added.
    pub fn once(&self) -> Vec<String> {
        self.once.clone()
    }

    /// The router, its documentation put into `document`.
    pub fn finish(self, document: &mut aide::openapi::OpenApi) -> Router<Api> {
        self.router.finish_api(document)
    }
}

/// An answer that says that something was made, and where it is.
pub struct Created<T> {
    place: Option<String>,
    made: T,
}

impl<T> Created<T> {
    /// What was made, and its path under the API.
    pub fn at(path: String, made: T) -> Self {
        Self {
            place: Some(format!("{PREFIX}{path}")),
            made,
        }
    }

    /// Several things that were made.
    pub fn without_place(made: T) -> Self {
        Self { place: None, made }
    }
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::CREATED, Json(self.made)).into_response();
        let place = self.place.and_then(|place| place.try_into().ok());
        if let Some(place) = place {
            response.headers_mut().insert(header::LOCATION, place);
        }
        response
    }
}

impl<T: JsonSchema> OperationOutput for Created<T> {
    type Inner = T;

    fn inferred_responses(
        context: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<DocumentedStatus>, DocumentedResponse)> {
        let created = Some(DocumentedStatus::Code(StatusCode::CREATED.as_u16()));
        let made = Json::<T>::operation_response(context, operation);
        made.map(|made| (created, made)).into_iter().collect()
    }
}
