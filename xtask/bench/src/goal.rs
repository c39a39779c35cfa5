//! What figures are to be.

use serde_json::{Map, Value};

use crate::database::Engine;

/// A goal for a median.
#[derive(Debug, Clone, Copy)]
enum Bound {
    Least(f64),
    Most(f64),
}

use Bound::{Least, Most};
use Engine::{Postgres, Sqlite};

/// By scenario and measure, on one of the databases or on either. Rates are meant for two cores that the database shares.
const GOALS: [(&str, &str, Option<Engine>, Bound); 16] = [
    ("backlog", "ratio", None, Least(0.9)),
    ("distant", "ratio", None, Least(0.7)),
    ("drain", "jobs_per_s", Some(Sqlite), Least(45_000.0)),
    ("drain", "jobs_per_s", Some(Postgres), Least(30_000.0)),
    (
        "drain_no_history",
        "jobs_per_s",
        Some(Postgres),
        Least(40_000.0),
    ),
    ("held_transaction", "ratio", None, Least(0.7)),
    ("idle", "cpu_percent", None, Most(1.0)),
    ("long", "claim_ratio_p50", None, Most(1.1)),
    ("pickup", "p50_ms", Some(Sqlite), Most(0.7)),
    ("pickup", "p50_ms", Some(Postgres), Most(2.0)),
    ("sleepers", "rss_mib", None, Most(2_048.0)),
    (
        "start_batch_1000",
        "jobs_per_s",
        Some(Sqlite),
        Least(100_000.0),
    ),
    ("start_single", "ratio_to_insert", Some(Sqlite), Least(0.5)),
    (
        "start_single",
        "ratio_to_insert",
        Some(Postgres),
        Least(0.8),
    ),
    ("ratios", "drain_of_statements", None, Least(0.35)),
    ("sandbox", "ratio", None, Most(1.5)),
];

impl Bound {
    fn is_met(self, value: f64) -> bool {
        match self {
            Least(least) => value >= least,
            Most(most) => value <= most,
        }
    }

    fn text(self) -> String {
        match self {
            Least(least) => format!(">= {least}"),
            Most(most) => format!("<= {most}"),
        }
    }
}

/// Notes beside each figure of a run on this database that has a goal what it is, and whether it is met.
pub fn mark(results: &mut Map<String, Value>, engine: Engine) {
    let of_this = |of: &Option<Engine>| of.is_none_or(|of| of == engine);
    for (scenario, measure, _, bound) in GOALS.iter().filter(|(_, _, of, _)| of_this(of)) {
        let measures = results.get_mut(*scenario).and_then(Value::as_object_mut);
        let figure = measures.and_then(|measures| measures.get_mut(*measure)?.as_object_mut());
        let Some(figure) = figure else { continue };
        if let Some(median) = figure.get("median").and_then(Value::as_f64) {
            figure.insert("goal".to_owned(), bound.text().into());
            figure.insert("goal_met".to_owned(), bound.is_met(median).into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn goals_stand_beside_their_figures() {
        let results = json!({
            "ratios": { "drain_of_statements": { "median": 0.34 } },
            "sandbox": { "ratio": { "median": 1.5 }, "cycle_us": { "median": 1.0 } },
            "pickup": { "p50_ms": { "median": 1.0 } },
        });
        let Value::Object(mut results) = results else {
            return;
        };
        mark(&mut results, Sqlite);
        let missed = json!({ "median": 1.0, "goal": "<= 0.7", "goal_met": false });
        assert_eq!(results["pickup"]["p50_ms"], missed);
        mark(&mut results, Postgres);
        let met = json!({ "median": 1.0, "goal": "<= 2", "goal_met": true });
        assert_eq!(results["pickup"]["p50_ms"], met);
        let found = |scenario: &str, measure: &str| results[scenario][measure].clone();
        let missed = json!({ "median": 0.34, "goal": ">= 0.35", "goal_met": false });
        assert_eq!(found("ratios", "drain_of_statements"), missed);
        let met = json!({ "median": 1.5, "goal": "<= 1.5", "goal_met": true });
        assert_eq!(found("sandbox", "ratio"), met);
        assert_eq!(found("sandbox", "cycle_us"), json!({ "median": 1.0 }));
    }
}
