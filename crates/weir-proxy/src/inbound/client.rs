//! A client's connection, as exchanges see it.

use std::cell::Cell;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;
use weir_http::field::KnownName as K;
use weir_http::head::Block;
use weir_upstream::io::deadline::{Deadlines, Wait};
use weir_upstream::io::stream::Stream;
use weir_upstream::io::timed::{Patience, Timed};

use super::secured::Secured;
use super::threshold::Threshold;

/// How we name ourselves to those behind us (RFC 9110 §7.6.3), for a message that came as HTTP/1.1.
pub(crate) const VIA: &[u8] = b"1.1 weir";

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A network address.
    Network(SocketAddr),
    /// A process of this machine, over a Unix socket.
    Local,
}

impl Peer {
    /// The address for access rules and X-Forwarded-For. A process of this machine counts as loopback.
    pub(crate) fn ip(&self) -> IpAddr {
        match self {
            Self::Network(address) => address.ip().to_canonical(),
            Self::Local => IpAddr::V4(Ipv4Addr::LOCALHOST),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(address) => address.fmt(f),
            Self::Local => f.write_str("unix"),
        }
    }
}

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Client {
    /// Its bytes.
    pub stream: Rc<Stream>,
    /// The deadlines of its task.
    pub deadlines: Rc<Deadlines>,
    /// Who is at the other end.
    pub peer: Peer,
    /// The peer's address as text.
    pub peer_text: Box<str>,
    /// What its TLS handshake found out; `None` when it speaks in the clear.
    pub secured: Option<Secured>,
    /// What every HTTP/1.1 request of an untrusted peer is passed on with.
    pub forwarded: Block,
    /// When the last answer ended; idling is counted from then.
    pub last_active: Cell<Option<Instant>>,
    /// Where it came in.
    pub threshold: Rc<Threshold>,
}

impl Client {
    /// A connection that has just been accepted.
    pub(crate) fn new(stream: Stream, peer: Peer, secured: Option<Secured>) -> Self {
        let peer_text: Box<str> = peer.ip().to_string().into();
        let forwarded = Block::new(&[
            (K::XForwardedFor, peer_text.as_bytes()),
            (K::XForwardedProto, scheme(secured.as_ref()).as_bytes()),
            (K::XRealIp, peer_text.as_bytes()),
            (K::Via, VIA),
        ]);
        Self {
            stream: Rc::new(stream),
            deadlines: Rc::new(Deadlines::new()),
            peer,
            peer_text,
            secured,
            forwarded,
            last_active: Cell::new(None),
            threshold: Rc::default(),
        }
    }

    /// The same, which came in there.
    pub(crate) fn through(self, threshold: Rc<Threshold>) -> Self {
        Self { threshold, ..self }
    }

    /// The scheme of its URLs.
    pub(crate) fn scheme(&self) -> &'static str {
        scheme(self.secured.as_ref())
    }

    /// The stream with the deadlines of a body that is read and an answer that is written.
    pub(crate) fn timed(&self, body: Duration, write: Duration) -> Timed {
        Timed {
            stream: Rc::clone(&self.stream),
            deadlines: Rc::clone(&self.deadlines),
            read: Some(Patience { wait: Wait::ClientBody, at_most: body }),
            write: Some(Patience { wait: Wait::ClientWrite, at_most: write }),
        }
    }
}

fn scheme(secured: Option<&Secured>) -> &'static str {
    if secured.is_some() { "https" } else { "http" }
}
