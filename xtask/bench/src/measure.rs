//! Repetitions to a median and its spread.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Values of one measure, in the order in which they were taken.
#[derive(Debug, Default)]
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
pub struct Measures(BTreeMap<&'static str, Samples>);

impl Measures {
    /// Adds what a repetition came to.
    pub fn add(&mut self, values: impl IntoIterator<Item = (&'static str, f64)>) {
        for (name, value) in values {
            self.0.entry(name).or_default().0.push(value);
        }
    }

    /// Each measure with its median and spread.
    pub fn to_json(&self) -> Value {
        let measures = self
            .0
            .iter()
            .map(|(name, samples)| ((*name).to_owned(), samples.to_json()));
        Value::Object(measures.collect())
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
}
