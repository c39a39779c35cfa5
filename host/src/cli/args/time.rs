//! Times on the command line.

use std::time::{SystemTime, UNIX_EPOCH};

use hardstop_domain::Timestamp;
use hardstop_domain::quantity::parse_duration;

/// Reads a time that lies in the past, most likely: RFC 3339, or a duration before now by this
/// machine's clock, such as `1h`.
pub fn time_ago(text: &str) -> Result<Timestamp, String> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
        });
    before(text, Timestamp(now))
}

fn before(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(ago) = parse_duration(text) {
        let ago = i64::try_from(ago.as_micros()).unwrap_or(i64::MAX);
        return Ok(Timestamp(now.0.saturating_sub(ago)));
    }
    text.parse()
        .map_err(|error| format!("{error}, or a duration ago, such as 1h"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_full_or_as_a_duration_ago() {
        let now = Timestamp(1_750_000_000_000_000);
        assert_eq!(before("1h30m", now), Ok(Timestamp(now.0 - 5_400_000_000)));
        assert_eq!(before("0", now), Ok(now));
        let written = before("2025-06-15T15:06:40Z", now);
        assert_eq!(written, Ok(now));
        let error = before("yesterday", now).expect_err("is no time");
        assert!(
            error.contains("RFC 3339") && error.contains("1h"),
            "{error}"
        );
    }
}
