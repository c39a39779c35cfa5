//! Cron expressions: which minutes of which days, by a time zone's calendar.
//!
//! Five fields: minute, hour, day of the month, month, day of the week; as in Vixie's cron. Written here
//! because the crates at hand do less or much more: `cronexpr` 1.7 leaves a day out when its time falls
//! into the gap of a change to summer time, fires twice in the repeated hour, and reads the system's time
//! zones; `croner` 4 does what is wanted, with a language several times as large (seconds, years, `L`,
//! `W`, `#`), all of which would have to be kept for ever once schedules are stored.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{self, DateTime};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{SignedDuration, Timestamp as Instant, ToSpan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest expression, in bytes.
pub const CRON_BYTES_MAX: usize = 256;
/// How far ahead a time is looked for. The rarest that exists, 29 February on one weekday, comes once in
/// 28 years, or 40 around a century without a leap day.
const YEARS_AHEAD: i16 = 41;

/// A cron expression that fires some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Cron {
    text: String,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    /// Sunday is 0.
    weekdays: u64,
    /// Both days are restricted: either will do. Otherwise both must fit.
    either_day: bool,
    /// The minute or the hour begins with `*`: an interval of real time rather than a time of day.
    interval: bool,
}

/// Text that is no cron expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// Not five fields.
    #[error(
        "cron expression `{text}` has {fields} fields, not 5: minute, hour, day of month, month, day of week"
    )]
    Fields {
        /// The expression as given, cut.
        text: String,
        /// How many it has.
        fields: usize,
    },
    /// A field that cannot be read.
    #[error("cron expression `{text}`: `{value}` is no {field}: {expected}")]
    Field {
        /// The expression as given, cut.
        text: String,
        /// The field's name.
        field: &'static str,
        /// The part that is wrong.
        value: String,
        /// What may stand there.
        expected: String,
    },
    /// A day that does not exist.
    #[error("cron expression `{0}` never fires: no year has such a day")]
    Never(String),
    /// Too long.
    #[error("a cron expression of {0} bytes is over the maximum of {CRON_BYTES_MAX}")]
    TooLong(usize),
}

/// One of the five fields.
struct Field {
    name: &'static str,
    min: u8,
    max: u8,
    /// Names of the values from `min` on.
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        min: 0,
        max: 59,
        names: &[],
    },
    Field {
        name: "hour",
        min: 0,
        max: 23,
        names: &[],
    },
    Field {
        name: "day of month",
        min: 1,
        max: 31,
        names: &[],
    },
    Field {
        name: "month",
        min: 1,
        max: 12,
        names: &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    },
    Field {
        name: "day of week",
        min: 0,
        max: 7,
        names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    },
];

/// Names of whole expressions.
const SHORTHANDS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > CRON_BYTES_MAX {
            return Err(CronError::TooLong(text.len()));
        }
        let text = text.trim();
        let lower = text.to_ascii_lowercase();
        let long = SHORTHANDS
            .iter()
            .find(|(name, _)| *name == lower)
            .map_or(lower.as_str(), |(_, long)| long);
        let words: Vec<&str> = long.split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = words.as_slice() else {
            return Err(CronError::Fields {
                text: text.to_owned(),
                fields: words.len(),
            });
        };
        let read = |index: usize, word: &str| {
            let field = &FIELDS[index];
            field
                .read(word)
                .map_err(|(value, expected)| CronError::Field {
                    text: text.to_owned(),
                    field: field.name,
                    value,
                    expected,
                })
        };
        let weekdays = read(4, weekday)?;
        let cron = Self {
            minutes: read(0, minute)?,
            hours: read(1, hour)?,
            days: read(2, day)?,
            months: read(3, month)?,
            // Seven is Sunday too.
            weekdays: (weekdays | weekdays >> 7) & 0x7f,
            either_day: !day.starts_with('*') && !weekday.starts_with('*'),
            interval: minute.starts_with('*') || hour.starts_with('*'),
            text: text.to_owned(),
        };
        match cron.next_civil(civil::date(2000, 1, 1).at(0, 0, 0, 0), 2000 + YEARS_AHEAD) {
            Some(_) => Ok(cron),
            None => Err(CronError::Never(cron.text)),
        }
    }
}

impl Field {
    /// The set of values that a word means, a bit each; or the part that is wrong and what may stand
    /// there.
    fn read(&self, word: &str) -> Result<u64, (String, String)> {
        let mut set = 0;
        for part in word.split(',') {
            set |= self
                .part(part)
                .map_err(|expected| (part.to_owned(), expected))?;
        }
        Ok(set)
    }

