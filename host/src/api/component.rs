//! Components that are stored.

use aide::axum::routing::get_with;
use axum::Json;
use hardstop_domain::Scope;
use hardstop_store::Component;
use schemars::JsonSchema;
use serde::Deserialize;

use super::access::Caller;
use super::extract::Path;
use super::problem::Problem;
use super::route::Routes;

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(
            Scope::Read,
            "/components",
            get_with(list, |op| {
                op.id("listComponents")
                    .summary("Every component, newest first")
            }),
        )
        .add(
            Scope::Read,
            "/components/{component}",
            get_with(show, |op| op.id("showComponent").summary("One component")),
        )
}

#[derive(Deserialize, JsonSchema)]
struct ComponentPath {
    /// Its digest, the beginning of it, or its name.
    component: String,
}

async fn list(caller: Caller) -> Result<Json<Vec<Component>>, Problem> {
    Ok(Json(caller.service.components().await?))
}

async fn show(caller: Caller, Path(path): Path<ComponentPath>) -> Result<Json<Component>, Problem> {
    Ok(Json(caller.service.component(&path.component).await?))
}
