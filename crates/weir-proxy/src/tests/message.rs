//! An HTTP message as it comes in, and one as it goes out. Written again for these tests, so that a fault of our codec can't
//! hide behind itself.

use super::dice::Dice;

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    None,
    Sized,
    Chunked,
    UntilClose,
}

/// A message that is read as it comes.
#[derive(Debug)]
pub(super) struct Incoming {
    pub head: String,
    pub content: Vec<u8>,
    pub trailers: String,
    state: State,
    line: Vec<u8>,
    is_request: bool,
    has_no_body: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Head,
    Sized(usize),
    Size,
    Chunk(usize),
    ChunkEnd,
    Trailers,
    UntilClose,
    Whole,
}

impl Incoming {
    pub(super) fn request() -> Self {
        Self::new(true, false)
    }

    pub(super) fn answer(is_head: bool) -> Self {
        Self::new(false, is_head)
    }

    fn new(is_request: bool, has_no_body: bool) -> Self {
        Self {
            head: String::new(),
            content: Vec::new(),
            trailers: String::new(),
            state: State::Head,
            line: Vec::new(),
            is_request,
            has_no_body,
        }
    }

    /// Takes what belongs to the message; says how much that is.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> usize {
        let mut used = 0;
        while used < bytes.len() && self.state != State::Whole {
            let rest = &bytes[used..];
            match &mut self.state {
                State::Sized(left) | State::Chunk(left) => {
                    let count = rest.len().min(*left);
                    self.content.extend_from_slice(&rest[..count]);
                    *left -= count;
                    used += count;
                    match self.state {
                        State::Sized(0) => self.state = State::Whole,
                        State::Chunk(0) => self.state = State::ChunkEnd,
                        _ => {}
                    }
                }
                State::UntilClose => {
                    self.content.extend_from_slice(rest);
                    used = bytes.len();
                }
                _ => {
                    self.line.push(rest[0]);
                    used += 1;
                    if self.line.ends_with(b"\r\n") {
                        self.end_line();
                    }
                }
            }
        }
        used
    }

    fn end_line(&mut self) {
        let line = String::from_utf8(std::mem::take(&mut self.line)).unwrap();
        match self.state {
            State::Head => {
                self.head.push_str(&line);
                if line == "\r\n" {
                    self.state = self.after_head();
                }
            }
            State::Size => {
                let size = usize::from_str_radix(line.trim_end().split(';').next().unwrap(), 16);
                self.state = match size.unwrap_or_else(|_| panic!("`{line}` is no size of a chunk")) {
                    0 => State::Trailers,
                    size => State::Chunk(size),
                };
            }
            State::ChunkEnd => {
                assert_eq!(line, "\r\n", "behind a chunk");
                self.state = State::Size;
            }
            State::Trailers if line == "\r\n" => self.state = State::Whole,
            State::Trailers => self.trailers.push_str(&line),
            _ => unreachable!("other states have no lines"),
        }
    }

    fn after_head(&self) -> State {
        let bodiless = !self.is_request && matches!(self.status(), 100..200 | 204 | 304);
        let (length, coding) = (self.field("Content-Length"), self.field("Transfer-Encoding"));
        assert!(length.is_none() || coding.is_none(), "two lengths in\n{}", self.head);
        match (length, coding) {
            _ if self.has_no_body || bodiless => State::Whole,
            (Some(length), _) => match length.parse().unwrap() {
                0 => State::Whole,
                length => State::Sized(length),
            },
            (None, Some(coding)) => {
                assert_eq!(coding, "chunked");
                State::Size
            }
            (None, None) if self.is_request => State::Whole,
            (None, None) => State::UntilClose,
        }
    }

    /// The connection has ended.
    pub(super) fn end(&mut self) {
        if self.state == State::UntilClose {
            self.state = State::Whole;
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.state == State::Whole
    }

    pub(super) fn has_head(&self) -> bool {
        self.state != State::Head
    }

    pub(super) fn has_begun(&self) -> bool {
        !self.head.is_empty() || !self.line.is_empty()
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The method of a request.
    pub(super) fn method(&self) -> &str {
        self.head.split(' ').next().unwrap()
    }

    /// The status of an answer.
    pub(super) fn status(&self) -> u16 {
        let status = self.head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        status.and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no status in\n{}", self.head))
    }
}

/// A body in its coding.
pub(super) fn coded(coding: Coding, content: &[u8], trailers: &str, dice: &mut Dice) -> Vec<u8> {
    match coding {
        Coding::None => Vec::new(),
        Coding::Sized | Coding::UntilClose => content.to_vec(),
        Coding::Chunked => {
            let mut bytes = Vec::new();
            for piece in dice.pieces(content) {
                bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                bytes.extend_from_slice(&piece);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
            bytes
        }
    }
}

/// The field that says how a body ends.
pub(super) fn length_field(coding: Coding, bytes: usize) -> String {
    match coding {
        Coding::None | Coding::UntilClose => String::new(),
        Coding::Sized => format!("Content-Length: {bytes}\r\n"),
        Coding::Chunked => "Transfer-Encoding: chunked\r\n".to_owned(),
    }
}
