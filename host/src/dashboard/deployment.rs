//! Deployments: the newest of them, and one with what it would change, or changed.

use askama::Template;
use hardstop_domain::{DeploymentId, Scope, TypeName};
use hardstop_store::DeploymentDetail;

use super::field::Query;
use super::route::Routes;
use super::shell::{Page, Section, Shell};
use super::show;
use super::viewer::Viewer;
use crate::api::extract::Path;
use crate::api::problem::Problem;
use crate::service::{DeploymentLine, TypeChange, TypeDifference};

/// How many deployments are listed.
const SHOWN: u32 = 100;

pub fn routes(routes: Routes) -> Routes {
    routes
        .page(Scope::Read, "/deployments", "The newest deployments", list)
        .page(
            Scope::Read,
            "/deployments/{deployment}",
            "One deployment, and how it differs",
            show_deployment,
        )
}

#[derive(serde::Deserialize)]
struct DeploymentPath {
    deployment: DeploymentId,
}

#[derive(Template)]
#[template(path = "deployments.html")]
struct DeploymentsPage {
    shell: Shell,
    deployments: Vec<DeploymentLine>,
    /// The types of each that run it now.
    in_force: Vec<Vec<TypeName>>,
}

async fn list(viewer: Viewer) -> Result<Page<DeploymentsPage>, Problem> {
    let deployments = viewer.service.deployments(SHOWN).await?;
    let active = viewer.service.types().await?;
    let in_force = deployments.iter().map(|deployment| {
        let theirs = active
            .iter()
            .filter(|active| active.deployment == deployment.id);
        theirs.map(|active| active.spec.name.clone()).collect()
    });
    Ok(Page(DeploymentsPage {
        shell: viewer.shell(Section::Deployments, "Deployments"),
        in_force: in_force.collect(),
        deployments,
    }))
}

#[derive(Template)]
#[template(path = "deployment.html")]
struct DeploymentPage {
    shell: Shell,
    deployment: DeploymentDetail,
    /// Its types that run it now.
    in_force: Vec<TypeName>,
    /// What it is compared with; none: with what is in force.
    other: Option<DeploymentId>,
    /// Others to compare with.
    others: Vec<DeploymentLine>,
    differences: Vec<TypeDifference>,
}

impl DeploymentPage {
    /// The types that it can be put in force for.
    fn resting(&self) -> impl Iterator<Item = &TypeName> {
        let types = self.deployment.types.iter().map(|spec| &spec.name);
        types.filter(|name| !self.in_force.contains(*name))
    }

    fn is_same(&self) -> bool {
        self.differences
            .iter()
            .all(|it| it.change == TypeChange::Same)
    }
}

async fn show_deployment(
    viewer: Viewer,
    Path(path): Path<DeploymentPath>,
    Query(query): Query,
) -> Result<Page<DeploymentPage>, Problem> {
    let deployment = viewer.service.deployment(path.deployment).await?;
    let other: Option<DeploymentId> = query.read("from")?;
    // From the other, or from what is in force, to this one.
    let differences = match other {
        Some(other) => viewer.service.diff(other, Some(path.deployment)).await?,
        None => viewer.service.diff(path.deployment, None).await?,
    };
    let active = viewer.service.types().await?;
    let in_force = active
        .into_iter()
        .filter(|active| active.deployment == path.deployment);
    let others = viewer.service.deployments(SHOWN).await?;
    let others = others.into_iter().filter(|it| it.id != path.deployment);
    Ok(Page(DeploymentPage {
        shell: viewer.shell(
            Section::Deployments,
            format!("Deployment of {}", deployment.name),
        ),
        in_force: in_force.map(|active| active.spec.name).collect(),
        others: others.collect(),
        other,
        differences,
        deployment,
    }))
}
