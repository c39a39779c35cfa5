//! Changes that people and programs make: recorded, and made once for each request, in their own transaction.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Mode, Operation, unwritable};
use crate::StoreError;
use crate::record::{Acting, ActiveType, AuditAction};
use crate::row::AuditRow;
use crate::transaction::Transaction;

/// An operation that somebody answers for.
pub(crate) trait Change: Operation {
    /// Whether a request with an idempotency key makes it once. Then [`Change::answer`] and [`Change::again`] are there.
    const ONCE: bool = false;

    /// Whether it is recorded.
    const RECORDED: bool = true;

    /// What it is going to change, as far as a record is to show it: looked at before and after.
    fn state(
        &self,
        tx: &mut dyn Transaction,
    ) -> impl Future<Output = Result<Option<Value>, StoreError>> + Send {
        let _ = tx;
        async { Ok(None) }
    }

    /// What is recorded of it; none where nothing was changed, or nothing is to be recorded.
    fn entry(&self, states: States, output: &Self::Output) -> Option<Entry>;

    /// What came of it, to be kept for when the request is sent again.
    fn answer(_: &Self::Output) -> Result<Value, String> {
        Err("this operation is not made once".to_owned())
    }

    /// What came of it when the request was sent first.
    fn again(_: Value) -> Result<Self::Output, String> {
        Err("this operation is not made once".to_owned())
    }
}

/// What [`Change::state`] saw.
#[derive(Debug, Default)]
pub(crate) struct States {
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
}

/// What is recorded.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) action: AuditAction,
    pub(crate) subject: String,
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
}

impl Entry {
    /// With what was and what is.
    pub(crate) fn new(action: AuditAction, subject: impl ToString, states: States) -> Self {
        Self {
            action,
            subject: subject.to_string(),
            before: states.before,
            after: states.after,
        }
    }

    /// Of something that has a state and little else.
    pub(crate) fn of_state(
        action: AuditAction,
        subject: impl ToString,
        before: impl serde::Serialize,
        after: impl serde::Serialize,
    ) -> Self {
        let states = States {
            before: Some(json!({ "state": before })),
            after: Some(json!({ "state": after })),
        };
        Self::new(action, subject, states)
    }

    fn row(self, id: Uuid) -> AuditRow {
        AuditRow {
            id,
            action: self.action.name(),
            subject: self.subject,
            before: self.before.map(|value| value.to_string()),
            after: self.after.map(|value| value.to_string()),
        }
    }
}

/// A change on somebody's behalf.
pub(crate) struct Acted<O> {
    operation: O,
    acting: Arc<Acting>,
    /// Of the record: the same when the operation is run again.
    id: Uuid,
}

impl<O: Change> Acted<O> {
    pub(crate) fn new(operation: O, acting: Arc<Acting>) -> Self {
        Self {
            operation,
            acting,
            id: Uuid::now_v7(),
        }
    }
}

/// What came of a change.
pub(crate) enum Came<T> {
    /// It was made now.
    Now(T),
    /// It was made when the request was sent first.
    Before(T),
}

impl<T> Came<T> {
    pub(crate) fn output(self) -> T {
        match self {
            Self::Now(output) | Self::Before(output) => output,
        }
    }
}

impl<O: Change> Operation for Acted<O> {
    type Output = Came<O::Output>;

    fn mode(&self) -> Mode {
        Mode {
            atomic: true,
            ..self.operation.mode()
        }
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Self::Output, StoreError> {
        // Names of tokens may be the same: their keys are not.
        let actor = match self.acting.token {
            Some(token) => &token.to_string(),
            None => &self.acting.actor,
        };
        let request = self.acting.request.as_ref().filter(|_| O::ONCE);
        if let Some(request) = request
            && !tx.take_request(actor, request).await?
        {
            let Some((fingerprint, answer)) = tx.request(actor, &request.key).await? else {
                // It was forgotten between the two statements.
                return Err(StoreError::RequestReused);
            };
            if fingerprint != request.fingerprint {
                return Err(StoreError::RequestReused);
            }
            let answer = answer.unwrap_or_default();
            let answer = serde_json::from_str(&answer).map_err(|error| error.to_string());
            return answer
                .and_then(O::again)
                .map(Came::Before)
                .map_err(|error| StoreError::Corrupt(format!("answer: {error}")));
        }
        let before = self.operation.state(tx).await?;
        let output = self.operation.run(tx).await?;
        let after = self.operation.state(tx).await?;
        let states = States { before, after };
        if let Some(entry) = self.operation.entry(states, &output) {
            tx.put_audit(&self.acting, &entry.row(self.id)).await?;
        }
        if let Some(request) = request {
            let answer = O::answer(&output).map_err(unwritable)?;
            tx.answer_request(actor, &request.key, &answer.to_string())
                .await?;
        }
        Ok(Came::Now(output))
    }
}

/// What types are allowed, as far as they are deployed: limits and grants, without the values of configuration and
/// environment.
pub(crate) fn shown(types: &[ActiveType]) -> Value {
    let spec = |spec: &hardstop_domain::TypeSpec| {
        json!({
            "component": spec.component,
            "limits": spec.limits,
            "capabilities": spec.capabilities.describe(),
            "retry": spec.retry,
        })
    };
    let types = types.iter().map(|active| {
        let mut value = spec(&active.spec);
        value["deployment"] = json!(active.deployment);
        if let Some(canary) = &active.canary {
            let mut beside = spec(&canary.spec);
            beside["deployment"] = json!(canary.deployment);
            beside["percent"] = json!(canary.percent);
            value["canary"] = beside;
        }
        (active.spec.name.to_string(), value)
    });
    Value::Object(types.collect())
}
