//! A client's connection, as exchanges see it.

use std::cell::Cell;
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

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Client {
    /// Its bytes.
    pub stream: Rc<Stream>,
    /// The deadlines of its task.
    pub deadlines: Rc<Deadlines>,
    /// What is seen of it from outside.
    pub sight: Rc<Sight>,
    /// The peer's address as text.
    pub peer_text: Box<str>,
    /// What its TLS handshake found out; `None` when it speaks in the clear.
    pub secured: Option<Secured>,
    /// What every HTTP/1.1 request of an untrusted peer is passed on with.
    pub forwarded: Block,
    /// When the last answer ended; idling is counted from then.
    pub last_active: Cell<Option<Instant>>,
}

impl Client {
    /// A connection that can bring requests.
    pub(crate) fn new(stream: Stream, sight: &Rc<Sight>, secured: Option<Secured>) -> Self {
        let stream = Rc::new(stream);
        sight.carried_by(&stream);
        let peer_text: Box<str> = sight.peer().ip().to_string().into();
        let forwarded = Block::new(&[
            (K::XForwardedFor, peer_text.as_bytes()),
            (K::XForwardedProto, scheme(secured.as_ref()).as_bytes()),
            (K::XRealIp, peer_text.as_bytes()),
            (K::Via, VIA),
        ]);
        Self {
            stream,
            deadlines: Rc::new(Deadlines::new()),
            sight: Rc::clone(sight),
            peer_text,
            secured,
            forwarded,
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
