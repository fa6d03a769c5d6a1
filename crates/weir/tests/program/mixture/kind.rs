//! What the mixture is made of, and how much of it is what.

/// A thing that a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Small answers, many requests sent at once.
    Pipeline,
    /// A small answer on a connection that is kept.
    Kept,
    /// A small answer on a connection of its own, which it closes.
    Closed,
    /// An older client, which closes or wants to go on.
    Version10,
    /// Nothing more is sent, and the answer comes all the same.
    HalfClosed,
    Head,
    /// An answer that never has a body.
    NoContent,
    /// 300 KB of announced length.
    Large,
    /// In chunks, with trailers.
    Chunked,
    /// An answer that the end of the server's connection ends.
    UntilEnd,
    /// An interim answer before the one that counts.
    Interim,
    PostSmall,
    PostEmpty,
    PostMedium,
    PostLarge,
    PostHuge,
    PostChunked,
    PostChunkedLarge,
    /// The body comes only when it is asked for.
    PostExpected,
    /// The server answers before it has the body.
    PostEarly,
    Race,
    RacePost,
    /// One server of three fails.
    RaceWeak,
    Hedge,
    /// The first server is slow.
    HedgeSlow,
    Majority,
    /// One server of three answers otherwise.
    MajorityLiar,
    DuplicateMemory,
    DuplicateDurable,
    Mirror,
    MirrorPost,
    TlsKept,
    TlsPost,
    TlsPipeline,
    /// A handshake for each, full ones and resumed ones.
    TlsClosed,
    /// What never becomes a TLS connection.
    TlsBroken,
    /// The server answers badly, or not at all.
    BadServer,
    /// A request that is refused, with another one behind it that nobody may ever see.
    BadRequest,
    /// A client that goes away, wherever it is just then.
    Leave,
    WebSocket,
}

/// Requests that are sent at once.
pub(super) const PIPELINED: u64 = 16;
pub(super) const TLS_PIPELINED: u64 = 5;

/// Of each thousand requests, how many are of which kind. The plain ones are the first two.
pub(crate) const SHARES: [(Kind, u64); 40] = [
    (Kind::Pipeline, 240),
    (Kind::Kept, 200),
    (Kind::Closed, 36),
    (Kind::Version10, 10),
    (Kind::HalfClosed, 4),
    (Kind::Head, 40),
    (Kind::NoContent, 10),
    (Kind::Large, 5),
    (Kind::Chunked, 30),
    (Kind::UntilEnd, 10),
    (Kind::Interim, 15),
    (Kind::PostSmall, 60),
    (Kind::PostEmpty, 10),
    (Kind::PostMedium, 20),
    (Kind::PostLarge, 5),
    (Kind::PostHuge, 1),
    (Kind::PostChunked, 30),
    (Kind::PostChunkedLarge, 4),
    (Kind::PostExpected, 10),
    (Kind::PostEarly, 5),
    (Kind::Race, 30),
    (Kind::RacePost, 10),
    (Kind::RaceWeak, 6),
    (Kind::Hedge, 27),
    (Kind::HedgeSlow, 3),
    (Kind::Majority, 15),
    (Kind::MajorityLiar, 5),
    (Kind::DuplicateMemory, 25),
    (Kind::DuplicateDurable, 15),
    (Kind::Mirror, 20),
    (Kind::MirrorPost, 10),
    (Kind::TlsKept, 15),
    (Kind::TlsPost, 5),
    (Kind::TlsPipeline, 15),
    (Kind::TlsClosed, 4),
    (Kind::TlsBroken, 1),
    (Kind::BadServer, 16),
    (Kind::BadRequest, 15),
    (Kind::Leave, 15),
    (Kind::WebSocket, 3),
];

impl Kind {
    /// Requests of one round of this.
    pub(super) fn requests(self) -> u64 {
        match self {
            Self::Pipeline => PIPELINED,
            Self::TlsPipeline => TLS_PIPELINED,
            _ => 1,
        }
    }

    /// Whether what it does is answered, and counted as a request by the proxy.
    pub(super) fn is_answered(self) -> bool {
        !matches!(self, Self::TlsBroken | Self::BadRequest | Self::Leave)
    }
}

/// A thousand requests, in an order of their own for each seed.
pub(super) fn deck(random: &mut fastrand::Rng) -> Vec<Kind> {
    let rounds = |(kind, share): &(Kind, u64)| {
        std::iter::repeat_n(*kind, usize::try_from(share / kind.requests()).unwrap())
    };
    let mut deck: Vec<_> = SHARES.iter().flat_map(rounds).collect();
    random.shuffle(&mut deck);
    deck
}

#[test]
fn the_shares_make_a_thousand_and_plain_requests_are_less_than_half() {
    assert_eq!(SHARES.iter().map(|(_, share)| share).sum::<u64>(), 1000);
    assert!(SHARES[0].1 + SHARES[1].1 <= 500, "{:?}", &SHARES[..2]);
    let deck = deck(&mut fastrand::Rng::with_seed(1));
    for (kind, share) in SHARES {
        let rounds = deck.iter().filter(|played| **played == kind).count() as u64;
        assert_eq!(rounds * kind.requests(), share, "{kind:?}");
    }
}
