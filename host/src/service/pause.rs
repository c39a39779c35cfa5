//! Pausing and resuming a type, or everything.

use std::time::Duration;

use hardstop_domain::{Timestamp, TypeName};
use hardstop_store::{NewPause, Pause, PauseEnd, StoreError};

use super::{Service, parse_type};
use crate::error::Error;

/// A pause as it is asked for.
#[derive(Debug, Clone, Default)]
pub struct PauseRequest {
    /// The type's name; none: everything.
    pub type_name: Option<String>,
    /// How long.
    pub time: Option<Duration>,
    /// Until when, in RFC 3339; not beside `time`.
    pub until: Option<String>,
    /// Who; none: whoever acts.
    pub actor: Option<String>,
    /// Why.
    pub note: Option<String>,
}

impl Service {
    /// Keeps a type, or everything, from being claimed. What runs goes on.
    pub async fn pause(&self, request: PauseRequest) -> Result<Pause, Error> {
        let until = match (request.time, &request.until) {
            (Some(_), Some(_)) => {
                return Err(
                    Error::usage("a pause has one end: both a time and `until` are given")
                        .hint("give --for 10m, or --until 2027-01-31T08:00:00Z, or neither"),
                );
            }
            (Some(time), None) => Some(PauseEnd::After(time)),
            (None, Some(text)) => Some(PauseEnd::At(parse_time(text)?)),
            (None, None) => None,
        };
        let pause = NewPause {
            type_name: optional_type(request.type_name.as_deref())?,
            until,
            actor: request.actor.unwrap_or_else(|| self.actor.to_string()),
            note: request.note,
        };
        self.store.pause(pause).await.map_err(|error| {
            let message = error.to_string();
            match error {
                StoreError::PauseOver(_) => {
                    Error::usage(message).hint("give a time to come; the database's clock decides")
                }
                StoreError::Invalid(_) => Error::usage(message),
                error => error.into(),
            }
        })
    }

    /// Ends a pause.
    pub async fn resume(&self, type_name: Option<&str>) -> Result<(), Error> {
        let type_name = optional_type(type_name)?;
        if self.store.resume(type_name.as_ref()).await? {
            return Ok(());
        }
        let message = match &type_name {
            Some(name) => format!("type `{name}` is not paused"),
            None => "not everything is paused".to_owned(),
        };
        Err(Error::failed(message).hint(
            "`hardstop pauses` shows what is; the pause of a type and that of everything end apart",
        ))
    }

    /// The pauses in force.
    pub async fn pauses(&self) -> Result<Vec<Pause>, Error> {
        Ok(self.store.pauses().await?)
    }
}

pub(crate) fn optional_type(text: Option<&str>) -> Result<Option<TypeName>, Error> {
    text.map(parse_type).transpose()
}

pub(crate) fn parse_time(text: &str) -> Result<Timestamp, Error> {
    text.parse().map_err(|_| {
        Error::usage(format!("`until`: `{text}` is not a time")).hint(
            "write RFC 3339 with a zone, such as 2027-01-31T08:00:00Z or 2027-01-31T09:00:00+01:00",
        )
    })
}
