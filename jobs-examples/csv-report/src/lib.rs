//! Figures of a CSV file, group by group.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use csv::StringRecord;
use hardstop_guest::{Ctx, Failure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most groups that a report may have: a column of ids is no column to group by.
const GROUPS_MAX: usize = 10_000;

/// How many rows pass between two reports of progress.
const ROWS_PER_REPORT: usize = 2_000;

/// A CSV file, and what to make of it.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The file: comma-separated, the first row names the columns.
    pub csv: String,
    /// The column whose values make the groups.
    pub group_by: String,
    /// The column of numbers. Empty cells are left out of the figures.
    pub value: String,
}

/// The report.
#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct Output {
    /// Rows read, without the first.
    pub rows: u64,
    /// The groups, by name.
    pub groups: Vec<Group>,
}

/// The figures of one group.
#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct Group {
    /// The value of the `group_by` column.
    pub name: String,
    /// Rows with a value.
    pub count: u64,
    /// Sum of the values.
    pub sum: f64,
    /// Mean of the values; none where there are no values.
    pub mean: Option<f64>,
    /// Least value.
    pub min: Option<f64>,
    /// Greatest value.
    pub max: Option<f64>,
}

/// Counts, sums and averages the values of one column of a CSV file, grouped by another.
#[hardstop_guest::job]
pub fn csv_report(ctx: &Ctx, input: Input) -> Result<Output, Failure> {
    // The file is all there is, so what is wrong with it is wrong for good.
    let unreadable = |error: csv::Error| Failure::fatal(format!("`csv` cannot be read: {error}"));
    let mut reader = csv::Reader::from_reader(input.csv.as_bytes());
    let header = reader.headers().map_err(unreadable)?;
    let group_by = column(header, &input.group_by)?;
    let value = column(header, &input.value)?;

    let mut groups: BTreeMap<String, Figures> = BTreeMap::new();
    let mut rows = 0;
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(unreadable)? {
        rows += 1;
        let name = &record[group_by];
        let groups_count = groups.len();
        let figures = match groups.entry(name.to_owned()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) if groups_count < GROUPS_MAX => entry.insert(Figures::default()),
            Entry::Vacant(_) => {
                return Err(Failure::fatal(format!(
                    "column `{}` has more than {GROUPS_MAX} values",
                    input.group_by
                )));
            }
        };
        let cell = record[value].trim();
        if !cell.is_empty() {
            figures.add(number(cell).ok_or_else(|| misfit(&record, &input.value, cell))?);
        }
        if rows % ROWS_PER_REPORT == 0 {
            let read = record.position().map_or(0, csv::Position::byte);
            let fraction = read as f32 / input.csv.len() as f32;
            ctx.progress(fraction, format!("{rows} rows").as_str());
        }
    }
    log::info!(rows, groups = groups.len(); "read {}", input.group_by);
    let groups = groups
        .into_iter()
        .map(|(name, figures)| figures.group(name))
        .collect();
    Ok(Output {
        rows: rows as u64,
        groups,
    })
}

fn column(header: &StringRecord, name: &str) -> Result<usize, Failure> {
    header
        .iter()
        .position(|column| column == name)
        .ok_or_else(|| {
            let names: Vec<_> = header.iter().collect();
            Failure::fatal(format!(
                "`csv` has no column `{name}`; it has `{}`",
                names.join("`, `")
            ))
        })
}

fn number(cell: &str) -> Option<f64> {
    cell.parse().ok().filter(|number: &f64| number.is_finite())
}

fn misfit(record: &StringRecord, column: &str, cell: &str) -> Failure {
    let line = record.position().map_or(0, csv::Position::line);
    let shown: String = cell.chars().take(40).collect();
    Failure::fatal(format!(
        "line {line}: `{column}` is `{shown}`, which is no number"
    ))
}

/// Figures that grow by a value at a time.
#[derive(Default)]
struct Figures {
    count: u64,
    sum: f64,
    range: Option<(f64, f64)>,
}

