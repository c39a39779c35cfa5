//! Listeners: who hears events as they are committed, over a stream.

use std::time::Duration;

use hardstop_domain::{EventKinds, SubscriptionId, TypeName};

use super::Delivery;

/// The most listeners that there can be: each is looked at when a job becomes final.
pub const LISTENERS_MAX: usize = 64;
/// The most types that one can name.
pub const LISTENER_TYPES_MAX: usize = 64;
/// For how long a listener is kept that nobody hears.
pub const LISTENER_KEPT: Duration = Duration::from_secs(600);
/// After how long one that nobody hears may give way to a new one, where there are [`LISTENERS_MAX`].
pub const LISTENER_SPARED: Duration = Duration::from_secs(60);
/// How many events can wait for one: one for which more wait is ended.
pub const LISTENER_WAITING_MAX: u32 = 100_000;
/// How many events that were sent are kept, for who goes on after a connection was lost.
pub const LISTENER_SENT_MAX: u32 = 50_000;
/// The most events that are heard at once.
pub const HEARD_LIMIT_MAX: u32 = 1_000;

/// A listener to make.
#[derive(Debug, Clone)]
pub struct NewListener {
    /// Its id. UUIDv7.
    pub id: SubscriptionId,
    /// Which events it wants: at least one kind.
    pub kinds: EventKinds,
    /// Of which types, at most [`LISTENER_TYPES_MAX`]; none: of all.
    pub types: Vec<TypeName>,
    /// Who listens: 1 to 128 bytes.
    pub actor: String,
}

/// A listener to go on with.
#[derive(Debug, Clone)]
pub struct ListenerResume {
    /// Which.
    pub id: SubscriptionId,
    /// The place of the event that was heard last; 0 where none was.
    pub heard: i64,
    /// The kinds that it is expected to have, where that matters.
    pub kinds: Option<EventKinds>,
    /// The types that it is expected to have, where that matters.
    pub types: Option<Vec<TypeName>>,
}

/// What going on with a listener came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resumed {
    /// Under this lease it is heard. Who heard it before has lost it.
    Leased(i64),
    /// It has ended, or what was to come next is no longer kept.
    Gone,
    /// No event has been sent that has this place.
    NotSent,
    /// It has other kinds or types.
    Differs,
}

/// What to hear.
#[derive(Debug, Clone, Copy)]
pub struct HearQuery {
    /// The listener.
    pub id: SubscriptionId,
    /// The lease under which it is heard.
    pub lease: i64,
    /// The place of the last event that was heard: those behind it are told again, then what waits.
    pub after: i64,
    /// The most, from 1 to [`HEARD_LIMIT_MAX`].
    pub limit: u32,
}

/// What was heard.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// These events, in order; perhaps none.
    Events(Vec<HeardEvent>),
    /// Nothing any more: somebody else goes on with the listener.
    Taken,
    /// Nothing any more: it has ended.
    Gone,
}

/// An event in a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct HeardEvent {
    /// Its place, one more than that of the event before.
    pub position: i64,
    /// What it tells.
    pub delivery: Delivery,
}
