//! Results as tables, for terminals and for documents.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Map, Value};

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Plain,
    Markdown,
}

/// How lateness is told, for each number of spinning guests.
const STOP: &str = "stop";

/// One line for each figure.
pub fn figures(results: &Map<String, Value>, form: Form) -> Option<String> {
    let mut rows = Vec::new();
    for (scenario, measures) in results {
        for (measure, values) in measures.as_object().into_iter().flatten() {
            let Some(median) = values.get("median") else {
                continue;
            };
            let mut row = vec![name(scenario, form), name(measure, form)];
            row.extend([Some(median), values.get("min"), values.get("max")].map(number));
            row.push(goal(values));
            rows.push(row);
        }
    }
    let head = ["scenario", "measure", "median", "min", "max", "goal"];
    (!rows.is_empty()).then(|| table(&head, 2..5, rows, form))
}

/// One line for each number of spinning guests and each measure, the sandbox's figures beside those of the plain way.
pub fn stops(results: &Map<String, Value>, form: Form) -> Option<String> {
    let cases = results.get(STOP)?.as_object()?;
    let spinners = cases
        .keys()
        .filter_map(|case| case.strip_prefix("spinners_")?.parse().ok());
    let mut spinners: Vec<u64> = spinners.collect();
    spinners.sort_unstable();
    let mut rows = Vec::new();
    for spinners in spinners {
        let own = cases.get(&format!("spinners_{spinners}"));
        let beside = cases.get(&format!("tokio_{spinners}"));
        for (measure, values) in own.and_then(Value::as_object).into_iter().flatten() {
            let beside = beside.and_then(|measures| measures.get(measure));
            let mut row = vec![spinners.to_string(), name(measure, form)];
            for values in [Some(values), beside] {
                row.extend(
                    ["p50", "p99", "max"].map(|key| number(values.and_then(|it| it.get(key)))),
                );
            }
            rows.push(row);
        }
    }
    let head = [
        "spinners",
        "measure",
        "p50",
        "p99",
        "max",
        "tokio p50",
        "tokio p99",
        "tokio max",
    ];
    (!rows.is_empty()).then(|| table(&head, 2..8, rows, form))
}

/// The statements of an idle worker, where they were counted, the most frequent first.
pub fn statements(results: &Map<String, Value>, form: Form) -> Option<String> {
    let statements = results.get("idle")?.get("statements")?.as_array()?;
    let rows = statements.iter().map(|statement| {
        let text = statement.get("statement").and_then(Value::as_str);
        let text = text.unwrap_or_default();
        let text = match form {
            Form::Plain => text.to_owned(),
            Form::Markdown => text.replace('|', "\\|"),
        };
        vec![number(statement.get("per_s")), name(&text, form)]
    });
    let head = ["times a second", "statement of an idle worker"];
    Some(table(&head, 0..1, rows.collect(), form))
}

/// A name as it is written in a document, or on a terminal.
fn name(text: &str, form: Form) -> String {
    match form {
        Form::Plain => text.to_owned(),
        Form::Markdown => format!("`{text}`"),
    }
}

/// A value of a result, rounded to what can be told of it.
pub fn number(value: Option<&Value>) -> String {
    let Some(value) = value.and_then(Value::as_f64) else {
        return "-".to_owned();
    };
    match value.abs() {
        size if size >= 1_000.0 => thousands(value),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 {
        format!("-{text}")
    } else {
        text
    }
}

fn goal(values: &Value) -> String {
    let Some(goal) = values.get("goal").and_then(Value::as_str) else {
        return String::new();
    };
    match values.get("goal_met").and_then(Value::as_bool) {
        Some(true) => format!("{goal}: met"),
        _ => format!("{goal}: MISSED"),
    }
}

/// A table whose columns of numbers are aligned to the right.
pub fn table(
    head: &[&str],
    numbers: std::ops::Range<usize>,
    rows: Vec<Vec<String>>,
    form: Form,
) -> String {
    match form {
        Form::Markdown => {
            let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
            let rule = (0..head.len()).map(|column| match numbers.contains(&column) {
                true => "---:".to_owned(),
                false => "---".to_owned(),
            });
            let mut text = line(head.iter().map(|cell| (*cell).to_owned()).collect());
            text += &line(rule.collect());
            text.extend(rows.into_iter().map(line));
            text
        }
        Form::Plain => {
            let mut table = Table::new();
            table
                .load_style(presets::NOTHING)
                .set_content_arrangement(ContentArrangement::Disabled);
            table.set_header(head.iter().map(|cell| cell.to_uppercase()));
            table.add_rows(rows);
            for column in numbers {
                if let Some(column) = table.column_mut(column) {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
            format!("{table}\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_have_as_many_digits_as_mean_something() {
        for (value, text) in [
            (1_234_567.8, "1,234,568"),
            (1_000.0, "1,000"),
            (-4_321.0, "-4,321"),
            (999.6, "1000"),
            (123.4, "123"),
            (12.34, "12.3"),
            (0.355, "0.35"),
        ] {
            assert_eq!(number(Some(&json!(value))), text);
        }
        assert_eq!(number(None), "-");
    }

    #[test]
    fn a_document_has_a_line_for_each_figure() {
        let results = json!({
            "drain": { "jobs_per_s": { "median": 5_000.0, "min": 1.0, "max": 2.0 }, "note": 3 },
            "ratios": { "a_of_b": { "median": 0.5, "goal": ">= 0.35", "goal_met": true } },
            "machine": { "cpus": 2 },
        });
        let Value::Object(results) = results else {
            return;
        };
        let text = figures(&results, Form::Markdown).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "| scenario | measure | median | min | max | goal |",
                "| --- | --- | ---: | ---: | ---: | --- |",
                "| `drain` | `jobs_per_s` | 5,000 | 1.00 | 2.00 |  |",
                "| `ratios` | `a_of_b` | 0.50 | - | - | >= 0.35: met |",
            ]
        );
        assert_eq!(stops(&results, Form::Markdown), None);
    }
}
