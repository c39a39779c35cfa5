//! Listeners: made, gone on with, heard, and ended when nobody hears them.
//!
//! What waits for one is given its place in the stream by the only host that reads it, which holds the listener's row
//! meanwhile. So a place is never given twice, and an event that commits late with a low number comes behind what was told
//! before.

use std::time::Duration;

use hardstop_domain::event::SubscriptionError;
use hardstop_domain::{Thresholds, TypeId};

use super::removal::age_us;
use super::subscription::check_actor;
use super::{Mode, Operation, check_limit, unwritable};
use crate::StoreError;
use crate::record::*;
use crate::row;
use crate::transaction::Transaction;

/// How often it is written down that somebody hears a listener to which nothing happens.
const HEARD_STEP: Duration = Duration::from_secs(15);
/// How many deliveries one call forgets.
const FORGOTTEN_MAX: i64 = 5_000;

/// The types that a listener names, in order; none: all.
pub(crate) fn type_list(mut types: Vec<TypeId>) -> Option<Vec<TypeId>> {
    types.sort_unstable();
    types.dedup();
    (!types.is_empty()).then_some(types)
}

/// Makes a listener, in the place of one that nobody hears where there are too many. Its lease; none where each is heard.
pub(crate) struct PutListener {
    new: NewListener,
    types: Option<Vec<TypeId>>,
    thresholds: String,
}

impl PutListener {
    pub(crate) fn new(new: NewListener, types: Option<Vec<TypeId>>) -> Result<Self, StoreError> {
        if new.kinds.is_empty() {
            return Err(StoreError::Invalid(SubscriptionError::NoKinds.to_string()));
        }
        if new.types.len() > LISTENER_TYPES_MAX {
            return Err(StoreError::Invalid(format!(
                "{} types are more than {LISTENER_TYPES_MAX}, which is the maximum",
                new.types.len()
            )));
        }
        check_actor(&new.actor)?;
        let thresholds = row::json(&Thresholds::default()).map_err(unwritable)?;
        Ok(Self {
            new,
            types,
            thresholds,
        })
    }

    async fn put(&self, tx: &mut dyn Transaction) -> Result<Option<i64>, StoreError> {
        tx.put_listener(&self.new, self.types.as_deref(), &self.thresholds)
            .await
    }
}

impl Operation for PutListener {
    type Output = Option<i64>;

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Self::Output, StoreError> {
        if let Some(lease) = self.put(tx).await? {
            return Ok(Some(lease));
        }
        match tx.displace_listener(age_us(LISTENER_SPARED)).await? {
            true => self.put(tx).await,
            false => Ok(None),
        }
    }
}

/// Goes on with a listener.
pub(crate) struct ResumeListener {
    pub(crate) resume: ListenerResume,
    /// The types that it is expected to have, in order, where that matters.
    pub(crate) types: Option<Option<Vec<TypeId>>>,
}

impl Operation for ResumeListener {
    type Output = Resumed;

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC.resend()
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Resumed, StoreError> {
        let ListenerResume { id, heard, .. } = self.resume;
        let found = tx.find_listener(id, age_us(LISTENER_KEPT), heard).await?;
        let Some(found) = found else {
            return Ok(Resumed::Gone);
        };
        let differs = self
            .resume
            .kinds
            .as_ref()
            .is_some_and(|it| *it != found.kinds)
            || self.types.as_ref().is_some_and(|it| *it != found.types);
        if differs {
            return Ok(Resumed::Differs);
        }
        if heard > found.told {
            return Ok(Resumed::NotSent);
        }
        if heard < found.told && !found.next_kept {
            return Ok(Resumed::Gone);
        }
        tx.lease_listener(id).await.map(Resumed::Leased)
    }
}

/// What a look at a listener saw.
pub(crate) enum Seen {
    /// This is heard.
    Heard(Heard),
    /// There is something to write: events that wait, or that somebody hears it.
    Behind,
}

/// Looks what there is for a listener.
pub(crate) struct LookAtListener(HearQuery);

impl LookAtListener {
    pub(crate) fn new(query: HearQuery) -> Result<Self, StoreError> {
        check_limit(query.limit, HEARD_LIMIT_MAX)?;
        Ok(Self(query))
    }
}

impl Operation for LookAtListener {
    type Output = Seen;

    fn mode(&self) -> Mode {
        Mode::READ
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Seen, StoreError> {
        let HearQuery {
            id,
            lease,
            after,
            limit,
        } = self.0;
        let Some(look) = tx.look_at_listener(id, age_us(HEARD_STEP)).await? else {
            return Ok(Seen::Heard(Heard::Gone));
        };
        if look.lease != lease {
            return Ok(Seen::Heard(Heard::Taken));
        }
        if look.stale || (look.waiting && look.told <= after) {
            return Ok(Seen::Behind);
        }
        let events = match look.told > after {
            true => tx.stream(id, after, limit).await?,
            false => Vec::new(),
        };
        Ok(Seen::Heard(Heard::Events(events)))
    }
}

/// Gives what waits for a listener its places, and says that somebody hears it. Run again, it tells the same again: what comes
/// behind the last event that was heard.
pub(crate) struct HearListener(pub(crate) HearQuery);

impl Operation for HearListener {
    type Output = Heard;

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC.resend()
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Heard, StoreError> {
        let HearQuery {
            id,
            lease,
            after,
            limit,
        } = self.0;
        let Some(told) = tx.touch_listener(id, lease).await? else {
            // Whoever asks again is told which of the two it is.
            return Ok(Heard::Events(Vec::new()));
        };
        let placed = tx.place_deliveries(id, told, limit).await?;
        if placed > 0 {
            let told = told.saturating_add_unsigned(placed);
            tx.put_told(id, told).await?;
            tx.forget_told(id, told - i64::from(LISTENER_SENT_MAX))
                .await?;
        }
        Ok(Heard::Events(tx.stream(id, after, limit).await?))
    }
}

/// Ends listeners that nobody hears or that cannot keep up, and forgets what is left of those that have ended, a bounded
/// number of rows. Whether there may be more of that.
pub(crate) struct EndListeners;

impl Operation for EndListeners {
    type Output = bool;

    fn mode(&self) -> Mode {
        Mode::WRITE_ATOMIC.resend()
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<bool, StoreError> {
        tx.end_listeners(age_us(LISTENER_KEPT), LISTENER_WAITING_MAX)
            .await?;
        let forgotten = tx.forget_streams(FORGOTTEN_MAX).await?;
        tx.delete_listeners().await?;
        Ok(forgotten == FORGOTTEN_MAX.unsigned_abs())
    }
}
