//! The use cases on a database of this process' own: connected when the first is asked for.

use std::sync::Arc;

use hardstop_sandbox::{Sandbox, SandboxError};
use hardstop_store::{Acting, ConnectOptions, NewDeployment, Store};
use tokio::sync::OnceCell;
use tracing::warn;

use crate::config::Config;
use crate::deploy::{self, ManifestFile};
use crate::error::Error;
use crate::outbox::Signing;
use crate::service::{DeploymentMade, Service, TypeDifference, Verified};

/// How many guests describe themselves at once when deployments are verified.
const DEPLOY_INSTANCES: u32 = 4;

/// The use cases on a database.
pub struct Local {
    config: Config,
    /// Whether a new SQLite file is made where there is none.
    create: bool,
    service: OnceCell<Service>,
    /// What verifies deployments.
    sandbox: OnceCell<Sandbox>,
}

impl Local {
    /// Those of the database that the configuration names. `create` makes a new SQLite file where there is none.
    pub fn new(config: Config, create: bool) -> Self {
        Self {
            config,
            create,
            service: OnceCell::new(),
            sandbox: OnceCell::new(),
        }
    }

    /// The service over the database, whose schema must be this host's.
    pub async fn service(&self) -> Result<&Service, Error> {
        let connect = || async {
            let store = connect(&self.config, self.create).await?;
            store.check_schema().await?;
            let acting = Acting {
                actor: actor(),
                token: None,
                request: None,
            };
            let service = Service::new(store, self.config.ceiling.clone());
            Ok(service.signing(Signing::new(&self.config)).acting(acting))
        };
        self.service.get_or_try_init(connect).await
    }

    /// Checks everything about a manifest and its component. Nothing is stored, and no database is asked.
    pub async fn verify(&self, file: &ManifestFile) -> Result<Verified, Error> {
        Ok(Verified::of(&self.verified(file).await?))
    }

    /// Checks it, and says what deploying it would change.
    pub async fn preview(&self, file: &ManifestFile) -> Result<Vec<TypeDifference>, Error> {
        let new = self.verified(file).await?;
        self.service().await?.diff_new(&new).await
    }

    /// Checks it and puts its types in force, or beside what is in force.
    pub async fn deploy(
        &self,
        file: &ManifestFile,
        canary: Option<u8>,
    ) -> Result<DeploymentMade, Error> {
        let mut new = self.verified(file).await?;
        new.canary_percent = canary;
        self.service().await?.make_deployment(new).await
    }

    async fn verified(&self, file: &ManifestFile) -> Result<NewDeployment, Error> {
        let make = || async { sandbox(&self.config, DEPLOY_INSTANCES) };
        let sandbox = self.sandbox.get_or_try_init(make).await?;
        let bytes = file.read_component(self.config.component_bytes_max)?;
        deploy::verify(file, bytes, sandbox, &self.config).await
    }

    /// Sends what is still to be sent, and closes.
    pub async fn close(&self) {
        if let Some(service) = self.service.get() {
            service.close().await;
        }
    }
}

/// A sandbox for so many attempts at once.
pub fn sandbox(config: &Config, instances_max: u32) -> Result<Sandbox, Error> {
    let mut wanted = config.sandbox(instances_max);
    let mut sandbox = Sandbox::new(wanted.clone());
    if let Err(SandboxError::Cache(error)) = &sandbox
        && config.cache_is_default
        && !error.unsafe_folder
    {
        warn!(%error, "compiled code is not kept");
        wanted.compile.cache = None;
        sandbox = Sandbox::new(wanted);
    }
    sandbox.map_err(|error| Error::environment(error.to_string()))
}

/// Opens the database. `create` makes a new SQLite file where there is none.
pub async fn connect(config: &Config, create: bool) -> Result<Arc<dyn Store>, Error> {
    if config.database_url.starts_with("sqlite://:memory:") {
        return Err(
            Error::usage("a database in memory would be gone when the command ends")
                .hint("name a file, such as sqlite://hardstop.db"),
        );
    }
    let options = ConnectOptions {
        create,
        schema: config.database_schema.clone(),
        ..ConnectOptions::default()
    };
    Ok(hardstop_store::connect(&config.database_url, &options).await?)
}

/// Who runs this process, for records: the name of the user; its number where the environment names none.
fn actor() -> String {
    let named = ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok());
    let named = named.filter(|name| (1..=128).contains(&name.len()) && !name.contains('\0'));
    named.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}
