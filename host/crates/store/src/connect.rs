//! Opens the store that a URL names.

use std::sync::Arc;
use std::time::Duration;

use crate::store::SqlStore;
use crate::{Store, StoreError, postgres, sqlite};

/// How to open a store.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// Create a SQLite file that does not exist, and migrate it. Without it a missing file is an
    /// error. A file that holds a schema is never migrated here. Postgres ignores it.
    pub create: bool,
    /// The most connections at once: of the Postgres pool (claims, heartbeats, lists and listeners have a
    /// few of their own beside it), of SQLite's readers (there is one writer).
    pub connections: u32,
    /// The Postgres schema that everything lies in; none means `hardstop`. Stores of one schema are one
    /// cluster. SQLite ignores it.
    pub schema: Option<String>,
    /// How long any one call may take. On Postgres the server enforces it too.
    pub statement_timeout: Duration,
}

impl Default for ConnectOptions {
    /// Creates nothing; 8 connections; 10 seconds.
    fn default() -> Self {
        Self {
            create: false,
            connections: 8,
            schema: None,
            statement_timeout: Duration::from_secs(10),
        }
    }
}

/// Opens the store that `url` names: `sqlite://hardstop.db` (a path, relative to the working
/// directory), `sqlite:///absolute/path`, `sqlite://:memory:` (gone with the store, for tests and embedding),
/// `postgres://...` or `postgresql://...`.
///
/// The database is reached before this returns. Its schema is not looked at; see
/// [`Store::check_schema`].
pub async fn connect(url: &str, options: &ConnectOptions) -> Result<Arc<dyn Store>, StoreError> {
    match url.split_once("://") {
        Some(("sqlite", path)) => {
            let backend = sqlite::Sqlite::open(path, options).await?;
            Ok(Arc::new(SqlStore::new(backend)))
        }
        Some(("postgres" | "postgresql", _)) => {
            let backend = postgres::Postgres::open(url, options).await?;
            Ok(Arc::new(SqlStore::new(backend)))
        }
        _ => Err(bad_url(
            url,
            "expected sqlite://<path> or postgres://<user>@<host>/<database>",
        )),
    }
}

/// The error for a URL that names no database.
pub(crate) fn bad_url(url: &str, reason: impl ToString) -> StoreError {
    StoreError::Url {
        url: without_secrets(url),
        reason: reason.to_string(),
    }
}

/// A URL for messages: what stands for a password in it is replaced, however malformed the rest.
fn without_secrets(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), url),
    };
    // The last `@` ends the password, even one that holds what no URL may.
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => {
            let name = user.split([':', '?']).next().unwrap_or_default();
            (format!("{name}:***@"), rest)
        }
        None => (String::new(), rest),
    };
    let (place, query) = match rest.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (rest, None),
    };
    let query: String = query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .zip(std::iter::once('?').chain(std::iter::repeat('&')))
        .map(|(pair, before)| match pair.split_once('=') {
            Some((key, _)) if key.to_ascii_lowercase().contains("pass") => {
                format!("{before}{key}=***")
            }
            _ => format!("{before}{pair}"),
        })
        .collect();
    format!("{scheme}{user}{place}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        for (url, shown) in [
            ("postgres://u:secret@h/db", "postgres://u:***@h/db"),
            ("postgres://u:se@c/ret@h/db", "postgres://u:***@h/db"),
            ("postgres://u:se?cret@h/db", "postgres://u:***@h/db"),
            ("u:secret@h", "u:***@h"),
            (
                "postgres://h/db?password=secret&a=b",
                "postgres://h/db?password=***&a=b",
            ),
            ("sqlite://a.db", "sqlite://a.db"),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }

    #[tokio::test]
    async fn a_url_of_something_else_says_what_is_expected() {
        let Err(error) = connect("mysql://root:secret@h/db", &ConnectOptions::default()).await
        else {
            panic!("connected");
        };
        let text = error.to_string();
        assert!(
            text.contains("sqlite://<path>") && !text.contains("secret"),
            "{text}"
        );
    }
}
