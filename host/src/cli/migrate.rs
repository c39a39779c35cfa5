//! `hardstop migrate`: bring the schema to this version.

use std::process::ExitCode;

use hardstop_store::StoreError;
use serde_json::json;

use super::Context;
use crate::error::Error;

pub async fn execute(context: &Context) -> Result<ExitCode, Error> {
    let store = context.connect(true).await?;
    // A schema that is newer than this host's is not touched.
    if let Err(error @ StoreError::SchemaAhead { .. }) = store.check_schema().await {
        return Err(error.into());
    }
    let applied = store.migrate().await?;
    context.output.one(&json!({ "applied": applied }), || {
        if applied.is_empty() {
            "the schema is up to date".to_owned()
        } else {
            applied
                .iter()
                .map(|name| format!("applied {name}\n"))
                .collect()
        }
    });
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
