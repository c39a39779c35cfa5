//! Sends spans to a collector: OTLP over HTTP, as JSON.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use prometheus::IntCounter;
use serde_json::{Value as Json, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::trace::{Letter, Span, Value};

/// The most spans in one request.
const BATCH: usize = 512;
/// How long spans are gathered before they are sent.
const GATHER: Duration = Duration::from_millis(500);
/// How often a batch is sent again that the collector did not take.
const TRIES: u32 = 3;

/// Where spans are sent.
#[derive(Debug, Clone)]
pub struct Collector {
    /// With its path, such as `http://localhost:4318/v1/traces`. Its scheme is http.
    pub endpoint: Uri,
    /// Beside those that each request has. The values are marked as sensitive, so that they are not shown.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How long a request may take.
    pub timeout: Duration,
    /// What the host is called: the resource's `service.name`.
    pub service: String,
    /// What this process is called: the resource's `service.instance.id`.
    pub instance: String,
}

/// Sends what comes, until nobody is left who makes spans. Whatever a collector does, it is only spans that are lost.
pub async fn send(collector: Collector, mut letters: mpsc::Receiver<Letter>, dropped: IntCounter) {
    let mut batch = Vec::new();
    let mut failing = false;
    while letters.recv_many(&mut batch, BATCH).await > 0 {
        let is_urgent = batch.iter().any(|it| matches!(it, Letter::Flush(_)));
        if batch.len() < BATCH && !is_urgent {
            sleep(GATHER).await;
            while batch.len() < BATCH
                && let Ok(letter) = letters.try_recv()
            {
                batch.push(letter);
            }
        }
        let (mut spans, mut waiting) = (Vec::with_capacity(batch.len()), Vec::new());
        for letter in batch.drain(..) {
            match letter {
                Letter::Span(span) => spans.push(span),
                Letter::Flush(reply) => waiting.push(reply),
            }
        }
        if !spans.is_empty() {
            match deliver(&collector, &spans).await {
                Ok(()) => failing = false,
                Err(reason) => {
                    let (count, endpoint) = (spans.len(), &collector.endpoint);
                    dropped.inc_by(count as u64);
                    // Loudly once, until it works again.
                    if std::mem::replace(&mut failing, true) {
                        debug!(reason, spans = count, "cannot send spans: they are dropped");
                    } else {
                        warn!(%endpoint, reason, spans = count, "cannot send spans: they are dropped");
                    }
                }
            }
        }
        for reply in waiting {
            let _ = reply.send(());
        }
    }
}

/// Sends a batch, a few times if need be. Fails with the last reason.
async fn deliver(collector: &Collector, spans: &[Span]) -> Result<(), String> {
    let body = Bytes::from(request(collector, spans).to_string());
    let mut reason = String::new();
    for attempt in 0..TRIES {
        if attempt > 0 {
            sleep(GATHER * (1 << attempt)).await;
        }
        match timeout(collector.timeout, post(collector, body.clone())).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => reason = error,
            Err(_) => reason = format!("no answer within {:?}", collector.timeout),
        }
    }
    Err(reason)
}

async fn post(collector: &Collector, body: Bytes) -> Result<(), String> {
    let endpoint = &collector.endpoint;
    let host = endpoint.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, endpoint.port_u16().unwrap_or(80)))
        .await
        .map_err(|error| error.to_string())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let connection = tokio::spawn(connection);
    let path = endpoint.path_and_query().map_or("/", |path| path.as_str());
    let authority = endpoint.authority().map_or(host, |it| it.as_str());
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::HOST, authority)
        .header(header::CONTENT_TYPE, "application/json");
    for (name, value) in &collector.headers {
        request = request.header(name, value);
    }
    let request = request
        .body(Full::new(body))
        .map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await;
    connection.abort();
    let status = answer.map_err(|error| error.to_string())?.status();
    match status.is_success() {
        true => Ok(()),
        false => Err(format!("the collector answered {status}")),
    }
}

/// An `ExportTraceServiceRequest`, in the JSON encoding of OTLP: ids in hex, 64-bit numbers as text.
fn request(collector: &Collector, spans: &[Span]) -> Json {
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let spans: Vec<Json> = spans.iter().map(span).collect();
    json!({
        "resourceSpans": [{
            "resource": {
                "attributes": [
                    text("service.name", &collector.service),
                    text("service.instance.id", &collector.instance),
                    text("service.version", env!("CARGO_PKG_VERSION")),
                ]
            },
            "scopeSpans": [{
                "scope": { "name": "hardstop", "version": env!("CARGO_PKG_VERSION") },
                "spans": spans,
            }]
        }]
    })
}

fn span(span: &Span) -> Json {
    let nanos = |us: i64| format!("{}", i128::from(us) * 1_000);
    let attributes = span.attributes.iter().map(|(key, value)| {
        let value = match value {
            Value::Text(text) => json!({ "stringValue": text }),
            Value::Number(number) => json!({ "intValue": number.to_string() }),
        };
        json!({ "key": key, "value": value })
    });
    let links = span.links.iter().map(
        |(trace, id)| json!({ "traceId": format!("{trace:032x}"), "spanId": format!("{id:016x}") }),
    );
    let mut made = json!({
        "traceId": format!("{:032x}", span.trace),
        "spanId": format!("{:016x}", span.id),
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": nanos(span.from.0),
        "endTimeUnixNano": nanos(span.to.0),
        "attributes": attributes.collect::<Vec<_>>(),
        "links": links.collect::<Vec<_>>(),
        "status": match &span.failure {
            Some(kind) => json!({ "code": 2, "message": kind.name() }),
            None => json!({}),
        },
    });
    if let Some(parent) = span.parent {
        made["parentSpanId"] = json!(format!("{parent:016x}"));
    }
    made
}
