//! Putting another configuration in use, through the wall between those who ask for it and those who do it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// Changes that are told one by one; those beyond are counted.
pub const CHANGES_TOLD_MAX: usize = 1000;

/// What has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// An address that clients are accepted on.
    Listener,
    /// A key at the top of the configuration.
    Setting,
    /// The hosts of a service, or all of it.
    Service,
    /// A route.
    Route,
    /// An upstream.
    Upstream,
    /// The files of certificates of a listener.
    Certificates,
}

impl Changed {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Setting => "setting",
            Self::Service => "service",
            Self::Route => "route",
            Self::Upstream => "upstream",
            Self::Certificates => "certificates",
        }
    }
}

/// How it has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It is new.
    Added,
    /// It is another than before.
    Changed,
    /// It is gone.
    Removed,
}

impl How {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
        }
    }
}

/// One thing that a new configuration has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigurationChange {
    /// What.
    pub what: Changed,
    /// How.
    pub how: How,
    /// Its name; that of a route stands behind the name of its service.
    pub name: String,
}

/// A configuration that was put in use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reloaded {
    /// How many have been put in use since the start, this one included; the one of the start is 1. One that says nothing new
    /// is no other.
    pub generation: u64,
    /// From the reading of the file until every worker used it.
    pub took: Duration,
    /// How long a worker did nothing else for it at most.
    pub pause: Duration,
    /// What has changed, at most [`CHANGES_TOLD_MAX`].
    pub changes: Vec<ConfigurationChange>,
    /// How much has changed.
    pub changes_total: usize,
    /// What somebody should look at: sentences for people.
    pub warnings: Vec<String>,
}

/// Why a configuration was not put in use. Everything goes on as it was then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReloadError {
    /// It was started without a file.
    NoFile,
    /// The file can't be read.
    Unreadable(String),
    /// It has errors.
    Invalid {
        /// All of them, as `weir check` shows them.
        text: String,
        /// The same as JSON, as `weir check --json` prints it.
        json: String,
    },
    /// What it says can't be done, or not without a restart; why, and what to do.
    Refused(String),
    /// The process is about to end.
    Ending,
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFile => f.write_str(
                "it was started without a configuration file\n\nhint: start it with `weir run -c FILE` to change it while it runs",
            ),
            Self::Unreadable(text) | Self::Refused(text) | Self::Invalid { text, .. } => f.write_str(text),
            Self::Ending => f.write_str("it is draining, and takes no other configuration any more"),
        }
    }
}

impl std::error::Error for ReloadError {}

/// How the last attempt to use another configuration has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LastReload {
    /// When, since 1970; that of the start when there was no other yet.
    pub at: Duration,
    /// Whether it is in use.
    pub succeeded: bool,
    /// The number of the configuration in use; see [`Reloaded::generation`].
    pub generation: u64,
    /// Since when that one is in use, since 1970.
    pub in_use_since: Duration,
}

/// What becomes of a reload.
pub type Reloading = Pin<Box<dyn Future<Output = Result<Reloaded, ReloadError>> + Send>>;

/// Somebody who can be asked to read the configuration again.
pub trait ReloadControl: Send + Sync {
    /// Reads the configuration and puts it in use. While another reload is under way this one waits for it, together with all
    /// others that wait; then one is done for all of them, so that the last word counts. Dropping the future takes nothing back.
    fn reload(&self) -> Reloading;

    /// How the last one has ended.
    fn last(&self) -> LastReload;
}

/// The usual way to hand one around.
pub type SharedReloadControl = Arc<dyn ReloadControl>;
