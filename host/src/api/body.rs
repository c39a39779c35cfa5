//! Bodies in flight: one budget of bytes for all that clients send at once.
//!
//! The first bytes of each body, [`FREE_BYTES`], are covered by the limit on requests. What is beyond them is taken from
//! the budget: all of it before the first byte is read where the client announced it, else as it grows. It is given back
//! when the request has been answered. So clients that send much, and slowly, keep each other waiting, and neither the
//! host's memory nor small requests.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use hardstop_domain::quantity::format_size;
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::Api;
use super::problem::Problem;
use crate::error::Kind;

/// The most bytes of a JSON body.
pub const JSON_BYTES_MAX: usize = 32 << 20;
/// The most bytes of an upload. What a component and files may have is less: `component_bytes_max`, and the limit on files.
pub const UPLOAD_BYTES_MAX: usize = 256 << 20;
/// The bytes of each body that are not taken from the budget: with as many requests as there may be at once, 16 MiB.
const FREE_BYTES: usize = 64 << 10;
/// The unit of the budget. A body that was not announced grows by as much at the least.
const GRAIN_BYTES: usize = 1 << 10;
const GROWTH_BYTES: usize = 1 << 20;
/// How long a body waits for its share of the budget.
const TURN_TIMEOUT: Duration = Duration::from_secs(10);
/// How many bodies wait for that at once. One more is refused at once, so that waiting takes no more than a part of the
/// places for requests.
const WAITING_MAX: usize = 64;
/// How often it is looked whether a body comes fast enough.
const RATE_WINDOW: Duration = Duration::from_secs(10);
/// The fewest bytes that must come in such a time.
const RATE_BYTES_MIN: usize = 64 << 10;

/// The most bytes of a body with these headers.
pub fn bytes_max(headers: &HeaderMap) -> usize {
    match headers.get(header::CONTENT_TYPE) {
        Some(media_type) if media_type.as_bytes().starts_with(b"multipart/") => UPLOAD_BYTES_MAX,
        _ => JSON_BYTES_MAX,
    }
}

/// The budget of the process.
pub struct BodyBudget {
    grains: Arc<Semaphore>,
    bytes_max: usize,
    waiting: AtomicUsize,
}

impl BodyBudget {
    /// A budget of so many bytes.
    pub fn new(bytes_max: u64) -> Self {
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        let grains = (bytes_max / GRAIN_BYTES).min(Semaphore::MAX_PERMITS);
        Self {
            grains: Arc::new(Semaphore::new(grains)),
            bytes_max,
            waiting: AtomicUsize::new(0),
        }
    }

    async fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let grains = u32::try_from(bytes.div_ceil(GRAIN_BYTES)).unwrap_or(u32::MAX);
        if let Ok(permit) = Arc::clone(&self.grains).try_acquire_many_owned(grains) {
            return Ok(permit);
        }
        let _waiting = Waiting::begin(&self.waiting).ok_or_else(|| self.spent())?;
        let turn = Arc::clone(&self.grains).acquire_many_owned(grains);
        match tokio::time::timeout(TURN_TIMEOUT, turn).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(self.spent()),
        }
    }

    fn spent(&self) -> Problem {
        let budget = format_size(self.bytes_max as u64);
        Problem::new(
            Kind::Overloaded,
            format!("others are sending bodies of {budget} in all, which is `serve.body_budget`"),
        )
    }

    fn too_large(&self) -> Problem {
        let budget = format_size(self.bytes_max as u64);
        Problem::new(
            Kind::BodyTooLarge,
            format!("the body has more bytes than `serve.body_budget` = {budget}"),
        )
        .hint("raise it in the server's hardstop.toml")
    }
}

/// A place among those that wait.
struct Waiting<'b>(&'b AtomicUsize);

