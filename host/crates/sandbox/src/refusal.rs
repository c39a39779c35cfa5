//! The calls of one attempt that were refused.

use std::sync::{Arc, Mutex};

use hardstop_domain::capability::Refusal;

use crate::lock::lock;

/// How many different refused calls are remembered.
const REFUSALS_MAX: usize = 16;

/// Shared between the guest's calls and what the host does for it elsewhere. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refusals(Arc<Mutex<Vec<Refusal>>>);

impl Refusals {
    /// Records one, unless it was recorded before.
    pub(crate) fn add(&self, refusal: Refusal) {
        let mut refusals = lock(&self.0);
        if refusals.len() < REFUSALS_MAX && !refusals.contains(&refusal) {
            refusals.push(refusal);
        }
    }

    /// Hands them over.
    pub(crate) fn take(&self) -> Vec<Refusal> {
        std::mem::take(&mut lock(&self.0))
    }
}