    /// `*`, `a`, `a-b`, each with `/step` where wanted; `a/step` goes from `a` to the end.
    fn part(&self, part: &str) -> Result<u64, String> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.min, self.max),
            Some((first, last)) => {
                let (first, mut last) = (self.value(first)?, self.value(last)?);
                // `fri-sun`: as the end of a range Sunday is 7.
                if self.max == 7 && last == 0 && first > 0 {
                    last = 7;
                }
                (first, last)
            }
            None if step.is_some() => (self.value(range)?, self.max),
            None => (self.value(range)?, self.value(range)?),
        };
        if first > last {
            return Err("a range goes upwards; write two, separated by a comma".to_owned());
        }
        let step = match step {
            None => 1,
            Some(step) => step
                .parse::<u8>()
                .ok()
                .filter(|step| (1..=self.max).contains(step))
                .ok_or_else(|| format!("a step is a number from 1 to {}", self.max))?,
        };
        Ok((first..=last)
            .step_by(usize::from(step))
            .fold(0, |set, value| set | 1 << value))
    }

    fn value(&self, text: &str) -> Result<u8, String> {
        let named = self.names.iter().position(|name| *name == text);
        let value = match named {
            Some(position) => u8::try_from(position).ok().map(|at| at + self.min),
            None if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
            None => None,
        };
        value
            .filter(|value| (self.min..=self.max).contains(value))
            .ok_or_else(|| match self.names {
                [first, .., last] => {
                    format!("{} to {}, or {first} to {last}", self.min, self.max)
                }
                _ => format!("{} to {}", self.min, self.max),
            })
    }
}

/// Whether a value is in a set.
fn has(set: u64, value: i8) -> bool {
    u32::try_from(value).is_ok_and(|value| set & (1 << value) != 0)
}

impl Cron {
    /// The first time strictly after `after`, by the calendar of a zone. None where there is none within
    /// 41 years, or before the year 9999 ends.
    ///
    /// * A time of day that a change of the clocks leaves out fires once, right after the gap; several
    ///   such are one.
    /// * A time of day that comes twice fires the first time only.
    /// * Where the minute or the hour begins with `*`, it fires at every minute that exists and fits: none
    ///   in a gap, twice where the clock shows it twice.
    pub(crate) fn next(&self, after: Instant, zone: &TimeZone) -> Option<Instant> {
        match self.interval {
            true => self.next_interval(after, zone),
            false => self.next_time_of_day(after, zone),
        }
    }

    /// Goes through the calendar and asks for the moment of each time that fits. Moments do not decrease
    /// along the calendar, so the first one after `after` is the next.
    fn next_time_of_day(&self, after: Instant, zone: &TimeZone) -> Option<Instant> {
        let mut from = zone.to_datetime(after);
        let until = from.year().checked_add(YEARS_AHEAD)?;
        loop {
            let fits = self.next_civil(from, until)?;
            let ambiguous = zone.to_ambiguous_timestamp(fits);
            let moment = match ambiguous.offset() {
                // The last moment before the gap, on the clock of before, is where the gap begins.
                AmbiguousOffset::Gap { before, .. } => {
                    let shifted = before.to_timestamp(fits).ok()?;
                    zone.preceding(shifted.checked_add(1.second()).ok()?)
                        .next()?
                        .timestamp()
                }
                AmbiguousOffset::Fold { before, .. } => before.to_timestamp(fits).ok()?,
                AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(fits).ok()?,
            };
            if moment > after {
                return Some(moment);
            }
            from = fits.checked_add(1.minute()).ok()?;
        }
    }

    /// Goes through the spans of real time in which the zone's offset stays the same.
    fn next_interval(&self, after: Instant, zone: &TimeZone) -> Option<Instant> {
        let mut begin = after.checked_add(SignedDuration::from_micros(1)).ok()?;
        let until = zone.to_datetime(after).year().checked_add(YEARS_AHEAD)?;
        loop {
            let offset: Offset = zone.to_offset(begin);
            let end = zone
                .following(begin)
                .next()
                .map(|change| change.timestamp());
            let fits = self.next_civil(offset.to_datetime(begin), until);
            let moment = fits.and_then(|fits| offset.to_timestamp(fits).ok());
            match (moment, end) {
                (Some(moment), Some(end)) if moment >= end => begin = end,
                (Some(moment), _) => return Some(moment),
                (None, _) => return None,
            }
        }
    }

    /// The first minute of the calendar, at or after `from` and before the year `until` ends, that fits.
    fn next_civil(&self, from: DateTime, until: i16) -> Option<DateTime> {
        // A minute that has begun is over.
        let begun = from.second() > 0 || from.subsec_nanosecond() > 0;
        let whole = from.date().at(from.hour(), from.minute(), 0, 0);
        let from = match begun {
            true => whole.checked_add(1.minute()).ok()?,
            false => whole,
        };
        let mut date = from.date();
        let mut time = from.time();
        while date.year() <= until {
            if !has(self.months, date.month()) {
                date = date.first_of_month().checked_add(1.month()).ok()?;
                time = civil::Time::midnight();
                continue;
            }
            if self.fits_day(date)
                && let Some((hour, minute)) = self.next_time(time.hour(), time.minute())
            {
                return Some(date.at(hour, minute, 0, 0));
            }
            date = date.tomorrow().ok()?;
            time = civil::Time::midnight();
        }
        None
    }

    fn fits_day(&self, date: civil::Date) -> bool {
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        match self.either_day {
            true => day || weekday,
            false => day && weekday,
        }
    }

    /// The first time of a day that fits, at or after this one.
    fn next_time(&self, hour: i8, minute: i8) -> Option<(i8, i8)> {
        let first = |from: i8| (from..60).find(|minute| has(self.minutes, *minute));
        (hour..24)
            .filter(|at| has(self.hours, *at))
            .find_map(|at| Some((at, first(if at == hour { minute } else { 0 })?)))
    }
}

impl TryFrom<String> for Cron {
    type Error = CronError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Cron> for String {
    fn from(cron: Cron) -> Self {
        cron.text
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}
