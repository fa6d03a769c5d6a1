//! Adopting received bytes as a head.

use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Status};

use super::{Field, Head, HeadError, Span, Start, span};
use crate::field::KnownName;
use crate::method::Method;
use crate::version::Version;

/// The most fields any configuration allows: the table of the parser lies on the stack.
pub(super) const FIELDS_MAX: usize = 256;

impl Head {
    /// Makes this the request head that `bytes` are: all of it, with the empty line that
    /// [`HeadScanner`](crate::scan::HeadScanner) found, and nothing behind it.
    ///
    /// # Errors
    /// Anything that is not a well-formed head with at most `fields_max` fields. The head is empty then.
    pub fn parse_request(&mut self, bytes: &[u8], fields_max: usize) -> Result<(), HeadError> {
        self.clear();
        let mut table = [const { MaybeUninit::<Header<'_>>::uninit() }; FIELDS_MAX];
        let mut parsed = httparse::Request::new(&mut []);
        let status = parsed
            .parse_with_uninit_headers(bytes, &mut table[..fields_max.min(FIELDS_MAX)])
            .map_err(|error| request_error(error, bytes))?;
        if status != Status::Complete(bytes.len()) {
            return Err(HeadError::RequestLine);
        }
        let (Some(token), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version) else {
            return Err(HeadError::RequestLine);
        };
        let method = Method::of(token.as_bytes());
        let token = position(bytes, token.as_bytes());
        let target = position(bytes, target.as_bytes());
        self.adopt(bytes, parsed.headers, minor)?;
        self.start = Start::Request { method, token, target };
        Ok(())
    }

    /// Makes this the answer head that `bytes` are; otherwise like [`parse_request`](Self::parse_request).
    ///
    /// # Errors
    /// Anything that is not a well-formed head with at most `fields_max` fields. The head is empty then.
    pub fn parse_answer(&mut self, bytes: &[u8], fields_max: usize) -> Result<(), HeadError> {
        self.clear();
        let mut table = [const { MaybeUninit::<Header<'_>>::uninit() }; FIELDS_MAX];
        let mut parsed = httparse::Response::new(&mut []);
        let status = ParserConfig::default()
            .parse_response_with_uninit_headers(&mut parsed, bytes, &mut table[..fields_max.min(FIELDS_MAX)])
            .map_err(answer_error)?;
        if status != Status::Complete(bytes.len()) {
            return Err(HeadError::StatusLine);
        }
        let (Some(code), Some(reason), Some(minor)) = (parsed.code, parsed.reason, parsed.version) else {
            return Err(HeadError::StatusLine);
        };
        // RFC 9110 §15: a status is between 100 and 599; anything else has no class that a client could fall back to.
        if !(100..=599).contains(&code) {
            return Err(HeadError::StatusLine);
        }
        let reason = position(bytes, reason.as_bytes());
        self.adopt(bytes, parsed.headers, minor)?;
        self.start = Start::Answer { status: code, reason };
        Ok(())
    }

    /// Makes this the trailer section that `bytes` are, with its final empty line.
    ///
    /// # Errors
    /// Anything that is not a well-formed section with at most `fields_max` fields.
    pub fn parse_trailers(&mut self, bytes: &[u8], fields_max: usize) -> Result<(), HeadError> {
        self.clear();
        let mut table = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let parsed = httparse::parse_headers(bytes, &mut table[..fields_max.min(FIELDS_MAX)]);
        match parsed.map_err(field_error)? {
            Status::Complete((length, headers)) if length == bytes.len() => self.adopt(bytes, headers, 1),
            Status::Complete(_) | Status::Partial => Err(HeadError::FieldName),
        }
    }

    fn adopt(&mut self, bytes: &[u8], headers: &[Header<'_>], minor: u8) -> Result<(), HeadError> {
        self.version = match minor {
            0 => Version::Http10,
            1 => Version::Http11,
            _ => return Err(HeadError::Version),
        };
        self.buffer.extend_from_slice(bytes);
        let present = &mut self.present;
        self.fields.extend(headers.iter().map(|header| {
            let field = field(bytes, header);
            *present |= field.known.map_or(0, KnownName::bit);
            field
        }));
        Ok(())
    }
}

#[inline]
fn field(bytes: &[u8], header: &Header<'_>) -> Field {
    let name = position(bytes, header.name.as_bytes());
    let value = if header.value.is_empty() {
        Span { start: name.end() as u32, length: 0 }
    } else {
        position(bytes, header.value)
    };
    // The bytes between were accepted as a colon with white space around the value, so three looks are enough.
    let canonical = value.start as usize == name.end() + 2
        && bytes[name.end() + 1] == b' '
        && bytes.get(value.end()..value.end() + 2) == Some(b"\r\n");
    Field { name, value, known: KnownName::of(header.name.as_bytes()), live: true, canonical }
}

/// Where `part`, which the parser borrowed from `whole`, lies in it.
#[inline]
fn position(whole: &[u8], part: &[u8]) -> Span {
    let start = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
    if part.is_empty() || start + part.len() > whole.len() {
        debug_assert!(part.is_empty(), "the parser lends slices of its input");
        return span(0, 0);
    }
    span(start, part.len())
}

fn field_error(error: httparse::Error) -> HeadError {
    match error {
        httparse::Error::TooManyHeaders => HeadError::TooManyFields,
        httparse::Error::HeaderValue => HeadError::FieldValue,
        httparse::Error::Version => HeadError::Version,
        httparse::Error::HeaderName
        | httparse::Error::NewLine
        | httparse::Error::Status
        | httparse::Error::Token => HeadError::FieldName,
    }
}

fn request_error(error: httparse::Error, bytes: &[u8]) -> HeadError {
    match error {
        // What stands where the version should is only a version if it looks like one; `GET /a b HTTP/1.1` is no request.
        httparse::Error::Version
            if !bytes.split(|byte| *byte == b' ').nth(2).is_some_and(is_version_like) =>
        {
            HeadError::RequestLine
        }
        httparse::Error::Token | httparse::Error::NewLine | httparse::Error::Status => HeadError::RequestLine,
        httparse::Error::HeaderName
        | httparse::Error::HeaderValue
        | httparse::Error::TooManyHeaders
        | httparse::Error::Version => field_error(error),
    }
}

fn is_version_like(text: &[u8]) -> bool {
    text.starts_with(b"HTTP/")
}

fn answer_error(error: httparse::Error) -> HeadError {
    match error {
        httparse::Error::Token | httparse::Error::NewLine | httparse::Error::Status => HeadError::StatusLine,
        httparse::Error::HeaderName
        | httparse::Error::HeaderValue
        | httparse::Error::TooManyHeaders
        | httparse::Error::Version => field_error(error),
    }
}
