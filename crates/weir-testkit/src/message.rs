//! Requests and answers as tests see them, and a small reader for them.
//!
//! The reader believes nothing that is not exactly right: a line that does not end in CRLF, a chunk without its size or an
//! end that comes too early is [`Broken`], with all that had come.

use std::fmt;

use crate::socket::{End, Socket, shortened};

/// A request or an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// The request line or the status line, without its end.
    pub start: String,
    /// The fields, in their order.
    pub fields: Vec<(String, String)>,
    /// The content, without framing.
    pub body: Vec<u8>,
    /// The trailers of a chunked body.
    pub trailers: Vec<(String, String)>,
    /// Whether the end of the connection ended the body.
    pub until_close: bool,
}

impl Message {
    /// The status of an answer.
    ///
    /// # Panics
    /// When it is none.
    pub fn status(&self) -> u16 {
        let status = self.start.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("no status line: {:?}", self.start))
    }

    /// The request target.
    ///
    /// # Panics
    /// When it is no request.
    pub fn target(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_else(|| panic!("no request line: {:?}", self.start))
    }

    /// The only field of this name, without regard to case.
    ///
    /// # Panics
    /// When there are several.
    pub fn field(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "several {name}: {all:?}");
        all.first().copied()
    }

    /// All fields of this name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// Whether there is a field of this name.
    pub fn has(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }

    /// Whether the fields say that the connection ends.
    pub fn says_close(&self) -> bool {
        self.all("connection").iter().any(|value| value.eq_ignore_ascii_case("close"))
    }

    /// The content as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Fails unless the answer has this status.
    ///
    /// # Panics
    /// When it has another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status(), status, "{self}");
        self
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.start)?;
        for (name, value) in &self.fields {
            writeln!(f, "{name}: {value}")?;
        }
        write!(f, "\n{}", shortened(&self.body))
    }
}

/// Why there is no message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// What is wrong.
    pub why: String,
    /// How the connection ended, if that is what is wrong.
    pub end: Option<End>,
    /// The message as far as it had come, framing included.
    pub got: Vec<u8>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} after {:?}", self.why, shortened(&self.got))
    }
}

/// Reads one message.
#[derive(Debug)]
pub(crate) struct Reader {
    is_request: bool,
    /// Whether the answer has no body whatever its fields say.
    bodiless: bool,
    got: Vec<u8>,
}

impl Reader {
    pub(crate) fn request() -> Self {
        Self { is_request: true, bodiless: false, got: Vec::new() }
    }

    pub(crate) fn answer() -> Self {
        Self { is_request: false, bodiless: false, got: Vec::new() }
    }

    pub(crate) fn answer_to_head() -> Self {
        Self { is_request: false, bodiless: true, got: Vec::new() }
    }

    pub(crate) fn read(mut self, from: &mut Socket) -> Result<Message, Broken> {
        let mut message = self.head(from)?;
        if self.is_request {
            self.bodiless = !message.has("content-length") && !message.has("transfer-encoding");
        } else {
            let status = message.status();
            self.bodiless |= status < 200 || status == 204 || status == 304;
        }
        if self.bodiless {
            return Ok(message);
        }
        match (message.field("transfer-encoding"), message.field("content-length")) {
            (Some("chunked"), None) => self.chunked(from, &mut message)?,
            (None, Some(length)) => {
                let Ok(length) = length.parse::<usize>() else { return Err(self.broken("a bad length")) };
                message.body = self.take(from, length)?;
            }
            (None, None) => {
                let (body, end) = from.read_to_end();
                self.got.extend_from_slice(&body);
                if end == End::Reset {
                    return Err(self.ended(end));
                }
                message.body = body;
                message.until_close = true;
            }
            _ => return Err(self.broken("unclear framing")),
        }
        Ok(message)
    }

    pub(crate) fn read_head(mut self, from: &mut Socket) -> Result<Message, Broken> {
        self.head(from)
    }

    fn head(&mut self, from: &mut Socket) -> Result<Message, Broken> {
        let start = self.line(from)?;
        let is_answer = start.starts_with("HTTP/1.");
        let is_whole = if self.is_request { start.ends_with(" HTTP/1.1") } else { is_answer };
        if is_answer == self.is_request || !is_whole || start.split(' ').count() < 3 {
            return Err(self.broken("a malformed first line"));
        }
        let fields = self.fields(from)?;
        Ok(Message { start, fields, ..Message::default() })
    }

    fn fields(&mut self, from: &mut Socket) -> Result<Vec<(String, String)>, Broken> {
        let mut fields = Vec::new();
        loop {
            let line = self.line(from)?;
            if line.is_empty() {
                return Ok(fields);
            }
            match line.split_once(": ").or_else(|| line.split_once(':')) {
                Some((name, value)) if !name.is_empty() && !name.contains([' ', '\t']) => {
                    fields.push((name.to_owned(), value.to_owned()));
                }
                _ => return Err(self.broken("a malformed field")),
            }
        }
    }

    fn chunked(&mut self, from: &mut Socket, message: &mut Message) -> Result<(), Broken> {
        loop {
            let line = self.line(from)?;
            let Ok(size) = usize::from_str_radix(&line, 16) else {
                return Err(self.broken("a malformed chunk size"));
            };
            if size == 0 {
                message.trailers = self.fields(from)?;
                return Ok(());
            }
            let chunk = self.take(from, size)?;
            message.body.extend_from_slice(&chunk);
            if self.take(from, 2)? != b"\r\n" {
                return Err(self.broken("a chunk that is longer than its size"));
            }
        }
    }

    /// A line without its CRLF.
    fn line(&mut self, from: &mut Socket) -> Result<String, Broken> {
        loop {
            let unread = from.unread();
            if let Some(end) = unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = unread.drain(..=end).collect();
                self.got.extend_from_slice(&line);
                let Some(line) = line.strip_suffix(b"\r\n") else { return Err(self.broken("a bare LF")) };
                return Ok(String::from_utf8_lossy(line).into_owned());
            }
            self.more(from)?;
        }
    }

    fn take(&mut self, from: &mut Socket, count: usize) -> Result<Vec<u8>, Broken> {
        while from.unread().len() < count {
            self.more(from)?;
        }
        let bytes: Vec<u8> = from.unread().drain(..count).collect();
        self.got.extend_from_slice(&bytes);
        Ok(bytes)
    }

    fn more(&mut self, from: &mut Socket) -> Result<(), Broken> {
        match from.fill() {
            None => Ok(()),
            Some(end) => {
                self.got.append(from.unread());
                Err(self.ended(end))
            }
        }
    }

    fn ended(&self, end: End) -> Broken {
        Broken { why: format!("{end:?}"), end: Some(end), got: self.got.clone() }
    }

    fn broken(&self, why: &str) -> Broken {
        Broken { why: why.to_owned(), end: None, got: self.got.clone() }
    }
}
