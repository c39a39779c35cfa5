//! The schema that everything lies in.
//!
//! SQL files and migrations name it `hardstop`, so that they can be read and run as they are. A store that
//! was opened with another name runs them with that name in its place; so several clusters can share one
//! database.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

/// The name that the files have.
pub(super) const DEFAULT: &str = "hardstop";
/// As long as a name may be in Postgres.
const NAME_BYTES_MAX: usize = 63;

/// A schema's name, and the statements with it in place.
#[derive(Debug)]
pub(super) struct Schema {
    name: String,
    /// By the text in the binary. Empty for the default name.
    texts: RwLock<HashMap<&'static str, Arc<str>>>,
}

impl Schema {
    /// Fails with a sentence where the text cannot name a schema without quotes.
    pub(super) fn new(name: &str) -> Result<Self, String> {
        let valid = name.len() <= NAME_BYTES_MAX
            && name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && !name.starts_with("pg_")
            && name
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        match valid {
            true => Ok(Self {
                name: name.to_owned(),
                texts: RwLock::default(),
            }),
            false => Err(format!(
                "`{name}` cannot name a schema: 1 to {NAME_BYTES_MAX} of a-z, 0-9 and `_`, not \
                 beginning with a digit or `pg_`"
            )),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A text of ours with this schema in it.
    pub(super) fn apply(&self, text: &str) -> String {
        text.replace("hardstop.", &format!("{}.", self.name))
            .replace("'hardstop'", &format!("'{}'", self.name))
    }

    /// A statement of ours with this schema in it.
    pub(super) fn sql(&self, text: &'static str) -> SqlStr {
        if self.name == DEFAULT {
            return text.into_sql_str();
        }
        let known = self.texts.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(text) {
            return AssertSqlSafe(Arc::clone(known)).into_sql_str();
        }
        drop(known);
        let applied: Arc<str> = self.apply(text).into();
        self.texts
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(text, Arc::clone(&applied));
        AssertSqlSafe(applied).into_sql_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_the_name_is_another_and_nothing_else() {
        let schema = Schema::new("jobs_2").expect("a name");
        assert_eq!(
            schema.apply("SELECT pg_notify('hardstop', $1) FROM hardstop.job, hardstopper"),
            "SELECT pg_notify('jobs_2', $1) FROM jobs_2.job, hardstopper"
        );
        for bad in ["", "Jobs", "1a", "pg_temp", "a-b", "a\"b", &"a".repeat(64)] {
            assert!(Schema::new(bad).is_err(), "{bad}");
        }
    }
}
