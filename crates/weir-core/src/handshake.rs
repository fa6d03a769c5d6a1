//! How TLS handshakes with clients end: the words for it in metrics.

/// How a handshake ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeOutcome {
    /// It was made from the beginning.
    Full,
    /// It went on from an earlier one.
    Resumed,
    /// One side refused what the other said, or the client went away.
    Failed,
    /// It was not complete in time.
    TimedOut,
    /// The client did not speak TLS but plain HTTP.
    PlainHttp,
}

impl HandshakeOutcome {
    /// All, in the order of [`Status::tls_handshakes`](crate::ports::Status::tls_handshakes).
    pub const ALL: [Self; 5] = [Self::Full, Self::Resumed, Self::Failed, Self::TimedOut, Self::PlainHttp];

    /// The value of the label `outcome`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Resumed => "resumed",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::PlainHttp => "plain_http",
        }
    }
}
