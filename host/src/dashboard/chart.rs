//! Charts: what attempts came to over time, as SVG of attributes only. Their words stand beside them, so that they are
//! read where a chart is stretched, and by those who cannot see it.

use std::time::Duration;

use askama::Template;
use hardstop_domain::quantity::format_us;
use hardstop_domain::{Histogram, Statistic, Timestamp};
use hardstop_store::{StatisticPoint, StatisticQuery};

use super::field::Fields;
use super::show;
use crate::error::{Error, Kind};

/// The size of a chart, in its own units.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 120.0;
/// The least height of what failed: however little it is, it is seen.
const FAILED_HEIGHT_MIN: f64 = 2.5;

/// What charts cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Window {
    #[default]
    Hour,
    Day,
    Week,
}

impl Window {
    /// Every window.
    pub const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Week];

    /// The one that an address names.
    pub fn read(query: &Fields) -> Result<Self, Error> {
        let Some(text) = query.text("window") else {
            return Ok(Self::default());
        };
        let found = Self::ALL.into_iter().find(|window| window.name() == text);
        found.ok_or_else(|| {
            Error::usage(format!("`window`: `{text}` is no window"))
                .kind(Kind::Malformed)
                .hint("write 1h, 24h or 7d")
        })
    }

    /// As addresses say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
        }
    }

    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Hour => "last hour",
            Self::Day => "last 24 hours",
            Self::Week => "last 7 days",
        }
    }

    fn length(self) -> Duration {
        Duration::from_secs(match self {
            Self::Hour => 3_600,
            Self::Day => 86_400,
            Self::Week => 7 * 86_400,
        })
    }

    /// A step in seconds. Statistics of before some hours are those of whole hours.
    fn step_s(self) -> u32 {
        match self {
            Self::Hour => 60,
            Self::Day => 3_600,
            Self::Week => 6 * 3_600,
        }
    }

    /// A step in words.
    pub fn step(self) -> &'static str {
        match self {
            Self::Hour => "a minute",
            Self::Day => "an hour",
            Self::Week => "6 hours",
        }
    }

    /// The statistics that its charts are made of.
    pub fn query(self, now: Timestamp) -> StatisticQuery {
        let length = i64::try_from(self.length().as_micros()).unwrap_or(i64::MAX);
        StatisticQuery {
            type_name: None,
            from: Timestamp(now.0.saturating_sub(length)),
            to: Timestamp(now.0.saturating_add(1)),
            step_s: self.step_s(),
        }
    }
}

/// A window in steps, and what attempts came to in each.
pub struct Series {
    window: Window,
    from: Timestamp,
    steps: Vec<Statistic>,
}

impl Series {
    /// The points of a window's query, of whatever types.
    pub fn of(window: Window, query: &StatisticQuery, points: &[StatisticPoint]) -> Self {
        let step_us = i64::from(query.step_s) * 1_000_000;
        let begin = |at: i64| at.saturating_sub(at.rem_euclid(step_us));
        let from = begin(query.from.0);
        let count = query.to.0.saturating_sub(from) / step_us + 1;
        let mut steps = vec![Statistic::default(); usize::try_from(count).unwrap_or(0)];
        for point in points {
            let index = usize::try_from((begin(point.at.0) - from) / step_us);
            if let Some(step) = index.ok().and_then(|index| steps.get_mut(index)) {
                step.merge(&point.statistic);
            }
        }
        Self {
            window,
            from: Timestamp(from),
            steps,
        }
    }

    /// All of it together.
    pub fn total(&self) -> Statistic {
        let mut total = Statistic::default();
        for step in &self.steps {
            total.merge(step);
        }
        total
    }

    fn at(&self, index: usize) -> Timestamp {
        let step_us = i64::from(self.window.step_s()) * 1_000_000;
        Timestamp(self.from.0 + index as i64 * step_us)
    }

    /// When a step began: the time of day, and before it the day where there are several.
    fn clock(&self, index: usize) -> String {
        let text = self.at(index).to_string();
        let range = match self.window {
            Window::Hour => 11..16,
            Window::Day | Window::Week => 5..16,
        };
        text.get(range).unwrap_or_default().replace('T', " ")
    }

