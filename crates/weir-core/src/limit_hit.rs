//! Which of the limits that hold for everybody was reached: the closed set of them, for counters.
//!
//! Rules of routes (rates, how much at once) are not among them: see [`Refusal`](crate::refusal::Refusal).

/// A limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitHit {
    /// `limits.head` or `limits.fields`: the head of a request.
    Head,
    /// `limits.target`
    Target,
    /// `limits.body`
    Body,
    /// `limits.connections`: a client had to wait until another one went.
    Connections,
    /// `limits.handshakes`: a TLS handshake had to wait for another one.
    Handshakes,
    /// Nearly all file descriptors are taken: accepting pauses.
    Descriptors,
    /// Memory or disk for bodies that more than one server needs.
    Replay,
    /// The backlog of a `duplicate`.
    Backlog,
    /// The head of a server's answer.
    AnswerHead,
    /// `payload_max` of a listener for policy groups, or what its messages may hold beside.
    Payload,
    /// `limits.registrations` of such a listener, where a server had to wait, or its `servers` or `policies`.
    Registrations,
}

impl LimitHit {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 11] = [
        Self::Head,
        Self::Target,
        Self::Body,
        Self::Connections,
        Self::Handshakes,
        Self::Descriptors,
        Self::Replay,
        Self::Backlog,
        Self::AnswerHead,
        Self::Payload,
        Self::Registrations,
    ];

    /// The value of the label `limit`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Target => "target",
            Self::Body => "body",
            Self::Connections => "connections",
            Self::Handshakes => "handshakes",
            Self::Descriptors => "descriptors",
            Self::Replay => "replay",
            Self::Backlog => "backlog",
            Self::AnswerHead => "answer_head",
            Self::Payload => "payload",
            Self::Registrations => "registrations",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::LimitHit;

    #[test]
    fn every_limit_has_its_place() {
        for (place, limit) in LimitHit::ALL.into_iter().enumerate() {
            assert_eq!(limit as usize, place, "{limit:?}");
        }
    }
}
