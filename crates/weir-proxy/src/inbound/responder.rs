//! The client's side of an exchange: where interim answers, the answer's head and its body go.
//!
//! One enum, so that the stages and the dispatch modes know no protocol; a new protocol is a new variant.

use std::io;
use std::time::Duration;

use weir_http::framing::Framing;
use weir_http::head::Head;
use weir_http::version::Version;
use weir_upstream::h1::pump::BodySink;
use weir_upstream::h1::sink::{Coding, Direct, H1Sink};
use weir_upstream::io::timed::Timed;

use super::tap::TapWriter;

/// How far an answer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// No byte of a final answer has been passed on.
    NotBegun,
    /// Its head has.
    Begun,
    /// All of it.
    Ended,
    /// It was cut so that the client sees it.
    Aborted,
}

/// How the body of an answer is sent to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// There is none, whatever the fields say.
    None,
    /// Content-Length was announced.
    Sized,
    /// In chunks.
    Chunked,
    /// The end of the connection ends it.
    UntilClose,
}

/// Where an answer goes.
#[derive(Debug)]
pub(crate) enum Responder<'t> {
    /// To an HTTP/1 connection.
    H1(H1Responder<'t>),
}

impl Responder<'_> {
    /// Passes on an interim answer; at most the client's version may have it.
    ///
    /// # Errors
    /// The client is gone.
    pub(crate) async fn interim(&mut self, head: &Head) -> io::Result<()> {
        match self {
            Self::H1(responder) => responder.interim(head).await,
        }
    }

    /// Begins the final answer. Its head goes out with the first bytes of its body, or at the next flush.
    pub(crate) fn head(&mut self, head: &Head, delivery: Delivery) {
        match self {
            Self::H1(responder) => responder.head(head, delivery),
        }
    }

    /// Has the answer copied for somebody who compares it.
    pub(crate) fn tap(&mut self, tap: TapWriter) {
        match self {
            Self::H1(responder) => responder.tap = Some(tap),
        }
    }

    /// Takes a piece of the body, if it is so small that it waits for what comes behind it. Otherwise says no, and
    /// [`data`](BodySink::data) takes it.
    pub(crate) fn gather(&mut self, chunk: &[u8]) -> bool {
        match self {
            Self::H1(H1Responder { delivery: Delivery::Sized, tap: None, sink, .. }) => sink.gather(chunk),
            Self::H1(_) => false,
        }
    }

    /// Says how long the server took whose answer begins next, to whoever compares it.
    pub(crate) fn served(&mut self, after: Duration) {
        match self {
            Self::H1(H1Responder { tap: Some(tap), .. }) => tap.served(after),
            Self::H1(_) => {}
        }
    }

    /// How the body of an answer with this framing can be sent to this client.
    pub(crate) fn delivery(&self, framing: Framing) -> Delivery {
        match self {
            Self::H1(responder) => responder.delivery(framing),
        }
    }

    /// Makes it visible to the client that the answer is not whole (`semantics.md` §1.7).
    pub(crate) fn abort(&mut self) {
        match self {
            Self::H1(responder) => responder.abort(),
        }
    }

    /// Takes an answer back of which no byte has left yet, so that another may be given. Says whether one may be given.
    pub(crate) fn take_back(&mut self) -> bool {
        match self {
            Self::H1(responder) => responder.take_back(),
        }
    }

    /// How far the answer has come.
    pub(crate) fn progress(&self) -> Progress {
        match self {
            Self::H1(responder) => responder.progress,
        }
    }

    /// Bytes of the body that the client got, as far as is known.
    pub(crate) fn content_bytes(&self) -> u64 {
        match self {
            Self::H1(responder) => responder.sink.content_bytes(),
        }
    }
}

