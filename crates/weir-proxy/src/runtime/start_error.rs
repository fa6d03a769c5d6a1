//! Why a data plane can't start, or a listener of it can't be opened while it runs.

use std::fmt;
use std::io;

use super::certificates::CertificateError;
use super::queues::QueueError;
use super::sockets::ListenError;

/// Why the data plane can't start.
#[derive(Debug)]
pub enum StartError {
    /// An address can't be listened on.
    Listen(ListenError),
    /// A listener has nothing to serve TLS with.
    Certificates(CertificateError),
    /// The access log can't be opened.
    AccessLog {
        /// Where it was to go.
        target: String,
        /// The system's word.
        source: io::Error,
    },
    /// A queue of writes can't be opened.
    Queue(QueueError),
    /// A thread or its runtime can't be made.
    Worker(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(error) => error.fmt(f),
            Self::Certificates(error) => error.fmt(f),
            Self::AccessLog { target, source } => {
                write!(f, "the access log `{target}` can't be opened: {source}")
            }
            Self::Queue(error) => error.fmt(f),
            Self::Worker(source) => write!(f, "a worker can't be started: {source}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen(error) => Some(error),
            Self::Certificates(error) => Some(error),
            Self::AccessLog { source, .. } | Self::Worker(source) => Some(source),
            Self::Queue(error) => Some(error),
        }
    }
}
