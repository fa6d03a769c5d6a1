//! The configuration that is in force: since when, and how the last reload went.

use std::sync::Arc;
use std::time::Duration;

/// What is known of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigurationStatus {
    /// When it was taken, in time since 1970.
    pub loaded: Duration,
    /// Reloads that were done.
    pub reloads_done: u64,
    /// Reloads that were refused.
    pub reloads_refused: u64,
    /// Why the last reload was refused; `None` when it was done, or there was none.
    pub problem: Option<String>,
    /// Configurations in memory: the one in force, and those under which requests go on that began before a reload.
    pub held: u64,
}

/// The configuration in force, as people may see it.
pub trait ConfigurationSource: Send + Sync {
    /// All of it as a document of JSON: what was written, and the defaults of what was not. Secrets are not in it. `None` where it
    /// was started without a file.
    fn effective(&self) -> Option<Arc<str>>;
}

/// The usual way to hand one around.
pub type SharedConfigurationSource = Arc<dyn ConfigurationSource>;
