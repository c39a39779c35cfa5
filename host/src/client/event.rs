//! Events as they are committed, by the server's stream of them.
//!
//! The stream ends when the server does, or after a while; then it is asked for again from the last event that came, and so
//! nothing is lost, unless the server is away for as long as it keeps a stream.

use serde::Deserialize;
use tokio::sync::mpsc;

use super::Client;
use super::stream::{PAUSE, Presence};
use crate::api::event::Events;
use crate::error::{Error, Kind};
use crate::outbox::Message;
use crate::service::{Ended, EventsRequest, News, ToldEvent, taken};

/// What `end` says.
#[derive(Deserialize)]
struct End {
    reason: Ended,
}

impl Client {
    /// Hears events until nobody receives them.
    pub async fn hear_events(
        &self,
        mut request: EventsRequest,
        hearer: &mpsc::Sender<News>,
    ) -> Result<(), Error> {
        let mut presence = Presence::now();
        let mut begun = false;
        while !hearer.is_closed() {
            let heard = request.since;
            let ended = self.hear_once(&mut request, hearer, &mut begun).await;
            if request.since != heard {
                presence = Presence::now();
            }
            match ended {
                Ok(None) => presence = Presence::now(),
                Ok(Some(Ended::Taken)) => {
                    return request.since.map_or(Ok(()), |mark| Err(taken(mark)));
                }
                Ok(Some(Ended::Gone)) => self.begin_again(&mut request, hearer).await,
                Err(error) if !begun => return Err(error),
                // What it had heard itself.
                Err(error) if error.kind == Kind::StreamGone => {
                    self.begin_again(&mut request, hearer).await;
                }
                Err(error) => presence.bear(error)?,
            }
            tokio::select! {
                () = hearer.closed() => break,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
        Ok(())
    }

    async fn begin_again(&self, request: &mut EventsRequest, hearer: &mpsc::Sender<News>) {
        let lost = match request.since.take() {
            Some(mark) => format!("there is no going on from event {mark}"),
            None => "the stream has ended".to_owned(),
        };
        // Nobody receives it: that is seen before the stream is asked for again.
        let _ = hearer.send(News::Lost(lost)).await;
    }

    /// Hears one answer to its end, which the server may have said the reason of. How far it came is noted in the request.
    async fn hear_once(
        &self,
        request: &mut EventsRequest,
        hearer: &mpsc::Sender<News>,
        begun: &mut bool,
    ) -> Result<Option<Ended>, Error> {
        let query = serde_urlencoded::to_string(Events::of(request))
            .map_err(|error| Error::environment(format!("the query cannot be written: {error}")))?;
        let last = request.since.map(|mark| mark.to_string());
        let path = format!("/events?{query}");
        let mut stream = self.stream(&path, last.as_deref()).await?;
        *begun = true;
        loop {
            let sent = tokio::select! {
                () = hearer.closed() => return Ok(None),
                sent = stream.next() => sent?,
            };
            let Some(sent) = sent else {
                return Ok(None);
            };
            let unread = |error: String| {
                self.foreign(format!("its event `{}` cannot be read: {error}", sent.name))
            };
            let id = sent.id.parse();
            let id = id.map_err(|error| unread(format!("{error}")))?;
            let news = match sent.name.as_str() {
                "end" => {
                    let end = serde_json::from_str::<End>(&sent.data);
                    return end
                        .map(|end| Some(end.reason))
                        .map_err(|error| unread(error.to_string()));
                }
                "begin" => News::Begun(id),
                _ => {
                    let message = serde_json::from_str::<Message>(&sent.data);
                    let message = message.map_err(|error| unread(error.to_string()))?;
                    News::Event(ToldEvent { id, message })
                }
            };
            if hearer.send(news).await.is_err() {
                return Ok(None);
            }
            request.since = Some(id);
        }
    }
}
