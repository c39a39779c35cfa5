//! Subscriptions to events.

use hardstop_store::{Delivery, Redelivery, Subscription};

use super::{Client, path};
use crate::api::cursor::Page;
use crate::api::subscription::{Deliveries, SubscriptionCreate, SubscriptionDeleted};
use crate::error::Error;
use crate::service::{
    DeliveriesRequest, MadeSubscription, Redelivered, SubscriptionRequest, parse_name,
};

impl Client {
    /// Makes a subscription.
    pub async fn create_subscription(
        &self,
        request: SubscriptionRequest,
    ) -> Result<MadeSubscription, Error> {
        self.post("/subscriptions", &SubscriptionCreate::of(request))
            .await
    }

    /// Every subscription, by name.
    pub async fn subscriptions(&self) -> Result<Vec<Subscription>, Error> {
        self.get("/subscriptions").await
    }

    /// One subscription.
    pub async fn subscription(&self, name: &str) -> Result<Subscription, Error> {
        self.get(&of_subscription(name, "")?).await
    }

    /// A page of a subscription's deliveries, newest first.
    pub async fn deliveries(
        &self,
        name: &str,
        request: &DeliveriesRequest,
    ) -> Result<Vec<Delivery>, Error> {
        let query = Deliveries {
            state: request.state,
            before: request.before,
            cursor: None,
            limit: request.limit,
        };
        let path = of_subscription(name, "/deliveries")?;
        let page: Page<_> = self.list(&path, &query).await?;
        Ok(page.items)
    }

    /// Pauses a subscription, or lets it go on.
    pub async fn set_subscription_paused(
        &self,
        name: &str,
        paused: bool,
    ) -> Result<Subscription, Error> {
        let what = if paused { "/pause" } else { "/resume" };
        self.post_empty(&of_subscription(name, what)?).await
    }

    /// Deletes a subscription.
    pub async fn delete_subscription(&self, name: &str) -> Result<(), Error> {
        let _: SubscriptionDeleted = self.delete(&of_subscription(name, "")?).await?;
        Ok(())
    }

    /// Lets deliveries be made again.
    pub async fn redeliver(&self, name: &str, which: Redelivery) -> Result<Redelivered, Error> {
        self.post(&of_subscription(name, "/replay")?, &which).await
    }
}

fn of_subscription(name: &str, what: &str) -> Result<String, Error> {
    let name = parse_name(name)?;
    Ok(path(["subscriptions", name.as_str()]) + what)
}
