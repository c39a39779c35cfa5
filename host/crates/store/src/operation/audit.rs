//! Records of changes, and what is recorded of each.

use hardstop_domain::{State, Timestamp, TypeName};
use serde_json::{Value, json};
use uuid::Uuid;

use super::change::{Change, Entry, States, shown};
use super::deploy::Deploy;
use super::deployment::{ChangeCanary, Release, Rollback};
use super::enqueue::{Created, Enqueue};
use super::external::CompleteExternal;
use super::list::first_id;
use super::operate::{Cancel, CancelChain, Reschedule, Retry};
use super::pause::{BeginPause, EndPause};
use super::removal::{DeleteChain, Deletion};
use super::running::DrainSession;
use super::token::{PutToken, RevokeToken};
use super::unblock::Aftermath;
use super::{Mode, Operation, dead_letter, schedule};
use crate::StoreError;
use crate::record::*;
use crate::transaction::Transaction;
use crate::transaction::audit::AuditPage;

/// What stands for all types in a record.
const EVERYTHING: &str = "everything";

/// A page of records.
pub(crate) struct Audit(AuditPage);

impl Audit {
    pub(crate) fn new(query: &AuditQuery) -> Result<Self, StoreError> {
        if !(1..=AUDIT_LIMIT_MAX).contains(&query.limit) {
            return Err(StoreError::Invalid(format!(
                "a limit of {} is not from 1 to {AUDIT_LIMIT_MAX}",
                query.limit
            )));
        }
        let bound = |time: Option<Timestamp>, none| time.map_or(none, first_id);
        let until = bound(query.until, Uuid::max());
        let before = query.before.map_or(Uuid::max(), |id| id.0);
        // No record holds one; Postgres refuses it in any text.
        let text = |text: &Option<String>| Some(text.as_ref()?.replace('\0', "\u{fffd}"));
        Ok(Self(AuditPage {
            from: bound(query.since, Uuid::nil()),
            before: until.min(before),
            actor: text(&query.actor),
            action: query.action.map(AuditAction::name),
            subject: text(&query.subject),
            limit: i64::from(query.limit),
        }))
    }
}

impl Operation for Audit {
    type Output = Vec<AuditRecord>;

    fn mode(&self) -> Mode {
        Mode::LIST
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Vec<AuditRecord>, StoreError> {
        tx.audit(&self.0).await
    }
}

/// Forgets idempotency keys that are older than so many microseconds.
pub(crate) struct TrimRequests(pub(crate) i64);

impl Operation for TrimRequests {
    type Output = ();

    fn mode(&self) -> Mode {
        Mode::WRITE.resend()
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<(), StoreError> {
        tx.trim_requests(self.0).await
    }
}

/// Nothing, but made once: the id that whoever was first gave.
pub(crate) struct Reserve(pub(crate) Uuid);

impl Operation for Reserve {
    type Output = Uuid;

    fn mode(&self) -> Mode {
        Mode::WRITE
    }

    async fn run(&self, _: &mut dyn Transaction) -> Result<Uuid, StoreError> {
        Ok(self.0)
    }
}

impl Change for Reserve {
    const ONCE: bool = true;
    const RECORDED: bool = false;

    fn entry(&self, _: States, _: &Uuid) -> Option<Entry> {
        None
    }

    fn answer(id: &Uuid) -> Result<Value, String> {
        Ok(json!(id))
    }

    fn again(answer: Value) -> Result<Uuid, String> {
        serde_json::from_value(answer).map_err(|error| error.to_string())
    }
}

impl Change for Enqueue {
    const ONCE: bool = true;
    const RECORDED: bool = false;

    // Starts are what this is for, and each leaves a job.
    fn entry(&self, _: States, _: &Created) -> Option<Entry> {
        None
    }

    fn answer(created: &Created) -> Result<Value, String> {
        serde_json::to_value(&created.started).map_err(|error| error.to_string())
    }

    fn again(answer: Value) -> Result<Created, String> {
        Ok(Created {
            started: serde_json::from_value(answer).map_err(|error| error.to_string())?,
            aftermath: Aftermath::default(),
        })
    }
}

/// What these types are allowed now.
async fn types(tx: &mut dyn Transaction, names: &[&TypeName]) -> Result<Option<Value>, StoreError> {
    let mut types = tx.types().await?;
    types.retain(|active| names.contains(&&active.spec.name));
    Ok(Some(shown(&types)))
}

impl Change for Deploy {
    const ONCE: bool = true;

    async fn state(&self, tx: &mut dyn Transaction) -> Result<Option<Value>, StoreError> {
        types(tx, &self.names()).await
    }

    fn entry(&self, states: States, made: &Deployment) -> Option<Entry> {
        Some(Entry::new(AuditAction::Deploy, made.id, states))
    }

    fn answer(made: &Deployment) -> Result<Value, String> {
        serde_json::to_value(made).map_err(|error| error.to_string())
    }

