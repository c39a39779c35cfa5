//! Dead letters of one kind: the same type, outcome and message, whatever numbers and ids are in it.

use hardstop_domain::{JobId, OutcomeKind, Timestamp, TypeName};
use hardstop_store::{DEAD_LETTER_LIMIT_MAX, DeadLetter, DeadLetterFilter, DeadLetterQuery};

use super::Service;
use super::dead_letter::SEARCHED_MAX;
use crate::error::Error;

/// How many dead letters are looked at: the newest. Nothing is counted beyond them.
pub const GROUPED_MAX: usize = 1_000;
/// How much of a message tells its kind.
const MESSAGE_CHARS_MAX: usize = 300;

/// Dead letters of one kind.
#[derive(Debug, Clone)]
pub struct DeadGroup {
    /// Their type.
    pub type_name: TypeName,
    /// What their last attempts came to.
    pub outcome: Option<OutcomeKind>,
    /// What is the same in their messages, with `#` for numbers and ids.
    pub message: String,
    /// The newest of them, as it is.
    pub example: DeadLetter,
    /// When the oldest of them ended, of those that were looked at.
    pub first_at: Option<Timestamp>,
    /// Them, newest first.
    pub jobs: Vec<JobId>,
}

/// What was found among the newest dead letters.
#[derive(Debug, Clone)]
pub struct DeadGroups {
    /// The largest group first.
    pub groups: Vec<DeadGroup>,
    /// How many were looked at.
    pub looked_at: usize,
    /// Whether there are older ones.
    pub more: bool,
    /// The last that was searched for a text, where older ones were not.
    pub searched_to: Option<JobId>,
}

impl Service {
    /// The newest dead letters that a filter means, by kind.
    pub async fn dead_groups(&self, filter: &DeadLetterFilter) -> Result<DeadGroups, Error> {
        let mut query = DeadLetterQuery {
            filter: filter.clone(),
            limit: DEAD_LETTER_LIMIT_MAX,
            ..DeadLetterQuery::default()
        };
        if filter.message.is_some() {
            // All pages together search no more than one.
            query.from = self.store.dead_letter_bound(&query, SEARCHED_MAX).await?;
        }
        let mut letters = Vec::new();
        let mut more = true;
        while more && letters.len() < GROUPED_MAX {
            let page = self.dead_letters(&query).await?;
            more = page.len() == DEAD_LETTER_LIMIT_MAX as usize;
            query.before = page.last().map(|letter| letter.summary.id);
            letters.extend(page);
        }
        Ok(DeadGroups {
            looked_at: letters.len(),
            groups: grouped(letters),
            more,
            searched_to: query.from,
        })
    }
}

fn grouped(letters: Vec<DeadLetter>) -> Vec<DeadGroup> {
    let mut groups: Vec<DeadGroup> = Vec::new();
    for letter in letters {
        let message = letter
            .failure
            .as_ref()
            .map_or("", |failure| failure.message.as_str());
        let message = kind_of(message);
        let summary = &letter.summary;
        let known = groups.iter_mut().find(|group| {
            group.type_name == summary.type_name
                && group.outcome == summary.outcome
                && group.message == message
        });
        match known {
            Some(group) => {
                group.jobs.push(summary.id);
                group.first_at = summary.finished_at.min(group.first_at);
            }
            None => groups.push(DeadGroup {
                type_name: summary.type_name.clone(),
                outcome: summary.outcome,
                message,
                first_at: summary.finished_at,
                jobs: vec![summary.id],
                example: letter,
            }),
        }
    }
    // Stable: of groups of one size, that with the newest first.
    groups.sort_by_key(|group| std::cmp::Reverse(group.jobs.len()));
    groups
}

/// A message without what differs from job to job: words that have a digit, and are of digits, hexadecimal digits and
/// the marks that ids have.
fn kind_of(message: &str) -> String {
    let mut kind = String::with_capacity(message.len().min(MESSAGE_CHARS_MAX));
    let mut word = String::new();
    for c in message.chars().take(MESSAGE_CHARS_MAX).chain([' ']) {
        if c.is_ascii_alphanumeric() || c == '-' || c == '.' {
            word.push(c);
            continue;
        }
        push_word(&mut kind, &word);
        word.clear();
        kind.push(c);
    }
    kind.pop();
    kind
}

fn push_word(kind: &mut String, word: &str) {
    let core = word.trim_end_matches(['.', '-']);
    let has_digit = core.contains(|c: char| c.is_ascii_digit());
    let is_id = core
        .chars()
        .all(|c| c.is_ascii_hexdigit() || c == '-' || c == '.');
    // A number may have its unit behind it.
    let is_number = core.starts_with(|c: char| c.is_ascii_digit());
    match has_digit && (is_id || is_number) {
        true => {
            kind.push('#');
            kind.push_str(&word[core.len()..]);
        }
        false => kind.push_str(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_of_one_kind_whatever_is_counted_in_them() {
        for (message, kind) in [
            ("row 17 of 20 is bad", "row # of # is bad"),
            (
                "job 0198c2f4-7d5e-7c1a-b0de-5a3f0c9d2e11 is gone.",
                "job # is gone.",
            ),
            ("used 64.5MiB, over 64MiB", "used #, over #"),
            ("status 503 from api2.example", "status # from api2.example"),
            ("at 0xdeadbeef12", "at #"),
            ("utf8 feed", "utf8 feed"),
            ("größer als 3 ist", "größer als # ist"),
            ("", ""),
        ] {
            assert_eq!(kind_of(message), kind, "{message}");
        }
        assert_eq!(
            kind_of(&"é".repeat(1_000)).chars().count(),
            MESSAGE_CHARS_MAX
        );
    }
}