impl BodySink for Responder<'_> {
    async fn data(&mut self, chunk: &[u8]) -> io::Result<()> {
        match self {
            Self::H1(responder) if responder.delivery == Delivery::None => Ok(()),
            Self::H1(responder) => {
                if let Some(tap) = &responder.tap {
                    tap.data(chunk);
                }
                responder.sink.data(chunk).await?;
                responder.note_left();
                Ok(())
            }
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::H1(responder) => {
                responder.sink.flush().await?;
                responder.note_left();
                Ok(())
            }
        }
    }

    async fn end(&mut self, trailers: Option<&Head>) -> io::Result<()> {
        match self {
            Self::H1(responder) => {
                responder.sink.end(trailers).await?;
                responder.progress = Progress::Ended;
                if let Some(tap) = &responder.tap {
                    tap.end();
                }
                Ok(())
            }
        }
    }

    fn keeps_back(&self) -> bool {
        match self {
            Self::H1(responder) => responder.sink.keeps_back(),
        }
    }

    fn direct(&mut self) -> Option<&mut dyn Direct> {
        match self {
            Self::H1(responder) if responder.delivery == Delivery::None || responder.tap.is_some() => None,
            Self::H1(responder) => Some(&mut responder.sink),
        }
    }
}

/// The answering side of an HTTP/1 connection, for one exchange.
#[derive(Debug)]
pub(crate) struct H1Responder<'t> {
    sink: H1Sink<'t>,
    version: Version,
    delivery: Delivery,
    progress: Progress,
    /// Bytes that had been written, as interim answers, when the final answer began.
    written_before: u64,
    /// Who else gets the answer.
    tap: Option<TapWriter>,
}

impl<'t> H1Responder<'t> {
    /// For a request with this version.
    #[inline]
    pub(crate) fn new(to: &'t Timed, version: Version) -> Self {
        Self {
            sink: H1Sink::new(to),
            version,
            delivery: Delivery::None,
            progress: Progress::NotBegun,
            written_before: 0,
            tap: None,
        }
    }

    async fn interim(&mut self, head: &Head) -> io::Result<()> {
        // RFC 9110 §15.2: an HTTP/1.0 client does not know interim answers.
        if self.version == Version::Http10 || self.progress != Progress::NotBegun {
            return Ok(());
        }
        head.write(self.sink.head(Coding::Plain));
        self.sink.flush().await
    }

    fn head(&mut self, head: &Head, delivery: Delivery) {
        debug_assert_eq!(self.progress, Progress::NotBegun, "an exchange has one final answer");
        self.delivery = delivery;
        self.progress = Progress::Begun;
        self.written_before = self.sink.written_bytes();
        if let Some(tap) = &self.tap {
            tap.head(head);
        }
        let coding = if delivery == Delivery::Chunked { Coding::Chunked } else { Coding::Plain };
        head.write(self.sink.head(coding));
    }

    fn delivery(&self, framing: Framing) -> Delivery {
        match (framing, self.version) {
            (Framing::None, _) => Delivery::None,
            (Framing::Sized(_), _) => Delivery::Sized,
            // RFC 9112 §7.1: chunks are never sent to HTTP/1.0. To later clients they keep the connection usable.
            (Framing::Chunked | Framing::UntilClose, Version::Http10) => Delivery::UntilClose,
            (Framing::Chunked | Framing::UntilClose, Version::Http11) => Delivery::Chunked,
        }
    }

    /// Tells whoever compares the answer that it can't be taken back any more.
    fn note_left(&self) {
        if let Some(tap) = &self.tap
            && self.sink.written_bytes() > self.written_before
        {
            tap.has_left();
        }
    }

    fn take_back(&mut self) -> bool {
        if self.progress == Progress::Begun && self.sink.forget_since(self.written_before) {
            self.progress = Progress::NotBegun;
            if let Some(tap) = &self.tap {
                tap.take_back();
            }
        }
        // An interim answer that is partly written can't be followed by anything.
        self.progress == Progress::NotBegun && !self.sink.is_gathering()
    }

    fn abort(&mut self) {
        // A sized or chunked answer shows by its framing that its end is missing. One that the end of the connection
        // would end must not end in a FIN.
        if self.delivery == Delivery::UntilClose {
            self.sink.to().stream.reset_when_closed();
        }
        self.progress = Progress::Aborted;
        self.tap = None;
    }
}