    fn again(answer: Value) -> Result<Deployment, String> {
        serde_json::from_value(answer).map_err(|error| error.to_string())
    }
}

impl Change for Rollback {
    async fn state(&self, tx: &mut dyn Transaction) -> Result<Option<Value>, StoreError> {
        types(tx, &[&self.type_name]).await
    }

    fn entry(&self, states: States, rolled: &RolledBack) -> Option<Entry> {
        matches!(rolled, RolledBack::Done { .. })
            .then(|| Entry::new(AuditAction::RollBack, &self.type_name, states))
    }
}

impl Change for ChangeCanary {
    async fn state(&self, tx: &mut dyn Transaction) -> Result<Option<Value>, StoreError> {
        types(tx, &[self.type_name()]).await
    }

    fn entry(&self, states: States, changed: &Self::Output) -> Option<Entry> {
        changed.map(|_| Entry::new(AuditAction::ChangeCanary, self.type_name(), states))
    }
}

impl Change for Release {
    fn entry(&self, _: States, released: &u64) -> Option<Entry> {
        let states = States {
            before: Some(json!({ "quarantined": released })),
            after: Some(json!({ "quarantined": 0 })),
        };
        (*released > 0).then(|| Entry::new(AuditAction::Release, &self.0, states))
    }
}

impl Change for Cancel {
    fn entry(&self, _: States, (cancelled, _): &Self::Output) -> Option<Entry> {
        match cancelled {
            Cancelled::Was(was) => Some(Entry::of_state(
                AuditAction::CancelJob,
                self.0,
                was,
                State::Cancelled,
            )),
            Cancelled::Final(_) | Cancelled::Unknown => None,
        }
    }
}

impl Change for CancelChain {
    fn entry(&self, _: States, (cancelled, _): &Self::Output) -> Option<Entry> {
        match cancelled {
            CancelledChain::Was { job, state } => {
                let states = States {
                    before: Some(json!({ "job": job, "state": state })),
                    after: Some(json!({ "job": job, "state": State::Cancelled })),
                };
                Some(Entry::new(AuditAction::CancelChain, self.0, states))
            }
            CancelledChain::Closed { .. } | CancelledChain::Unknown => None,
        }
    }
}

impl Change for Retry {
    fn entry(&self, _: States, (retried, _): &Self::Output) -> Option<Entry> {
        match retried {
            Retried::Was(was) => Some(Entry::of_state(
                AuditAction::RetryJob,
                self.0,
                was,
                State::Ready,
            )),
            Retried::Not(_) | Retried::KeyTaken(_) | Retried::Unknown => None,
        }
    }
}

impl Change for Reschedule {
    fn entry(&self, _: States, (moved, _): &Self::Output) -> Option<Entry> {
        match moved {
            Moved::From { was, state } => {
                let states = States {
                    before: Some(json!({ "state": was })),
                    after: Some(json!({ "state": state, "forced": self.force })),
                };
                Some(Entry::new(AuditAction::RescheduleJob, self.job, states))
            }
            Moved::Not(_) | Moved::Unknown => None,
        }
    }
}

impl Change for CompleteExternal {
    // Neither the output nor the token.
    fn entry(&self, _: States, (answer, _): &Self::Output) -> Option<Entry> {
        (*answer == ExternalAnswer::Done).then(|| {
            Entry::of_state(
                AuditAction::CompleteJob,
                self.job(),
                State::Ready,
                self.state_after(),
            )
        })
    }
}

impl Change for DeleteChain {
    fn entry(&self, _: States, deletion: &Deletion) -> Option<Entry> {
        match &deletion.deleted {
            Deleted::Deleted { chains, jobs } => {
                let states = States {
                    before: Some(json!({ "chains": chains.len(), "jobs": jobs })),
                    after: None,
                };
                Some(Entry::new(AuditAction::DeleteChain, self.id, states))
            }
            Deleted::Waited { .. } | Deleted::Unknown => None,
        }
    }
}

impl Change for dead_letter::ReplayJobs {
    fn entry(&self, _: States, answers: &Self::Output) -> Option<Entry> {
        let replayed = answers
            .iter()
            .filter(|(_, answer)| matches!(answer, ReplayAnswer::Replayed(_)));
        let count = replayed.count();
        let states = States {
            before: None,
            after: Some(json!({ "jobs": count })),
        };
        (count > 0).then(|| Entry::new(AuditAction::Replay, self.replay(), states))
    }
}

/// The pause of a type, or of everything.
async fn pause(
    tx: &mut dyn Transaction,
    type_name: Option<&TypeName>,
) -> Result<Option<Value>, StoreError> {
    let mut pauses = tx.pauses().await?.into_iter();
    let pause = pauses.find(|pause| pause.type_name.as_ref() == type_name);
    Ok(pause.map(|pause| json!({ "until": pause.until, "note": pause.note })))
}

fn paused(action: AuditAction, type_name: Option<&TypeName>, states: States) -> Entry {
    let subject = type_name.map_or(EVERYTHING, TypeName::as_str);
    Entry::new(action, subject, states)
}

impl Change for BeginPause {
    async fn state(&self, tx: &mut dyn Transaction) -> Result<Option<Value>, StoreError> {
        pause(tx, self.type_name()).await
    }

