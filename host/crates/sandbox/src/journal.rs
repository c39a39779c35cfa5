//! What an attempt says: log entries, lines on its standard streams, progress.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hardstop_domain::Limits;
use hardstop_domain::outcome::{LogEntry, LogLevel, Progress};

/// The longest line of standard output or standard error, in bytes. A longer one is split.
const LINE_BYTES_MAX: usize = 8 << 10;
/// How much of a panic's message is kept for the outcome, in bytes.
const PANIC_BYTES_MAX: usize = 1 << 10;
/// What an entry, and each of its fields, takes in memory beyond its text, in bytes, roughly.
const ENTRY_WEIGHT: u64 = 64;
const FIELD_WEIGHT: u64 = 48;
/// What the entries of a small budget may take beyond it, in bytes.
const WEIGHT_SLACK: u64 = 4 << 10;
/// The longest message of a progress report, in bytes.
const PROGRESS_BYTES_MAX: usize = 200;

/// Follows an attempt while it runs. Called on the guest's thread, so it must not block: hand over
/// and return.
pub trait Watch: Send + Sync {
    /// An entry was added to the log.
    fn log(&self, entry: &LogEntry);
    /// The handler reported how far it has come.
    fn progress(&self, progress: &Progress);
}

/// Which of its two standard streams a guest writes to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stream {
    Output,
    Error,
}

/// The log of one attempt, within its budget.
pub(crate) struct Journal {
    started: Instant,
    bytes_max: u64,
    entries_max: u64,
    bytes: u64,
    weight: u64,
    dropped: u64,
    entries_dropped: u64,
    entries: Vec<LogEntry>,
    progress: Option<Progress>,
    rate: Rate,
    output: Vec<u8>,
    error: Vec<u8>,
    panic: Panic,
    watch: Option<Arc<dyn Watch>>,
}

/// The message of a panic, caught in passing: it must reach the outcome even if the log is full.
#[derive(Debug, Default)]
enum Panic {
    #[default]
    None,
    /// `thread 'main' panicked at src/lib.rs:1:2:` was seen; the message is on the next line.
    Begun(String),
    Whole(String),
}

impl Journal {
    pub(crate) fn new(limits: &Limits, started: Instant, watch: Option<Arc<dyn Watch>>) -> Self {
        Self {
            started,
            bytes_max: limits.log_bytes_max,
            entries_max: limits.log_lines_max,
            bytes: 0,
            weight: 0,
            dropped: 0,
            entries_dropped: 0,
            entries: Vec::new(),
            progress: None,
            rate: Rate::new(limits.progress_per_s_max),
            output: Vec::new(),
            error: Vec::new(),
            panic: Panic::None,
            watch,
        }
    }

    /// Adds an entry, or drops and counts it where it is over the budget.
    ///
    /// An entry costs what it would take as a line of text: the message and its end, and each
    /// field's name and value and the two signs around them. What it takes in memory and in the
    /// database is bounded too, at four times the budget, which only entries and fields that are all
    /// but empty reach.
    pub(crate) fn add(&mut self, level: LogLevel, message: String, fields: Vec<(String, String)>) {
        let fields_bytes: usize = fields
            .iter()
            .map(|(name, value)| name.len() + value.len() + 2)
            .sum();
        let bytes = (message.len() + 1 + fields_bytes) as u64;
        let weight = bytes + ENTRY_WEIGHT + FIELD_WEIGHT * fields.len() as u64;
        self.panic.see(&message);
        if self.bytes + bytes > self.bytes_max
            || self.weight + weight
                > self
                    .bytes_max
                    .saturating_mul(4)
                    .saturating_add(WEIGHT_SLACK)
            || self.entries.len() as u64 >= self.entries_max
        {
            self.dropped = self.dropped.saturating_add(bytes);
            self.entries_dropped += 1;
            return;
        }
        self.bytes += bytes;
        self.weight += weight;
        let at_us = self.started.elapsed().as_micros() as u64;
        let entry = LogEntry {
            at_us,
            level,
            message,
            fields,
        };
        if let Some(watch) = &self.watch {
            watch.log(&entry);
        }
        self.entries.push(entry);
    }

