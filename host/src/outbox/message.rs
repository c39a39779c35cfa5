//! An event: what it says; and as it is posted, its headers by the Standard Webhooks scheme.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hardstop_domain::{
    ChainId, EventKind, EventUrl, JobId, OutcomeKind, State, SubscriptionId, Timestamp, TypeName,
};
use hardstop_store::Delivery;
use http::{Method, Request, header};
use http_body_util::Full;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::signing::{SIGNATURE_HEADERS, signature};

const USER_AGENT: &str = concat!("hardstop/", env!("CARGO_PKG_VERSION"));

/// An event, as it is posted and as streams tell it. It never has input, output, log or the text of an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Event")]
pub struct Message {
    /// What it tells.
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// When that was.
    pub timestamp: Timestamp,
    /// Of what.
    pub data: MessageData,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "EventData")]
pub struct MessageData {
    /// The type.
    pub job_type: TypeName,
    /// The job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
    /// Its chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain_id: Option<ChainId>,
    /// The state that the job came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// What its last attempt came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OutcomeKind>,
    /// The number of that attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// What was seen of a type that is failing or stuck.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
}

impl From<Delivery> for Message {
    fn from(delivery: Delivery) -> Self {
        Self {
            kind: delivery.kind,
            timestamp: delivery.at,
            data: MessageData {
                job_type: delivery.type_name,
                job_id: delivery.job_id,
                chain_id: delivery.chain_id,
                state: delivery.job_state,
                outcome: delivery.outcome,
                attempt: delivery.attempt,
                detail: delivery.detail,
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
    let body =
        serde_json::to_vec(&Message::from(delivery.clone())).map_err(|error| error.to_string())?;
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
