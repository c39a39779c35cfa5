//! What pages load: part of the binary, and served under the digest of what is in it, so that it can be kept for ever.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use hardstop_domain::Digest;

use crate::api::Api;
use crate::api::problem::Problem;
use crate::error::Kind;

/// A file that pages load.
pub struct Asset {
    name: &'static str,
    media_type: &'static str,
    bytes: &'static [u8],
    path: LazyLock<String>,
}

macro_rules! assets {
    ($($name:ident $file:literal $media_type:literal)+) => {
        $(pub static $name: Asset = Asset {
            name: $file,
            media_type: $media_type,
            bytes: include_bytes!(concat!("asset/", $file)),
            path: LazyLock::new(|| $name.path_of()),
        };)+

        static ALL: [&Asset; [$($file),+].len()] = [$(&$name),+];
    };
}

assets! {
    STYLE "style.css" "text/css; charset=utf-8"
    APP "app.js" "text/javascript; charset=utf-8"
    HTMX "htmx.js" "text/javascript; charset=utf-8"
    EVENTS "htmx-sse.js" "text/javascript; charset=utf-8"
    ICON "icon.svg" "image/svg+xml"
}

impl Asset {
    /// Where it is served.
    pub fn path(&self) -> &str {
        &self.path
    }

    fn path_of(&self) -> String {
        format!("/assets/{}/{}", Digest::of(self.bytes).short(), self.name)
    }
}

pub fn routes() -> Router<Api> {
    Router::new().route("/assets/{digest}/{name}", get(serve))
}

async fn serve(Path((digest, name)): Path<(String, String)>) -> Result<Response, Problem> {
    let asked = format!("/assets/{digest}/{name}");
    let found = ALL.into_iter().find(|asset| asset.path() == asked);
    let asset = found.ok_or_else(|| {
        Problem::new(Kind::NoSuchRoute, "no page of this version loads this file")
            .hint("load the page again")
    })?;
    let headers = [
        (header::CONTENT_TYPE, asset.media_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    Ok((headers, asset.bytes).into_response())
}