    fn step_width(&self) -> f64 {
        WIDTH / self.steps.len().max(1) as f64
    }
}

/// A bar: what went well, and above it what failed.
struct Bar {
    x: String,
    width: String,
    good_y: String,
    good_height: String,
    bad_y: String,
    bad_height: String,
    title: String,
}

/// How many attempts ended in each step, those that failed apart.
#[derive(Template)]
#[template(path = "bar_chart.html")]
pub struct BarChart {
    bars: Vec<Bar>,
    window: Window,
    begin: String,
    /// How many the highest bar stands for.
    top: String,
    told: String,
}

impl BarChart {
    pub fn of(series: &Series) -> Self {
        let attempts = series.steps.iter().map(Statistic::attempts);
        let most = attempts.max().unwrap_or(0).max(1);
        let steps = series.steps.iter().enumerate();
        let bars = steps.filter(|(_, step)| step.attempts() > 0);
        let bars = bars.map(|(index, step)| Self::bar(series, index, step, most));
        let total = series.total();
        Self {
            bars: bars.collect(),
            window: series.window,
            begin: series.clock(0),
            top: show::number(most),
            told: format!(
                "{} ended in the {}, {} of them failed",
                show::count(total.attempts(), "attempt", "attempts"),
                series.window.text(),
                show::number(total.failures())
            ),
        }
    }

    fn bar(series: &Series, index: usize, step: &Statistic, most: u64) -> Bar {
        let (all, bad) = (step.attempts(), step.failures());
        let height = |count: u64| count as f64 / most as f64 * HEIGHT;
        let bad_height = match bad {
            0 => 0.0,
            bad => height(bad).max(FAILED_HEIGHT_MIN),
        };
        let good_height = height(all - bad).min(HEIGHT - bad_height);
        let width = series.step_width();
        Bar {
            x: written(index as f64 * width),
            width: written((width - 1.0).max(0.6)),
            good_y: written(HEIGHT - good_height),
            good_height: written(good_height),
            bad_y: written(HEIGHT - good_height - bad_height),
            bad_height: written(bad_height),
            title: format!(
                "{} UTC: {}, {} failed",
                series.clock(index),
                show::count(all, "attempt", "attempts"),
                show::number(bad)
            ),
        }
    }
}

/// How long something took: half of the time, and nearly always.
#[derive(Template)]
#[template(path = "line_chart.html")]
pub struct LineChart {
    /// The corners of each line, by the middle of the steps that have any.
    median: String,
    most: String,
    window: Window,
    begin: String,
    top: String,
    told: String,
}

impl LineChart {
    /// How long jobs were due before they were claimed.
    pub fn of_waits(series: &Series) -> Option<Self> {
        Self::of(series, "waited", |step| &step.wait)
    }

    /// How long attempts ran.
    pub fn of_runs(series: &Series) -> Option<Self> {
        Self::of(series, "ran", |step| &step.run)
    }

    /// None where there is nothing to show.
    fn of(series: &Series, verb: &str, part: impl Fn(&Statistic) -> &Histogram) -> Option<Self> {
        let quantile = |permille: u32| -> Vec<(usize, u64)> {
            let steps = series.steps.iter().enumerate();
            let known = steps.filter_map(|(index, step)| {
                let us = part(step).permille_us(permille)?;
                Some((index, us))
            });
            known.collect()
        };
        let (median, most) = (quantile(500), quantile(990));
        let top = most.iter().map(|(_, us)| *us).max()?.max(1);
        let total = series.total();
        let shown = |permille| {
            part(&total)
                .permille_us(permille)
                .map_or_else(String::new, format_us)
        };
        Some(Self {
            median: line(series, &median, top),
            most: line(series, &most, top),
            window: series.window,
            begin: series.clock(0),
            top: format_us(top),
            told: format!(
                "half {verb} up to {}, 99 of 100 up to {}",
                shown(500),
                shown(990)
            ),
        })
    }
}

