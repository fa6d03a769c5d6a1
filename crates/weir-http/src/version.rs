//! The protocol versions that the HTTP/1 codec speaks.

/// A version of HTTP/1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Version {
    /// HTTP/1.0: no chunked coding, no interim answers, connections close unless asked to stay.
    Http10,
    /// HTTP/1.1
    #[default]
    Http11,
}

impl Version {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
        }
    }
}