    /// Takes in what the guest wrote to a stream; each whole line becomes an entry.
    pub(crate) fn write(&mut self, stream: Stream, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let buffer = match stream {
                Stream::Output => &mut self.output,
                Stream::Error => &mut self.error,
            };
            let room = LINE_BYTES_MAX - buffer.len();
            let end = bytes.iter().take(room).position(|byte| *byte == b'\n');
            let taken = end.unwrap_or(bytes.len().min(room));
            buffer.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if end.is_some() {
                bytes = &bytes[1..];
            } else if buffer.len() < LINE_BYTES_MAX {
                return;
            }
            self.end_line(stream);
        }
    }

    fn end_line(&mut self, stream: Stream) {
        let (buffer, level) = match stream {
            Stream::Output => (&mut self.output, LogLevel::Info),
            Stream::Error => (&mut self.error, LogLevel::Warn),
        };
        let line = String::from_utf8_lossy(buffer)
            .trim_end_matches('\r')
            .to_owned();
        buffer.clear();
        // Rust begins a panic's message with an empty line; nobody misses one.
        if !line.is_empty() {
            self.add(level, line, Vec::new());
        }
    }

    pub(crate) fn set_progress(&mut self, fraction: f32, message: Option<String>) {
        let fraction = if fraction.is_nan() {
            0.0
        } else {
            fraction.clamp(0.0, 1.0)
        };
        let message = message.map(|text| cut(text, PROGRESS_BYTES_MAX));
        let progress = Progress { fraction, message };
        if self.rate.admits(self.started.elapsed())
            && let Some(watch) = &self.watch
        {
            watch.progress(&progress);
        }
        self.progress = Some(progress);
    }

    /// Ends the log: what is left in a line buffer becomes an entry.
    pub(crate) fn finish(&mut self) -> Said {
        for (stream, is_empty) in [
            (Stream::Output, self.output.is_empty()),
            (Stream::Error, self.error.is_empty()),
        ] {
            if !is_empty {
                self.end_line(stream);
            }
        }
        // Whoever watches sees the last word, whatever the rate.
        if self.rate.withheld
            && let (Some(watch), Some(progress)) = (&self.watch, &self.progress)
        {
            watch.progress(progress);
        }
        Said {
            entries: std::mem::take(&mut self.entries),
            progress: self.progress.take(),
            bytes: self.bytes,
            bytes_dropped: self.dropped,
            entries_dropped: self.entries_dropped,
            progress_dropped: self.rate.dropped,
            panic: match std::mem::take(&mut self.panic) {
                Panic::None => None,
                Panic::Begun(text) | Panic::Whole(text) => Some(text),
            },
        }
    }
}

/// So many in each second of the attempt.
#[derive(Debug)]
struct Rate {
    per_s_max: u64,
    second: u64,
    admitted: u64,
    dropped: u64,
    /// Whether the last one was not admitted.
    withheld: bool,
}

impl Rate {
    fn new(per_s_max: u64) -> Self {
        Self {
            per_s_max,
            second: 0,
            admitted: 0,
            dropped: 0,
            withheld: false,
        }
    }

    fn admits(&mut self, elapsed: Duration) -> bool {
        if self.second != elapsed.as_secs() {
            self.second = elapsed.as_secs();
            self.admitted = 0;
        }
        self.withheld = self.admitted >= self.per_s_max;
        if self.withheld {
            self.dropped += 1;
        } else {
            self.admitted += 1;
        }
        !self.withheld
    }
}

/// All that an attempt said.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) entries: Vec<LogEntry>,
    pub(crate) progress: Option<Progress>,
    pub(crate) bytes: u64,
    pub(crate) bytes_dropped: u64,
    pub(crate) entries_dropped: u64,
    pub(crate) progress_dropped: u64,
    /// The message of the last panic, in one line.
    pub(crate) panic: Option<String>,
}

