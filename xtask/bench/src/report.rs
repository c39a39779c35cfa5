//! Figures as a document: tables and plots between two marks of `docs/BENCHMARKS.md`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::plot::{Bar, Plot};
use crate::table::{self, Form};

/// Where the document is, and its plots.
const DOCUMENT: &str = "docs/BENCHMARKS.md";
const PLOTS: &str = "docs/bench";
/// Between these lines everything is written anew.
const BEGIN: &str = "<!-- figures: begin -->";
const END: &str = "<!-- figures: end -->";

/// A file's name, a title, and what is plotted: scenarios and measures.
type Figure = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

/// The plots.
const FIGURES: [Figure; 5] = [
    (
        "rates",
        "Jobs a second",
        &[
            ("drain", "jobs_per_s"),
            ("drain_no_history", "jobs_per_s"),
            ("drain_handlers", "jobs_per_s"),
            ("chains", "jobs_per_s"),
            ("fan_in", "jobs_per_s"),
            ("processes", "of_1_jobs_per_s"),
            ("processes", "of_2_jobs_per_s"),
            ("processes", "of_4_jobs_per_s"),
        ],
    ),
    (
        "starts",
        "Starts a second",
        &[
            ("start_single", "jobs_per_s"),
            ("start_batch_100", "jobs_per_s"),
            ("start_batch_1000", "jobs_per_s"),
        ],
    ),
    (
        "ratios",
        "Ratios: 1 is as fast as what it is compared with",
        &[
            ("ratios", "drain_of_statements"),
            ("ratios", "drain_no_history_of_drain"),
            ("ratios", "drain_handlers_of_drain"),
            ("start_single", "ratio_to_insert"),
            ("backlog", "ratio"),
            ("held_transaction", "ratio"),
            ("distant", "ratio"),
            ("long", "claim_ratio_p50"),
        ],
    ),
    (
        "pickup",
        "From the start call to the handler, milliseconds",
        &[
            ("pickup", "p50_ms"),
            ("pickup", "p99_ms"),
            ("pickup_loaded", "p50_ms"),
            ("pickup_loaded", "p99_ms"),
        ],
    ),
    (
        "cpu",
        "CPU time of a job of `drain`, microseconds",
        &[
            ("drain", "guest_cpu_us_per_job"),
            ("drain", "host_cpu_us_per_job"),
            ("drain", "sqlite_cpu_us_per_job"),
            ("drain", "postgres_cpu_us_per_job"),
        ],
    ),
];

/// The results of one run.
pub type Run = Map<String, Value>;

/// Reads runs: one, or an array of them.
pub fn read(path: &Path) -> Result<Vec<Run>> {
    let text = fs::read_to_string(path).with_context(|| format!("--from {}", path.display()))?;
    let value = serde_json::from_str(&text)
        .with_context(|| format!("--from {}: no JSON", path.display()))?;
    let runs = match value {
        Value::Array(runs) => runs,
        run => vec![run],
    };
    let runs = runs.into_iter().map(|run| match run {
        Value::Object(run) if run.contains_key("setting") => Ok(run),
        _ => bail!(
            "--from {}: not what `cargo xtask bench -o json` or `--report` writes",
            path.display()
        ),
    });
    runs.collect()
}

/// Renews the document and its plots. The files that were written.
pub fn write(runs: &[Run]) -> Result<Vec<PathBuf>> {
    let old = fs::read_to_string(DOCUMENT).context(DOCUMENT)?;
    let plots = plots(runs);
    let new = between(&old, &text(runs, &plots, &today()))?;
    fs::create_dir_all(PLOTS).context(PLOTS)?;
    let mut written = Vec::new();
    for (name, plot) in &plots {
        let path = Path::new(PLOTS).join(format!("{name}.svg"));
        fs::write(&path, plot.to_svg()).with_context(|| path.display().to_string())?;
        written.push(path);
    }
    fs::write(DOCUMENT, new).context(DOCUMENT)?;
    written.push(DOCUMENT.into());
    Ok(written)
}

/// A document with this between its marks.
fn between(old: &str, text: &str) -> Result<String> {
    let parts = old
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    match parts {
        Some((before, after)) => Ok(format!("{before}{BEGIN}\n\n{text}\n{END}{after}")),
        None => {
            bail!("{DOCUMENT} has no lines `{BEGIN}` and `{END}`, between which the figures belong")
        }
    }
}

/// The plots that have any figure.
fn plots(runs: &[Run]) -> Vec<(&'static str, Plot)> {
    let plots = FIGURES.iter().map(|(name, title, parts)| {
        let bars = parts.iter().flat_map(|part| {
            let runs = runs.iter().enumerate();
            runs.filter_map(|(series, run)| bar(run, *part, series))
        });
        let plot = Plot {
            title: (*title).to_owned(),
            series: runs.iter().map(name_of).collect(),
            bars: bars.collect(),
        };
        (*name, plot)
    });
    plots.filter(|(_, plot)| !plot.bars.is_empty()).collect()
}

fn bar(run: &Run, (scenario, measure): (&str, &str), series: usize) -> Option<Bar> {
    let values = run.get(scenario)?.get(measure)?;
    let number = |key| values.get(key).and_then(Value::as_f64);
    let scenario = scenario.replace('_', "-");
    let label = match measure {
        "jobs_per_s" => scenario,
        _ => format!("{scenario} {}", measure.replace('_', " ")),
    };
    Some(Bar {
        label,
        series,
        median: number("median")?,
        min: number("min")?,
        max: number("max")?,
    })
}

