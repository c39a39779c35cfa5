//! Whether a deduplication key can be used.

use crate::job::{DEDUP_KEY_BYTES_MAX, DEDUP_WINDOW_MS_MAX, Dedup, DedupScope};
use crate::quantity::format_duration_ms;

/// A deduplication that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DedupError {
    /// No key, or too long a one.
    #[error("a deduplication key of {0} bytes is not from 1 to {DEDUP_KEY_BYTES_MAX} bytes long")]
    Length(usize),
    /// What no database keeps in text.
    #[error("a deduplication key may not hold the character U+0000")]
    Nul,
    /// No window, or too long a one.
    #[error(
        "a deduplication window of {} is not from 1ms to {}",
        format_duration_ms(*.0),
        format_duration_ms(DEDUP_WINDOW_MS_MAX)
    )]
    Window(u64),
}

impl Dedup {
    /// Whether key and window can be used.
    pub fn check(&self) -> Result<(), DedupError> {
        if !(1..=DEDUP_KEY_BYTES_MAX).contains(&self.key.len()) {
            return Err(DedupError::Length(self.key.len()));
        }
        if self.key.contains('\0') {
            return Err(DedupError::Nul);
        }
        match self.scope {
            DedupScope::Any { window_ms } if !(1..=DEDUP_WINDOW_MS_MAX).contains(&window_ms) => {
                Err(DedupError::Window(window_ms))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_windows_have_bounds() {
        let check = |key: &str, scope| {
            let key = key.to_owned();
            Dedup { key, scope }.check()
        };
        let any = |window_ms| DedupScope::Any { window_ms };
        assert_eq!(check(&"k".repeat(255), DedupScope::Open), Ok(()));
        assert_eq!(check("k", any(DEDUP_WINDOW_MS_MAX)), Ok(()));
        for (key, scope, expected) in [
            ("", DedupScope::Open, "key of 0 bytes"),
            (&"k".repeat(256), DedupScope::Open, "key of 256 bytes"),
            ("a\0b", DedupScope::Open, "U+0000"),
            ("k", any(0), "window of 0s is not from 1ms to 2160h"),
            ("k", any(u64::MAX), "to 2160h"),
        ] {
            let error = check(key, scope).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
