//! Keys, with what is counted of each name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use weir_auth::api_key::ApiKeys;
use weir_config::model;
use weir_core::ports::AuthenticatedStatus;

/// A key in a field of the request.
#[derive(Debug)]
pub struct ApiKey {
    /// The field.
    pub header: Box<str>,
    /// The keys.
    pub keys: Arc<ApiKeys>,
    /// Whether servers get the key too.
    pub forward: bool,
    /// Requests by the index of the name.
    requests: Box<[AtomicU64]>,
}

impl ApiKey {
    pub(super) fn new(model: &model::ApiKey) -> Self {
        Self {
            header: model.header.clone(),
            keys: Arc::clone(&model.keys),
            forward: model.forward,
            requests: model.keys.names().map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Counts a request of the name with this index.
    pub fn count(&self, name: usize) {
        if let Some(requests) = self.requests.get(name) {
            requests.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn add_to(&self, status: &mut Vec<AuthenticatedStatus>) {
        status.extend(self.keys.names().zip(&self.requests).map(|(name, requests)| AuthenticatedStatus {
            proof: "api_key",
            name: name.to_owned(),
            requests_total: requests.load(Ordering::Relaxed),
        }));
    }
}
