//! Limits as they are asked for.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{LimitError, LimitName, Limits, Unit, check};
use crate::quantity::{format_duration_ms, parse_duration, parse_size};

/// Limits as a manifest, a start or a flag asks for them: each may be left out. Durations are written
/// `2s`, sizes `64MiB` or as a number of bytes, everything else as a number.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema)]
#[schemars(transparent)]
pub struct LimitsPatch(#[schemars(with = "BTreeMap<LimitName, Written>")] BTreeMap<LimitName, u64>);

impl LimitsPatch {
    /// The value asked for, in milliseconds, units or bytes.
    pub fn get(&self, name: LimitName) -> Option<u64> {
        self.0.get(&name).copied()
    }

    /// Asks for a value, or for nothing any more.
    pub fn set(&mut self, name: LimitName, value: Option<u64>) {
        match value {
            Some(value) => self.0.insert(name, value),
            None => self.0.remove(&name),
        };
    }

    /// What is asked for.
    pub fn names(&self) -> impl Iterator<Item = LimitName> + '_ {
        self.0.keys().copied()
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These ceilings, with the defaults for what is left out.
    pub fn over(&self, mut base: Limits) -> Result<Limits, LimitError> {
        for (name, value) in &self.0 {
            check(*name, *value)?;
            base.set(*name, *value);
        }
        Ok(base)
    }
}

impl FromIterator<(LimitName, u64)> for LimitsPatch {
    fn from_iter<I: IntoIterator<Item = (LimitName, u64)>>(asked: I) -> Self {
        Self(asked.into_iter().collect())
    }
}

impl LimitName {
    /// Reads a value of this limit as people write it.
    ///
    /// # Errors
    /// How it is written, in words.
    pub fn parse(self, text: &str) -> Result<u64, String> {
        match self.unit() {
            Unit::Duration => parse_duration(text)
                .map(|duration| duration.as_millis() as u64)
                .map_err(|error| error.to_string()),
            Unit::Size => parse_size(text).map_err(|error| error.to_string()),
            Unit::Count => text
                .parse()
                .map_err(|_| format!("`{text}` is not a number: write digits, such as 1000")),
        }
    }
}

impl Serialize for LimitsPatch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            match name.unit() {
                Unit::Duration => map.serialize_entry(name, &format_duration_ms(*value))?,
                Unit::Size | Unit::Count => map.serialize_entry(name, value)?,
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for LimitsPatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Table;

        impl<'de> Visitor<'de> for Table {
            type Value = LimitsPatch;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of limits")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LimitsPatch, A::Error> {
                let mut patch = LimitsPatch::default();
                while let Some(key) = map.next_key::<String>()? {
                    let name = LimitName::ALL.into_iter().find(|name| name.key() == key);
                    let Some(name) = name else {
                        return Err(A::Error::unknown_field(&key, &LimitName::KEYS));
                    };
                    if patch.get(name).is_some() {
                        return Err(A::Error::custom(format!("limit `{name}` is given twice")));
                    }
                    let value = match map.next_value()? {
                        // A bare number has no unit of time.
                        Written::Number(value) if name.unit() != Unit::Duration => value,
                        Written::Text(text) if name.unit() != Unit::Count => {
                            name.parse(&text).map_err(|error| {
                                A::Error::custom(format!("limit `{name}`: {error}"))
                            })?
                        }
                        Written::Number(value) => {
                            return Err(A::Error::custom(format!(
                                "limit `{name}`: {value} has no unit: write \"{value}ms\" or \"{value}s\""
                            )));
                        }
                        Written::Text(text) => {
                            return Err(A::Error::custom(format!(
                                "limit `{name}`: \"{text}\" is not a number: write it without quotes"
                            )));
                        }
                    };
                    patch.set(name, Some(value));
                }
                Ok(patch)
            }
        }

        deserializer.deserialize_map(Table)
    }
}

/// A value as it is written.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "a number from 0, or a text such as \"2s\" or \"64MiB\""
)]
enum Written {
    Number(u64),
    Text(String),
}
