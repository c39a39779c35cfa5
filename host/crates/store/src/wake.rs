//! Wake-ups inside one process: a few kinds, coalesced.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::{Listener, Wake};

/// Every kind, in the order in which they are told.
const KINDS: [Wake; 5] = [
    Wake::Any,
    Wake::Ready,
    Wake::Cancelled,
    Wake::Deployed,
    Wake::Rescheduled,
];

impl Wake {
    fn bit(self) -> u8 {
        match self {
            Self::Any => 1,
            Self::Ready => 2,
            Self::Cancelled => 4,
            Self::Deployed => 8,
            Self::Rescheduled => 16,
        }
    }

    /// The word that goes between processes.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Ready => "ready",
            Self::Cancelled => "cancelled",
            Self::Deployed => "deployed",
            Self::Rescheduled => "rescheduled",
        }
    }

    /// The kind of a word; anything for a word of a newer host.
    pub(crate) fn of_word(word: &str) -> Self {
        KINDS
            .into_iter()
            .find(|kind| kind.word() == word)
            .unwrap_or(Self::Any)
    }
}

/// Kinds that were raised and not yet taken. One waits, any number raise.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    raised: AtomicU8,
    changed: Notify,
}

impl Signal {
    pub(crate) fn raise(&self, kind: Wake) {
        self.raised.fetch_or(kind.bit(), Ordering::AcqRel);
        self.changed.notify_one();
    }

    /// Takes all that is raised.
    pub(crate) fn take(&self) -> Vec<Wake> {
        let bits = self.raised.swap(0, Ordering::AcqRel);
        KINDS
            .into_iter()
            .filter(|kind| bits & kind.bit() != 0)
            .collect()
    }

    /// Takes one kind that is raised.
    fn take_one(&self) -> Option<Wake> {
        let bits = self.raised.load(Ordering::Acquire);
        let kind = KINDS.into_iter().find(|kind| bits & kind.bit() != 0)?;
        self.raised.fetch_and(!kind.bit(), Ordering::AcqRel);
        Some(kind)
    }

    /// Waits until something may have been raised. Cancel-safe; may return for nothing.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}

/// The signals of every listener of this process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Signals(Arc<Mutex<Vec<Weak<Signal>>>>);

impl Signals {
    pub(crate) fn add(&self, signal: &Arc<Signal>) {
        let mut signals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        signals.retain(|signal| signal.strong_count() > 0);
        signals.push(Arc::downgrade(signal));
    }

    pub(crate) fn raise(&self, kind: Wake) {
        let signals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for signal in signals.iter().filter_map(Weak::upgrade) {
            signal.raise(kind);
        }
    }

    /// Whether anybody listens.
    pub(crate) fn any(&self) -> bool {
        let signals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        signals.iter().any(|signal| signal.strong_count() > 0)
    }
}

/// A listener over a signal. A task that feeds it, where there is one, ends with it.
pub(crate) struct SignalListener {
    signal: Arc<Signal>,
    feeder: Option<JoinHandle<()>>,
}

impl SignalListener {
    pub(crate) fn new(signal: Arc<Signal>, feeder: Option<JoinHandle<()>>) -> Self {
        Self { signal, feeder }
    }
}

impl Drop for SignalListener {
    fn drop(&mut self) {
        if let Some(feeder) = &self.feeder {
            feeder.abort();
        }
    }
}

#[async_trait]
impl Listener for SignalListener {
    async fn wait(&mut self) -> Wake {
        loop {
            if let Some(kind) = self.signal.take_one() {
                return kind;
            }
            self.signal.changed().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_and_a_strange_one_is_anything() {
        for kind in KINDS {
            assert_eq!(Wake::of_word(kind.word()), kind);
        }
        assert_eq!(Wake::of_word("throttled"), Wake::Any);
    }

    #[tokio::test]
    async fn a_listener_hears_each_kind_once() {
        let signals = Signals::default();
        let signal = Arc::new(Signal::default());
        signals.add(&signal);
        let mut listener = SignalListener::new(signal, None);
        for _ in 0..3 {
            signals.raise(Wake::Deployed);
            signals.raise(Wake::Ready);
        }
        assert_eq!(listener.wait().await, Wake::Ready);
        assert_eq!(listener.wait().await, Wake::Deployed);
        assert!(listener.signal.take().is_empty());
        drop(listener);
        assert!(!signals.any());
    }
}
