//! Waits for what somebody else does.

use std::fmt::Display;
use std::time::{Duration, Instant};

use hardstop_domain::State;

use crate::error::Error;

/// Says that a wait has run out.
pub fn still(what: impl Display, state: State, timeout: Duration) -> Error {
    let waited = timeout.as_secs_f64();
    Error::timeout(format!("{what} is still {state} after {waited:.1} s"))
        .hint("it goes on; `hardstop job wait` can wait again")
}

/// How long a wait still goes on, and how often it looks: from every 2 ms to every 100 ms.
pub(super) struct Patience {
    began: Instant,
    timeout: Option<Duration>,
    pause: Duration,
}

impl Patience {
    pub(super) fn new(timeout: Option<Duration>) -> Self {
        Self {
            began: Instant::now(),
            timeout,
            pause: Duration::from_millis(2),
        }
    }

    pub(super) async fn wait(&mut self, what: &str, state: State) -> Result<(), Error> {
        let mut pause = self.pause;
        if let Some(timeout) = self.timeout {
            let left = timeout.saturating_sub(self.began.elapsed());
            if left.is_zero() {
                return Err(still(what, state, timeout));
            }
            pause = pause.min(left);
        }
        tokio::time::sleep(pause).await;
        self.pause = (self.pause * 3 / 2).min(Duration::from_millis(100));
        Ok(())
    }
}
