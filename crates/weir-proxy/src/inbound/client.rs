//! A client's connection, as exchanges see it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;
use weir_http::field::KnownName as K;
use weir_http::head::Block;
use weir_upstream::io::deadline::{Deadlines, Wait};
use weir_upstream::io::stream::Stream;
use weir_upstream::io::timed::{Patience, Timed};

use super::peer::Peer;
use super::secured::Secured;
use super::sight::Sight;

/// How we name ourselves to those behind us (RFC 9110 §7.6.3), for a message that came as HTTP/1.1.
pub(crate) const VIA: &[u8] = b"1.1 weir";

/// How a client is told of to servers, written once for many requests.
#[derive(Debug)]
pub(crate) struct Introduction {
    /// The peer's address as text.
    pub peer_text: Box<str>,
    /// What every HTTP/1.1 request of an untrusted peer is passed on with.
    pub forwarded: Block,
}

impl Introduction {
    fn new(peer: Peer, scheme: &str) -> Self {
        let peer_text: Box<str> = peer.ip().to_string().into();
        let forwarded = Block::new(&[
            (K::XForwardedFor, peer_text.as_bytes()),
            (K::XForwardedProto, scheme.as_bytes()),
            (K::XRealIp, peer_text.as_bytes()),
            (K::Via, VIA),
        ]);
        Self { peer_text, forwarded }
    }
}

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Client {
    /// Its bytes.
    pub stream: Rc<Stream>,
    /// The deadlines of its task.
    pub deadlines: Rc<Deadlines>,
    /// What is seen of it from outside.
    pub sight: Rc<Sight>,
    /// What its TLS handshake found out; `None` when it speaks in the clear.
    pub secured: Option<Secured>,
    /// How it is told of to servers; `None` until a request comes, and again while none has come for a while.
    introduction: RefCell<Option<Box<Introduction>>>,
    /// When the last answer ended; idling is counted from then.
    pub last_active: Cell<Option<Instant>>,
}

impl Client {
    /// A connection that can bring requests.
    pub(crate) fn new(stream: Stream, sight: &Rc<Sight>, secured: Option<Secured>) -> Self {
        let stream = Rc::new(stream);
        sight.carried_by(&stream);
        Self {
            stream,
            deadlines: Rc::new(Deadlines::new()),
            sight: Rc::clone(sight),
            secured,
            introduction: RefCell::new(None),
            last_active: Cell::new(None),
        }
    }

    /// Who is at the other end.
    pub(crate) fn peer(&self) -> Peer {
        self.sight.peer()
    }

    /// The scheme of its URLs.
    pub(crate) fn scheme(&self) -> &'static str {
        scheme(self.secured.as_ref())
    }

    /// Lets somebody see how it is told of to servers.
    pub(crate) fn introduce<T>(&self, to: impl FnOnce(&Introduction) -> T) -> T {
        let mut known = self.introduction.borrow_mut();
        to(known.get_or_insert_with(|| Box::new(Introduction::new(self.peer(), self.scheme()))))
    }

    /// Gives back the memory that only requests need.
    pub(crate) fn goes_cold(&self) {
        self.introduction.replace(None);
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
