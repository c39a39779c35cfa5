//! What figures are to be.

use serde_json::{Map, Value};

/// A goal for a median.
#[derive(Debug, Clone, Copy)]
enum Bound {
    Least(f64),
    Most(f64),
}

use Bound::{Least, Most};

/// By scenario and measure.
const GOALS: [(&str, &str, Bound); 8] = [
    ("backlog", "ratio", Least(0.9)),
    ("distant", "ratio", Least(0.7)),
    ("held_transaction", "ratio", Least(0.7)),
    ("idle", "cpu_percent", Most(1.0)),
    ("long", "claim_ratio_p50", Most(1.1)),
    ("sleepers", "rss_mib", Most(2_048.0)),
    ("ratios", "drain_of_statements", Least(0.35)),
    ("sandbox", "ratio", Most(1.5)),
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

/// Notes beside each figure that has a goal what it is, and whether it is met.
pub fn mark(results: &mut Map<String, Value>) {
    for (scenario, measure, bound) in GOALS {
        let measures = results.get_mut(scenario).and_then(Value::as_object_mut);
        let figure = measures.and_then(|measures| measures.get_mut(measure)?.as_object_mut());
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
        });
        let Value::Object(mut results) = results else {
            return;
        };
        mark(&mut results);
        let found = |scenario: &str, measure: &str| results[scenario][measure].clone();
        let missed = json!({ "median": 0.34, "goal": ">= 0.35", "goal_met": false });
        assert_eq!(found("ratios", "drain_of_statements"), missed);
        let met = json!({ "median": 1.5, "goal": "<= 1.5", "goal_met": true });
        assert_eq!(found("sandbox", "ratio"), met);
        assert_eq!(found("sandbox", "cycle_us"), json!({ "median": 1.0 }));
    }
}
