//! Subscriptions to events.

use aide::axum::routing::{delete_with, get_with, post_with};
use axum::Json;
use hardstop_domain::{EventKind, Scope, Thresholds};
use hardstop_store::{Delivery, DeliveryState, Redelivery, Subscription};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::access::Caller;
use super::cursor::{List, Page};
use super::extract::{Body, Path, Query};
use super::problem::Problem;
use super::route::{Created, Routes};
use crate::service::{DeliveriesRequest, MadeSubscription, Redelivered, SubscriptionRequest};

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(
            Scope::Admin,
            "/subscriptions",
            get_with(list, |op| {
                op.id("listSubscriptions")
                    .summary("Every subscription to events, by name")
            }),
        )
        .create(
            Scope::Admin,
            "/subscriptions",
            post_with(create, |op| {
                op.id("createSubscription")
                    .summary("Subscribe to events: the secret that signs them is in the answer, and nowhere else")
            }),
        )
        .add(
            Scope::Admin,
            "/subscriptions/{name}",
            get_with(show, |op| {
                op.id("showSubscription")
                    .summary("One subscription: whether its events arrive, and why not")
            })
            .merge(delete_with(remove, |op| {
                op.id("deleteSubscription")
                    .summary("Delete a subscription; what waits for it is delivered to nobody")
            })),
        )
        .add(
            Scope::Admin,
            "/subscriptions/{name}/pause",
            post_with(pause, |op| {
                op.id("pauseSubscription")
                    .summary("Keep a subscription's events until it is resumed")
            }),
        )
        .add(
            Scope::Admin,
            "/subscriptions/{name}/resume",
            post_with(resume, |op| {
                op.id("resumeSubscription")
                    .summary("Let a subscription go on that was paused, or that its receiver stopped")
            }),
        )
        .add(
            Scope::Admin,
            "/subscriptions/{name}/deliveries",
            get_with(deliveries, |op| {
                op.id("listDeliveries")
                    .summary("A subscription's events, newest first, and what became of each")
            }),
        )
        .add(
            Scope::Admin,
            "/subscriptions/{name}/replay",
            post_with(replay, |op| {
                op.id("replayDeliveries").summary(
                    "Deliver events again: one, those that were given up, or those of a time on",
                )
            }),
        )
}

#[derive(Deserialize, JsonSchema)]
struct SubscriptionPath {
    /// Its name.
    name: String,
}

/// A subscription to make.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionCreate {
    /// Its name, which no other has.
    name: String,
    /// Where events are posted to: `https://HOST/PATH`.
    url: String,
    /// Which events it wants: at least one kind.
    kinds: Vec<EventKind>,
    /// Of which type; of each where it is left out.
    #[serde(default, rename = "type")]
    type_name: Option<String>,
    /// When a type is failing or stuck.
    #[serde(default)]
    thresholds: Thresholds,
}

impl SubscriptionCreate {
    /// As it is asked for.
    pub fn of(request: SubscriptionRequest) -> Self {
        Self {
            name: request.name,
            url: request.url,
            kinds: request.kinds,
            type_name: request.type_name,
            thresholds: request.thresholds,
        }
    }
}

/// Which deliveries to list.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deliveries {
    /// Only in this state.
    pub state: Option<DeliveryState>,
    /// Only those with lower numbers.
    pub before: Option<i64>,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// How many at the most.
    #[serde(default = "limit_default")]
    #[schemars(range(min = 1, max = 500))]
    pub limit: u32,
}

fn limit_default() -> u32 {
    50
}

/// What was done with a subscription.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct SubscriptionDeleted {
    /// Its name.
    name: String,
    /// `deleted`.
    done: String,
}

async fn list(caller: Caller) -> Result<Json<Vec<Subscription>>, Problem> {
    Ok(Json(caller.service.subscriptions().await?))
}

async fn create(
    caller: Caller,
    Body(create): Body<SubscriptionCreate>,
) -> Result<Created<MadeSubscription>, Problem> {
    let request = SubscriptionRequest {
        name: create.name,
        url: create.url,
        kinds: create.kinds,
        type_name: create.type_name,
        thresholds: create.thresholds,
    };
    let made = caller.service.create_subscription(request).await?;
    let place = format!("/subscriptions/{}", made.subscription.name);
    Ok(Created::at(place, made))
}

async fn show(
    caller: Caller,
    Path(path): Path<SubscriptionPath>,
) -> Result<Json<Subscription>, Problem> {
    Ok(Json(caller.service.subscription(&path.name).await?))
}

async fn remove(
    caller: Caller,
    Path(path): Path<SubscriptionPath>,
) -> Result<Json<SubscriptionDeleted>, Problem> {
    caller.service.delete_subscription(&path.name).await?;
    Ok(Json(SubscriptionDeleted {
        name: path.name,
        done: "deleted".to_owned(),
    }))
}

async fn pause(
    caller: Caller,
    Path(path): Path<SubscriptionPath>,
) -> Result<Json<Subscription>, Problem> {
    let paused = caller.service.set_subscription_paused(&path.name, true);
    Ok(Json(paused.await?))
}

async fn resume(
    caller: Caller,
    Path(path): Path<SubscriptionPath>,
) -> Result<Json<Subscription>, Problem> {
    let resumed = caller.service.set_subscription_paused(&path.name, false);
    Ok(Json(resumed.await?))
}

async fn deliveries(
    caller: Caller,
    Path(path): Path<SubscriptionPath>,
    Query(query): Query<Deliveries>,
) -> Result<Json<Page<Delivery>>, Problem> {
    let list = List::new("deliveries", &(&path.name, query.state));
    // Cursors name ids; deliveries have numbers, which fit.
    let key = |number: i64| Uuid::from_u128(u128::from(number.unsigned_abs()));
    let number = |key: Uuid| i64::try_from(key.as_u128()).unwrap_or(i64::MAX);
    let before = list.begin(query.cursor.as_deref(), query.before.map(key))?;
    let request = DeliveriesRequest {
        state: query.state,
        before: before.map(number),
        limit: query.limit,
    };
    let found = caller.service.deliveries(&path.name, &request).await?;
    Ok(Json(list.page(found, query.limit, |it| key(it.id))))
}

async fn replay(
    caller: Caller,
    Path(path): Path<SubscriptionPath>,
    Body(which): Body<Redelivery>,
) -> Result<Json<Redelivered>, Problem> {
    Ok(Json(caller.service.redeliver(&path.name, which).await?))
}