impl<'b> Waiting<'b> {
    fn begin(waiting: &'b AtomicUsize) -> Option<Self> {
        let more = |count| (count < WAITING_MAX).then_some(count + 1);
        let begun = waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        begun.is_ok().then_some(Self(waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What one request has taken of the budget, and why its body ended before its end.
#[derive(Default)]
struct Share {
    permit: Option<OwnedSemaphorePermit>,
    problem: Option<Problem>,
}

/// Meters the body of a request. Nothing is taken for a body that nobody reads.
pub async fn metered(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let share = Arc::new(Mutex::new(Share::default()));
    let announced = request.body().size_hint().exact();
    let metered = Metered {
        bytes_max: bytes_max(request.headers()),
        announced: announced.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
        body: std::mem::take(request.body_mut()),
        budget: api.bodies,
        share: Arc::clone(&share),
        covered: FREE_BYTES,
        received: 0,
        window: Window::begin(0),
    };
    *request.body_mut() = metered.body();
    let response = next.run(request).await;
    // Whoever read the body knows that it broke off; why is known here.
    let problem = lock(&share).problem.take();
    problem.map_or(response, Problem::into_response)
}

fn lock(share: &Mutex<Share>) -> std::sync::MutexGuard<'_, Share> {
    share.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Metered {
    body: Body,
    budget: Arc<BodyBudget>,
    share: Arc<Mutex<Share>>,
    announced: Option<usize>,
    /// The most bytes that such a body may have.
    bytes_max: usize,
    /// How many bytes may come before more has to be taken.
    covered: usize,
    received: usize,
    window: Window,
}

/// A time in which enough has to come.
struct Window {
    until: Instant,
    received_before: usize,
}

impl Window {
    fn begin(received: usize) -> Self {
        Self {
            until: Instant::now() + RATE_WINDOW,
            received_before: received,
        }
    }
}

impl Metered {
    fn body(self) -> Body {
        Body::from_stream(stream::try_unfold(
            self,
            async |mut metered| match metered.next().await {
                Ok(bytes) => Ok(bytes.map(|bytes| (bytes, metered))),
                Err(problem) => {
                    lock(&metered.share).problem = problem;
                    Err(std::io::Error::other("the body was not read to its end"))
                }
            },
        ))
    }

    /// The next bytes; none at the end. The connection's own errors are for whoever reads to tell.
    async fn next(&mut self) -> Result<Option<Bytes>, Option<Problem>> {
        if self.received == 0
            && let Some(announced) = self.announced
        {
            self.cover(announced).await?;
        }
        loop {
            let frame = tokio::time::timeout_at(self.window.until, self.body.frame()).await;
            if Instant::now() >= self.window.until {
                if self.received - self.window.received_before < RATE_BYTES_MIN {
                    return Err(Some(slow()));
                }
                self.window = Window::begin(self.received);
            }
            let Ok(frame) = frame else {
                continue;
            };
            let Some(frame) = frame else {
                return Ok(None);
            };
            let Ok(frame) = frame else {
                return Err(None);
            };
            // Trailers say nothing here.
            let Ok(bytes) = frame.into_data() else {
                continue;
            };
            self.received += bytes.len();
            self.cover(self.received).await?;
            return Ok(Some(bytes));
        }
    }

    /// Takes what is missing for so many bytes.
    async fn cover(&mut self, bytes: usize) -> Result<(), Problem> {
        if bytes <= self.covered {
            return Ok(());
        }
        if bytes > self.bytes_max {
            return Err(Problem::new(
                Kind::BodyTooLarge,
                format!("the body has more than {} bytes", self.bytes_max),
            ));
        }
        let all = self.budget.bytes_max.saturating_add(FREE_BYTES);
        if bytes > all {
            return Err(self.budget.too_large());
        }
        let most = self.announced.unwrap_or(self.bytes_max).min(all);
        let wanted = bytes.max(self.covered.saturating_add(GROWTH_BYTES).min(most));
        let permit = self.budget.take(wanted - self.covered).await?;
        self.covered = wanted;
        // It was not the client who kept it waiting.
        self.window = Window::begin(self.received);
        let mut share = lock(&self.share);
        match &mut share.permit {
            Some(taken) => taken.merge(permit),
            none => *none = Some(permit),
        }
        Ok(())
    }
}

fn slow() -> Problem {
    Problem::new(
        Kind::SlowClient,
        format!(
            "less than {} of the body came in {} s",
            format_size(RATE_BYTES_MIN as u64),
            RATE_WINDOW.as_secs()
        ),
    )
}
