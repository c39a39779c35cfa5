//! The limit on memory: one sum over all that a guest holds.

use wasmtime::ResourceLimiter;

/// Bytes of a table's element, as the host allocates it.
const TABLE_ELEMENT_BYTES: usize = 8;

/// Adds up all linear memories and tables of one attempt. wasmtime's own limits hold for each
/// memory by itself, so that a guest with ten memories would get ten times its limit.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: usize,
    held: usize,
    peak: usize,
    /// What the growth that was granted last added, in case that it fails after all.
    last: usize,
    refused: Option<usize>,
}

impl Limiter {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            held: 0,
            peak: 0,
            last: 0,
            refused: None,
        }
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit as u64
    }

    /// The most that was held at one time.
    pub(crate) fn peak(&self) -> u64 {
        self.peak as u64
    }

    /// What the guest would have held after the first growth that was refused.
    pub(crate) fn refused(&self) -> Option<u64> {
        self.refused.map(|bytes| bytes as u64)
    }

    /// Grows something of so many elements, each of so many bytes.
    fn grow(
        &mut self,
        element_bytes: usize,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> bool {
        // Over the maximum that the module itself declares: the guest's own business.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return false;
        }
        let more = desired
            .saturating_sub(current)
            .saturating_mul(element_bytes);
        let total = self.held.saturating_add(more);
        if total > self.limit {
            self.refused.get_or_insert(total);
            return false;
        }
        self.held = total;
        self.peak = self.peak.max(total);
        self.last = more;
        true
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow(1, current, desired, maximum))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow(TABLE_ELEMENT_BYTES, current, desired, maximum))
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.held = self.held.saturating_sub(std::mem::take(&mut self.last));
        Ok(())
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory_grow_failed(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_limit() {
        let mut limiter = Limiter::new(100_000);
        assert!(limiter.memory_growing(0, 65_536, None).expect("no error"));
        assert!(limiter.table_growing(0, 4_000, None).expect("no error"));
        assert_eq!(limiter.peak(), 97_536);
        assert!(!limiter.table_growing(4_000, 5_000, None).expect("no error"));
        assert_eq!(
            limiter.refused(),
            Some(105_536),
            "what it would have come to"
        );
        assert_eq!(limiter.peak(), 97_536, "a refused growth holds nothing");
    }

    #[test]
    fn a_growth_over_the_modules_own_maximum_is_not_our_refusal() {
        let mut limiter = Limiter::new(1 << 30);
        assert!(
            !limiter
                .memory_growing(0, 131_072, Some(65_536))
                .expect("no error")
        );
        assert_eq!(limiter.refused(), None);
    }

    #[test]
    fn a_growth_that_fails_after_all_is_given_back() {
        let mut limiter = Limiter::new(100_000);
        assert!(limiter.memory_growing(0, 65_536, None).expect("no error"));
        limiter
            .memory_grow_failed(wasmtime::Error::msg("no slot"))
            .expect("no error");
        assert!(limiter.memory_growing(0, 65_536, None).expect("no error"));
    }
}