/// What a run was on.
fn name_of(run: &Run) -> String {
    let setting = |key| run.get("setting")?.get(key)?.as_str();
    let store = setting("store").unwrap_or("unknown");
    match setting("sync_commit") {
        Some("off") => format!("{store}, synchronous_commit = off"),
        _ => store.to_owned(),
    }
}

/// Method, machine, plots and tables.
fn text(runs: &[Run], plots: &[(&str, Plot)], date: &str) -> String {
    let mut text = format!("Written by `cargo xtask bench --report` on {date}.\n\n");
    for run in runs {
        text += &method(run);
    }
    text.push('\n');
    for (name, plot) in plots {
        text += &format!("![{}](bench/{name}.svg)\n\n", plot.title);
    }
    for run in runs {
        text += &format!("### {}\n\n", name_of(run));
        let tables = [
            table::figures(run, Form::Markdown),
            table::stops(run, Form::Markdown),
            table::statements(run, Form::Markdown),
        ];
        for table in tables.into_iter().flatten() {
            text += &table;
            text.push('\n');
        }
    }
    text
}

/// How and on what a run was made, in a line.
fn method(run: &Run) -> String {
    let of = |part: &str, key: &str| match run.get(part).and_then(|part| part.get(key)) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => "?".to_owned(),
    };
    format!(
        "* {}: `--jobs {} --concurrency {} --repeat {} --seed {}`, on {} cores ({}), Linux {}, Hardstop {}.\n",
        name_of(run),
        of("setting", "jobs"),
        of("setting", "concurrency"),
        of("setting", "repeat"),
        of("setting", "seed"),
        of("machine", "cpus"),
        of("machine", "model"),
        of("machine", "kernel"),
        of("machine", "hardstop"),
    )
}

/// In UTC.
fn today() -> String {
    date(Timestamp::now())
}

/// In UTC, as `2026-11-22`.
fn date(at: Timestamp) -> String {
    at.strftime("%F").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn run(store: &str, rate: f64) -> Run {
        let value = json!({
            "drain": { "jobs_per_s": { "median": rate, "min": rate, "max": rate } },
            "idle": { "statements": [{ "statement": "SELECT a || b", "per_s": 0.5 }] },
            "machine": { "cpus": 2, "kernel": "6.18", "model": "a processor", "hardstop": "0.1.0" },
            "setting": { "store": store, "sync_commit": "off", "jobs": 100, "repeat": 3, "concurrency": 8, "seed": 1 },
        });
        match value {
            Value::Object(run) => run,
            _ => Map::new(),
        }
    }

    #[test]
    fn days_have_dates() {
        for (days, text) in [
            (0, "1970-01-01"),
            (19_782, "2024-02-29"),
            (19_783, "2024-03-01"),
            (20_779, "2026-11-22"),
        ] {
            let at = Timestamp::from_second(days * 86_400).expect("a time");
            assert_eq!(date(at), text);
        }
    }

    #[test]
    fn only_what_is_between_the_marks_is_written_anew() -> Result<()> {
        let old = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let new = between(&old, "new\n")?;
        assert_eq!(new, format!("before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"));
        assert_eq!(between(&new, "new\n")?, new, "the same again");
        let error = between("nothing", "new")
            .err()
            .map(|error| error.to_string());
        assert!(error.is_some_and(|text| text.contains(BEGIN)));
        Ok(())
    }

    #[test]
    fn runs_stand_beside_each_other() {
        let runs = [run("SQLite 3", 5.0), run("Postgres 15", 7.0)];
        let plots = plots(&runs);
        let names: Vec<&str> = plots.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["rates"], "what was not measured is not plotted");
        let bars = plots[0].1.bars.iter();
        let bars: Vec<_> = bars
            .map(|bar| (bar.label.as_str(), bar.series, bar.median))
            .collect();
        assert_eq!(bars, [("drain", 0, 5.0), ("drain", 1, 7.0)]);
        let text = text(&runs, &plots, "2026-11-22");
        for part in [
            "on 2026-11-22",
            "![Jobs a second](bench/rates.svg)",
            "### SQLite 3, synchronous_commit = off",
            "`--jobs 100 --concurrency 8 --repeat 3 --seed 1`, on 2 cores (a processor), Linux 6.18",
            "| `drain` | `jobs_per_s` | 7.00 | 7.00 | 7.00 |  |",
            "| 0.50 | `SELECT a \\|\\| b` |",
        ] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
    }

    #[test]
    fn what_is_read_was_written_by_the_bench() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("runs.json");
        let both = json!([run("SQLite 3", 5.0), run("Postgres 15", 7.0)]);
        for (text, count) in [(both.to_string(), 2), (both[0].to_string(), 1)] {
            fs::write(&path, text)?;
            assert_eq!(read(&path)?.len(), count);
        }
        for text in ["{}", "[1]", "no"] {
            fs::write(&path, text)?;
            let error = read(&path).err().map(|error| error.to_string());
            assert!(error.is_some_and(|text| text.contains("runs.json")));
        }
        Ok(())
    }
}
