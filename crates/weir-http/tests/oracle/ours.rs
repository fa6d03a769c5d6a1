//! Reading with our codec, as the data plane does: bytes come in pieces and are looked at as they come.

use weir_http::body::{BodyDecoder, BodyError};
use weir_http::chunked::Step;
use weir_http::connection::{self, ConnectionError, ConnectionOptions};
use weir_http::field::KnownName;
use weir_http::framing::{self, Direction, Framing, FramingError};
use weir_http::head::{Head, HeadError};
use weir_http::method::Method;
use weir_http::scan::{HeadScanner, blank_lines};
use weir_http::target::{self, Target, TargetError};
use weir_http::version::Version;

use crate::message::{Fields, Message, Start, sorted};

/// Bytes of a head.
pub(crate) const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Fields of a head and of a trailer section.
pub(crate) const FIELDS_MAX: usize = 100;
/// Bytes of a trailer section.
pub(crate) const TRAILER_BYTES_MAX: usize = 4096;

/// Why a message is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    Head(HeadError),
    Target(TargetError),
    Framing(FramingError),
    Connection(ConnectionError),
    Body(BodyError),
    Trailers(HeadError),
}

/// How the reading of a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// Between two messages.
    Idle,
    /// Behind a message that was the last one on its connection.
    Closed,
    /// Inside a message.
    Truncated,
    /// At a message that is refused.
    Refused(Refusal),
}

/// What we made of the bytes of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The whole messages; interim answers are left out.
    pub(crate) messages: Vec<Message>,
    /// Where each of them ends.
    pub(crate) ends: Vec<usize>,
    /// Where the last head that was looked for begins.
    pub(crate) head_at: usize,
    /// Why there are no more.
    pub(crate) end: End,
}

/// What comes on a connection.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Requests,
    /// Answers to requests with these methods.
    Answers(Vec<Method>),
}

#[derive(Debug)]
enum State {
    Head(HeadScanner),
    Body { decoder: BodyDecoder, message: Message, last: bool },
    Ended(End),
}

/// Reads a connection.
#[derive(Debug)]
pub(crate) struct Reader {
    kind: Kind,
    state: State,
    /// What has come and has not been passed over.
    window: Vec<u8>,
    passed_bytes: usize,
    head_at: usize,
    messages: Vec<Message>,
    ends: Vec<usize>,
}

/// Reads bytes that come in these pieces, and then the end of the connection.
pub(crate) fn read<'a>(kind: &Kind, pieces: impl IntoIterator<Item = &'a [u8]>) -> Reading {
    let mut reader = Reader {
        kind: kind.clone(),
        state: State::Head(HeadScanner::default()),
        window: Vec::new(),
        passed_bytes: 0,
        head_at: 0,
        messages: Vec::new(),
        ends: Vec::new(),
    };
    for piece in pieces {
        reader.window.extend_from_slice(piece);
        reader.look();
    }
    reader.finish()
}

impl Reader {
    /// Goes on for as long as the window is enough.
    fn look(&mut self) {
        loop {
            let progress = match &self.state {
                State::Head(_) => self.head(),
                State::Body { .. } => self.body(),
                State::Ended(_) => return,
            };
            match progress {
                Ok(true) => {}
                Ok(false) => return,
                Err(refusal) => self.state = State::Ended(End::Refused(refusal)),
            }
        }
    }

    fn finish(mut self) -> Reading {
        if let State::Body { decoder, .. } = &mut self.state
            && decoder.connection_ended().is_ok()
        {
            self.look();
        }
        let end = match self.state {
            State::Ended(end) => end,
            State::Head(_) if self.window.is_empty() => End::Idle,
            State::Head(_) | State::Body { .. } => End::Truncated,
        };
        Reading { messages: self.messages, ends: self.ends, head_at: self.head_at, end }
    }

    fn pass(&mut self, bytes: usize) {
        self.window.drain(..bytes);
        self.passed_bytes += bytes;
    }

    /// Looks for a head; says whether something happened.
    fn head(&mut self) -> Result<bool, Refusal> {
        let State::Head(scanner) = &mut self.state else { return Ok(false) };
        self.head_at = self.passed_bytes;
        let is_request = matches!(self.kind, Kind::Requests);
        if is_request && !scanner.has_begun() {
            let blank = blank_lines(&self.window);
            if blank > 0 {
                self.pass(blank);
                return Ok(true);
            }
            if self.window == b"\r" {
                return Ok(false);
            }
        }
        let mut head = Head::default();
        let read = match self.kind {
            Kind::Requests => head.read_request(scanner, &self.window, HEAD_BYTES_MAX, FIELDS_MAX),
            Kind::Answers(_) => head.read_answer(scanner, &self.window, HEAD_BYTES_MAX, FIELDS_MAX),
        };
        let Some(length) = read.map_err(Refusal::Head)? else {
            return Ok(false);
        };
        self.pass(length);
        self.begin(&mut head)?;
        Ok(true)
    }

