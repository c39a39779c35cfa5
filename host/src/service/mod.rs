//! The use cases: the only door to the store for everything that people and programs ask for.

mod audit;
mod catalogue;
mod chain;
mod dead_group;
mod dead_letter;
mod deployment;
mod event;
pub mod explain;
mod external;
mod job;
mod job_type;
mod pause;
mod removal;
mod request;
mod schedule;
mod start;
mod subscription;
mod token;
mod version;
mod wait;

use std::sync::{Arc, RwLock};

use hardstop_domain::{Digest, Limits, SessionId, TypeName};
use hardstop_store::{
    Acting, ActiveType, Component, Deployment, NewDeployment, OldestReady, Session, StateCount,
    StatisticPoint, StatisticQuery, Store, UsageSample,
};

pub use audit::json_lines;
pub use chain::{ChainCancelled, ChainsDeleted};
pub use dead_group::{DeadGroup, DeadGroups};
pub use dead_letter::{FoundDeadLetters, ReplayReport, SEARCHED_MAX};
pub use deployment::{
    DeploymentLine, DeploymentMade, TypeChange, TypeDifference, Verified, quarantine_hint,
    quarantine_text,
};
pub use event::{Ended, EventsRequest, Listening, News, Told, ToldEvent};
pub(crate) use event::{LOOK_INTERVAL, taken};
pub use external::{Finished, Verdict};
pub(crate) use external::{check_json, output_not_json};
pub(crate) use job::gone_where_missing;
use job::no_such_job;
pub use job::{JobChanged, LogLine, logs};
pub use job_type::{CanaryView, TypeInForce, TypeShown, TypeView, Used, pause_of};
pub use pause::PauseRequest;
pub(crate) use pause::{optional_type, parse_time};
pub use request::{ChainStart, StartedChain, StartedNode};
pub(crate) use schedule::parse_schedule;
pub use schedule::{ScheduleRequest, Timed, timed, upcoming};
pub use start::{GraphBlocker, GraphRequest, START_BATCH, StartRequest, too_many};
pub(crate) use start::{START_BATCH_BYTES, start_error};
pub(crate) use subscription::parse_name;
pub use subscription::{DeliveriesRequest, MadeSubscription, Redelivered, SubscriptionRequest};
pub use token::{MadeToken, TokenRequest, random};
pub(crate) use wait::still;

use crate::catalogue::{Catalogue, StartError};
use crate::error::{Error, Kind};
use crate::outbox::Signing;

/// Who acts where nobody says, for records.
const NOBODY: &str = "unknown";

/// The use cases over one store. Clones share what they know of the types.
#[derive(Clone)]
pub struct Service {
    store: Arc<dyn Store>,
    ceiling: Limits,
    /// On whose behalf, for records.
    actor: Arc<str>,
    /// The types, once they were asked for. Whoever lives longer than a command keeps it fresh: see
    /// [`Service::follow_deployments`].
    catalogue: Arc<RwLock<Option<Arc<Catalogue>>>>,
    /// What the secrets of subscriptions are derived from.
    signing: Signing,
}

impl Service {
    /// The use cases over this store, under these ceilings.
    pub fn new(store: Arc<dyn Store>, ceiling: Limits) -> Self {
        Self {
            store,
            ceiling,
            actor: NOBODY.into(),
            catalogue: Arc::default(),
            signing: Signing::default(),
        }
    }

    /// The same use cases on somebody's behalf: what is changed is recorded.
    #[must_use]
    pub fn acting(&self, acting: Acting) -> Self {
        Self {
            actor: acting.actor.as_str().into(),
            store: self.store.acting(acting),
            ..self.clone()
        }
    }

    /// The store's own description of itself.
    pub async fn describe_store(&self) -> Result<String, Error> {
        Ok(self.store.describe().await?)
    }

    /// Brings the schema up to date.
    pub async fn migrate(&self) -> Result<Vec<String>, Error> {
        Ok(self.store.migrate().await?)
    }

    /// Fails where the schema is not this host's.
    pub async fn check_schema(&self) -> Result<(), Error> {
        Ok(self.store.check_schema().await?)
    }

