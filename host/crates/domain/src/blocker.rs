//! What a chain came to that a job had to wait for.

use crate::id::ChainId;
use crate::job::State;
use crate::outcome::{Failure, OutcomeKind};

/// A chain that a job had to wait for, and what it came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Blocker {
    /// The chain.
    pub chain: ChainId,
    /// What it came to.
    pub end: BlockerEnd,
}

/// How a blocker ended, as the job that waited for it is told.
#[derive(Debug, Clone, PartialEq)]
pub enum BlockerEnd {
    /// With an output.
    Completed {
        /// JSON text.
        output: String,
    },
    /// Without one.
    Failed {
        /// `discarded` or `cancelled`.
        state: State,
        /// What the last attempt of its last job came to.
        kind: OutcomeKind,
        /// Why, in a sentence.
        message: String,
    },
    /// Its result is no longer kept, or an operator let the job run without it.
    Gone,
}

impl Blocker {
    /// What became of a chain: the state, output and failure of its last job, as far as they are
    /// known. No state: the result is not there.
    pub fn new(
        chain: ChainId,
        state: Option<State>,
        output: Option<String>,
        failure: Option<Failure>,
    ) -> Self {
        let end = match (state, output) {
            (Some(state @ (State::Discarded | State::Cancelled)), _) => {
                let (kind, message) = match failure {
                    Some(failure) => (failure.kind, failure.message),
                    None if state == State::Cancelled => {
                        (OutcomeKind::Cancelled, "cancelled before it ran".to_owned())
                    }
                    None => (OutcomeKind::FailedFatal, "no reason is kept".to_owned()),
                };
                BlockerEnd::Failed {
                    state,
                    kind,
                    message,
                }
            }
            (Some(State::Completed), Some(output)) => BlockerEnd::Completed { output },
            _ => BlockerEnd::Gone,
        };
        Self { chain, end }
    }

    /// How much it adds to the input of the job that waited for it, in bytes.
    pub fn bytes(&self) -> u64 {
        let text = match &self.end {
            BlockerEnd::Completed { output } => output,
            BlockerEnd::Failed { message, .. } => message,
            BlockerEnd::Gone => return 0,
        };
        text.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn end(state: Option<State>, output: Option<&str>, failure: Option<Failure>) -> BlockerEnd {
        let output = output.map(str::to_owned);
        Blocker::new(ChainId(Uuid::nil()), state, output, failure).end
    }

    #[test]
    fn what_is_not_there_is_gone() {
        for (state, output) in [
            (None, None),
            (None, Some("1")),
            (Some(State::Completed), None),
        ] {
            assert_eq!(end(state, output, None), BlockerEnd::Gone, "{state:?}");
        }
    }

    #[test]
    fn a_failed_blocker_says_why_as_far_as_that_is_known() {
        let failure = Failure::new(OutcomeKind::TimedOutWall, "stopped after 2s");
        let failed = |state, kind, message: &str| BlockerEnd::Failed {
            state,
            kind,
            message: message.to_owned(),
        };
        assert_eq!(
            end(Some(State::Discarded), None, Some(failure)),
            failed(
                State::Discarded,
                OutcomeKind::TimedOutWall,
                "stopped after 2s"
            )
        );
        assert_eq!(
            end(Some(State::Cancelled), None, None),
            failed(
                State::Cancelled,
                OutcomeKind::Cancelled,
                "cancelled before it ran"
            )
        );
    }

    #[test]
    fn outputs_and_messages_count_as_input() {
        let blocker = |state, output: Option<&str>, failure| {
            Blocker::new(
                ChainId(Uuid::nil()),
                state,
                output.map(str::to_owned),
                failure,
            )
        };
        let failure = Failure::new(OutcomeKind::Trapped, "seven b");
        assert_eq!(
            blocker(Some(State::Completed), Some("[1,2]"), None).bytes(),
            5
        );
        assert_eq!(
            blocker(Some(State::Discarded), None, Some(failure)).bytes(),
            7
        );
        assert_eq!(blocker(None, None, None).bytes(), 0);
    }
}
