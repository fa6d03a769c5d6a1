//! Users and passwords, with what is counted of each user.

use std::sync::Arc;

use weir_auth::users::Users;
use weir_config::model;
use weir_core::ports::AuthenticatedStatus;

use super::counts::NameCounts;
use super::passwords::PasswordThreads;

/// A user and a password.
#[derive(Debug)]
pub struct Basic {
    /// The users.
    pub users: Arc<Users>,
    /// What browsers show.
    pub realm: Box<str>,
    /// Whether servers get the credential too.
    pub forward: bool,
    /// Requests by the index of the user.
    pub requests: NameCounts,
    /// Who holds passwords against hashes.
    pub threads: Arc<PasswordThreads>,
}

impl Basic {
    pub(super) fn new(model: &model::Basic, threads: &Arc<PasswordThreads>) -> Self {
        Self {
            users: Arc::clone(&model.users),
            realm: model.realm.clone(),
            forward: model.forward,
            requests: NameCounts::new(model.users.names().len()),
            threads: Arc::clone(threads),
        }
    }

    pub(super) fn add_to(&self, status: &mut Vec<AuthenticatedStatus>) {
        self.requests.add_to("basic", self.users.names(), status);
    }
}
