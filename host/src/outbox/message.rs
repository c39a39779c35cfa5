//! An event as it is posted: what it says, and its headers by the Standard Webhooks scheme.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hardstop_domain::{
    ChainId, EventKind, EventUrl, JobId, OutcomeKind, State, SubscriptionId, Timestamp, TypeName,
};
use hardstop_store::Delivery;
use http::{Method, Request, header};
use http_body_util::Full;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::signing::{SIGNATURE_HEADERS, signature};

const USER_AGENT: &str = concat!("hardstop/", env!("CARGO_PKG_VERSION"));

/// The body that is posted. It never has input, output, log or the text of an error.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Message<'d> {
    /// What it tells.
    #[serde(rename = "type")]
    kind: EventKind,
    /// When that was.
    timestamp: Timestamp,
    /// Of what.
    data: Data<'d>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Data<'d> {
    job_type: &'d TypeName,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<JobId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chain_id: Option<ChainId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<State>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<OutcomeKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'d Value>,
}

impl<'d> Message<'d> {
    fn of(delivery: &'d Delivery) -> Self {
        Self {
            kind: delivery.kind,
            timestamp: delivery.at,
            data: Data {
                job_type: &delivery.type_name,
                job_id: delivery.job_id,
                chain_id: delivery.chain_id,
                state: delivery.job_state,
                outcome: delivery.outcome,
                attempt: delivery.attempt,
                detail: delivery.detail.as_ref(),
            },
        }
    }
}

/// The request that delivers an event, signed. Sent again it has the same id and another time.
pub(super) fn request(
    url: &EventUrl,
    subscription: SubscriptionId,
    delivery: &Delivery,
    secret: &[u8],
) -> Result<Request<Full<Bytes>>, String> {
    let body = serde_json::to_vec(&Message::of(delivery)).map_err(|error| error.to_string())?;
    let id = format!("evt_{}_{}", subscription.0.simple(), delivery.id);
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let timestamp = since.map_or(0, |since| since.as_secs());
    let signature = signature(secret, &id, timestamp, &body);
    let [id_header, timestamp_header, signature_header] = SIGNATURE_HEADERS;
    Request::builder()
        .method(Method::POST)
        .uri(&url.path)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, USER_AGENT)
        .header(id_header, id)
        .header(timestamp_header, timestamp)
        .header(signature_header, signature)
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| format!("the URL cannot be used: {error}"))
}