/// The corners of a line. One point alone is as wide as its step, for it would not be seen.
fn line(series: &Series, points: &[(usize, u64)], top: u64) -> String {
    let width = series.step_width();
    let y = |us: u64| written(HEIGHT - us as f64 / top as f64 * (HEIGHT - 2.0));
    if let [(index, us)] = points {
        let (x, y) = (*index as f64 * width, y(*us));
        return format!("{},{y} {},{y}", written(x), written(x + width));
    }
    let corners = points.iter().map(|(index, us)| {
        let x = (*index as f64 + 0.5) * width;
        format!("{},{}", written(x), y(*us))
    });
    corners.collect::<Vec<_>>().join(" ")
}

fn written(value: f64) -> String {
    format!("{value:.1}")
}

#[cfg(test)]
mod tests {
    use hardstop_domain::OutcomeKind;

    use super::*;

    fn point(minute: i64, good: u64, bad: u64) -> StatisticPoint {
        let mut statistic = Statistic::default();
        statistic.outcomes.insert(OutcomeKind::Completed, good);
        statistic.outcomes.insert(OutcomeKind::Trapped, bad);
        for _ in 0..good + bad {
            statistic.wait.record(1_000);
        }
        StatisticPoint {
            at: Timestamp(minute * 60_000_000),
            seconds: 60,
            type_name: "a".parse().expect("a name"),
            statistic,
        }
    }

    fn series(points: &[StatisticPoint]) -> Series {
        // From the middle of the minute 40 on.
        let query = Window::Hour.query(Timestamp(100 * 60_000_000 + 30_000_000));
        Series::of(Window::Hour, &query, points)
    }

    #[test]
    fn points_are_where_their_time_is() {
        let points = [
            point(39, 9, 9),
            point(40, 3, 1),
            point(40, 1, 0),
            point(42, 0, 2),
            point(100, 1, 0),
            point(101, 9, 9),
        ];
        let series = series(&points);
        let steps = series.steps.iter().enumerate();
        let counts = steps.map(|(index, step)| (index, step.attempts(), step.failures()));
        let counts: Vec<_> = counts.filter(|(_, all, _)| *all > 0).collect();
        assert_eq!(series.steps.len(), 61);
        assert_eq!(counts, [(0, 5, 1), (2, 2, 2), (60, 1, 0)]);
        let chart = BarChart::of(&series);
        assert_eq!((chart.top.as_str(), chart.begin.as_str()), ("5", "00:40"));
        assert_eq!(
            chart.told,
            "8 attempts ended in the last hour, 3 of them failed"
        );
        let first = &chart.bars[0];
        assert_eq!(
            (first.good_height.as_str(), first.bad_height.as_str()),
            ("96.0", "24.0")
        );
        assert_eq!(first.title, "00:40 UTC: 5 attempts, 1 failed");
        let waits = LineChart::of_waits(&series).expect("some waited");
        assert_eq!(waits.most.split(' ').count(), 3);
        assert!(LineChart::of_runs(&series).is_none(), "nothing ran");
    }

    #[test]
    fn the_least_failure_and_a_lonely_point_are_seen() {
        let chart = BarChart::of(&series(&[point(50, 100_000, 1)]));
        assert_eq!(chart.bars[0].bad_height, "2.5");
        assert_eq!(chart.bars[0].good_height, "117.5");
        let waits = LineChart::of_waits(&series(&[point(50, 1, 0)])).expect("one waited");
        assert_eq!(waits.median.split(' ').count(), 2, "{}", waits.median);
        let nothing = series(&[]);
        assert!(BarChart::of(&nothing).bars.is_empty());
        assert!(LineChart::of_waits(&nothing).is_none());
    }

    #[test]
    fn a_window_is_one_of_those_that_there_are() {
        let read = |text: &str| Window::read(&Fields::parse(text.as_bytes()));
        assert_eq!(read("").expect("reads"), Window::Hour);
        for window in Window::ALL {
            assert_eq!(
                read(&format!("window={}", window.name())).expect("reads"),
                window
            );
        }
        let error = read("window=2h").expect_err("no window");
        assert_eq!(error.kind, Kind::Malformed);
        assert!(error.message.contains("`2h`"), "{error}");
    }
}
