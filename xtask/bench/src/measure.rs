//! Repetitions to a median and its spread.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// A measure's name and value. The name ends with its unit.
pub type Figure = (String, f64);

/// A measure and its value.
pub fn figure(name: impl Into<String>, value: f64) -> Figure {
    (name.into(), value)
}

/// Values of one measure, in the order in which they were taken.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Samples(pub Vec<f64>);

impl Samples {
    fn sorted(&self) -> Vec<f64> {
        let mut values = self.0.clone();
        values.sort_by(f64::total_cmp);
        values
    }

    /// The value below which this share of the samples lies (nearest rank).
    pub fn percentile(&self, share: f64) -> f64 {
        let sorted = self.sorted();
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted
            .get(rank.saturating_sub(1))
            .copied()
            .unwrap_or(f64::NAN)
    }

    /// Each sample divided by the other's that was taken in the same repetition.
    pub fn over(&self, other: &Self) -> Self {
        let pairs = self.0.iter().zip(&other.0);
        Self(pairs.map(|(own, other)| own / other).collect())
    }

    /// Median, spread and the samples themselves.
    pub fn to_json(&self) -> Value {
        json!({
            "median": self.percentile(0.5),
            "min": self.percentile(0.0),
            "max": self.percentile(1.0),
            "samples": self.0,
        })
    }
}

/// The measures of a scenario, by name.
#[derive(Debug, Default)]
pub struct Measures(BTreeMap<String, Samples>);

impl Measures {
    /// Adds what a repetition came to.
    pub fn add(&mut self, values: impl IntoIterator<Item = Figure>) {
        for (name, value) in values {
            self.0.entry(name).or_default().0.push(value);
        }
    }

    /// The samples of a measure.
    pub fn get(&self, name: &str) -> Option<&Samples> {
        self.0.get(name)
    }

    /// Each measure with its median and spread.
    pub fn to_json(&self) -> serde_json::Map<String, Value> {
        let measures = self.0.iter();
        measures
            .map(|(name, samples)| (name.clone(), samples.to_json()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let samples = Samples([5.0, 1.0, 3.0, 2.0, 4.0].into());
        assert_eq!(samples.percentile(0.5), 3.0);
        assert_eq!(samples.percentile(0.99), 5.0);
        assert_eq!(samples.percentile(0.0), 1.0);
    }

    #[test]
    fn ratios_are_of_the_same_repetition() {
        let (own, other) = (Samples(vec![10.0, 30.0]), Samples(vec![20.0, 15.0]));
        assert_eq!(own.over(&other), Samples(vec![0.5, 2.0]));
    }

    #[test]
    fn a_measure_has_its_spread_and_samples() {
        let mut measures = Measures::default();
        for value in [3.0, 1.0, 2.0] {
            measures.add([figure("wait_ms", value)]);
        }
        let json = json!({ "median": 2.0, "min": 1.0, "max": 3.0, "samples": [3.0, 1.0, 2.0] });
        assert_eq!(measures.to_json().get("wait_ms"), Some(&json));
    }
}
