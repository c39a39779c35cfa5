//! Cursors: where the next page of a list begins.
//!
//! A cursor names the last item of a page by its key, so that the next page begins exactly behind it, whatever
//! happens meanwhile. To clients it is opaque. It is good for the list and the filters that it was given for, and no
//! others: with others it would skip what nobody has seen.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::problem::Problem;
use crate::error::Kind;

/// How many bytes of the digest of list, filters and key a cursor carries.
const CHECK_BYTES: usize = 8;

/// How many items a page has at the most where a query does not say.
const LIMIT_DEFAULT: u32 = 50;

/// The same, for serde.
pub fn limit_default() -> u32 {
    LIMIT_DEFAULT
}

/// A page of a list.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "{T}Page")]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The cursor of the next page; none where this is the last one.
    pub next: Option<String>,
}

/// A list under filters, which makes its cursors and reads them.
pub struct List {
    name: &'static str,
    filters: String,
}

impl List {
    /// The list of this name under these filters: a query, of which what chooses the page does not count.
    pub fn new(name: &'static str, filters: &impl Serialize) -> Self {
        let mut filters = serde_json::to_value(filters).unwrap_or_default();
        if let Some(query) = filters.as_object_mut() {
            for of_page in ["cursor", "before", "after"] {
                query.remove(of_page);
            }
            query.remove("limit");
        }
        Self {
            name,
            filters: filters.to_string(),
        }
    }

    /// The key that a cursor names, where one is given.
    pub fn read(&self, cursor: Option<&str>) -> Result<Option<Uuid>, Problem> {
        let Some(cursor) = cursor else {
            return Ok(None);
        };
        let unreadable = || {
            Problem::new(
                Kind::InvalidCursor,
                "the cursor is not one that this list gave for these filters",
            )
            .hint("give `next` of the page before, with the same filters; or no cursor, to begin")
        };
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| unreadable())?;
        let (key, check) = bytes.split_first_chunk::<16>().ok_or_else(unreadable)?;
        let key = Uuid::from_bytes(*key);
        match check == self.check(key) {
            true => Ok(Some(key)),
            false => Err(unreadable()),
        }
    }

    /// Where a page begins: behind what the cursor names, or behind this item.
    pub fn begin(
        &self,
        cursor: Option<&str>,
        behind: Option<Uuid>,
    ) -> Result<Option<Uuid>, Problem> {
        match (cursor, behind) {
            (None, behind) => Ok(behind),
            (cursor, None) => self.read(cursor),
            (Some(_), Some(_)) => Err(Problem::new(
                Kind::Invalid,
                "a page begins once: both a cursor and an item are given",
            )),
        }
    }

    /// A page of what was found, of at most `limit`; `key` tells what an item is found by.
    pub fn page<T>(&self, items: Vec<T>, limit: u32, key: impl Fn(&T) -> Uuid) -> Page<T> {
        let full = items.len() >= limit as usize;
        let last = items.last().filter(|_| full).map(key);
        let next = last.map(|key| self.cursor(key));
        Page { items, next }
    }

    /// The cursor of what comes behind this key.
    pub fn cursor(&self, key: Uuid) -> String {
        let mut bytes = key.into_bytes().to_vec();
        bytes.extend(self.check(key));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn check(&self, key: Uuid) -> [u8; CHECK_BYTES] {
        let mut digest = Sha256::new();
        for part in [
            self.name.as_bytes(),
            self.filters.as_bytes(),
            key.as_bytes(),
        ] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        let mut check = [0; CHECK_BYTES];
        check.copy_from_slice(&digest.finalize()[..CHECK_BYTES]);
        check
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_back_by_the_same_list_only() {
        let list = List::new("jobs", &("a", 1));
        let key = Uuid::from_u128(7);
        let page = list.page(vec![key], 1, |key| *key);
        let cursor = page.next.expect("the page is full");
        assert_eq!(list.read(Some(&cursor)).expect("reads"), Some(key));
        assert_eq!(list.read(None).expect("reads"), None);
        assert!(list.page(vec![key], 2, |key| *key).next.is_none());
        for (name, filters) in [("chains", ("a", 1)), ("jobs", ("a", 2)), ("jobs", ("b", 1))] {
            assert!(List::new(name, &filters).read(Some(&cursor)).is_err());
        }
        let mut mutant = cursor.clone().into_bytes();
        mutant[3] = if mutant[3] == b'A' { b'B' } else { b'A' };
        let mutant = String::from_utf8(mutant).expect("text");
        for text in ["", "A", "!!", mutant.as_str(), &cursor[..cursor.len() - 1]] {
            let problem = list.read(Some(text)).expect_err(text);
            assert_eq!(problem.kind(), Kind::InvalidCursor, "{text}");
        }
    }
}
