//! Replacing the program while it runs, through the wall between those who are asked and those who do it.

use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// How long a new program may take to be ready when nothing is said.
pub const UPGRADE_TIME: Duration = Duration::from_secs(30);

/// The longest time that it can be given: whoever asks must still be there.
pub const UPGRADE_TIME_MAX: Duration = Duration::from_secs(50);

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Upgrade {
    /// The program that follows; without one that of the same path.
    pub program: Option<PathBuf>,
    /// How long it may take to be ready; [`UPGRADE_TIME`] without one.
    pub time: Option<Duration>,
}

/// The process that follows. It accepts clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProcess {
    /// Its id.
    pub pid: u32,
    /// The version of its program.
    pub version: String,
}

/// Why the program is not replaced. This process goes on as if nothing had been asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpgradeError {
    /// What was asked for makes no sense; why, and what to do.
    Bad(String),
    /// It can't be done here, or not now; why, and what to do.
    Refused(String),
    /// The new program did not get ready; what it said.
    Failed(String),
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bad(text) | Self::Refused(text) | Self::Failed(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for UpgradeError {}

/// The answer, when it comes.
pub type UpgradeAnswer<'a> = Pin<Box<dyn Future<Output = Result<NewProcess, UpgradeError>> + Send + 'a>>;

/// Who replaces the program.
pub trait UpgradeControl: Send + Sync {
    /// Starts the program that follows, and resolves when it is ready; then this process ends as it drains. Dropping the future changes
    /// nothing.
    fn upgrade(&self, wish: Upgrade) -> UpgradeAnswer<'_>;
}

/// The usual way to hand one around.
pub type SharedUpgradeControl = Arc<dyn UpgradeControl>;
