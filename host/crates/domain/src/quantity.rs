//! Durations and sizes as people write them: `30s`, `1500ms`, `64MiB`.

use std::time::Duration;

/// A duration or size that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not a number and one of the units.
    #[error("`{text}` is not a {what}: write {example}")]
    Form {
        /// The text as given.
        text: String,
        /// `duration` or `size`.
        what: &'static str,
        /// How it is written.
        example: &'static str,
    },
    /// Too large to hold.
    #[error("`{text}` is too large")]
    Overflow {
        /// The text as given.
        text: String,
    },
}

const DURATION_UNITS: &[(&str, u64)] = &[
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];
const SIZE_UNITS: &[(&str, u64)] = &[
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

/// Reads a duration in whole milliseconds: a number and `ms`, `s`, `m`, `h` or `d`, or several such
/// (`1m30s`).
pub fn parse_duration(text: &str) -> Result<Duration, QuantityError> {
    let form = || QuantityError::Form {
        text: text.to_owned(),
        what: "duration",
        example: "a number and a unit (ms, s, m, h, d), such as 500ms, 30s or 1m30s",
    };
    let overflow = || QuantityError::Overflow {
        text: text.to_owned(),
    };
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(form());
    }
    let mut total_ms: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(form)?;
        let (number, tail) = rest.split_at(digits);
        let unit_end = tail
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        if number.is_empty() {
            return Err(form());
        }
        let number: u64 = number.parse().map_err(|_| overflow())?;
        let (_, factor) = DURATION_UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(form)?;
        total_ms = number
            .checked_mul(*factor)
            .and_then(|ms| total_ms.checked_add(ms))
            .ok_or_else(overflow)?;
        rest = tail;
    }
    Ok(Duration::from_millis(total_ms))
}

/// Reads a size in bytes: a number and `B`, `KiB`, `MiB`, `GiB`, `kB`, `MB` or `GB`; a bare number is
/// bytes.
pub fn parse_size(text: &str) -> Result<u64, QuantityError> {
    let form = || QuantityError::Form {
        text: text.to_owned(),
        what: "size",
        example: "a number and a unit (B, KiB, MiB, GiB), such as 512KiB or 64MiB",
    };
    let overflow = || QuantityError::Overflow {
        text: text.to_owned(),
    };
    let trimmed = text.trim();
    let digits = trimmed
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(digits);
    if number.is_empty() {
        return Err(form());
    }
    let number: u64 = number.parse().map_err(|_| overflow())?;
    if unit.is_empty() {
        return Ok(number);
    }
    let (_, factor) = SIZE_UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(form)?;
    number.checked_mul(*factor).ok_or_else(overflow)
}

/// Writes a duration in milliseconds as [`parse_duration`] reads it.
pub fn format_duration_ms(ms: u64) -> String {
    if ms == 0 {
        return "0s".to_owned();
    }
    let (_, factor) = DURATION_UNITS[1..4]
        .iter()
        .rev()
        .find(|(_, factor)| ms.is_multiple_of(*factor))
        .copied()
        .unwrap_or(("ms", 1));
    let unit = DURATION_UNITS
        .iter()
        .find(|(_, f)| *f == factor)
        .map_or("ms", |(name, _)| name);
    format!("{}{unit}", ms / factor)
}

/// Microseconds for people: `850us`, `1.5ms`, `2.25s`.
pub fn format_us(us: u64) -> String {
    match us {
        0..1_000 => format!("{us}us"),
        1_000..1_000_000 => format!("{:.1}ms", us as f64 / 1e3),
        _ => format!("{:.2}s", us as f64 / 1e6),
    }
}

/// Writes a size in bytes: exact where it is a whole number of a unit, else with one decimal.
pub fn format_size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    for (name, factor) in UNITS {
        if bytes >= factor {
            return if bytes.is_multiple_of(factor) {
                format!("{}{name}", bytes / factor)
            } else {
                format!("{:.1}{name}", bytes as f64 / factor as f64)
            };
        }
    }
    format!("{bytes}B")
}

/// Serde for a duration that the text form writes (`30s`) and the value keeps in milliseconds.
pub mod duration_ms {
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes `30s`.
    pub fn serialize<S: Serializer>(ms: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::format_duration_ms(*ms))
    }

    /// Reads `30s`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        let duration = super::parse_duration(&text).map_err(serde::de::Error::custom)?;
        Ok(duration.as_millis() as u64)
    }
}

/// Serde for an optional duration. See [`duration_ms`].
pub mod duration_ms_option {
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes `30s` or nothing.
    pub fn serialize<S: Serializer>(ms: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
        match ms {
            Some(ms) => super::duration_ms::serialize(ms, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads `30s` or `null`.
    pub fn deserialize<'de, D: Deserializer<'de>>(de: D) -> Result<Option<u64>, D::Error> {
        let Some(text) = Option::<String>::deserialize(de)? else {
            return Ok(None);
        };
        let duration = super::parse_duration(&text).map_err(serde::de::Error::custom)?;
        Ok(Some(duration.as_millis() as u64))
    }
}

/// Serde for an optional size in bytes (`64MiB`, or a number of bytes).
pub mod size_option {
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes a number of bytes.
    pub fn serialize<S: Serializer>(bytes: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => serializer.serialize_u64(*bytes),
            None => serializer.serialize_none(),
        }
    }

    /// Reads `64MiB` or a number of bytes.
    pub fn deserialize<'de, D: Deserializer<'de>>(de: D) -> Result<Option<u64>, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Number(u64),
            Text(String),
        }
        match Form::deserialize(de)? {
            Form::Number(bytes) => Ok(Some(bytes)),
            Form::Text(text) => super::parse_size(&text)
                .map(Some)
                .map_err(serde::de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_and_sizes_as_people_write_them() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("2d"), Ok(Duration::from_secs(172_800)));
        assert_eq!(parse_size("64MiB"), Ok(64 << 20));
        assert_eq!(parse_size("1000"), Ok(1000));
        assert_eq!(parse_size("5kB"), Ok(5000));
        assert_eq!(format_size(64 << 20), "64MiB");
        assert_eq!(format_size(1536), "1.5KiB");
        assert_eq!(format_duration_ms(90_000), "90s");
        assert_eq!(format_duration_ms(3_600_000), "1h");
    }

    #[test]
    fn what_cannot_be_read_says_how_it_is_written() {
        for text in ["", "s", "5", "5 s", "-5s", "5x", "1.5s", "5s5"] {
            let error = parse_duration(text).expect_err(text).to_string();
            assert!(error.contains("such as 500ms"), "{error}");
        }
        for text in ["", "MiB", "5 MiB", "-1", "5mib"] {
            let error = parse_size(text).expect_err(text).to_string();
            assert!(error.contains("such as 512KiB"), "{error}");
        }
        assert!(parse_duration("99999999999999999999s").is_err());
        assert!(parse_size("18446744073709551615GiB").is_err());
    }

    proptest! {
        #[test]
        fn a_written_duration_reads_back(ms in 0..10_u64.pow(12)) {
            prop_assert_eq!(
                parse_duration(&format_duration_ms(ms)).map(|d| d.as_millis() as u64),
                Ok(ms)
            );
        }

        #[test]
        fn no_text_makes_the_parsers_panic(text in ".*") {
            let _ = parse_duration(&text);
            let _ = parse_size(&text);
        }
    }
}
