//! The limits on memories, tables and instances: one sum over all that a guest holds.

use hardstop_domain::{LimitName, Limits};
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
    elements_limit: usize,
    elements: usize,
    /// What the growth that was granted last added, in bytes and in elements, in case that it fails after
    /// all.
    last: (usize, usize),
    refused: Option<Refused>,
    memories: usize,
    tables: usize,
    instances: usize,
}

/// The first growth that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) name: LimitName,
    pub(crate) limit: u64,
    /// What the guest would have held.
    pub(crate) asked: u64,
}

impl Limiter {
    /// The limits of an attempt. `memory_ceiling`, in bytes, is what a slot of the pool can hold.
    pub(crate) fn new(limits: &Limits, memory_ceiling: u64) -> Self {
        let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        Self {
            limit: size(limits.memory_bytes_max.min(memory_ceiling)),
            held: 0,
            peak: 0,
            elements_limit: size(limits.table_elements_max),
            elements: 0,
            last: (0, 0),
            refused: None,
            memories: size(limits.memories_max),
            tables: size(limits.tables_max),
            instances: size(limits.instances_max),
        }
    }

    /// The most that was held at one time.
    pub(crate) fn peak(&self) -> u64 {
        self.peak as u64
    }

    /// The first growth that was refused.
    pub(crate) fn refused(&self) -> Option<Refused> {
        self.refused
    }

    /// Grows by so many bytes, and elements of tables.
    fn grow(&mut self, bytes: usize, elements: usize) -> bool {
        let total = self.held.saturating_add(bytes);
        let total_elements = self.elements.saturating_add(elements);
        for (name, limit, asked) in [
            (LimitName::Memory, self.limit, total),
            (
                LimitName::TableElements,
                self.elements_limit,
                total_elements,
            ),
        ] {
            if asked > limit {
                self.refused.get_or_insert(Refused {
                    name,
                    limit: limit as u64,
                    asked: asked as u64,
                });
                return false;
            }
        }
        self.held = total;
        self.elements = total_elements;
        self.peak = self.peak.max(total);
        self.last = (bytes, elements);
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
        // Over the maximum that the module itself declares: the guest's own business.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        Ok(self.grow(desired.saturating_sub(current), 0))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let elements = desired.saturating_sub(current);
        Ok(self.grow(elements.saturating_mul(TABLE_ELEMENT_BYTES), elements))
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        let (bytes, elements) = std::mem::take(&mut self.last);
        self.held = self.held.saturating_sub(bytes);
        self.elements = self.elements.saturating_sub(elements);
        Ok(())
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory_grow_failed(error)
    }

    fn memories(&self) -> usize {
        self.memories
    }

    fn tables(&self) -> usize {
        self.tables
    }

    fn instances(&self) -> usize {
        self.instances
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(memory_bytes_max: u64) -> Limiter {
        let limits = Limits {
            memory_bytes_max,
            ..Limits::default()
        };
        Limiter::new(&limits, u64::MAX)
    }

    #[test]
    fn memories_and_tables_share_one_limit() {
        let mut limiter = limiter(100_000);
        assert!(limiter.memory_growing(0, 65_536, None).expect("no error"));
        assert!(limiter.table_growing(0, 4_000, None).expect("no error"));
        assert_eq!(limiter.peak(), 97_536);
        assert!(!limiter.table_growing(4_000, 5_000, None).expect("no error"));
        assert_eq!(
            limiter.refused(),
            Some(Refused {
                name: LimitName::Memory,
                limit: 100_000,
                asked: 105_536
            }),
            "what it would have come to"
        );
        assert_eq!(limiter.peak(), 97_536, "a refused growth holds nothing");
    }

    #[test]
    fn a_growth_over_the_modules_own_maximum_is_not_our_refusal() {
        let mut limiter = limiter(1 << 30);
        assert!(
            !limiter
                .memory_growing(0, 131_072, Some(65_536))
                .expect("no error")
        );
        assert_eq!(limiter.refused(), None);
    }

    #[test]
    fn a_growth_that_fails_after_all_is_given_back() {
        let mut limiter = limiter(100_000);
        assert!(limiter.memory_growing(0, 65_536, None).expect("no error"));
        limiter
            .memory_grow_failed(wasmtime::Error::msg("no slot"))
            .expect("no error");
        assert!(limiter.memory_growing(0, 65_536, None).expect("no error"));
    }
}
