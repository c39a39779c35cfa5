//! Subscriptions to events: all of them, and one with its deliveries.

use askama::Template;
use axum::response::Redirect;
use hardstop_domain::Scope;
use hardstop_domain::quantity::format_duration_ms;
use hardstop_store::{Delivery, DeliveryState, Redelivery, Subscription, SubscriptionState};

use super::field::{Form, Query};
use super::job_list::ROWS;
use super::route::Routes;
use super::shell::{Page, Section, Shell};
use super::show;
use super::viewer::Viewer;
use crate::api::extract::Path;
use crate::api::problem::Problem;
use crate::error::Error;
use crate::service::DeliveriesRequest;

pub fn routes(routes: Routes) -> Routes {
    routes
        .page(
            Scope::Admin,
            "/subscriptions",
            "Subscriptions to events",
            list,
        )
        .page(
            Scope::Admin,
            "/subscriptions/{name}",
            "One subscription, and what became of its events",
            show_subscription,
        )
        .action(
            Scope::Admin,
            "/subscriptions/{name}/pause",
            "Pause a subscription",
            pause,
        )
        .action(
            Scope::Admin,
            "/subscriptions/{name}/resume",
            "Let a subscription go on that was paused or has stopped",
            resume,
        )
        .action(
            Scope::Admin,
            "/subscriptions/{name}/replay",
            "Deliver an event again, or all that were given up",
            replay,
        )
        .action(
            Scope::Admin,
            "/subscriptions/{name}/delete",
            "Delete a subscription",
            delete,
        )
}

#[derive(serde::Deserialize)]
struct SubscriptionPath {
    name: String,
}

/// How it is shown whether events are delivered.
fn class(state: &SubscriptionState) -> &'static str {
    match state {
        SubscriptionState::Active => "good",
        SubscriptionState::Paused => "held",
        SubscriptionState::Stopped => "bad",
    }
}

#[derive(Template)]
#[template(path = "subscriptions.html")]
struct SubscriptionsPage {
    shell: Shell,
    subscriptions: Vec<Subscription>,
}

async fn list(viewer: Viewer) -> Result<Page<SubscriptionsPage>, Problem> {
    Ok(Page(SubscriptionsPage {
        shell: viewer.shell(Section::Events, "Events"),
        subscriptions: viewer.service.subscriptions().await?,
    }))
}

/// A way to the deliveries in one state.
struct Tab {
    name: &'static str,
    address: String,
    is_here: bool,
}

#[derive(Template)]
#[template(path = "subscription.html")]
struct SubscriptionPage {
    shell: Shell,
    subscription: Subscription,
    deliveries: Vec<Delivery>,
    state: Option<DeliveryState>,
    /// Whether these are not the newest.
    is_later: bool,
    /// The number of the last one, where there may be older ones.
    before: Option<i64>,
}

impl SubscriptionPage {
    fn is_active(&self) -> bool {
        self.subscription.state == SubscriptionState::Active
    }

    fn failing(&self) -> String {
        let it = &self.subscription.thresholds;
        format!(
            "{} % of at least {} attempts in {}",
            it.failing_percent,
            it.failing_attempts_min,
            format_duration_ms(it.failing_window)
        )
    }

    fn stuck(&self) -> String {
        format_duration_ms(self.subscription.thresholds.stuck_after)
    }

    /// The address of the deliveries in a state.
    fn address(&self, state: Option<DeliveryState>) -> String {
        let path = format!("/subscriptions/{}", self.subscription.name);
        match state {
            Some(state) => format!("{path}?state={}", state.name()),
            None => path,
        }
    }

    /// The states by which deliveries are looked at.
    fn tabs(&self) -> Vec<Tab> {
        let states = [None].into_iter().chain(STATES.map(Some));
        let tab = |state: Option<DeliveryState>| Tab {
            name: state.map_or("all", DeliveryState::name),
            address: self.address(state),
            is_here: state == self.state,
        };
        states.map(tab).collect()
    }

    /// Why its events are not delivered.
    fn stopped_by(&self) -> Option<&str> {
        let failure = self.subscription.failure.as_deref();
        failure.filter(|_| !self.is_active())
    }

    fn newest(&self) -> Option<String> {
        self.is_later.then(|| self.address(self.state))
    }

    fn older(&self) -> Option<String> {
        let address = self.address(self.state);
        let more = match self.state {
            Some(_) => '&',
            None => '?',
        };
        Some(format!("{address}{more}before={}", self.before?))
    }

    fn may_again(&self, delivery: &Delivery) -> bool {
        delivery.state != DeliveryState::Waiting
    }
}

const STATES: [DeliveryState; 3] = [
    DeliveryState::Waiting,
    DeliveryState::Delivered,
    DeliveryState::Dead,
];

async fn show_subscription(
    viewer: Viewer,
    Path(path): Path<SubscriptionPath>,
    Query(query): Query,
) -> Result<Page<SubscriptionPage>, Problem> {
    let subscription = viewer.service.subscription(&path.name).await?;
    let state = match query.text("state") {
        None => None,
        Some(text) => Some(
            STATES
                .into_iter()
                .find(|state| state.name() == text)
                .ok_or_else(|| {
                    Error::usage(format!("`state`: `{text}` is no state of an event"))
                        .hint("waiting, delivered or dead")
                })?,
        ),
    };
    let request = DeliveriesRequest {
        state,
        before: query.read("before")?,
        limit: ROWS,
    };
    let deliveries = viewer.service.deliveries(&path.name, &request).await?;
    let last = deliveries
        .last()
        .filter(|_| deliveries.len() == ROWS as usize);
    Ok(Page(SubscriptionPage {
        shell: viewer.shell(Section::Events, path.name),
        before: last.map(|last| last.id),
        is_later: request.before.is_some(),
        subscription,
        deliveries,
        state,
    }))
}

fn back(path: &SubscriptionPath, done: &str) -> Redirect {
    Redirect::to(&format!("/subscriptions/{}?done={done}", path.name))
}

async fn pause(viewer: Viewer, Path(path): Path<SubscriptionPath>) -> Result<Redirect, Problem> {
    viewer
        .service
        .set_subscription_paused(&path.name, true)
        .await?;
    Ok(back(&path, "subscription-paused"))
}

async fn resume(viewer: Viewer, Path(path): Path<SubscriptionPath>) -> Result<Redirect, Problem> {
    viewer
        .service
        .set_subscription_paused(&path.name, false)
        .await?;
    Ok(back(&path, "subscription-resumed"))
}

async fn replay(
    viewer: Viewer,
    Path(path): Path<SubscriptionPath>,
    Form(form): Form,
) -> Result<Redirect, Problem> {
    let which = match form.read("delivery")? {
        Some(number) => Redelivery::One(number),
        None => Redelivery::Dead,
    };
    viewer.service.redeliver(&path.name, which).await?;
    Ok(back(&path, "redelivered"))
}

async fn delete(viewer: Viewer, Path(path): Path<SubscriptionPath>) -> Result<Redirect, Problem> {
    viewer.service.delete_subscription(&path.name).await?;
    Ok(Redirect::to("/subscriptions?done=subscription-deleted"))
}
