//! Repetitions to a median and its spread.

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
