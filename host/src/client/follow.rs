//! Waiting for what a server is told of a job, by its event stream.
//!
//! The stream ends when the server does, or after a while; what is in between may break it off. Then it is asked for
//! again from the last event that came, until the job is final or whoever waits has waited long enough.

use std::time::Duration;

use axum::body::Bytes;
use hardstop_domain::{ChainId, JobId, State};
use hardstop_store::JobDetail;
use http::{HeaderName, HeaderValue, Method};
use http_body_util::BodyExt as _;
use tokio::time::Instant;

use super::{ANSWER_TIMEOUT, Client, path};
use crate::error::{Error, Exit};
use crate::service::still;

/// The server says something at least this often.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long a server may be away.
const ABSENCE_MAX: Duration = Duration::from_secs(60);
/// How long to wait before it is asked again.
const PAUSE: Duration = Duration::from_millis(500);
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What has come of a stream that is not yet a whole event.
#[derive(Default)]
struct Events {
    text: Vec<u8>,
    /// The id of the last whole event.
    last_id: Option<HeaderValue>,
}

impl Events {
    /// Takes what came, and tells whether the job is final.
    fn take(&mut self, bytes: &[u8]) -> bool {
        self.text.extend_from_slice(bytes);
        let mut ended = false;
        while let Some(end) = self.text.windows(2).position(|two| two == b"\n\n") {
            let event: Vec<u8> = self.text.drain(..end + 2).collect();
            let event = String::from_utf8_lossy(&event);
            for line in event.lines() {
                match line.split_once(": ") {
                    Some(("id", id)) => self.last_id = HeaderValue::from_str(id).ok(),
                    Some(("event", "end")) => ended = true,
                    _ => {}
                }
            }
        }
        ended
    }
}

impl Client {
    /// Waits until a job is final.
    pub async fn wait_job(&self, id: JobId, timeout: Option<Duration>) -> Result<JobDetail, Error> {
        let followed = within(timeout, self.follow(id)).await;
        followed.unwrap_or(Ok(()))?;
        let job = self.present(|| self.job(id)).await?;
        match (job.summary.state, timeout) {
            (state, Some(timeout)) if !state.is_final() => {
                Err(still(format_args!("job {id}"), state, timeout))
            }
            _ => Ok(job),
        }
    }

    /// Waits until a chain is closed. Returns its last job.
    pub async fn wait_chain(
        &self,
        id: ChainId,
        timeout: Option<Duration>,
    ) -> Result<JobDetail, Error> {
        let closed = async {
            loop {
                let chain = self.present(|| self.chain(id)).await?.summary;
                if chain.state.is_final() && chain.state != State::Continued {
                    return Ok::<_, Error>(());
                }
                self.follow(chain.last_job).await?;
            }
        };
        within(timeout, closed).await.unwrap_or(Ok(()))?;
        let chain = self.present(|| self.chain(id)).await?.summary;
        match timeout {
            Some(timeout) if !chain.state.is_final() => {
                Err(still(format_args!("chain {id}"), chain.state, timeout))
            }
            _ => self.present(|| self.job(chain.last_job)).await,
        }
    }

    /// Asks until the server answers, unless it is away for too long.
    async fn present<T, F: Future<Output = Result<T, Error>>>(
        &self,
        ask: impl Fn() -> F,
    ) -> Result<T, Error> {
        let began = Instant::now();
        loop {
            match ask().await {
                Err(error) if error.exit == Exit::Environment && began.elapsed() < ABSENCE_MAX => {
                    tokio::time::sleep(PAUSE).await;
                }
                answer => return answer,
            }
        }
    }

    /// Follows a job until it is final.
    async fn follow(&self, id: JobId) -> Result<(), Error> {
        let mut events = Events::default();
        let mut heard_at = Instant::now();
        loop {
            let heard = events.last_id.clone();
            match self.follow_once(id, &mut events).await {
                Ok(true) => return Ok(()),
                Ok(false) => heard_at = Instant::now(),
                // What the server says of the job is no absence.
                Err(error) if error.exit != Exit::Environment => return Err(error),
                Err(_) if events.last_id != heard => heard_at = Instant::now(),
                Err(error) if heard_at.elapsed() > ABSENCE_MAX => return Err(error),
                Err(_) => {}
            }
            events.text.clear();
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Follows it to the end of one stream. Tells whether it is final.
    async fn follow_once(&self, id: JobId, events: &mut Events) -> Result<bool, Error> {
        let mut request = self.request(Method::GET, &path(["jobs", &id.to_string(), "follow"]));
        if let Some(last) = &events.last_id {
            request = request.header(LAST_EVENT_ID, last.clone());
        }
        let silent = |seconds: u64| {
            let address = &self.connection.address;
            Error::environment(format!("the server {address} said nothing for {seconds} s"))
        };
        let opened = tokio::time::timeout(ANSWER_TIMEOUT, self.open(request, Bytes::new())).await;
        let opened = opened.map_err(|_| silent(ANSWER_TIMEOUT.as_secs()))?;
        // The connection ends with the stream.
        let (mut response, _sender) = opened?.split();
        loop {
            let frame = tokio::time::timeout(SILENCE_MAX, response.frame()).await;
            match frame.map_err(|_| silent(SILENCE_MAX.as_secs()))? {
                None => return Ok(false),
                Some(Ok(frame)) => {
                    let bytes = frame.into_data().unwrap_or_default();
                    if events.take(&bytes) {
                        return Ok(true);
                    }
                }
                Some(Err(error)) => {
                    return Err(Error::environment(format!("the stream broke off: {error}")));
                }
            }
        }
    }
}

/// What comes of it within this time; none where that has passed.
async fn within<T>(timeout: Option<Duration>, work: impl Future<Output = T>) -> Option<T> {
    match timeout {
        None => Some(work.await),
        Some(timeout) => tokio::time::timeout(timeout, work).await.ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_however_they_are_cut() {
        let stream = ":\n\nevent: log\nid: 1-a\ndata: {\"x\": \"event: end\"}\n\nevent: end\nid: 1-b\ndata: 0\n\n";
        for size in 1..stream.len() {
            let mut events = Events::default();
            let pieces: Vec<_> = stream.as_bytes().chunks(size).collect();
            let (last, others) = pieces.split_last().expect("there are some");
            assert!(others.iter().all(|piece| !events.take(piece)), "{size}");
            assert!(events.take(last), "{size}");
            assert_eq!(events.last_id, Some(HeaderValue::from_static("1-b")));
        }
    }
}