    fn entry(&self, states: States, began: &Option<Pause>) -> Option<Entry> {
        let name = self.type_name();
        began
            .as_ref()
            .map(|_| paused(AuditAction::Pause, name, states))
    }
}

impl Change for EndPause {
    async fn state(&self, tx: &mut dyn Transaction) -> Result<Option<Value>, StoreError> {
        pause(tx, self.type_name.as_ref()).await
    }

    fn entry(&self, states: States, ended: &bool) -> Option<Entry> {
        let name = self.type_name.as_ref();
        ended.then(|| paused(AuditAction::Resume, name, states))
    }
}

/// A schedule without the input that it starts chains with.
async fn schedule(tx: &mut dyn Transaction, name: &str) -> Result<Option<Value>, StoreError> {
    let detail = tx.schedule(name).await?;
    Ok(detail.map(|detail| {
        let schedule = detail.schedule;
        json!({
            "type": schedule.type_name,
            "priority": schedule.priority,
            "paused": schedule.paused,
            "spec": schedule.spec,
        })
    }))
}

impl Change for schedule::Put {
    async fn state(&self, tx: &mut dyn Transaction) -> Result<Option<Value>, StoreError> {
        schedule(tx, self.name().as_str()).await
    }

    fn entry(&self, states: States, _: &PutSchedule) -> Option<Entry> {
        Some(Entry::new(AuditAction::PutSchedule, self.name(), states))
    }
}

impl Change for schedule::SetPaused {
    async fn state(&self, tx: &mut dyn Transaction) -> Result<Option<Value>, StoreError> {
        schedule(tx, self.name.as_str()).await
    }

    fn entry(&self, states: States, exists: &bool) -> Option<Entry> {
        let action = match self.paused {
            true => AuditAction::PauseSchedule,
            false => AuditAction::ResumeSchedule,
        };
        exists.then(|| Entry::new(action, &self.name, states))
    }
}

impl Change for schedule::Delete {
    async fn state(&self, tx: &mut dyn Transaction) -> Result<Option<Value>, StoreError> {
        schedule(tx, self.0.as_str()).await
    }

    fn entry(&self, states: States, existed: &bool) -> Option<Entry> {
        existed.then(|| Entry::new(AuditAction::DeleteSchedule, &self.0, states))
    }
}

impl Change for schedule::Trigger {
    const ONCE: bool = true;

    fn entry(&self, _: States, started: &Self::Output) -> Option<Entry> {
        started.map(|chain| {
            let states = States {
                before: None,
                after: Some(json!({ "chain": chain })),
            };
            Entry::new(AuditAction::TriggerSchedule, &self.0, states)
        })
    }

    fn answer(started: &Self::Output) -> Result<Value, String> {
        Ok(json!(started))
    }

    fn again(answer: Value) -> Result<Self::Output, String> {
        serde_json::from_value(answer).map_err(|error| error.to_string())
    }
}

fn token(token: &Token) -> Option<Value> {
    Some(json!({
        "name": token.name,
        "scopes": token.scopes,
        "expires_at": token.expires_at,
        "revoked": token.revoked_at.is_some(),
    }))
}

impl Change for PutToken {
    const ONCE: bool = true;

    fn entry(&self, _: States, made: &Token) -> Option<Entry> {
        let states = States {
            before: None,
            after: token(made),
        };
        Some(Entry::new(AuditAction::CreateToken, made.id, states))
    }

    fn answer(made: &Token) -> Result<Value, String> {
        serde_json::to_value(made).map_err(|error| error.to_string())
    }

    fn again(answer: Value) -> Result<Token, String> {
        serde_json::from_value(answer).map_err(|error| error.to_string())
    }
}

impl Change for RevokeToken {
    fn entry(&self, _: States, revoked: &Option<Token>) -> Option<Entry> {
        let revoked = revoked.as_ref()?;
        let before = token(&Token {
            revoked_at: None,
            ..revoked.clone()
        });
        let states = States {
            before,
            after: token(revoked),
        };
        Some(Entry::new(AuditAction::RevokeToken, revoked.id, states))
    }
}

impl Change for DrainSession {
    fn entry(&self, _: States, host: &Option<String>) -> Option<Entry> {
        let host = host.as_ref()?;
        let after = Some(json!({ "host": host, "drain": true }));
        let states = States {
            before: Some(json!({ "host": host, "drain": false })),
            after,
        };
        Some(Entry::new(AuditAction::DrainSession, self.0, states))
    }
}
