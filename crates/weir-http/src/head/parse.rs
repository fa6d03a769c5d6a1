//! Adopting received bytes as a head.
//!
//! Nearly every head comes whole, in one read: it is parsed at once, and its end is where parsing comes to it. One that
//! is not whole, or not well formed, is left to the [`HeadScanner`]: it remembers how far it has looked, and decides
//! first what is wrong, so that the verdict does not depend on how the bytes arrive.

use super::line::{self, RequestLine, StatusLine};
use super::{Head, HeadError, Start};
use crate::field;
use crate::scan::HeadScanner;
use crate::version::Version;

impl Head {
    /// Makes this the request head at the beginning of `bytes` once all of it is there, and says how long it is.
    ///
    /// Give it the same scanner and the same bytes again with more behind them; each byte is looked at twice at most.
    ///
    /// # Errors
    /// What the scanner refuses, a head longer than `bytes_max`, and anything that is not a well-formed head with at most
    /// `fields_max` fields. The head is empty then, and while it is not whole.
    #[inline]
    pub fn read_request(
        &mut self,
        scanner: &mut HeadScanner,
        bytes: &[u8],
        bytes_max: usize,
        fields_max: usize,
    ) -> Result<Option<usize>, HeadError> {
        self.read(scanner, bytes, bytes_max, |head, bytes| head.adopt_request(bytes, fields_max))
    }

    /// Like [`read_request`](Self::read_request) for the head of an answer.
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn read_answer(
        &mut self,
        scanner: &mut HeadScanner,
        bytes: &[u8],
        bytes_max: usize,
        fields_max: usize,
    ) -> Result<Option<usize>, HeadError> {
        self.read(scanner, bytes, bytes_max, |head, bytes| head.adopt_answer(bytes, fields_max))
    }

    /// Makes this the request head that `bytes` are: all of it, with the empty line that
    /// [`HeadScanner`] found, and nothing behind it.
    ///
    /// # Errors
    /// Anything that is not a well-formed head with at most `fields_max` fields. The head is empty then.
    pub fn parse_request(&mut self, bytes: &[u8], fields_max: usize) -> Result<(), HeadError> {
        let adopted = self.adopt_request(bytes, fields_max);
        self.only_whole(bytes, adopted, HeadError::RequestLine)
    }

    /// Makes this the answer head that `bytes` are; otherwise like [`parse_request`](Self::parse_request).
    ///
    /// # Errors
    /// Anything that is not a well-formed head with at most `fields_max` fields. The head is empty then.
    pub fn parse_answer(&mut self, bytes: &[u8], fields_max: usize) -> Result<(), HeadError> {
        let adopted = self.adopt_answer(bytes, fields_max);
        self.only_whole(bytes, adopted, HeadError::StatusLine)
    }

    /// Makes this the trailer section that `bytes` are, with its final empty line.
    ///
    /// # Errors
    /// Anything that is not a well-formed section with at most `fields_max` fields.
    pub fn parse_trailers(&mut self, bytes: &[u8], fields_max: usize) -> Result<(), HeadError> {
        self.clear();
        let adopted = self.adopt_fields(bytes, 0, fields_max);
        self.only_whole(bytes, adopted, HeadError::FieldName)
    }

    #[inline]
    fn read(
        &mut self,
        scanner: &mut HeadScanner,
        bytes: &[u8],
        bytes_max: usize,
        mut adopt: impl FnMut(&mut Self, &[u8]) -> Result<usize, HeadError>,
    ) -> Result<Option<usize>, HeadError> {
        if !scanner.has_begun()
            && let Ok(length) = adopt(self, bytes)
            && length <= bytes_max
        {
            return Ok(Some(length));
        }
        self.clear();
        let Some(length) = scanner.scan(bytes, bytes_max)? else { return Ok(None) };
        let adopted = adopt(self, &bytes[..length]);
        if adopted.is_err() {
            self.clear();
        }
        adopted.map(Some)
    }

    fn only_whole(
        &mut self,
        bytes: &[u8],
        adopted: Result<usize, HeadError>,
        otherwise: HeadError,
    ) -> Result<(), HeadError> {
        let verdict = adopted.and_then(|length| if length == bytes.len() { Ok(()) } else { Err(otherwise) });
        if verdict.is_err() {
            self.clear();
        }
        verdict
    }

    fn adopt_request(&mut self, bytes: &[u8], fields_max: usize) -> Result<usize, HeadError> {
        self.clear();
        let (RequestLine { method, token, target, version }, at) = line::request(bytes)?;
        let length = self.adopt_fields(bytes, at, fields_max)?;
        self.version = version;
        self.adopt_first_line(at, version == Version::Http11);
        self.start = Start::Request { method, token, target };
        Ok(length)
    }

    fn adopt_answer(&mut self, bytes: &[u8], fields_max: usize) -> Result<usize, HeadError> {
        self.clear();
        let (StatusLine { version, status, reason, canonical }, at) = line::status(bytes)?;
        let length = self.adopt_fields(bytes, at, fields_max)?;
        self.version = version;
        self.adopt_first_line(at, canonical && version == Version::Http11);
        self.start = Start::Answer { status, reason };
        Ok(length)
    }

    fn adopt_first_line(&mut self, bytes: usize, canonical: bool) {
        if canonical {
            self.first_line_bytes = bytes as u32;
        } else {
            self.intact = false;
        }
    }

    /// Adopts the fields from `at` on, and copies everything up to the empty line: fields that are added later stand right
    /// behind the others then, and all are written in one piece. Says how long the head is.
    #[inline]
    fn adopt_fields(&mut self, bytes: &[u8], mut at: usize, fields_max: usize) -> Result<usize, HeadError> {
        let mut canonical = true;
        while bytes.get(at..at + 2) != Some(b"\r\n") {
            let (field, next) = line::field(bytes, at)?;
            if self.fields.len() == fields_max {
                return Err(HeadError::TooManyFields);
            }
            match field.known {
                Some(known) => self.present |= known.bit(),
                None => self.speaks_of_a_client |= field::speaks_of_a_client(field.name.of(bytes)),
            }
            canonical &= field.canonical;
            self.fields.push(field);
            at = next;
        }
        self.intact = canonical;
        self.buffer.extend_from_slice(&bytes[..at]);
        Ok(at + 2)
    }
}
