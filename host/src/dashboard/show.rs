//! How values look on pages. What is made here is HTML already: nothing in it can hold a mark but what is written here.

use std::fmt::{self, Display};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use askama::filters::HtmlSafe;
use hardstop_domain::{ChainId, JobId, OutcomeKind, State, Timestamp, TypeName};
use uuid::Uuid;

/// Longer JSON is cut: pages are for reading.
const JSON_BYTES_MAX: usize = 64 << 10;

/// The time, by this machine's clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp(since.map_or(0, |since| since.as_micros() as i64))
}

/// Text that is HTML already.
pub struct Html(String);

impl Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Html {}

/// How long ago, or how long until then, with the time itself to point at.
pub fn when(at: &Timestamp, now: &Timestamp) -> Html {
    let text = match at > now {
        true => format!("in {}", length(at.since(*now))),
        false if now.since(*at) < Duration::from_secs(1) => "now".to_owned(),
        false => format!("{} ago", length(now.since(*at))),
    };
    time(at, &text)
}

/// The same, where there is a time.
pub fn when_or_none(at: &Option<Timestamp>, now: &Timestamp) -> Html {
    match at {
        Some(at) => when(at, now),
        None => none(),
    }
}

/// A time to the second, in UTC.
pub fn exact(at: &Timestamp) -> Html {
    let text = at.to_string();
    let text = text.split('.').next().unwrap_or_default().replace('T', " ");
    time(at, &text)
}

fn time(at: &Timestamp, text: &str) -> Html {
    Html(format!(
        "<time datetime=\"{at}\" title=\"{at}\">{text}</time>"
    ))
}

fn none() -> Html {
    Html("<span class=\"none\">none</span>".to_owned())
}

/// A length of time in its largest unit, to a whole number of it.
pub fn length(length: Duration) -> String {
    const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];
    let seconds = length.as_secs();
    match UNITS.iter().find(|(_, size)| seconds >= *size) {
        Some((name, size)) => format!("{} {name}", seconds / size),
        None => format!("{} ms", length.as_millis()),
    }
}

/// From one time to another.
pub fn took(from: &Timestamp, to: &Timestamp) -> String {
    hardstop_domain::quantity::format_us(to.since(*from).as_micros() as u64)
}

/// Microseconds for people.
pub fn us(us: &u64) -> String {
    hardstop_domain::quantity::format_us(*us)
}

/// A state: by a colour, and in words.
pub fn state(state: &State) -> Html {
    let name = state.name();
    Html(format!("<span class=\"state {name}\">{name}</span>"))
}

/// What an attempt came to: by the colour of what it means for the job, and in words.
pub fn outcome(outcome: &OutcomeKind) -> Html {
    let name = outcome.name();
    Html(format!(
        "<span class=\"state {}\">{name}</span>",
        tone(*outcome)
    ))
}

/// The state whose colour an outcome has.
pub fn tone(outcome: OutcomeKind) -> &'static str {
    match outcome {
        OutcomeKind::Completed => State::Completed.name(),
        OutcomeKind::Continued => State::Continued.name(),
        OutcomeKind::Snoozed => State::Scheduled.name(),
        OutcomeKind::Cancelled | OutcomeKind::Interrupted => State::Cancelled.name(),
        _ => State::Discarded.name(),
    }
}

/// A way to a job, by the end of its id, in which neighbours differ.
pub fn job(id: &JobId) -> Html {
    link("jobs", id.0)
}

/// A way to a chain.
pub fn chain(id: &ChainId) -> Html {
    link("chains", id.0)
}

fn link(section: &str, id: Uuid) -> Html {
    let text = id.to_string();
    Html(format!(
        "<a class=\"id\" href=\"/{section}/{id}\" title=\"{id}\">{}</a>",
        &text[24..]
    ))
}

/// A way to a type. Its name is of letters, digits and marks that HTML does not mind.
pub fn type_name(name: &TypeName) -> Html {
    Html(format!("<a href=\"/types/{name}\">{name}</a>"))
}

/// A share as a bar, which is text beside it for those who cannot see it.
pub fn bar(percent: &f64) -> Html {
    let width = percent.clamp(0.0, 100.0);
    let level = match *percent {
        it if it >= 100.0 => "full",
        it if it >= 80.0 => "near",
        _ => "fine",
    };
    Html(format!(
        "<svg class=\"bar {level}\" viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
         <rect class=\"track\" width=\"100\" height=\"8\"/><rect class=\"fill\" width=\"{width:.1}\" height=\"8\"/></svg>"
    ))
}

/// JSON text for reading: indented where it parses, and cut where it is long.
pub fn json(text: &str) -> String {
    let parsed = serde_json::from_str::<serde_json::Value>(text);
    let text = parsed
        .and_then(|value| serde_json::to_string_pretty(&value))
        .unwrap_or_else(|_| text.to_owned());
    cut(text, JSON_BYTES_MAX)
}

/// Text, cut where it is longer than so many bytes.
pub fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        let more = text.len() - bytes_max;
        text.truncate(text.floor_char_boundary(bytes_max));
        text.push_str(&format!(
            "\n... and {} more",
            hardstop_domain::quantity::format_size(more as u64)
        ));
    }
    text
}

/// What pages count: whatever whole number it is kept as.
pub trait Count {
    /// It, and never less than 0.
    fn count(&self) -> u64;
}

macro_rules! counts {
    ($($number:ty)+) => {
        $(impl Count for $number {
            fn count(&self) -> u64 {
                u64::try_from(*self).unwrap_or(0)
            }
        })+
    };
}

counts!(u32 u64 usize);

impl<T: Count> Count for &T {
    fn count(&self) -> u64 {
        (*self).count()
    }
}

/// A number with its thousands apart.
pub fn number(value: impl Count) -> String {
    let digits = value.count().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// One, or several, of something.
pub fn count(value: impl Count, one: &str, many: &str) -> String {
    match value.count() {
        1 => format!("1 {one}"),
        count => format!("{} {many}", number(count)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_for_people() {
        let at = Timestamp(1_790_000_000_000_000);
        let later = |seconds: i64| Timestamp(at.0 + seconds * 1_000_000);
        let text = |html: Html| {
            let text = html
                .0
                .split_once('>')
                .map(|(_, rest)| rest.to_owned())
                .unwrap_or_default();
            text.trim_end_matches("</time>").to_owned()
        };
        assert_eq!(text(when(&at, &later(0))), "now");
        assert_eq!(text(when(&at, &later(150))), "2 min ago");
        assert_eq!(text(when(&later(7_300), &at)), "in 2 h");
        assert_eq!(text(exact(&at)), "2026-09-21 14:13:20");
        assert_eq!(number(1_234_567_u64), "1,234,567");
        assert_eq!(number(999_u32), "999");
        assert_eq!(count(1_usize, "job", "jobs"), "1 job");
        assert_eq!(count(1_000_u64, "job", "jobs"), "1,000 jobs");
        assert_eq!(json("{\"a\":1}"), "{\n  \"a\": 1\n}");
        assert_eq!(cut("ä".repeat(10), 3), "ä\n... and 17B more");
    }
}
