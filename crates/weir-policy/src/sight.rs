//! What of a connection is seen from outside: who it is, and what it is doing.
//!
//! Whoever serves the connection writes here, a few plain stores for a message, and whoever asks reads it on another thread; so one may see
//! a message half begun, and nobody waits for anybody. Names are looked up by whoever asks.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

use tokio::time::Instant;
use weir_core::policy_group;
use weir_core::ports::connections::{ConnectionStatus, ExchangeStatus};
use weir_upstream::io::deadline::now;
use weir_upstream::io::stream::{Moved, Stream};
use weir_upstream::member::Server;
use weir_upstream::policy_groups::PolicyGroups;
use weir_upstream::upstream::Upstream;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// It waits for a message.
    Idle,
    /// A message has begun.
    Reading,
    /// A message is being answered.
    Exchange,
    /// Everything was said.
    Closing,
}

impl Doing {
    const NAMES: [&str; 4] = ["idle", "reading", "exchange", "closing"];
}

/// Nothing has this slot.
const NONE: u32 = u32::MAX;

/// See the module.
#[derive(Debug)]
pub(crate) struct Sight {
    peer: SocketAddr,
    since: Instant,
    doing: AtomicU8,
    messages: AtomicU64,
    read: AtomicU64,
    written: AtomicU64,
    /// Whether it is known for which policy the message is that is being answered.
    is_placed: AtomicBool,
    policy: AtomicI64,
    /// The slot of the server that was asked last, or [`NONE`].
    server: AtomicU32,
}

impl Sight {
    /// One that has just been accepted.
    pub(crate) fn new(peer: SocketAddr) -> Self {
        Self {
            peer,
            since: now(),
            doing: AtomicU8::new(Doing::Idle as u8),
            messages: AtomicU64::new(0),
            read: AtomicU64::new(0),
            written: AtomicU64::new(0),
            is_placed: AtomicBool::new(false),
            policy: AtomicI64::new(0),
            server: AtomicU32::new(NONE),
        }
    }

    /// Who is at the other end.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// What it is doing from now on, which is no answering; and what was moved until now.
    pub(crate) fn does(&self, doing: Doing, stream: &Stream) {
        self.doing.store(doing as u8, Relaxed);
        self.is_placed.store(false, Relaxed);
        self.note(stream.moved());
    }

    /// One more message has come whole, and is being answered from now on.
    pub(crate) fn begin(&self, stream: &Stream) {
        self.messages.store(self.messages.load(Relaxed) + 1, Relaxed);
        self.does(Doing::Exchange, stream);
    }

    /// It is for this policy.
    pub(crate) fn is_for(&self, policy: i64) {
        self.policy.store(policy, Relaxed);
        self.server.store(NONE, Relaxed);
        self.is_placed.store(true, Relaxed);
    }

    /// This server is asked.
    pub(crate) fn asks(&self, server: &Server) {
        self.server.store(u32::try_from(server.slot()).unwrap_or(NONE), Relaxed);
    }

    fn note(&self, moved: Moved) {
        self.read.store(moved.read, Relaxed);
        self.written.store(moved.written, Relaxed);
    }

    /// All of it, in words.
    pub(crate) fn status(&self, groups: &PolicyGroups) -> ConnectionStatus {
        ConnectionStatus {
            client: self.peer.to_string(),
            protocol: "policy",
            age: now().saturating_duration_since(self.since),
            state: Doing::NAMES[usize::from(self.doing.load(Relaxed))],
            requests_total: self.messages.load(Relaxed),
            bytes_received: self.read.load(Relaxed),
            bytes_sent: self.written.load(Relaxed),
            exchange: self.is_placed.load(Relaxed).then(|| self.exchange(groups)),
            ..ConnectionStatus::default()
        }
    }

    fn exchange(&self, groups: &PolicyGroups) -> ExchangeStatus {
        let policy = self.policy.load(Relaxed);
        let slot = self.server.load(Relaxed);
        let upstream = groups.of(policy).filter(|_| slot != NONE);
        ExchangeStatus {
            upstream: Some(policy_group::name(policy)),
            server: upstream.and_then(|upstream| name(&upstream, slot as usize)),
            ..ExchangeStatus::default()
        }
    }
}

/// The name of the server with this slot. One that has left is still among those that leave, as long as it has messages.
fn name(upstream: &Upstream, slot: usize) -> Option<String> {
    upstream.look(|roster| {
        let mut all = roster.members().iter().chain(roster.leaving());
        all.find(|member| member.server.slot() == slot).map(|member| member.server.name().to_owned())
    })
}
