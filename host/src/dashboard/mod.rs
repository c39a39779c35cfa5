//! The dashboard: the use cases of [`crate::service`] as pages.
//!
//! Pages are made here and work without scripts; what moves by itself is htmx, which asks for the same pages again. A
//! page is a template with what it shows, a form sends to a route of its own and is answered with the way back. Every
//! route is added by `route::Routes`, which asks for the scope that it needs. A problem is the API's, shown as a page.

mod alert;
mod asset;
mod audit;
mod bulk;
mod chain;
mod chart;
mod dead_letter;
mod deployment;
mod failure;
mod field;
mod form;
mod graph;
mod job;
mod job_list;
mod job_type;
mod login;
mod overview;
mod route;
mod schedule;
mod session;
mod shell;
mod show;
mod start;
mod subscription;
mod token;
mod usage;
mod viewer;
mod worker;

use axum::Router;
use axum::middleware::from_fn_with_state;

use crate::api::Api;
pub use failure::present;
use route::Routes;
pub use session::Sessions;

/// All pages and forms.
fn routes() -> Routes {
    let routes = Routes::none();
    let routes = overview::routes(routes);
    let routes = job_list::routes(routes);
    let routes = job::routes(routes);
    let routes = bulk::routes(routes);
    let routes = chain::routes(routes);
    let routes = job_type::routes(routes);
    let routes = start::routes(routes);
    let routes = deployment::routes(routes);
    let routes = schedule::routes(routes);
    let routes = dead_letter::routes(routes);
    let routes = worker::routes(routes);
    let routes = subscription::routes(routes);
    let routes = audit::routes(routes);
    let routes = token::routes(routes);
    login::routes(routes)
}

/// The pages over these use cases.
pub fn router(api: &Api) -> Router<Api> {
    let (router, _) = routes().finish();
    router
        .layer(from_fn_with_state(api.clone(), viewer::recognise))
        .merge(asset::routes())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// The table as it is kept in the repository.
    const KEPT: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/reference/dashboard.md"
    );
    /// Set to write the kept table anew.
    const RENEW: &str = "HARDSTOP_RENEW";

    fn table() -> String {
        let mut text = String::from(
            "# Addresses of the dashboard\n\nEvery page and every form of `hardstop serve`, and the scope that a token \
             needs for it; `open` asks for none. Made from\nthe routes; the tests hold it, and each route against it.\n\n\
             | method | path | scope | what |\n| --- | --- | --- | --- |\n",
        );
        for entry in routes().finish().1 {
            let scope = entry.scope.map_or("open", hardstop_domain::Scope::name);
            let _ = writeln!(
                text,
                "| {} | `{}` | {scope} | {} |",
                entry.method, entry.path, entry.what
            );
        }
        text
    }

    #[test]
    fn the_table_of_routes_is_the_one_that_is_kept() {
        let table = table();
        if std::env::var_os(RENEW).is_some() {
            std::fs::write(KEPT, &table).expect("writes the table");
        }
        let kept = std::fs::read_to_string(KEPT).unwrap_or_default();
        assert!(
            kept == table,
            "the dashboard's routes are not those in docs/reference/dashboard.md. If that is meant, write it anew:\n    \
             {RENEW}=1 cargo test --workspace --lib -- dashboard::tests"
        );
    }
}
