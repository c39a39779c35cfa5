//! Sessions: the workers that are registered.

use aide::axum::routing::get_with;
use axum::Json;
use hardstop_domain::Scope;
use hardstop_store::Session;

use super::access::Caller;
use super::problem::Problem;
use super::route::Routes;

pub fn routes(routes: Routes) -> Routes {
    routes.add(
        Scope::Read,
        "/sessions",
        get_with(list, |op| {
            op.id("listSessions").summary("Every open session")
        }),
    )
}

async fn list(caller: Caller) -> Result<Json<Vec<Session>>, Problem> {
    Ok(Json(caller.service.sessions().await?))
}
