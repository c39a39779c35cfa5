//! Subscriptions to events.

use hardstop_domain::event::SubscriptionError;
use hardstop_domain::{EventKind, EventUrl, SubscriptionId, SubscriptionName, Thresholds};
use hardstop_store::{
    Delivery, DeliveryQuery, DeliveryState, NewSubscription, Redelivery, Subscription,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Service, optional_type};
use crate::error::{Error, Kind};
use crate::outbox::{Signing, shown_secret};

/// A subscription as it is asked for.
#[derive(Debug, Clone)]
pub struct SubscriptionRequest {
    /// Its name.
    pub name: String,
    /// Where events are posted to.
    pub url: String,
    /// Which events it wants.
    pub kinds: Vec<EventKind>,
    /// Of which type; none: of each.
    pub type_name: Option<String>,
    /// When a type is failing or stuck.
    pub thresholds: Thresholds,
}

/// A subscription that was just made.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct MadeSubscription {
    /// What is kept of it.
    #[serde(flatten)]
    pub subscription: Subscription,
    /// What its events are signed with, by the Standard Webhooks scheme. It is shown now, and never again.
    pub secret: String,
}

/// Which deliveries of a subscription to list, newest first.
#[derive(Debug, Clone)]
pub struct DeliveriesRequest {
    /// Only in this state.
    pub state: Option<DeliveryState>,
    /// Only those with lower numbers.
    pub before: Option<i64>,
    /// The most.
    pub limit: u32,
}

/// What a replay of deliveries came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Redelivered {
    /// The subscription.
    pub name: String,
    /// How many deliveries wait again, of at most 10,000 at once.
    pub deliveries: u64,
}

impl Service {
    /// The same use cases with what signs events.
    #[must_use]
    pub fn signing(self, signing: Signing) -> Self {
        Self { signing, ..self }
    }

    /// Makes a subscription.
    pub async fn create_subscription(
        &self,
        request: SubscriptionRequest,
    ) -> Result<MadeSubscription, Error> {
        let name = parse_name(&request.name)?;
        request
            .url
            .parse::<EventUrl>()
            .and_then(|_| request.thresholds.check())
            .map_err(subscription_error)?;
        if request.kinds.is_empty() {
            return Err(subscription_error(SubscriptionError::NoKinds));
        }
        let new = NewSubscription {
            id: SubscriptionId(Uuid::now_v7()),
            name: name.clone(),
            url: request.url,
            kinds: request.kinds.into_iter().collect(),
            type_name: optional_type(request.type_name.as_deref())?,
            thresholds: request.thresholds,
            actor: self.actor.to_string(),
        };
        // Before anything is stored: without a key nothing could be delivered.
        self.signing.secret(new.id).await?;
        let made = self.store.put_subscription(new).await?;
        let subscription = made.ok_or_else(|| {
            Error::failed(format!("there is a subscription `{name}` already"))
                .hint("choose another name, or delete that one first")
        })?;
        // A request that is sent again is answered with the subscription that it made then.
        let secret = self.signing.secret(subscription.id).await?;
        Ok(MadeSubscription {
            subscription,
            secret: shown_secret(&secret),
        })
    }

    /// Every subscription, by name.
    pub async fn subscriptions(&self) -> Result<Vec<Subscription>, Error> {
        Ok(self.store.subscriptions().await?)
    }

    /// One subscription.
    pub async fn subscription(&self, name: &str) -> Result<Subscription, Error> {
        let name = parse_name(name)?;
        let found = self.store.subscription(&name).await?;
        found.ok_or_else(|| no_such_subscription(&name))
    }

    /// A page of a subscription's deliveries, newest first.
    pub async fn deliveries(
        &self,
        name: &str,
        request: &DeliveriesRequest,
    ) -> Result<Vec<Delivery>, Error> {
        let name = parse_name(name)?;
        let query = DeliveryQuery {
            name: name.clone(),
            state: request.state,
            before: request.before,
            limit: request.limit,
        };
        let found = self.store.deliveries(&query).await?;
        found.ok_or_else(|| no_such_subscription(&name))
    }

    /// Pauses a subscription, or lets one that was paused or has stopped go on. Its events are gathered meanwhile.
    pub async fn set_subscription_paused(
        &self,
        name: &str,
        paused: bool,
    ) -> Result<Subscription, Error> {
        let name = parse_name(name)?;
        let found = self.store.set_subscription_paused(&name, paused).await?;
        found.ok_or_else(|| no_such_subscription(&name))
    }

    /// Deletes a subscription. What waits for it is delivered to nobody.
    pub async fn delete_subscription(&self, name: &str) -> Result<(), Error> {
        let name = parse_name(name)?;
        let existed = self.store.delete_subscription(&name).await?;
        existed
            .then_some(())
            .ok_or_else(|| no_such_subscription(&name))
    }

    /// Lets deliveries be made again: one, those that were given up, or those of a time on.
    pub async fn redeliver(&self, name: &str, which: Redelivery) -> Result<Redelivered, Error> {
        let name = parse_name(name)?;
        let count = self.store.redeliver(&name, which).await?;
        let deliveries = count.ok_or_else(|| no_such_subscription(&name))?;
        Ok(Redelivered {
            name: name.into(),
            deliveries,
        })
    }
}

pub(crate) fn parse_name(text: &str) -> Result<SubscriptionName, Error> {
    text.parse().map_err(subscription_error)
}

fn subscription_error(error: SubscriptionError) -> Error {
    Error::usage(error.to_string())
}

fn no_such_subscription(name: &SubscriptionName) -> Error {
    Error::usage(format!("there is no subscription `{name}`"))
        .kind(Kind::NoSuchSubscription)
        .hint("`hardstop subscription list` shows them; is --database-url the right one?")
}
