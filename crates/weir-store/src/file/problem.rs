//! Why the file of a queue can't be used, and what to do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The reason.
#[derive(Debug)]
pub enum OpenError {
    /// A directory or file can't be made or read.
    Io {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Another process delivers from this queue (`semantics.md` §3.3).
    InUse {
        /// The file of the queue.
        path: PathBuf,
    },
    /// It is not whole.
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// It is no queue of Weir's.
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A later version of Weir made it.
    TooNew {
        /// The file.
        path: PathBuf,
        /// The version of what is in it.
        version: i64,
    },
    /// SQLite does not promise what a durable queue needs, on this file system for instance.
    NotDurable {
        /// The file.
        path: PathBuf,
        /// The setting.
        setting: &'static str,
        /// What it is.
        is: String,
    },
    /// SQLite can't use it now.
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Its reason.
        what: String,
    },
}

impl OpenError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// SQLite's error; what it can't make sense of is damaged.
    pub(super) fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        let path: PathBuf = path.to_owned();
        let what = error.to_string();
        let damaged = matches!(error.sqlite_error_code(), Some(Code::DatabaseCorrupt | Code::NotADatabase))
            || matches!(error, rusqlite::Error::InvalidColumnType(..) | rusqlite::Error::QueryReturnedNoRows)
            || error.sqlite_error().is_some_and(|error| error.extended_code == 1);
        if damaged { Self::Damaged { path, what } } else { Self::Sqlite { path, what } }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::InUse { .. } => {
                "stop the other process, or give this one a `state` directory of its own".to_owned()
            }
            Self::Damaged { path, .. } => {
                let path = path.display();
                format!(
                    "move `{path}*` away (all of them) to begin with an empty queue; what they hold is then not \
                     delivered. `sqlite3 {path} .recover` may save it"
                )
            }
            Self::Foreign { path } => {
                format!("move `{}` away, or give Weir another `state` directory", path.display())
            }
            Self::TooNew { .. } => "start the version of Weir that made it, or a later one".to_owned(),
            Self::NotDurable { .. } => "put `state` on a local file system".to_owned(),
            Self::Io { .. } | Self::Sqlite { .. } => return None,
        })
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, source } => write!(f, "`{}`: {source}", path.display()),
            Self::InUse { path } => {
                write!(f, "the queue `{}` is in use by another process", path.display())
            }
            Self::Damaged { path, what } => {
                write!(f, "the queue `{}` is damaged: {what}", path.display())
            }
            Self::Foreign { path } => write!(f, "`{}` is not a queue of Weir", path.display()),
            Self::TooNew { path, version } => write!(
                f,
                "the queue `{}` was made by a later version of Weir (it has version {version})",
                path.display()
            ),
            Self::NotDurable { path, setting, is } => {
                write!(f, "the queue `{}` would not be durable: `{setting}` is `{is}`", path.display())
            }
            Self::Sqlite { path, what } => {
                write!(f, "the queue `{}` can't be used: {what}", path.display())
            }
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