    /// Stores a verified deployment.
    pub async fn deploy(&self, deployment: NewDeployment) -> Result<Deployment, Error> {
        let deployment = self.store.deploy(deployment).await?;
        // The next start looks for itself, so that what was stored is not taken for a failure.
        self.forget_catalogue();
        Ok(deployment)
    }

    /// Every component.
    pub async fn components(&self) -> Result<Vec<Component>, Error> {
        Ok(self.store.components().await?)
    }

    /// The component that a digest, the beginning of one, or a name means.
    pub async fn component(&self, wanted: &str) -> Result<Component, Error> {
        let hex = wanted.strip_prefix("sha256:").unwrap_or(wanted);
        let is_hex = hex.len() >= 6 && hex.chars().all(|c| c.is_ascii_hexdigit());
        let components = self.components().await?;
        let by_digest: Vec<&Component> = components
            .iter()
            .filter(|c| is_hex && c.digest.to_string()["sha256:".len()..].starts_with(hex))
            .collect();
        // The newest of a name comes first.
        let found = match by_digest.as_slice() {
            [] => components.iter().find(|component| component.name == wanted),
            [one] => Some(*one),
            _ => {
                return Err(Error::usage(format!("`{wanted}` begins several digests"))
                    .hint("give more of its digits"));
            }
        };
        found.cloned().ok_or_else(|| {
            Error::usage(format!("there is no component `{wanted}`"))
                .kind(Kind::NoSuchComponent)
                .hint("`hardstop component list` shows digests and names")
        })
    }

    /// The bytes of a component.
    pub async fn component_bytes(&self, digest: Digest) -> Result<Vec<u8>, Error> {
        self.store
            .component_bytes(digest)
            .await?
            .ok_or_else(|| Error::environment(format!("the database has no component {digest}")))
    }

    /// Every active type.
    pub async fn types(&self) -> Result<Vec<ActiveType>, Error> {
        Ok(self.store.types().await?)
    }

    /// One active type.
    pub async fn job_type(&self, name: &str) -> Result<ActiveType, Error> {
        let name = parse_type(name)?;
        let types = self.types().await?;
        types
            .into_iter()
            .find(|active| active.spec.name == name)
            .ok_or_else(|| start_error(StartError::UnknownType(name)).kind(Kind::NoSuchType))
    }

    /// What the newest jobs of a type used that ended well, at the most so many.
    pub async fn type_usage(&self, name: &TypeName, limit: u32) -> Result<Vec<UsageSample>, Error> {
        Ok(self.store.type_usage(name, limit).await?)
    }

    /// Every open session.
    pub async fn sessions(&self) -> Result<Vec<Session>, Error> {
        Ok(self.store.sessions().await?)
    }

    /// Asks a worker to drain: it claims nothing new, finishes what it runs and ends.
    pub async fn drain_session(&self, id: SessionId) -> Result<Session, Error> {
        let asked = self.store.drain_session(id).await?;
        let sessions = self.store.sessions().await?;
        match (asked, sessions.into_iter().find(|session| session.id == id)) {
            (Some(_), Some(session)) => Ok(session),
            (None, Some(_)) => Err(Error::failed(format!(
                "session {id} was asked to drain already"
            ))),
            (_, None) => Err(Error::usage(format!("there is no open session {id}"))
                .kind(Kind::NoSuchSession)
                .hint("`hardstop session list` shows them")),
        }
    }

    /// How many jobs of each type are in each state.
    pub async fn counts(&self) -> Result<Vec<StateCount>, Error> {
        Ok(self.store.counts().await?)
    }

    /// Of each type that has a ready job, the one that waits longest.
    pub async fn oldest_ready(&self) -> Result<Vec<OldestReady>, Error> {
        Ok(self.store.oldest_ready().await?)
    }

    /// What attempts came to, step by step.
    pub async fn statistics(&self, query: &StatisticQuery) -> Result<Vec<StatisticPoint>, Error> {
        Ok(self.store.statistics(query).await?)
    }

    /// Sends what is still to be sent, and closes.
    pub async fn close(&self) {
        self.store.close().await;
    }
}

pub(crate) fn parse_type(text: &str) -> Result<TypeName, Error> {
    text.parse()
        .map_err(|error| Error::usage(format!("{error}")))
}