impl Figures {
    fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        let (min, max) = self.range.unwrap_or((value, value));
        self.range = Some((min.min(value), max.max(value)));
    }

    fn group(self, name: String) -> Group {
        Group {
            name,
            count: self.count,
            sum: self.sum,
            mean: (self.count > 0).then(|| self.sum / self.count as f64),
            min: self.range.map(|(min, _)| min),
            max: self.range.map(|(_, max)| max),
        }
    }
}

hardstop_guest::export!(csv_report);

#[cfg(test)]
mod tests {
    use super::*;
    use hardstop_guest::{FailureKind, Outcome};

    fn input(csv: &str) -> Input {
        Input {
            csv: csv.to_owned(),
            group_by: "region".to_owned(),
            value: "price".to_owned(),
        }
    }

    fn report(csv: &str) -> Output {
        csv_report(&Ctx::for_test(), input(csv))
            .map_err(|failure| failure.message)
            .expect("a report")
    }

    fn failure(csv: &str) -> String {
        let failure = csv_report(&Ctx::for_test(), input(csv)).expect_err("a failure");
        assert_eq!(failure.kind, FailureKind::Fatal);
        failure.message
    }

    #[test]
    fn figures_are_made_group_by_group() {
        let report = report("region,price\nnorth,2\nsouth, 1.5\nnorth,4\nwest,\n\"north\",-3\n");
        let group = |name: &str, count, sum, mean, min, max| Group {
            name: name.to_owned(),
            count,
            sum,
            mean,
            min,
            max,
        };
        assert_eq!(report.rows, 5);
        assert_eq!(
            report.groups,
            [
                group("north", 3, 3.0, Some(1.0), Some(-3.0), Some(4.0)),
                group("south", 1, 1.5, Some(1.5), Some(1.5), Some(1.5)),
                group("west", 0, 0.0, None, None, None),
            ]
        );
    }

    #[test]
    fn a_file_without_rows_has_no_groups() {
        assert_eq!(
            report("region,price\n"),
            Output {
                rows: 0,
                groups: vec![]
            }
        );
    }

    #[test]
    fn what_cannot_be_read_is_fatal_and_says_where() {
        assert_eq!(
            failure("area,price\n"),
            "`csv` has no column `region`; it has `area`, `price`"
        );
        assert_eq!(
            failure("region,price\nnorth,1\nnorth,cheap\n"),
            "line 3: `price` is `cheap`, which is no number"
        );
        assert_eq!(
            failure("region,price\nnorth,inf\n"),
            "line 2: `price` is `inf`, which is no number"
        );
        let ragged = failure("region,price\nnorth,1,2\n");
        assert!(ragged.contains("line: 2"), "{ragged}");
    }

    #[test]
    fn too_many_groups_are_refused() {
        let mut csv = "region,price\n".to_owned();
        for row in 0..=GROUPS_MAX {
            csv.push_str(&format!("{row},1\n"));
        }
        assert_eq!(failure(&csv), "column `region` has more than 10000 values");
    }

    #[test]
    fn the_sample_input_works() {
        let ctx = Ctx::for_test();
        let outcome = ctx
            .run::<csv_report>(include_str!("../samples/input.json"))
            .expect("an outcome");
        let Outcome::Complete(output) = outcome else {
            panic!("not complete");
        };
        assert!(output["rows"].as_u64().expect("a number") >= 10_000);
        let counted: u64 = output["groups"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|group| group["count"].as_u64().expect("a number"))
            .sum();
        let orders = include_str!("../samples/orders.csv").lines().skip(1);
        let paid = orders.filter(|line| !line.ends_with(',')).count();
        assert_eq!(counted, paid as u64, "a cancelled order has no amount");
        let reports = ctx.progress_reports();
        assert!(reports.len() >= 5, "{reports:?}");
        assert!(
            reports.is_sorted_by(|a, b| a.fraction < b.fraction),
            "{reports:?}"
        );
    }

    #[test]
    fn the_sample_input_is_the_sample_file() {
        let input: Input =
            serde_json::from_str(include_str!("../samples/input.json")).expect("JSON");
        assert_eq!(input.csv, include_str!("../samples/orders.csv"));
    }
}
