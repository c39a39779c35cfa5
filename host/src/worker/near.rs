//! Warnings of limits that attempts come near.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hardstop_domain::profile::{self, Near};
use hardstop_domain::{LimitName, Limits, TypeName, Usage};
use tokio::time::Instant;
use tracing::warn;

/// A type that comes near the same limit again is spoken of once in so long.
const PAUSE: Duration = Duration::from_secs(60);

/// When a warning was last given, of which limit of which type.
#[derive(Debug, Default)]
pub struct Warnings(Mutex<HashMap<(TypeName, LimitName), Instant>>);

impl Warnings {
    /// Warns of the limits that an attempt came near.
    pub fn consider(&self, type_name: &TypeName, usage: &Usage, limits: &Limits) {
        for near in profile::near(usage, limits) {
            if self.is_due(type_name, near.name, Instant::now()) {
                tell(type_name, near);
            }
        }
    }

    fn is_due(&self, type_name: &TypeName, name: LimitName, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (type_name.clone(), name);
        let is_due = last.get(&key).is_none_or(|at| now - *at >= PAUSE);
        if is_due {
            last.insert(key, now);
        }
        is_due
    }
}

fn tell(type_name: &TypeName, near: Near) {
    let Near {
        name,
        limit,
        percent,
    } = near;
    warn!(
        r#type = %type_name, limit = %name, value = name.format(limit), percent,
        "an attempt came near a limit (said once a minute)"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_spoken_of_once_a_minute_for_each_type() {
        let warnings = Warnings::default();
        let [a, b] = ["a", "b"].map(|name| name.parse::<TypeName>().expect("a name"));
        let now = Instant::now();
        assert!(warnings.is_due(&a, LimitName::Memory, now));
        assert!(!warnings.is_due(&a, LimitName::Memory, now));
        assert!(warnings.is_due(&a, LimitName::CpuTime, now));
        assert!(warnings.is_due(&b, LimitName::Memory, now));
        assert!(warnings.is_due(&a, LimitName::Memory, now + PAUSE));
    }
}
