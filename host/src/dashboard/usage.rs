//! What an attempt used, against its limits.

use hardstop_domain::{LimitName, Limits, Usage};

/// One limit, and how much of it was used.
pub struct Share {
    pub name: LimitName,
    pub used: String,
    pub limit: String,
    pub percent: f64,
}

impl Share {
    fn new(name: LimitName, used: u64, limit: u64) -> Self {
        let top = limit.saturating_mul(name.scale());
        let percent = match top {
            0 => 0.0,
            top => used as f64 * 100.0 / top as f64,
        };
        Self {
            name,
            used: name.format_used(used),
            limit: name.format(limit),
            percent,
        }
    }

    /// As a number of percent.
    pub fn written(&self) -> String {
        match self.percent {
            percent if percent > 0.0 && percent < 1.0 => "<1%".to_owned(),
            percent => format!("{percent:.0}%"),
        }
    }
}

/// Every limit that is measured.
pub fn shares(usage: &Usage, limits: &Limits) -> Vec<Share> {
    let names = LimitName::ALL.into_iter();
    let shares =
        names.filter_map(|name| Some(Share::new(name, usage.of(name)?, limits.get(name)?)));
    shares.collect()
}
