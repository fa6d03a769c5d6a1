//! Why a proof was not accepted: a closed set, counted by name. Clients are told no more than whether there was a proof.

/// Why a client is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// There is no credential.
    Missing,
    /// A field that holds a credential stands more than once: which one counts would depend on the reader.
    Repeated,
    /// What is there is no credential of its kind, or larger than any.
    Malformed,
    /// No such key, a wrong user or password, or a signature that does not hold.
    Wrong,
    /// A token that is signed in another way than its key is for: `alg: none`, or a key taken for another kind.
    Algorithm,
    /// A token that names a key that its issuer does not have.
    UnknownKey,
    /// A token before or after its time.
    Time,
    /// A token of another issuer or for somebody else, or with claims that can't be passed on.
    Claims,
    /// Too many passwords wait to be looked at.
    Busy,
    /// The keys of the issuer have never been fetched.
    NoKeys,
}

impl Refusal {
    /// Every reason, in the order in which counters are listed.
    pub const ALL: [Self; 10] = [
        Self::Missing,
        Self::Repeated,
        Self::Malformed,
        Self::Wrong,
        Self::Algorithm,
        Self::UnknownKey,
        Self::Time,
        Self::Claims,
        Self::Busy,
        Self::NoKeys,
    ];

    /// Whether the same credential may be accepted a moment later: it was not found wrong, it could not be looked at.
    pub fn is_passing(self) -> bool {
        match self {
            Self::Busy | Self::NoKeys => true,
            Self::Missing
            | Self::Repeated
            | Self::Malformed
            | Self::Wrong
            | Self::Algorithm
            | Self::UnknownKey
            | Self::Time
            | Self::Claims => false,
        }
    }

    /// The name, for metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Repeated => "repeated",
            Self::Malformed => "malformed",
            Self::Wrong => "wrong",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::Time => "time",
            Self::Claims => "claims",
            Self::Busy => "busy",
            Self::NoKeys => "no_keys",
        }
    }
}
