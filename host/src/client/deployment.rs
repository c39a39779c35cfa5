//! Deployments: listed, compared, and uploaded.

use std::path::Path;

use hardstop_domain::DeploymentId;
use hardstop_store::DeploymentDetail;
use http::{Method, header};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{Client, DEPLOY_TIMEOUT, path};
use crate::api::deployment::{Checked, Deployments, Other, Placed};
use crate::deploy::ManifestFile;
use crate::error::Error;
use crate::service::{DeploymentLine, DeploymentMade, TypeDifference, Verified};

impl Client {
    /// The newest deployments.
    pub async fn deployments(&self, limit: u32) -> Result<Vec<DeploymentLine>, Error> {
        self.list("/deployments", &Deployments { limit }).await
    }

    /// One deployment.
    pub async fn deployment(&self, id: DeploymentId) -> Result<DeploymentDetail, Error> {
        self.get(&path(["deployments", &id.to_string()])).await
    }

    /// What is different from one deployment to the other; without the other, from what is in force to it.
    pub async fn diff(
        &self,
        a: DeploymentId,
        b: Option<DeploymentId>,
    ) -> Result<Vec<TypeDifference>, Error> {
        let path = path(["deployments", &a.to_string(), "diff"]);
        self.list(&path, &Other { to: b }).await
    }

    /// Checks everything about a manifest and its component. Nothing is stored.
    pub async fn verify(&self, file: &ManifestFile) -> Result<Verified, Error> {
        let checked: Checked = self.upload("/deployments/check", file).await?;
        Ok(checked.verified)
    }

    /// Checks it, and says what deploying it would change.
    pub async fn preview(&self, file: &ManifestFile) -> Result<Vec<TypeDifference>, Error> {
        let checked: Checked = self.upload("/deployments/check", file).await?;
        Ok(checked.differences)
    }

    /// Checks it and puts its types in force, or beside what is in force.
    pub async fn deploy(
        &self,
        file: &ManifestFile,
        canary: Option<u8>,
    ) -> Result<DeploymentMade, Error> {
        let query = serde_urlencoded::to_string(Placed { canary }).unwrap_or_default();
        self.upload(&format!("/deployments?{query}"), file).await
    }

    /// Sends a manifest with all the files that it names.
    async fn upload<T: DeserializeOwned>(
        &self,
        path: &str,
        file: &ManifestFile,
    ) -> Result<T, Error> {
        let mut form = Form::new();
        form.add("manifest", None, file.text.as_bytes());
        // How large it may be is the server's to say.
        if let Some(component) = file.read_component(u64::MAX)? {
            let name = file.manifest.component.as_deref();
            form.add("component", name, &component);
        }
        for (name, bytes) in file.read_named()? {
            form.add("file", Some(&name), &bytes);
        }
        let request = self
            .request(Method::POST, path)
            .header(header::CONTENT_TYPE, form.media_type());
        self.answer(request, form.end().into(), DEPLOY_TIMEOUT)
            .await
    }
}

/// A body of several parts, `multipart/form-data`.
struct Form {
    boundary: String,
    body: Vec<u8>,
}

impl Form {
    /// The boundary is random: no part can hold it but by intent, and parts are the sender's own.
    fn new() -> Self {
        Self {
            boundary: Uuid::now_v7().simple().to_string(),
            body: Vec::new(),
        }
    }

    fn media_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    fn add(&mut self, name: &str, file: Option<&Path>, bytes: &[u8]) {
        let mut head = format!(
            "--{}\r\ncontent-disposition: form-data; name=\"{name}\"",
            self.boundary
        );
        if let Some(file) = file {
            let quoted = file.to_string_lossy().replace('"', "%22");
            let quoted = quoted.replace(['\r', '\n'], " ");
            head.push_str(&format!("; filename=\"{quoted}\""));
        }
        self.body.extend_from_slice(head.as_bytes());
        self.body.extend_from_slice(b"\r\n\r\n");
        self.body.extend_from_slice(bytes);
        self.body.extend_from_slice(b"\r\n");
    }

    fn end(mut self) -> Vec<u8> {
        let end = format!("--{}--\r\n", self.boundary);
        self.body.extend_from_slice(end.as_bytes());
        self.body
    }
}
