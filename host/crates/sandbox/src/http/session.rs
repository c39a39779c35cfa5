//! The requests of one attempt: each is checked on the guest's thread before anything is done for it.

use std::sync::Arc;

use hardstop_domain::capability::http::{HttpRules, HttpTarget, Scheme};
use hardstop_domain::capability::{Missing, Refusal};
use http::header::{HOST, HeaderName, HeaderValue};
use http::{Method, Request, Response, Uri};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpHooks};

use super::Client;
use super::exchange::Exchange;
use super::meter::Meter;
use super::resolver::Names;
use crate::refusal::Refusals;
use crate::secret::Secrets;

/// How much the headers of one request may take, in bytes, as wasmtime counts them.
const FIELDS_BYTES_MAX: usize = 32 << 10;
/// How much a guest may hand over in one write, in bytes.
const CHUNK_BYTES_MAX: usize = 64 << 10;
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

type Ready = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Answer = Result<(Response<WasiBody>, Ready), Error>;

/// In whose name requests are sent, and under what.
pub(crate) struct Order {
    pub(crate) client: Arc<Client>,
    pub(crate) type_name: String,
    /// The manifest's rules.
    pub(crate) allow: HttpRules,
    pub(crate) secrets: Secrets,
    pub(crate) trace_parent: Option<String>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) refusals: Refusals,
}

/// The state of `wasi:http` for one attempt.
pub(crate) struct Session {
    pub(crate) context: WasiHttpCtx,
    pub(crate) hooks: Hooks,
}

/// What wasmtime asks of the host.
pub(crate) struct Hooks {
    order: Order,
    names: Arc<Names>,
    /// As many permits as requests may be under way, so that a request of which the guest has just let
    /// go is off its connection before the next one gets one.
    connections: Arc<Semaphore>,
    /// Dropped with the attempt, and with it every connection.
    exchanges: JoinSet<()>,
}

impl Session {
    pub(crate) fn new(order: Order, connections_max: u64) -> Self {
        let mut context = WasiHttpCtx::new();
        context.set_field_size_limit(FIELDS_BYTES_MAX);
        let permits = usize::try_from(connections_max).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            context,
            hooks: Hooks {
                order,
                names: Arc::default(),
                connections: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))),
                exchanges: JoinSet::new(),
            },
        }
    }
}

impl Hooks {
    /// Checks a request and completes its headers.
    fn admit(
        &self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> Result<(Exchange, Request<WasiBody>), Error> {
        let Order {
            client,
            type_name,
            allow,
            secrets,
            trace_parent,
            meter,
            refusals,
        } = &self.order;
        let (mut parts, body) = request.into_parts();
        if parts.method == Method::CONNECT {
            return Err(Error::HttpRequestMethodInvalid);
        }
        let scheme = match parts.uri.scheme_str() {
            Some("http") => Scheme::Http,
            _ => Scheme::Https,
        };
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path.is_empty() { "/" } else { path }.to_owned();
        let authority = parts.uri.authority().map_or("", |it| it.as_str());
        let target = HttpTarget::new(scheme, authority, parts.method.as_str(), &path)
            .map_err(|_| Error::HttpRequestUriInvalid)?;
        let missing = Missing {
            manifest: !allow.allow(&target),
            operator: !client.allow.allow(&target),
        };
        if missing.manifest || missing.operator {
            refusals.add(Refusal::http(type_name, &target, missing));
            return Err(Error::HttpRequestDenied);
        }
        meter.request()?;
        let open = meter.open()?;

        // Only for a proxy do scheme and authority go into the message.
        parts.uri = Uri::builder()
            .path_and_query(path)
            .build()
            .map_err(|_| Error::HttpRequestUriInvalid)?;
        let origin = target.origin();
        let host = origin.split_once("://").map_or("", |(_, host)| host);
        let value = |text: &str| HeaderValue::from_str(text).ok();
        parts.headers.remove(HOST);
        if let Some(host) = value(host) {
            parts.headers.insert(HOST, host);
        }
        if let Some(trace) = trace_parent.as_deref().and_then(value) {
            parts.headers.entry(TRACE_PARENT).or_insert(trace);
        }
        secrets.fill_in(&target, &mut parts.headers)?;
        let exchange = Exchange {
            client: client.clone(),
            type_name: type_name.clone(),
            target,
            options: options.unwrap_or_default(),
            names: self.names.clone(),
            connections: self.connections.clone(),
            open: Some(open),
            meter: meter.clone(),
            refusals: refusals.clone(),
        };
        Ok((exchange, Request::from_parts(parts, body)))
    }
}

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _done: Ready,
    ) -> Box<dyn Future<Output = Answer> + Send> {
        // Those that have ended are not kept.
        while self.exchanges.try_join_next().is_some() {}
        let (exchange, request) = match self.admit(request, options) {
            Ok(admitted) => admitted,
            Err(error) => return Box::new(std::future::ready(Err(error))),
        };
        let (answer, answered) = oneshot::channel();
        let handle = &self.order.client.handle;
        self.exchanges
            .spawn_on(exchange.run(request, answer), handle);
        Box::new(async move {
            let response = answered.await.unwrap_or(Err(Error::ConnectionTerminated))?;
            Ok((response, Box::new(std::future::ready(Ok(()))) as Ready))
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_BYTES_MAX
    }
}
