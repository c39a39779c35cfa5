//! A deployment as a request brings it: a manifest, and the files beside it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use aide::generate::GenContext;
use aide::openapi::{MediaType, Operation, RequestBody, SchemaObject};
use aide::operation::{OperationInput, set_body};
use axum::extract::multipart::{Multipart, MultipartError};
use axum::extract::{FromRequest, Request};
use schemars::JsonSchema;

use super::body::UPLOAD_BYTES_MAX;
use super::problem::Problem;
use crate::deploy::ManifestFile;
use crate::error::{Error, Kind};

/// How long a client may take to send one.
pub const UPLOAD_TIMEOUT: Duration = Duration::from_secs(300);
/// The file name that the part `component` gets where it has none.
const COMPONENT: &str = "component.wasm";

/// A manifest with its files.
pub struct Upload(pub ManifestFile);

/// The parts of an upload.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "only its schema is used")]
struct Parts {
    /// The manifest, `job.toml`.
    manifest: String,
    /// The component, whatever the manifest calls it. Left out where every type is external.
    component: Option<Binary>,
    /// A file that the manifest names: its file name is the path as the manifest writes it. Once for each.
    file: Vec<Binary>,
}

/// Bytes.
#[derive(JsonSchema)]
#[schemars(inline, transparent, extend("format" = "binary"))]
#[allow(dead_code, reason = "only its schema is used")]
struct Binary(String);

impl<S: Send + Sync> FromRequest<S> for Upload {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let parts = Multipart::from_request(request, state).await;
        let parts = parts.map_err(|error| {
            Problem::new(Kind::UnsupportedMediaType, error.body_text()).hint(
                "send `multipart/form-data` with the parts `manifest`, `component` and `file`",
            )
        })?;
        match tokio::time::timeout(UPLOAD_TIMEOUT, read(parts)).await {
            Ok(upload) => upload,
            Err(_) => Err(Problem::new(
                Kind::SlowClient,
                format!(
                    "the body was not complete after {} s",
                    UPLOAD_TIMEOUT.as_secs()
                ),
            )),
        }
    }
}

async fn read(mut parts: Multipart) -> Result<Upload, Problem> {
    let malformed = |detail: String| Problem::new(Kind::Malformed, detail);
    let mut manifest = None;
    let mut component = None;
    let mut files = BTreeMap::new();
    while let Some(part) = parts.next_field().await.map_err(broken)? {
        let name = part.name().unwrap_or_default().to_owned();
        let file_name = part.file_name().map(PathBuf::from);
        let bytes = part.bytes().await.map_err(broken)?;
        match name.as_str() {
            "manifest" => {
                let text = String::from_utf8(bytes.into());
                let text = text.map_err(|_| malformed("the manifest is not UTF-8".to_owned()))?;
                if manifest.replace(text).is_some() {
                    return Err(malformed("the part `manifest` is there twice".to_owned()));
                }
            }
            "component" => {
                let path = file_name.unwrap_or_else(|| PathBuf::from(COMPONENT));
                if component.replace(path.clone()).is_some() {
                    return Err(malformed("the part `component` is there twice".to_owned()));
                }
                files.insert(path, bytes.into());
            }
            "file" => {
                let path = file_name
                    .ok_or_else(|| malformed("a part `file` has no file name".to_owned()))?;
                if files.insert(path.clone(), bytes.into()).is_some() {
                    return Err(malformed(format!("{} is there twice", path.display())));
                }
            }
            other => return Err(malformed(format!("there is no part `{other}`"))),
        }
    }
    let manifest = manifest.ok_or_else(|| malformed("there is no part `manifest`".to_owned()))?;
    let mut upload = ManifestFile::given(&manifest, files).map_err(refused)?;
    if component.is_some() {
        upload.manifest.component = component;
    }
    Ok(Upload(upload))
}

/// What is wrong with a deployment is its own kind of problem.
pub fn refused(error: Error) -> Problem {
    match error.kind {
        Kind::Invalid => error.kind(Kind::DeploymentRefused).into(),
        _ => error.into(),
    }
}

fn broken(error: MultipartError) -> Problem {
    match error.status().as_u16() {
        413 => Problem::new(
            Kind::BodyTooLarge,
            format!("the body has more than {UPLOAD_BYTES_MAX} bytes"),
        ),
        _ => Problem::new(Kind::Malformed, error.body_text()),
    }
}

impl OperationInput for Upload {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let schema = SchemaObject {
            json_schema: context.schema.subschema_for::<Parts>(),
            example: None,
            external_docs: None,
        };
        let media_type = MediaType {
            schema: Some(schema),
            ..MediaType::default()
        };
        let body = RequestBody {
            description: None,
            content: [("multipart/form-data".to_owned(), media_type)]
                .into_iter()
                .collect(),
            required: true,
            extensions: Default::default(),
        };
        set_body(context, operation, body);
    }
}
