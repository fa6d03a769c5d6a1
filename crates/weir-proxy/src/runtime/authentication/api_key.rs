//! Keys, with what is counted of each name.

use std::sync::Arc;

use weir_auth::api_key::ApiKeys;
use weir_config::model;
use weir_core::ports::AuthenticatedStatus;

use super::counts::NameCounts;

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
    pub requests: NameCounts,
}

impl ApiKey {
    pub(super) fn new(model: &model::ApiKey) -> Self {
        Self {
            header: model.header.clone(),
            keys: Arc::clone(&model.keys),
            forward: model.forward,
            requests: NameCounts::new(model.keys.names().len()),
        }
    }

    pub(super) fn add_to(&self, status: &mut Vec<AuthenticatedStatus>) {
        self.requests.add_to("api_key", self.keys.names(), status);
    }
}
