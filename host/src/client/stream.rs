//! Streams of server-sent events, and how long a server may be away from one.

use std::collections::VecDeque;
use std::time::Duration;

use axum::body::Bytes;
use http::{Method, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::Instant;

use super::connection::Sender;
use super::{ANSWER_TIMEOUT, Client};
use crate::api::sse::LAST_EVENT_ID;
use crate::error::{Error, Exit};

/// The server says something at least this often.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long a server may be away.
pub(super) const ABSENCE_MAX: Duration = Duration::from_secs(60);
/// How long to wait before it is asked again.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

/// When a server was last heard.
pub(super) struct Presence(Instant);

impl Presence {
    pub(super) fn now() -> Self {
        Self(Instant::now())
    }

    /// Fails with an error of a server that is there, and where it has been away for too long.
    pub(super) fn bear(&self, error: Error) -> Result<(), Error> {
        // What the server says of what is asked for is no absence.
        match error.exit == Exit::Environment && self.0.elapsed() <= ABSENCE_MAX {
            true => Ok(()),
            false => Err(error),
        }
    }
}

/// An event as it was sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) data: String,
}

/// What has come of a stream, as far as it is whole events.
#[derive(Default)]
struct Events {
    text: Vec<u8>,
    whole: VecDeque<Sent>,
}

impl Events {
    fn take(&mut self, bytes: &[u8]) {
        let mut from = self.text.len().saturating_sub(1);
        self.text.extend_from_slice(bytes);
        while let Some(end) = self.text[from..].windows(2).position(|two| two == b"\n\n") {
            let event: Vec<u8> = self.text.drain(..from + end + 2).collect();
            from = 0;
            let mut sent = Sent::default();
            for line in String::from_utf8_lossy(&event).lines() {
                match line.split_once(": ") {
                    Some(("event", name)) => name.clone_into(&mut sent.name),
                    Some(("id", id)) => id.clone_into(&mut sent.id),
                    Some(("data", data)) => data.clone_into(&mut sent.data),
                    _ => {}
                }
            }
            // A comment has no name.
            if !sent.name.is_empty() {
                self.whole.push_back(sent);
            }
        }
    }
}

/// A stream that is open. The connection ends with it.
pub(super) struct Stream<'c> {
    client: &'c Client,
    response: Response<Incoming>,
    _sender: Sender,
    events: Events,
}

impl Stream<'_> {
    /// The next event; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Sent>, Error> {
        loop {
            if let Some(sent) = self.events.whole.pop_front() {
                return Ok(Some(sent));
            }
            let frame = tokio::time::timeout(SILENCE_MAX, self.response.frame()).await;
            match frame.map_err(|_| self.client.silent(SILENCE_MAX))? {
                None => return Ok(None),
                Some(Ok(frame)) => self.events.take(&frame.into_data().unwrap_or_default()),
                Some(Err(error)) => {
                    return Err(Error::environment(format!("the stream broke off: {error}")));
                }
            }
        }
    }
}

impl Client {
    /// Opens a stream, behind the event that was heard last.
    pub(super) async fn stream(&self, path: &str, last: Option<&str>) -> Result<Stream<'_>, Error> {
        let mut request = self.request(Method::GET, path);
        if let Some(last) = last {
            request = request.header(LAST_EVENT_ID, last);
        }
        let opened = tokio::time::timeout(ANSWER_TIMEOUT, self.open(request, Bytes::new())).await;
        let (response, sender) = opened.map_err(|_| self.silent(ANSWER_TIMEOUT))??.split();
        Ok(Stream {
            client: self,
            response,
            _sender: sender,
            events: Events::default(),
        })
    }

    fn silent(&self, time: Duration) -> Error {
        let (address, seconds) = (&self.connection.address, time.as_secs());
        Error::environment(format!("the server {address} said nothing for {seconds} s"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_however_they_are_cut() {
        let stream = ":\n\nevent: log\nid: 1-a\ndata: {\"x\": \"event: end\"}\n\n:\n\nevent: end\nid: 1-b\ndata: 0\n\n";
        let sent = |name: &str, id: &str, data: &str| Sent {
            name: name.to_owned(),
            id: id.to_owned(),
            data: data.to_owned(),
        };
        let expected = [
            sent("log", "1-a", "{\"x\": \"event: end\"}"),
            sent("end", "1-b", "0"),
        ];
        for size in 1..=stream.len() {
            let mut events = Events::default();
            let pieces: Vec<_> = stream.as_bytes().chunks(size).collect();
            let (last, others) = pieces.split_last().expect("there are some");
            others.iter().for_each(|piece| events.take(piece));
            assert!(events.whole.len() < 2, "{size}");
            events.take(last);
            assert!(
                events.whole.iter().eq(&expected),
                "{size}: {:?}",
                events.whole
            );
        }
    }
}
