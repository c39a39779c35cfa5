//! What somebody should look at: the same facts that keep jobs from running, found before anybody asks.

use hardstop_store::{ActiveType, Pause, Session};

use super::show::length;
use crate::service::quarantine_text;

/// Something to look at.
pub struct Alert {
    pub text: String,
    /// Where there is more about it, and what can be done.
    pub address: String,
    pub link: &'static str,
    /// Whether jobs fail or wait because of it that should not.
    pub is_bad: bool,
}

/// What is wrong, what matters most first.
pub fn alerts(types: &[ActiveType], pauses: &[Pause], sessions: &[Session]) -> Vec<Alert> {
    let mut found = Vec::new();
    for quarantine in types.iter().filter_map(|active| active.quarantine.as_ref()) {
        found.push(Alert {
            text: quarantine_text(quarantine),
            address: format!("/types/{}", quarantine.type_name),
            link: "roll back or release",
            is_bad: true,
        });
    }
    let has_handlers = types.iter().any(|active| active.spec.external.is_none());
    if has_handlers && !sessions.iter().any(|session| !session.expired) {
        found.push(Alert {
            text: "no worker is running: nothing is claimed until one is, with `hardstop worker`"
                .to_owned(),
            address: "/workers".to_owned(),
            link: "workers",
            is_bad: true,
        });
    }
    for session in sessions.iter().filter(|session| session.expired) {
        found.push(Alert {
            text: format!(
                "worker {} has lost its lease: its jobs are given back",
                session.host
            ),
            address: "/workers".to_owned(),
            link: "workers",
            is_bad: true,
        });
    }
    for pause in pauses {
        let (what, address) = match &pause.type_name {
            Some(name) => (format!("type `{name}`"), format!("/types/{name}")),
            None => ("everything".to_owned(), "/".to_owned()),
        };
        let until = pause.until.map_or_else(String::new, |until| {
            format!(", for {}", length(until.since(pause.paused_at)))
        });
        let note = pause
            .note
            .as_ref()
            .map_or_else(String::new, |note| format!(": {note}"));
        found.push(Alert {
            text: format!("{what} is paused by {}{until}{note}", pause.actor),
            address,
            link: "resume",
            is_bad: false,
        });
    }
    found
}
