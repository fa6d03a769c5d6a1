//! A small reader for requests and answers.
//!
//! It believes nothing that is not exactly right: a line that does not end in CRLF, a chunk without its size or an end that
//! comes too early is [`Broken`], with all that had come.

use crate::message::{Broken, End, Message};

/// Where a reader takes its bytes from.
pub(crate) trait Source {
    /// Bytes that have been read and not used.
    fn unread(&mut self) -> &mut Vec<u8>;

    /// Reads more. Says how the connection ended when it has.
    ///
    /// # Panics
    /// When nothing comes in time.
    fn fill(&mut self) -> Option<End>;
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

    pub(crate) fn read(mut self, from: &mut impl Source) -> Result<Message, Broken> {
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
                let end = loop {
                    if let Some(end) = from.fill() {
                        break end;
                    }
                };
                let body = std::mem::take(from.unread());
                self.got.extend_from_slice(&body);
                if end != End::Fin {
                    return Err(self.ended(end));
                }
                message.body = body;
                message.until_close = true;
            }
            _ => return Err(self.broken("unclear framing")),
        }
        Ok(message)
    }

    pub(crate) fn read_head(mut self, from: &mut impl Source) -> Result<Message, Broken> {
        self.head(from)
    }

    fn head(&mut self, from: &mut impl Source) -> Result<Message, Broken> {
        let start = self.line(from)?;
        let is_answer = start.starts_with("HTTP/1.");
        let is_whole = if self.is_request { start.ends_with(" HTTP/1.1") } else { is_answer };
        if is_answer == self.is_request || !is_whole || start.split(' ').count() < 3 {
            return Err(self.broken("a malformed first line"));
        }
        let fields = self.fields(from)?;
        Ok(Message { start, fields, ..Message::default() })
    }

    fn fields(&mut self, from: &mut impl Source) -> Result<Vec<(String, String)>, Broken> {
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

    fn chunked(&mut self, from: &mut impl Source, message: &mut Message) -> Result<(), Broken> {
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
    fn line(&mut self, from: &mut impl Source) -> Result<String, Broken> {
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

    fn take(&mut self, from: &mut impl Source, count: usize) -> Result<Vec<u8>, Broken> {
        while from.unread().len() < count {
            self.more(from)?;
        }
        let bytes: Vec<u8> = from.unread().drain(..count).collect();
        self.got.extend_from_slice(&bytes);
        Ok(bytes)
    }

    fn more(&mut self, from: &mut impl Source) -> Result<(), Broken> {
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
