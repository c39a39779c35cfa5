//! Pauses: types, or everything, that no host is to claim.

use hardstop_domain::job::DELAY_MS_MAX;
use hardstop_domain::{TypeId, TypeName};

use super::{Mode, Operation};
use crate::StoreError;
use crate::record::{NewPause, PAUSE_ACTOR_BYTES_MAX, PAUSE_NOTE_BYTES_MAX, Pause, PauseEnd};
use crate::transaction::Transaction;

/// What stands for all types.
pub(crate) const ALL_TYPES: TypeId = TypeId(0);

/// Begins a pause. None where it would be over already.
pub(crate) struct BeginPause {
    type_id: TypeId,
    pause: NewPause,
}

impl BeginPause {
    pub(crate) fn new(type_id: TypeId, pause: NewPause) -> Result<Self, StoreError> {
        let invalid = |message: String| Err(StoreError::Invalid(message));
        if pause.actor.is_empty() || pause.actor.len() > PAUSE_ACTOR_BYTES_MAX {
            return invalid(format!(
                "an actor of {} bytes is not from 1 to {PAUSE_ACTOR_BYTES_MAX}",
                pause.actor.len()
            ));
        }
        let note = pause.note.as_deref().unwrap_or_default();
        if note.len() > PAUSE_NOTE_BYTES_MAX {
            return invalid(format!(
                "a note of {} bytes is over the maximum of {PAUSE_NOTE_BYTES_MAX}",
                note.len()
            ));
        }
        if pause.actor.contains('\0') || note.contains('\0') {
            return invalid("the actor or the note holds a NUL character".to_owned());
        }
        if let Some(PauseEnd::After(time)) = pause.until
            && time.as_millis() > u128::from(DELAY_MS_MAX)
        {
            return invalid(format!(
                "a pause of {} ms is over the maximum of {DELAY_MS_MAX} ms",
                time.as_millis()
            ));
        }
        Ok(Self { type_id, pause })
    }

    /// What is paused; none: everything.
    pub(super) fn type_name(&self) -> Option<&TypeName> {
        self.pause.type_name.as_ref()
    }
}

impl Operation for BeginPause {
    type Output = Option<Pause>;

    fn mode(&self) -> Mode {
        Mode::WRITE.resend()
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Option<Pause>, StoreError> {
        tx.pause(self.type_id, &self.pause).await
    }
}

/// Ends a pause. Says whether there was one.
pub(crate) struct EndPause {
    pub(crate) type_id: TypeId,
    /// None: everything.
    pub(crate) type_name: Option<TypeName>,
}

impl Operation for EndPause {
    type Output = bool;

    fn mode(&self) -> Mode {
        Mode::WRITE
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<bool, StoreError> {
        tx.resume(self.type_id).await
    }
}

/// Forgets pauses that are over.
pub(crate) struct EndPauses;

impl Operation for EndPauses {
    type Output = u64;

    fn mode(&self) -> Mode {
        Mode::WRITE.resend()
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<u64, StoreError> {
        tx.end_pauses().await
    }
}
