//! `hardstop subscription ...`: events that are posted to a URL.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use hardstop_domain::Thresholds;
use hardstop_domain::quantity::format_duration_ms;
use hardstop_store::{Delivery, Redelivery, Subscription};
use serde_json::json;

use super::args::{ReplayWhich, SubscriptionCommand, SubscriptionCreateArgs};
use super::{Context, output};
use crate::error::Error;
use crate::service::{DeliveriesRequest, SubscriptionRequest};

pub async fn execute(context: &Context, command: SubscriptionCommand) -> Result<ExitCode, Error> {
    let service = context.service(false);
    let set = |subscription: &Subscription| {
        context.output.one(subscription, || {
            format!("{} is {}\n", subscription.name, subscription.state.name())
        });
    };
    match command {
        SubscriptionCommand::Create(args) => {
            let made = service.create_subscription(request(args)).await?;
            context.output.one(&made, || format!("{}\n", made.secret));
            if context.output.is_human() {
                eprintln!(
                    "subscription {}; its secret is not shown again",
                    made.subscription.name
                );
            }
        }
        SubscriptionCommand::List => {
            let subscriptions = service.subscriptions().await?;
            context.output.many(&subscriptions, || {
                output::table(
                    [
                        "subscription",
                        "url",
                        "events",
                        "type",
                        "state",
                        "waiting",
                        "dead",
                    ],
                    subscriptions.iter().map(row),
                )
            });
            if subscriptions.is_empty() && context.output.is_human() {
                eprintln!("no subscriptions: `hardstop subscription create` makes one");
            }
        }
        SubscriptionCommand::Show { name } => {
            let subscription = service.subscription(&name).await?;
            context.output.one(&subscription, || show(&subscription));
        }
        SubscriptionCommand::Deliveries {
            name,
            state,
            before,
            limit,
        } => {
            let request = DeliveriesRequest {
                state: state.map(Into::into),
                before,
                limit,
            };
            let deliveries = service.deliveries(&name, &request).await?;
            context.output.many(&deliveries, || {
                output::table(
                    [
                        "number", "event", "at", "type", "job", "state", "failures", "failure",
                    ],
                    deliveries.iter().map(delivery),
                )
            });
            if context.output.is_human() {
                match deliveries.last() {
                    None => eprintln!("no events"),
                    Some(last) if deliveries.len() as u32 == limit => {
                        eprintln!("older ones: --before {}", last.id);
                    }
                    Some(_) => {}
                }
            }
        }
        SubscriptionCommand::Pause { name } => {
            set(&service.set_subscription_paused(&name, true).await?);
        }
        SubscriptionCommand::Resume { name } => {
            set(&service.set_subscription_paused(&name, false).await?);
        }
        SubscriptionCommand::Delete { name } => {
            service.delete_subscription(&name).await?;
            let printed = json!({ "name": name, "done": "deleted" });
            context.output.one(&printed, || format!("deleted {name}\n"));
        }
        SubscriptionCommand::Replay { name, which } => {
            let done = service.redeliver(&name, redelivery(&which)).await?;
            context.output.one(&done, || {
                format!("{} events of {} wait again\n", done.deliveries, done.name)
            });
        }
    }
    service.close().await;
    Ok(ExitCode::SUCCESS)
}

fn request(args: SubscriptionCreateArgs) -> SubscriptionRequest {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let default = Thresholds::default();
    SubscriptionRequest {
        name: args.name,
        url: args.url,
        kinds: args.kinds,
        type_name: args.type_name,
        thresholds: Thresholds {
            failing_percent: args.failing_percent.unwrap_or(default.failing_percent),
            failing_attempts_min: args
                .failing_attempts_min
                .unwrap_or(default.failing_attempts_min),
            failing_window: args.failing_window.map_or(default.failing_window, ms),
            stuck_after: args.stuck_after.map_or(default.stuck_after, ms),
        },
    }
}

/// One of the three is given.
fn redelivery(which: &ReplayWhich) -> Redelivery {
    match (which.delivery, which.since) {
        (Some(number), _) => Redelivery::One(number),
        (None, Some(at)) => Redelivery::Since(at),
        (None, None) => Redelivery::Dead,
    }
}

fn row(it: &Subscription) -> [String; 7] {
    [
        it.name.to_string(),
        it.url.clone(),
        it.kinds.to_string(),
        type_of(it),
        it.state.name().to_owned(),
        it.waiting.to_string(),
        it.dead.to_string(),
    ]
}

fn type_of(it: &Subscription) -> String {
    let name = it.type_name.as_ref();
    name.map_or_else(|| "all".to_owned(), ToString::to_string)
}

fn show(it: &Subscription) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<14}{value}");
    };
    line("subscription", it.name.to_string());
    line("url", it.url.clone());
    line("events", it.kinds.to_string());
    line("type", type_of(it));
    let thresholds = &it.thresholds;
    line(
        "failing",
        format!(
            "{} % of at least {} attempts in {}",
            thresholds.failing_percent,
            thresholds.failing_attempts_min,
            format_duration_ms(thresholds.failing_window)
        ),
    );
    line(
        "stuck",
        format!("after {}", format_duration_ms(thresholds.stuck_after)),
    );
    line("created", format!("{} by {}", it.created_at, it.actor));
    line("state", it.state.name().to_owned());
    line("waiting", it.waiting.to_string());
    line("dead", it.dead.to_string());
    if let Some(at) = it.delivered_at {
        line("delivered", format!("last at {at}"));
    }
    if let (Some(at), Some(failure)) = (it.failed_at, &it.failure) {
        line("failed", format!("last at {at}: {failure}"));
    }
    text
}

fn delivery(it: &Delivery) -> [String; 8] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        it.id.to_string(),
        it.kind.to_string(),
        it.at.to_string(),
        it.type_name.to_string(),
        or_dash(it.job_id.map(|id| id.to_string())),
        it.state.name().to_owned(),
        it.failures.to_string(),
        or_dash(it.failure.clone()),
    ]
}
