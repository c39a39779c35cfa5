//! Events as they are committed, for whoever listens.

use std::sync::Arc;
use std::time::Duration;

use hardstop_domain::{EventKind, EventKinds, EventMark, SubscriptionId, TypeName};
use hardstop_store::{
    HearQuery, Heard, HeardEvent, LISTENERS_MAX, ListenerResume, NewListener, Resumed, Store,
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::Service;
use crate::error::{Error, Kind};
use crate::outbox::Message;

/// How often to look for events, where none waited.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// How many events are read at once.
const BATCH: u32 = 500;

/// Which events to hear.
#[derive(Debug, Clone, Default)]
pub struct EventsRequest {
    /// Of which kinds; none named: of all.
    pub kinds: Vec<EventKind>,
    /// Of which types; none named: of all.
    pub types: Vec<String>,
    /// The event that was heard last, to go on behind it.
    pub since: Option<EventMark>,
}

/// What comes to whoever hears events.
#[derive(Debug, Clone)]
pub enum News {
    /// From here on events are heard.
    Begun(EventMark),
    /// An event.
    Event(ToldEvent),
    /// Events were lost, for this reason.
    Lost(String),
}

/// An event with its id.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ToldEvent {
    /// What goes on behind it.
    #[serde(with = "mark_text")]
    pub id: EventMark,
    /// What it says.
    #[serde(flatten)]
    pub message: Message,
}

/// What there was to hear.
#[derive(Debug)]
pub enum Told {
    /// These events, in order; perhaps none.
    Events(Vec<ToldEvent>),
    /// Nothing any more.
    Ended(Ended),
}

/// Why there is nothing more to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// Somebody else goes on from an event of the same stream.
    Taken,
    /// The stream has ended.
    Gone,
}

/// A stream of events that this process hears, alone.
pub struct Listening {
    store: Arc<dyn Store>,
    lease: i64,
    mark: EventMark,
}

impl Listening {
    /// How far it was heard.
    pub fn mark(&self) -> EventMark {
        self.mark
    }

    /// What has come since. Does not wait. Where it fails, it can be asked again: nothing is lost.
    pub async fn next(&mut self) -> Result<Told, Error> {
        let query = HearQuery {
            id: self.mark.listener,
            lease: self.lease,
            after: self.mark.position,
            limit: BATCH,
        };
        let heard = match self.store.hear(query).await? {
            Heard::Events(heard) => heard,
            Heard::Taken => return Ok(Told::Ended(Ended::Taken)),
            Heard::Gone => return Ok(Told::Ended(Ended::Gone)),
        };
        let events: Vec<ToldEvent> = heard.into_iter().map(|event| self.told(event)).collect();
        if let Some(last) = events.last() {
            self.mark = last.id;
        }
        Ok(Told::Events(events))
    }

    fn told(&self, event: HeardEvent) -> ToldEvent {
        ToldEvent {
            id: EventMark {
                position: event.position,
                ..self.mark
            },
            message: event.delivery.into(),
        }
    }
}

impl Service {
    /// Begins to hear events: those that are committed from now on, or those behind the one that was heard last.
    pub async fn listen(&self, request: &EventsRequest) -> Result<Listening, Error> {
        let kinds = || request.kinds.iter().copied().collect::<EventKinds>();
        let types = request.types.iter().map(|text| super::parse_type(text));
        let types = types.collect::<Result<Vec<TypeName>, Error>>()?;
        let Some(mark) = request.since else {
            return self.begin(kinds(), types).await;
        };
        let resume = ListenerResume {
            id: mark.listener,
            heard: mark.position,
            kinds: Some(kinds()).filter(|kinds| !kinds.is_empty()),
            types: Some(types).filter(|types| !types.is_empty()),
        };
        match self.store.resume_listener(resume).await? {
            Resumed::Leased(lease) => Ok(Listening {
                store: Arc::clone(&self.store),
                lease,
                mark,
            }),
            Resumed::Gone => Err(stream_gone(format!(
                "there is no going on from event {mark}"
            ))),
            Resumed::NotSent => Err(Error::usage(format!("no event {mark} was ever sent"))
                .kind(Kind::InvalidCursor)
                .hint("give the id of an event that came, or none, to begin")),
            Resumed::Differs => Err(Error::usage(format!(
                "the stream of event {mark} was begun for other kinds or types of events"
            ))
            .kind(Kind::InvalidCursor)
            .hint("name the same kinds and types as when it was begun, or none")),
        }
    }

    async fn begin(&self, kinds: EventKinds, types: Vec<TypeName>) -> Result<Listening, Error> {
        let id = SubscriptionId(Uuid::now_v7());
        let new = NewListener {
            id,
            kinds: match kinds.is_empty() {
                true => EventKinds::all(),
                false => kinds,
            },
            types,
            actor: self.actor.to_string(),
        };
        let lease = self.store.put_listener(new).await?.ok_or_else(|| {
            Error::environment(format!(
                "{LISTENERS_MAX} streams of events are heard, which is the maximum"
            ))
            .kind(Kind::Overloaded)
            .hint("end one of them: after a minute another takes its place")
        })?;
        Ok(Listening {
            store: Arc::clone(&self.store),
            lease,
            mark: EventMark {
                listener: id,
                position: 0,
            },
        })
    }

    /// Hears events until nobody receives them. Where some are lost, it says so and begins again; where what was to be gone
    /// on from is lost before anything was heard, that is an error.
    pub async fn hear_events(
        &self,
        mut request: EventsRequest,
        hearer: &mpsc::Sender<News>,
    ) -> Result<(), Error> {
        let mut listening = self.listen(&request).await?;
        while hearer.send(News::Begun(listening.mark())).await.is_ok() {
            match self.hear_stream(&mut listening, hearer).await? {
                None => break,
                Some(Ended::Taken) => return Err(taken(listening.mark())),
                Some(Ended::Gone) => {}
            }
            let lost = format!("there is no going on from event {}", listening.mark());
            request.since = None;
            listening = self.listen(&request).await?;
            if hearer.send(News::Lost(lost)).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Hears one stream; none where nobody receives what it says any more.
    async fn hear_stream(
        &self,
        listening: &mut Listening,
        hearer: &mpsc::Sender<News>,
    ) -> Result<Option<Ended>, Error> {
        while !hearer.is_closed() {
            let events = match listening.next().await? {
                Told::Events(events) => events,
                Told::Ended(ended) => return Ok(Some(ended)),
            };
            if events.is_empty() {
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
            for event in events {
                if hearer.send(News::Event(event)).await.is_err() {
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }
}

fn stream_gone(message: String) -> Error {
    Error::usage(message).kind(Kind::StreamGone).hint(
        "what came since is lost: begin another stream, without an id; \
         a stream is kept for ten minutes while nobody hears it, and as long as fewer than 100,000 events wait",
    )
}

pub(crate) fn taken(mark: EventMark) -> Error {
    Error::failed(format!(
        "somebody else hears this stream now, from an event up to {mark}"
    ))
    .hint("begin another stream, without an id")
}

/// An id as text.
mod mark_text {
    use hardstop_domain::EventMark;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(mark: &EventMark, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(mark)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<EventMark, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}
