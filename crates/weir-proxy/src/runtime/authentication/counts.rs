//! Requests by the name that their clients proved to have.

use std::sync::atomic::{AtomicU64, Ordering};

use weir_core::ports::AuthenticatedStatus;

/// One counter for each name of the configuration, so there are never more. All workers add to the same ones: they are as
/// many as there are names, and most requests with a proof cost far more than that.
#[derive(Debug)]
pub struct NameCounts(Box<[AtomicU64]>);

impl NameCounts {
    /// For so many names.
    pub fn new(names: usize) -> Self {
        Self((0..names).map(|_| AtomicU64::new(0)).collect())
    }

    /// Counts a request of the name with this index.
    pub fn count(&self, name: usize) {
        if let Some(requests) = self.0.get(name) {
            requests.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Adds what was counted, with the names in the order of their indexes.
    pub fn add_to<'n>(
        &self,
        proof: &'static str,
        names: impl Iterator<Item = &'n str>,
        status: &mut Vec<AuthenticatedStatus>,
    ) {
        status.extend(names.zip(&self.0).map(|(name, requests)| AuthenticatedStatus {
            proof,
            name: name.to_owned(),
            requests_total: requests.load(Ordering::Relaxed),
        }));
    }
}