impl Panic {
    /// Looks at a message on its way into the log. Rust writes, on one or several lines:
    /// `thread 'main' panicked at src/lib.rs:10:5:` and then the message.
    fn see(&mut self, text: &str) {
        if let Some(at) = text.find("panicked at ") {
            // Cut first: the guest may have sent megabytes of line ends.
            let end = text.floor_char_boundary(text.len().min(at + PANIC_BYTES_MAX));
            let one_line = text[at..end].lines().collect::<Vec<_>>().join(" ");
            let whole = !one_line.trim_end().ends_with(':');
            let kept = cut(one_line, PANIC_BYTES_MAX);
            *self = if whole {
                Self::Whole(kept)
            } else {
                Self::Begun(kept)
            };
        } else if let Self::Begun(begun) = self {
            let text = &text[..text.floor_char_boundary(text.len().min(PANIC_BYTES_MAX))];
            *self = Self::Whole(cut(format!("{begun} {text}"), PANIC_BYTES_MAX));
        }
    }
}

/// Cuts text at a number of bytes, between two characters.
pub(crate) fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(log_bytes_max: u64) -> Journal {
        let limits = Limits {
            log_bytes_max,
            log_lines_max: 100,
            ..Limits::default()
        };
        Journal::new(&limits, Instant::now(), None)
    }

    #[test]
    fn lines_become_entries_and_the_rest_follows_at_the_end() {
        let mut journal = journal(1_000);
        journal.write(Stream::Output, b"one\r\ntw");
        journal.write(Stream::Error, b"careful\n\n");
        journal.write(Stream::Output, b"o\nthree");
        let said = journal.finish();
        let seen: Vec<_> = said
            .entries
            .iter()
            .map(|entry| (entry.level, entry.message.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                (LogLevel::Info, "one"),
                (LogLevel::Warn, "careful"),
                (LogLevel::Info, "two"),
                (LogLevel::Info, "three"),
            ]
        );
        assert_eq!((said.bytes, said.bytes_dropped), (4 + 8 + 4 + 6, 0));
    }

    #[test]
    fn what_is_over_the_budget_is_counted_and_later_small_entries_still_fit() {
        let mut journal = journal(10);
        journal.add(LogLevel::Info, "12345".into(), vec![]);
        journal.add(LogLevel::Info, "12345".into(), vec![]);
        journal.add(
            LogLevel::Info,
            "1".into(),
            vec![("a".into(), String::new())],
        );
        journal.add(LogLevel::Info, "123".into(), vec![]);
        let said = journal.finish();
        assert_eq!((said.bytes, said.bytes_dropped), (10, 6 + 5));
        assert_eq!(said.entries.len(), 2);
    }

    #[test]
    fn a_line_without_end_is_split_and_entries_are_capped() {
        let mut journal = journal(u64::MAX);
        journal.write(Stream::Output, &vec![b'x'; LINE_BYTES_MAX * 2 + 1]);
        assert_eq!(journal.entries.len(), 2);
        for _ in 0..200 {
            journal.add(LogLevel::Info, String::new(), vec![]);
        }
        let said = journal.finish();
        // The end of the long line came last, and there was no room for it.
        assert_eq!((said.entries.len(), said.entries_dropped), (100, 103));
    }

    #[test]
    fn a_panic_is_caught_in_passing_even_with_a_full_log() {
        let mut journal = journal(0);
        journal.write(
            Stream::Error,
            b"\nthread 'main' (1) panicked at src/lib.rs:10:5:\nindex out of bounds\nnote: run with\n",
        );
        assert_eq!(
            journal.finish().panic.as_deref(),
            Some("panicked at src/lib.rs:10:5: index out of bounds")
        );
    }

    #[test]
    fn progress_is_clamped() {
        let mut journal = journal(0);
        for (fraction, expected) in [(-1.0, 0.0), (f32::NAN, 0.0), (7.0, 1.0), (0.5, 0.5)] {
            journal.set_progress(fraction, Some("é".repeat(200)));
            let progress = journal.progress.clone().expect("set");
            assert_eq!(progress.fraction, expected);
            assert_eq!(progress.message.expect("set").len(), PROGRESS_BYTES_MAX);
        }
    }
}