    /// Decides what follows a head.
    fn begin(&mut self, head: &mut Head) -> Result<(), Refusal> {
        let (start, direction) = match &mut self.kind {
            Kind::Requests => {
                let target = canonical(head.target()).map_err(Refusal::Target)?;
                (Start::Request(head.method_token().into(), target), Direction::Request)
            }
            Kind::Answers(methods) => {
                let direction = Direction::Answer(methods[0]);
                (Start::Answer(head.status(), head.reason().into()), direction)
            }
        };
        let framing = framing::decide(head, direction).map_err(Refusal::Framing)?;
        let options =
            connection::read(head.get_all(KnownName::Connection), |_| {}).map_err(Refusal::Connection)?;
        if (100..200).contains(&head.status()) && head.status() != 101 {
            self.state = State::Head(HeadScanner::default());
            return Ok(());
        }
        let message = Message {
            start,
            http10: head.version() == Version::Http10,
            fields: all(head),
            body: Vec::new(),
            trailers: Vec::new(),
        };
        let last = self.is_last(head, options, framing);
        self.state = State::Body { decoder: BodyDecoder::new(framing, TRAILER_BYTES_MAX), message, last };
        Ok(())
    }

    /// Whether the connection carries no message of ours behind this one.
    fn is_last(&mut self, head: &Head, options: ConnectionOptions, framing: Framing) -> bool {
        let tunnel = match &mut self.kind {
            Kind::Requests => false,
            Kind::Answers(methods) => {
                let method = methods.remove(0);
                let connected = method == Method::Connect && head.status() / 100 == 2;
                methods.is_empty() || connected || head.status() == 101
            }
        };
        let closes = match head.version() {
            Version::Http10 => options.close || !options.keep_alive,
            Version::Http11 => options.close,
        };
        tunnel || closes || framing == Framing::UntilClose
    }

    /// Walks on through a body; says whether something happened.
    fn body(&mut self) -> Result<bool, Refusal> {
        let State::Body { decoder, message, last } = &mut self.state else { return Ok(false) };
        match decoder.step(&self.window).map_err(Refusal::Body)? {
            Step::Content { skip, length } => {
                message.body.extend_from_slice(&self.window[skip..skip + length]);
                decoder.consumed(length);
                self.pass(skip + length);
                Ok(true)
            }
            Step::More { skip } => {
                self.pass(skip);
                Ok(false)
            }
            Step::End { skip, trailers } => {
                if trailers > 0 {
                    let mut head = Head::default();
                    head.parse_trailers(&self.window[skip..skip + trailers], FIELDS_MAX)
                        .map_err(Refusal::Trailers)?;
                    message.trailers = all(&head);
                }
                self.messages.push(message.clone());
                let last = *last;
                self.pass(skip + trailers);
                self.ends.push(self.passed_bytes);
                self.state =
                    if last { State::Ended(End::Closed) } else { State::Head(HeadScanner::default()) };
                Ok(true)
            }
        }
    }
}

pub(crate) fn all(head: &Head) -> Fields {
    sorted(head.fields().map(|(name, value)| (name.as_bytes().to_vec(), value)))
}

/// The target in its parts, written as hyper's parts are.
fn canonical(text: &[u8]) -> Result<Vec<u8>, TargetError> {
    let target = target::parse(text)?;
    let mut out = Vec::new();
    if let Target::Absolute { scheme, .. } = target {
        out.extend_from_slice(scheme.name().as_bytes());
        out.extend_from_slice(b"://");
    }
    if let Some(authority) = target.authority() {
        out.extend_from_slice(authority.host());
        if let Some(port) = authority.port() {
            out.extend_from_slice(format!(":{port}").as_bytes());
        }
    }
    match target.path_and_query() {
        Some((path, query)) => {
            out.extend_from_slice(path);
            if let Some(query) = query {
                out.push(b'?');
                out.extend_from_slice(query);
            }
        }
        None if text == b"*" => out.push(b'*'),
        None => {}
    }
    Ok(out)
}
